"""A phone's life, with each SDK: suspended without a word, and back by another network."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest

from tests.end_to_end.conftest import OpenSdk
from tests.support.configuration import Sections
from tests.support.polling import eventually
from tests.support.processes import HubProcess
from tests.support.proxy import Proxy
from tests.support.sdk import SdkClient
from tests.support.server_api import ServerApi
from tests.support.tokens import connection_token
from tests.support.wire_client import WireClient, open_wire

PING_S: Final = 2.0
PONG_S: Final = 1.0
FREED_S: Final = PING_S + PONG_S + 5.0
"""Within how many seconds a client is freed that vanished."""

NAMES: Final = ("python", "js", "java")
"""What the SDKs call themselves."""

AT_ONCE_S: Final = 2.0
"""Well before a ping of the default interval would find out."""

CHANGES: Final[Sections] = {
    "client": {
        "pong_timeout_s": PONG_S,
        "ping_intervals_s": dict.fromkeys(NAMES, PING_S),
        # Of a phone that is gone before it says anything.
        "stale_close_s": 3.0,
    }
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub that pings SDKs soon, and everybody else as it does by default."""
    hub = HubProcess(tmp_path_factory.mktemp("hub"), CHANGES)
    try:
        hub.start()
        yield hub
        assert hub.complaints() == []
    finally:
        hub.end()


@contextlib.asynccontextmanager
async def a_friend(hub: HubProcess, channel: str) -> AsyncIterator[WireClient]:
    """Somebody who sees who comes and goes; the default interval between pings is hers."""
    async with open_wire(hub.websocket_url) as friend:
        assert (await friend.connect(connection_token("friend")))["connect"]["ping"] == 25
        await friend.command("subscribe", channel=channel, join_leave=True)
        await friend.push("join", channel)  # her own
        yield friend


async def closes(api: ServerApi, code: int) -> int:
    """How many connections the hub has closed with a code."""
    metrics = (await api.request("GET", "/metrics")).text
    found = re.search(rf'^realtime_disconnects_total{{code="{code}"}} (\S+)$', metrics, re.M)
    return int(float(found[1])) if found else 0


async def present(api: ServerApi, channel: str, user: str) -> list[str]:
    """The ids of a user's connections in a channel."""
    found = (await api.call("presence", channel=channel))["presence"]
    return [client for client, info in found.items() if info["user"] == user]


async def assert_everything_came_once(sdk: SdkClient, channel: str, data: list[int]) -> None:
    """Wait for the last; all came, once and in order, and every return was a recovery."""
    while (await sdk.next("publication", channel))["data"] != data[-1]:
        pass
    assert [event["data"] for event in sdk.journal.all("publication", channel)] == data
    again = sdk.journal.all("subscribed", channel)[1:]
    assert again
    assert all(event["recovered"] and event["was_recovering"] for event in again)


class Looks:
    """How many connections presence shows of a user, looked at again and again meanwhile."""

    def __init__(self, api: ServerApi, channel: str, user: str) -> None:
        self.counts: list[int] = []
        self._api = api
        self._asked = channel, user

    async def go_on(self) -> None:
        """Look until cancelled."""
        while True:
            self.counts.append(len(await present(self._api, *self._asked)))
            await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def looking(api: ServerApi, channel: str, user: str) -> AsyncIterator[Looks]:
    """Looks at presence for as long as the block lasts."""
    looks = Looks(api, channel, user)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(looks.go_on())
        try:
            yield looks
        finally:
            task.cancel()


async def test_a_phone_that_was_suspended_without_a_word_is_freed_and_counted(
    hub: HubProcess, proxy: Proxy, open_sdk: OpenSdk, api: ServerApi, channel: str
) -> None:
    async with a_friend(hub, channel) as friend:
        sdk = await open_sdk(proxy.websocket_url, connection_token("ann"))
        client = await sdk.joined()
        await sdk.subscribed(channel)
        await friend.push("join", channel)
        counted, sockets = await closes(api, 3012), hub.sockets()
        proxy.stall()
        began = time.monotonic()
        left = await friend.push("leave", channel)
        assert left["info"] == {"user": "ann", "client": client}
        assert PONG_S < time.monotonic() - began < FREED_S
        assert await present(api, channel, "ann") == []
        assert await closes(api, 3012) == counted + 1
        proxy.cut()
        await eventually(lambda: fewer(hub, sockets))


