"""Phones that come back by another node of a cluster than the one that still believes in them."""

import asyncio
import contextlib
import re
from collections.abc import Iterator
from typing import Final

import pytest

from tests.end_to_end.conftest import OpenSdk
from tests.support.hub_cluster import HubCluster, hub_cluster
from tests.support.polling import eventually
from tests.support.proxy import open_proxy
from tests.support.server_api import ServerApi
from tests.support.tokens import connection_token
from tests.support.wire_client import WireClient, open_wire

AT_ONCE_S: Final = 2.0
"""Well before a ping would find out."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubCluster]:
    """Three hubs."""
    with hub_cluster(tmp_path_factory.mktemp("cluster"), 3) as cluster:
        yield cluster
        assert cluster.complaints() == []


async def closes(api: ServerApi) -> int:
    """How many connections a hub has closed because they were replaced."""
    metrics = (await api.request("GET", "/metrics")).text
    found = re.search(r'^realtime_disconnects_total{code="3510"} (\S+)$', metrics, re.M)
    return int(float(found[1])) if found else 0


async def present(api: ServerApi, channel: str) -> set[str]:
    """The ids of the phone's connections in a channel, as a node knows of them."""
    found = (await api.call("presence", channel=channel))["presence"]
    return {client for client, info in found.items() if info["user"] == "ann"}


@pytest.mark.parametrize("sdk_name", ["python", "javascript-http_stream", "java"])
async def test_a_phone_that_comes_back_by_another_node_is_replaced_at_once_and_misses_nothing(
    cluster: HubCluster, apis: list[ServerApi], open_sdk: OpenSdk, channel: str, room: str
) -> None:
    everything = list(range(1, 61))
    counted = [await closes(api) for api in apis]
    async with open_wire(cluster.hubs[2].websocket_url) as friend:
        await friend.connect(connection_token("friend"))
        await friend.command("subscribe", channel=channel, join_leave=True)
        async with open_proxy(cluster.hubs[0].port) as proxy:
            token = connection_token("ann", device_id=room, channels=[channel])
            sdk = await open_sdk(proxy.websocket_url, token)
            clients = [await sdk.joined()]
            for number in everything:
                if number % 20 == 0:
                    proxy.target = cluster.hubs[number // 20 % 3].port
                    assert proxy.strand() >= 1
                    clients.append((await sdk.next("connected"))["client"])
                    await eventually(lambda: show(apis, channel, clients[-1]), AT_ONCE_S)
                await apis[number % 3].call("publish", channel=channel, data=number)
            while (await sdk.next("publication", channel))["data"] != everything[-1]:
                pass
            assert [
                event["data"] for event in sdk.journal.all("publication", channel)
            ] == everything
            assert all(event["recovered"] for event in sdk.journal.all("subscribed", channel)[1:])
            assert sdk.journal.all("disconnected") == []
            for client in clients[:-1]:
                assert (await friend.push("leave", channel))["info"]["client"] == client
            await sdk.close()
    # Each node let one go: the phone was at the first, the second, the third, and the first again.
    assert [await closes(api) for api in apis] == [count + 1 for count in counted]


async def show(apis: list[ServerApi], channel: str, client: str) -> bool:
    """Whether every node knows of the phone's newest connection, and of no other."""
    return [await present(api, channel) for api in apis] == [{client}] * len(apis)


async def test_of_connections_that_come_to_all_nodes_at_once_the_last_is_never_closed(
    cluster: HubCluster, channel: str, room: str
) -> None:
    """Those whose order the nodes cannot tell may stay; the next connection closes them."""
    for number in range(20):
        token = connection_token("ann", device_id=f"{room}-{number}")
        async with contextlib.AsyncExitStack() as stack:
            wires = [
                await stack.enter_async_context(open_wire(hub.websocket_url))
                for hub in cluster.hubs
            ]
            await asyncio.gather(*(wire.connect(token) for wire in wires))
            await asyncio.sleep(0.1)
            open_ones = [wire for wire in wires if not await is_closed(wire)]
            assert open_ones
            last = await stack.enter_async_context(
                open_wire(cluster.hubs[number % 3].websocket_url)
            )
            await last.connect(token)
            for wire in open_ones:
                assert (await wire.closed())[0] == 3510
            assert not await is_closed(last)


async def is_closed(wire: WireClient) -> bool:
    """Whether the hub has closed it."""
    try:
        await wire.closed(within_s=0.05)
    except TimeoutError:
        return False
    return True
