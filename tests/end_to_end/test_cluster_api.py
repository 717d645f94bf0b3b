"""The server API of a cluster: any node answers for all, and reaches clients wherever they are."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import aiohttp
import cent
import pytest

from realtime import __version__
from tests.end_to_end.cluster_presence import BEATEN_S
from tests.support.attentive_client import AttentiveClient, open_client
from tests.support.configuration import API_KEY
from tests.support.hub_cluster import HubCluster, hub_cluster
from tests.support.polling import eventually
from tests.support.server_api import ApiError, ServerApi, open_api
from tests.support.tokens import connection_token

WORD_S: Final = 2.0
"""Within which what one node was asked has been done on every node."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubCluster]:
    """Three hubs, which give a client a second for a new token."""
    directory = tmp_path_factory.mktemp("cluster")
    with hub_cluster(directory, 3, {"client": {"expired_close_s": 1.0}}) as cluster:
        yield cluster
        assert cluster.complaints() == []


@pytest.fixture
async def stack() -> AsyncIterator[contextlib.AsyncExitStack]:
    """What is entered is left at the end."""
    async with contextlib.AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def apis(cluster: HubCluster, stack: contextlib.AsyncExitStack) -> list[ServerApi]:
    """The server API of each, which know of each other."""
    apis = [await stack.enter_async_context(open_api(hub)) for hub in cluster.hubs]
    for api in apis:
        await eventually(lambda: knows_all(api), BEATEN_S)  # noqa: B023 - waited for at once
    return apis


async def knows_all(api: ServerApi) -> bool:
    """Whether a node knows all three."""
    return len((await api.call("info"))["nodes"]) == 3


@pytest.fixture
async def clients(
    cluster: HubCluster, stack: contextlib.AsyncExitStack, room: str
) -> list[AttentiveClient]:
    """A connection of the same user on every node."""
    clients = [
        await stack.enter_async_context(open_client(hub.websocket_url)) for hub in cluster.hubs
    ]
    for client in clients:
        await client.connect(connection_token(f"user-{room}"))
    return clients


async def test_info_lists_every_living_hub_with_its_numbers(
    cluster: HubCluster, apis: list[ServerApi], stack: contextlib.AsyncExitStack, room: str
) -> None:
    expected = {}
    for number, hub in enumerate(cluster.hubs):
        for index in range(number + 1):
            client = await stack.enter_async_context(open_client(hub.websocket_url))
            await client.connect(connection_token(f"{room}-{index}"))
            for channel in range(number):
                await client.command("subscribe", channel=f"chat:{room}-{channel}")
        expected[f"hub{number}"] = {
            "version": __version__,
            "num_clients": number + 1,
            "num_users": number + 1,
            "num_channels": number,
            "num_subs": (number + 1) * number,
        }

    async def is_right(api: ServerApi) -> bool:
        nodes = (await api.call("info"))["nodes"]
        assert len({node["uid"] for node in nodes}) == 3
        found = {node["name"]: {key: node[key] for key in expected["hub0"]} for node in nodes}
        return found == expected

    for api in apis:
        await eventually(lambda: is_right(api), BEATEN_S)  # noqa: B023 - waited for at once


async def test_channels_of_every_node_are_counted_together(
    apis: list[ServerApi], clients: list[AttentiveClient], room: str
) -> None:
    for number, client in enumerate(clients):
        for name in ("everywhere", f"only{number}"):
            await client.command("subscribe", channel=f"chat:{room}-{name}")
    await clients[2].command("subscribe", channel=f"live:{room}")
    everything = {f"chat:{room}-only{number}": {"num_clients": 1} for number in range(3)}
    everything |= {
        f"chat:{room}-everywhere": {"num_clients": 3},
        f"live:{room}": {"num_clients": 1},
    }
    for api in apis:
        assert (await api.call("channels"))["channels"] == everything
        found = await api.call("channels", pattern=f"chat:{room}-only?")
        assert found["channels"].keys() == {f"chat:{room}-only{number}" for number in range(3)}
        assert (await api.call("channels", pattern="nobody:*"))["channels"] == {}