async def fewer(hub: HubProcess, sockets: int) -> bool:
    """Whether the hub has fewer sockets than that."""
    return hub.sockets() < sockets


async def test_a_phone_that_changes_networks_is_replaced_at_once_and_misses_nothing(
    hub: HubProcess, proxy: Proxy, open_sdk: OpenSdk, api: ServerApi, channel: str, room: str
) -> None:
    """The old socket stays half-open; the channel is the server's, so that it is never without."""
    everything = list(range(1, 61))
    token = connection_token("ann", device_id=room, channels=[channel])
    sdk = await open_sdk(proxy.websocket_url, token)
    counted, clients = await closes(api, 3510), [await sdk.joined()]
    async with looking(api, channel, "ann") as looks:
        for number in everything:
            if number % 20 == 0:
                assert proxy.strand() >= 1
                clients.append((await sdk.next("connected", within_s=AT_ONCE_S))["client"])
                assert await present(api, channel, "ann") == clients[-1:]
            await api.call("publish", channel=channel, data=number)
    await assert_everything_came_once(sdk, channel, everything)
    assert set(looks.counts) == {1}
    assert len(set(clients)) == 4
    assert await closes(api, 3510) == counted + 3
    assert sdk.journal.all("disconnected") == []


async def test_friends_see_it_leave_and_join(
    hub: HubProcess, proxy: Proxy, open_sdk: OpenSdk, api: ServerApi, channel: str, room: str
) -> None:
    async with a_friend(hub, channel) as friend:
        sdk = await open_sdk(proxy.websocket_url, connection_token("ann", device_id=room))
        old = await sdk.joined()
        await sdk.subscribed(channel)
        counted = await closes(api, 3510)
        assert (await friend.push("join", channel))["info"]["client"] == old
        proxy.strand()
        new = (await sdk.next("connected"))["client"]
        assert (await friend.push("leave", channel))["info"]["client"] == old
        assert (await friend.push("join", channel))["info"]["client"] == new
        assert await closes(api, 3510) == counted + 1
        assert await present(api, channel, "ann") == [new]


@pytest.mark.parametrize("sdk_name", ["python"])
async def test_without_a_device_the_ping_finds_the_old_socket_out(
    hub: HubProcess, proxy: Proxy, open_sdk: OpenSdk, api: ServerApi, channel: str
) -> None:
    sdk = await open_sdk(proxy.websocket_url, connection_token("ann", channels=[channel]))
    await sdk.joined()
    proxy.strand()
    began = time.monotonic()
    await sdk.next("connected")
    assert len(await present(api, channel, "ann")) == 2

    async def is_alone() -> bool:
        return len(await present(api, channel, "ann")) == 1

    await eventually(is_alone, FREED_S)
    assert time.monotonic() - began < FREED_S


@pytest.mark.parametrize("sdk_name", ["python", "javascript-http_stream", "java"])
async def test_a_connection_that_flaps_leaves_one_entry_and_nothing_else(
    hub: HubProcess, proxy: Proxy, open_sdk: OpenSdk, api: ServerApi, channel: str, room: str
) -> None:
    sdk = await open_sdk(proxy.websocket_url, connection_token("ann", device_id=room))
    await sdk.joined()
    await sdk.subscribed(channel)
    assert len(await present(api, channel, "ann")) == 1
    sockets = hub.sockets()
    until = time.monotonic() + 3.0
    flaps = 0
    while time.monotonic() < until:
        flaps += proxy.strand()
        await asyncio.sleep(0.02)
    await api.call("publish", channel=channel, data="the end")
    assert await sdk.publications(channel, 1) == ["the end"]
    (client,) = await present(api, channel, "ann")
    assert client == sdk.journal.all("connected")[-1]["client"]
    assert flaps > 3
    assert sdk.journal.all("disconnected") == []

    async def is_as_before() -> bool:
        return hub.sockets() <= sockets

    await eventually(is_as_before, 15.0)
