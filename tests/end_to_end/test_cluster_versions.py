"""Two versions of the program side by side, as during every upgrade."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest
from pymongo import MongoClient

from realtime import __version__
from realtime.brokers.base import BUS_VERSION
from realtime.stores.mongo.schema import MAJOR, MINOR
from tests.end_to_end import cluster_newer as newer
from tests.end_to_end.conftest import MakeHub
from tests.support.attentive_client import AttentiveClient, open_client
from tests.support.configuration import shared_by_nodes
from tests.support.hub_cluster import HubCluster, hub_cluster
from tests.support.polling import eventually
from tests.support.server_api import ServerApi, open_api
from tests.support.tokens import connection_token

PREFIX = "realtime"
"""Of the cluster's topics, and the name of its database."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubCluster]:
    """The first hub is of a later minor version, which has also set the store up; the second is
    this one."""
    with hub_cluster(tmp_path_factory.mktemp("cluster"), 2, starts=False) as cluster:
        cluster.init()
        change_meta(cluster, PREFIX, {"minor": MINOR + 1, newer.FIELD: {"what": 1}})
        cluster.hubs[0].program = (newer.MODULE,)
        for hub in cluster.hubs:
            hub.start()
        yield cluster
        assert cluster.complaints() == []


def change_meta(cluster: HubCluster, database: str, fields: dict[str, Any]) -> None:
    """Change what a database says of itself."""
    with MongoClient[dict[str, Any]](cluster.mongo.url) as client:
        client[database]["meta"].update_one({"_id": "store"}, {"$set": fields})


@pytest.fixture
async def apis(cluster: HubCluster) -> AsyncIterator[list[ServerApi]]:
    """The server API of each."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_api(hub)) for hub in cluster.hubs]


@pytest.fixture
async def clients(cluster: HubCluster, room: str) -> AsyncIterator[list[AttentiveClient]]:
    """A connection of the same user to each."""
    async with contextlib.AsyncExitStack() as stack:
        clients = []
        for hub in cluster.hubs:
            client = await stack.enter_async_context(open_client(hub.websocket_url))
            await client.connect(connection_token(f"user-{room}"))
            clients.append(client)
        yield clients


async def refused(api: ServerApi) -> int:
    """How many messages of the bus a hub could not read."""
    text = (await api.request("GET", "/metrics")).text
    found = re.search(r"^realtime_bus_refused_total (\S+)$", text, re.M)
    assert found is not None
    return int(float(found[1]))


async def test_a_later_minor_version_and_this_one_serve_together(
    apis: list[ServerApi], clients: list[AttentiveClient], room: str, channel: str
) -> None:
    live = f"live:{room}"
    for client in clients:
        for name in (channel, live):
            assert await client.error("subscribe", channel=name) == 0
    for number, client in enumerate(clients):
        for name in (channel, live):
            assert await client.error("publish", channel=name, data=number) == 0
    for client in clients:
        for name in (channel, live):
            await client.until(lambda: len(client.pushes("pub", name)) == 2)  # noqa: B023 - waited for at once
        reply = await client.command("history", channel=channel, limit=10)
        assert [entry["data"] for entry in reply["history"]["publications"]] == [0, 1]

    for api in apis:

        async def shows_both(api: ServerApi = api) -> bool:
            nodes = (await api.call("info"))["nodes"]
            shown = (await api.call("presence", channel=channel))["presence"]
            return {node["version"] for node in nodes} == {newer.VERSION, __version__} and set(
                shown
            ) == {client.client for client in clients}

        await eventually(shows_both)
        assert (await api.call("channels", pattern=channel))["channels"] == {
            channel: {"num_clients": 2}
        }
        assert await refused(api) == 0


async def test_what_one_version_takes_away_or_gives_the_other_does_too(
    apis: list[ServerApi], clients: list[AttentiveClient], room: str
) -> None:
    user = f"user-{room}"
    for number, api in enumerate(apis):
        channel = f"chat:{room}-{number}"
        await api.call("subscribe", user=user, channel=channel)
        for client in clients:
            await client.until(lambda: client.pushes("subscribe", channel) != [])  # noqa: B023 - waited for at once
        await api.call("ban", user=user, channel=channel)
        for client in clients:
            await client.until(lambda: client.pushes("unsubscribe", channel) != [])  # noqa: B023 - waited for at once
            assert await client.error("subscribe", channel=channel) == 103


async def test_a_message_of_a_newer_major_version_is_refused_and_counted(
    cluster: HubCluster, apis: list[ServerApi], clients: list[AttentiveClient], room: str
) -> None:
    channel = f"live:{room}"
    for client in clients:
        assert await client.error("subscribe", channel=channel) == 0
    before = [await refused(api) for api in apis]
    message = bytes([BUS_VERSION + 1]) + msgspec.msgpack.encode({"channel": channel, "data": "?"})
    for topic in (f"{PREFIX}:c:{channel}", f"{PREFIX}:all"):
        await asyncio.to_thread(cluster.redis.command, "PUBLISH", topic, message)  # type: ignore[arg-type]  # bytes are a word, too
    for api, count in zip(apis, before, strict=True):

        async def is_counted(api: ServerApi = api, count: int = count) -> bool:
            return await refused(api) == count + 2

        await eventually(is_counted)
    assert await clients[0].error("publish", channel=channel, data="!") == 0
    for client in clients:
        await client.until(lambda: client.pushes("pub", channel) != [])  # noqa: B023 - waited for at once
        assert [told.body["data"] for told in client.pushes("pub", channel)] == ["!"]


def test_a_store_of_a_newer_major_version_is_not_touched_and_told_so(
    cluster: HubCluster, make_hub: MakeHub
) -> None:
    hub = make_hub(shared_by_nodes(f"{cluster.mongo.url}/newer", cluster.redis.url))
    assert hub.command("store", "init").returncode == 0
    change_meta(cluster, "newer", {"major": MAJOR + 1})
    told = f"schema version {MAJOR + 1}; this program knows versions up to {MAJOR}"
    hub.launch()
    assert hub.wait() == 1
    assert told in hub.log
    done = hub.command("store", "init")
    assert (done.returncode, told in done.stderr) == (1, True)