async def test_channels_are_an_error_while_a_node_does_not_answer(
    cluster: HubCluster, apis: list[ServerApi], clients: list[AttentiveClient], room: str
) -> None:
    await clients[1].command("subscribe", channel=f"chat:{room}")
    cluster.hubs[2].send(signal.SIGSTOP)
    try:
        for pattern in ("", f"chat:{room}"):
            with pytest.raises(ApiError) as refused:
                await apis[0].call("channels", pattern=pattern)
            assert refused.value.code == 100
    finally:
        cluster.hubs[2].send(signal.SIGCONT)
    found = await apis[0].call("channels", pattern=f"chat:{room}")
    assert found["channels"] == {f"chat:{room}": {"num_clients": 1}}


async def test_subscriptions_are_given_and_taken_on_every_node(
    apis: list[ServerApi], clients: list[AttentiveClient], room: str
) -> None:
    user, channel = f"user-{room}", f"chat:{room}"
    await apis[0].call("subscribe", user=user, channel=channel, data={"why": 1})
    for client in clients:
        await client.until(lambda: client.pushes("subscribe", channel) != [], WORD_S)  # noqa: B023 - waited for at once
        assert client.pushes("subscribe", channel)[0].body["data"] == {"why": 1}
    await apis[1].call("publish", channel=channel, data="hello")
    for client in clients:
        await client.until(lambda: client.pushes("pub", channel) != [], WORD_S)  # noqa: B023 - waited for at once
    await apis[2].call("unsubscribe", user=user, channel=channel)
    for client in clients:
        await client.until(lambda: client.pushes("unsubscribe", channel) != [], WORD_S)  # noqa: B023 - waited for at once
        assert client.pushes("unsubscribe", channel)[0].body["code"] == 2000


async def test_one_client_alone_is_meant_wherever_it_is(
    apis: list[ServerApi], clients: list[AttentiveClient], room: str
) -> None:
    user, channel, meant = f"user-{room}", f"chat:{room}", clients[1]
    await apis[0].call("subscribe", user=user, channel=channel, client=meant.client)
    await meant.until(lambda: meant.pushes("subscribe", channel) != [], WORD_S)
    await apis[2].call("disconnect", user=user, whitelist=[meant.client])
    for client in (clients[0], clients[2]):
        await client.until(lambda: client.closed_at is not None, WORD_S)  # noqa: B023 - waited for at once
        assert client.close_code == 3503
        assert client.pushes("subscribe", channel) == []
    assert await meant.error("publish", channel=channel, data="still here") == 0


async def test_a_refresh_reaches_every_node(
    cluster: HubCluster, apis: list[ServerApi], stack: contextlib.AsyncExitStack, room: str
) -> None:
    """One user's expiry is moved, another's is not, a third is expired now."""
    clients: dict[str, list[AttentiveClient]] = {}
    for name in ("moved", "left", "expired"):
        token = connection_token(f"{name}-{room}", ttl_s=1)
        for hub in cluster.hubs:
            client = await stack.enter_async_context(open_client(hub.websocket_url))
            await client.connect(token)
            clients.setdefault(name, []).append(client)
    later = int(time.time()) + 3600
    await apis[0].call("refresh", user=f"moved-{room}", expire_at=later)
    await apis[0].call("refresh", user=f"expired-{room}", expired=True)
    for client in clients["expired"]:
        await client.until(lambda: client.closed_at is not None, WORD_S)  # noqa: B023 - waited for at once
        assert client.close_code == 3005
    for client in clients["left"]:
        await client.until(lambda: client.closed_at is not None)  # noqa: B023 - waited for at once
        assert client.close_code == 3005
    assert [client.closed_at for client in clients["moved"]] == [None] * 3


