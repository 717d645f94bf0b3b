"""What the hub finds out by itself of who has seen a message, with SDKs that tell it nothing."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest

from realtime.auth.device_names import device_name
from tests.end_to_end.chat_houses import CHANGES, NAMESPACES, House, build
from tests.end_to_end.conftest import OpenSdk
from tests.support.attentive_client import AttentiveClient, open_client
from tests.support.polling import eventually
from tests.support.processes import HubProcess
from tests.support.sdk_driver import DrivenSdk
from tests.support.server_api import open_api
from tests.support.wire_client import WireClient, open_wire

PING_INTERVAL_S: Final = 7.0
PONG_TIMEOUT_S: Final = 6.0

SOON_S: Final = 4.0
"""When it must be known, before anybody is told of it after five: a ping, a pong and a write take
two seconds, or three where pongs are requests; the rest is for a busy machine."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub with rooms whose members are notified of everything."""
    rooms = {"room": {**NAMESPACES["room"], "push": "all"}}
    client = {"ping_interval_s": PING_INTERVAL_S, "pong_timeout_s": PONG_TIMEOUT_S}
    changes = {**CHANGES, "namespaces": rooms, "client": client}
    hub = HubProcess(tmp_path_factory.mktemp("hub"), changes)
    try:
        hub.start()
        yield hub
        assert hub.complaints() == []
    finally:
        hub.end()


@pytest.fixture
async def house(hub: HubProcess, room: str) -> AsyncIterator[House]:
    """A room with everybody in it, and a message."""
    async with open_api(hub) as api:
        yield await build(api, room)


class Markers:
    """What the store says of who has seen how much of a room. The hub writes it meanwhile."""

    def __init__(self, hub: HubProcess, house: House) -> None:
        self._path = f"file:{hub.directory / 'hub.db'}?mode=ro"
        self._house = house

    def seen(self, who: str) -> tuple[int, str]:
        """Up to where, and by which device or connection."""
        with contextlib.closing(sqlite3.connect(self._path, uri=True)) as database:
            key = (self._house.channel, self._house.user(who))
            query = "SELECT seen, seen_by FROM members WHERE channel = ? AND user = ?"
            ((seen, by),) = database.execute(query, key).fetchall()
            return int(seen), str(by)

    async def is_seen(self, who: str, offset: int, by: str | None = None) -> None:
        """Wait until somebody has seen a message. Raises TimeoutError."""

        async def holds() -> bool:
            seen, seen_by = await asyncio.to_thread(self.seen, who)
            return seen >= offset and by in (None, seen_by)

        await eventually(holds, SOON_S)

    async def stays_unseen(self, *people: str, since: int) -> None:
        """See that by the time at which it would be known nobody of them has seen more."""
        until = time.monotonic() + SOON_S
        while time.monotonic() < until:
            for who in people:
                seen, _ = await asyncio.to_thread(self.seen, who)
                assert seen <= since, f"{who} has seen {seen}"
            await asyncio.sleep(0.1)


@pytest.fixture
def markers(hub: HubProcess, house: House) -> Markers:
    return Markers(hub, house)


async def say(house: House) -> int:
    """Say something as the app; its offset."""
    answer = await house.api.call("publish", channel=house.channel, data={"text": "hello"})
    return int(answer["offset"])


async def enter(client: WireClient | AttentiveClient, house: House, who: str) -> None:
    """Connect as somebody, and subscribe to the room."""
    assert "connect" in await client.connect(house.token(who))
    assert "subscribe" in await client.command("subscribe", channel=house.channel)


async def test_who_reads_in_a_plain_sdk_has_seen_it(
    hub: HubProcess, house: House, markers: Markers, open_sdk: OpenSdk
) -> None:
    sdk = await open_sdk(hub.websocket_url, house.token("member"))
    client = await sdk.joined()
    await sdk.subscribed(house.channel)
    first = await say(house)
    await markers.is_seen("member", first, client)
    # And so it goes on: with a message right behind another one, and a while later.
    await say(house)
    await markers.is_seen("member", await say(house), client)
    assert markers.seen("reader") == (0, "")


@pytest.mark.parametrize("sdk_name", ["python", "javascript", "javascript-sse"])
async def test_who_recovers_a_message_has_seen_it(
    hub: HubProcess, house: House, markers: Markers, open_sdk: OpenSdk
) -> None:
    sdk = await open_sdk(hub.websocket_url, house.token("member"))
    await sdk.joined()
    await sdk.subscribed(house.channel)
    await sdk.disconnect()
    await sdk.next("disconnected")
    offset = await say(house)
    await markers.stays_unseen("member", since=offset - 1)
    client = await sdk.joined()
    assert (await sdk.next("publication", house.channel))["offset"] == offset
    await markers.is_seen("member", offset, client)


@pytest.mark.parametrize("sdk_name", ["javascript"])
async def test_a_phone_that_is_asleep_has_seen_nothing(
    hub: HubProcess, house: House, markers: Markers, open_sdk: OpenSdk
) -> None:
    """Its socket is open, and takes what it is sent; but the program does not run."""
    sdk = await open_sdk(hub.websocket_url, house.token("member"))
    await sdk.joined()
    await sdk.subscribed(house.channel)
    await markers.is_seen("member", await say(house))
    assert isinstance(sdk, DrivenSdk)
    os.kill(sdk.pid, signal.SIGSTOP)
    try:
        before = markers.seen("member")[0]
        offset = await say(house)
        await markers.stays_unseen("member", since=before)
    finally:
        os.kill(sdk.pid, signal.SIGCONT)
    await markers.is_seen("member", offset)


async def test_a_connection_that_answers_no_ping_has_seen_nothing(
    hub: HubProcess, house: House, markers: Markers
) -> None:
    url = hub.websocket_url
    async with open_wire(url) as deaf, open_client(url) as reader:
        deaf.answers_pings = False
        await enter(deaf, house, "member")
        await enter(reader, house, "reader")
        offset = await say(house)
        assert (await deaf.push("pub", house.channel))["offset"] == offset
        await deaf.ping()
        await markers.is_seen("reader", offset, reader.client)
        await markers.stays_unseen("member", since=0)


async def test_a_pong_for_a_ping_from_before_the_message_shows_nothing(
    hub: HubProcess, house: House, markers: Markers
) -> None:
    async with open_wire(hub.websocket_url) as client:
        client.answers_pings = False
        await enter(client, house, "member")
        await client.ping()  # a regular one
        offset = await say(house)
        assert (await client.push("pub", house.channel))["offset"] == offset
        await client.send_text("{}")
        await markers.stays_unseen("member", since=0)
        await client.ping()
        await client.send_text("{}")
        await markers.is_seen("member", offset)


async def test_a_device_in_the_background_has_seen_nothing(
    hub: HubProcess, house: House, markers: Markers
) -> None:
    """Though it answers pings, as systems let apps do for a while."""
    async with open_client(hub.websocket_url) as client:
        await enter(client, house, "member")
        await client.command("rpc", method="presence.set", data={"state": "background"})
        offset = await say(house)
        await client.until(lambda: bool(client.pushes("pub", house.channel)))
        await markers.stays_unseen("member", since=0)
        named = {"state": "active", "device_id": "phone-1"}
        await client.command("rpc", method="presence.set", data=named)
        device = device_name(house.user("member"), "phone-1")
        await markers.is_seen("member", await say(house), device)
        assert markers.seen("member")[0] > offset