async def test_history_that_was_removed_is_not_shown_from_the_memory_of_another_node(
    apis: list[ServerApi], clients: list[AttentiveClient], room: str
) -> None:
    channel = f"chat:{room}"
    for client in clients:
        await client.command("subscribe", channel=channel)
    for number in range(5):
        last = await apis[0].call("publish", channel=channel, data=number)
    for client in clients:
        await client.until(lambda: len(client.pushes("pub", channel)) == 5)  # noqa: B023 - waited for at once
        reply = await client.command("history", channel=channel, limit=10)
        assert len(reply["history"]["publications"]) == 5
    await apis[0].call("history_remove", channel=channel)

    async def is_empty(client: AttentiveClient) -> bool:
        reply = await client.command("history", channel=channel, limit=10)
        return bool(reply["history"]["publications"] == [])

    for client in clients:
        await eventually(lambda: is_empty(client), WORD_S)  # noqa: B023 - waited for at once
        await client.command("unsubscribe", channel=channel)
        position = {"offset": 2, "epoch": last["epoch"]}
        reply = await client.command("subscribe", channel=channel, recover=True, **position)
        assert reply["subscribe"].get("recovered", False) is False
        assert reply["subscribe"]["offset"] == 5
    assert (await apis[1].call("publish", channel=channel, data=5))["offset"] == 6


@pytest.mark.parametrize("node", range(3))
async def test_cent_works_against_any_node(
    cluster: HubCluster, clients: list[AttentiveClient], room: str, channel: str, node: int
) -> None:
    for client in clients:
        await client.command("subscribe", channel=channel)
    async with aiohttp.ClientSession() as session:
        api = cent.AsyncClient(cluster.hubs[node].api_url, API_KEY, timeout=10, session=session)
        published = await api.publish(cent.PublishRequest(channel=channel, data={"node": node}))
        assert published.offset == 1
        for client in clients:
            await client.until(lambda: client.pushes("pub", channel) != [])  # noqa: B023 - waited for at once
        history = await api.history(cent.HistoryRequest(channel=channel, limit=10))
        assert [entry.data for entry in history.publications] == [{"node": node}]

        async def all_present() -> bool:
            shown = await api.presence(cent.PresenceRequest(channel=channel))
            return set(shown.presence) == {client.client for client in clients}

        await eventually(all_present, 1.0)
        stats = await api.presence_stats(cent.PresenceStatsRequest(channel=channel))
        assert (stats.num_clients, stats.num_users) == (3, 1)
        found = await api.channels(cent.ChannelsRequest(pattern=channel))
        assert found.channels[channel].num_clients == 3
        info = await api.info(cent.InfoRequest())
        assert {item.name for item in info.nodes} == {"hub0", "hub1", "hub2"}
        await api.disconnect(cent.DisconnectRequest(user=f"user-{room}"))
        for client in clients:
            await client.until(lambda: client.closed_at is not None, WORD_S)  # noqa: B023 - waited for at once
            assert client.close_code == 3503


async def test_nodes_that_publish_at_once_give_one_order_and_one_history(
    apis: list[ServerApi], clients: list[AttentiveClient], channel: str
) -> None:
    for client in clients:
        await client.command("subscribe", channel=channel)

    async def publish(number: int, api: ServerApi) -> None:
        for index in range(20):
            await api.call("publish", channel=channel, data=[number, index])

    async with asyncio.TaskGroup() as group:
        for number, api in enumerate(apis):
            group.create_task(publish(number, api))
    seen: list[Any] = []
    for client in clients:
        await client.until(lambda: len(client.pushes("pub", channel)) == 60)  # noqa: B023 - waited for at once
        seen.append([told.body for told in client.pushes("pub", channel)])
    assert [body["offset"] for body in seen[0]] == list(range(1, 61))
    assert seen[0] == seen[1] == seen[2]
    for api in apis:
        page = await api.call("history", channel=channel, limit=100)
        assert page["publications"] == seen[0]
