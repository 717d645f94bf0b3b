"""SIGTERM drains the hub; SIGHUP gives it new keys; neither loses what was promised."""

import asyncio
import contextlib
import signal
import time

import pytest
import websockets

from tests.end_to_end.conftest import MakeHub
from tests.support.checker import Checker
from tests.support.configuration import HMAC_SECRET
from tests.support.polling import eventually
from tests.support.processes import HubProcess
from tests.support.server_api import open_api
from tests.support.tokens import connection_token
from tests.support.wire_client import WireClient, open_wire

DRAIN_S = 1.5
CLIENTS = 10
IDLE = 120
CHANNEL = "chat:drain"
NEW_SECRET = "another-hmac-secret-for-tests-of-64-bytes-0123456789-0123456789-x"


async def publish_until_closed(
    wire: WireClient, name: str, checker: Checker, first_ack: asyncio.Event
) -> tuple[int, str, float]:
    """Publish one after the other; how and when the connection was closed."""
    number = 0
    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            number += 1
            client_id = f"{name}-{number}"
            checker.sent(CHANNEL, client_id)
            reply = await wire.command("publish", channel=CHANNEL, data={"id": client_id})
            if "publish" in reply:
                checker.acked(CHANNEL, client_id)
                first_ack.set()
            else:
                # While draining, a publish may be refused, but only for now.
                assert reply["error"]["temporary"] is True
    code, reason = await wire.closed()
    return code, reason, time.monotonic()


async def test_sigterm_drains_without_losing_an_ack(make_hub: MakeHub) -> None:
    hub = make_hub({"server": {"host": "127.0.0.1", "drain_s": DRAIN_S}})
    await asyncio.to_thread(hub.start)
    checker = Checker()
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for number in range(IDLE):
            idle = await stack.enter_async_context(open_wire(hub.websocket_url))
            await idle.connect(connection_token(f"idle{number}"))
        closings = []
        for number in range(CLIENTS):
            wire = await stack.enter_async_context(open_wire(hub.websocket_url))
            await wire.connect(connection_token(f"user{number}"))
            acked = asyncio.Event()
            closings.append(
                group.create_task(publish_until_closed(wire, f"client{number}", checker, acked))
            )
            await asyncio.wait_for(acked.wait(), 5)
        began = time.monotonic()
        code = await asyncio.to_thread(hub.terminate, DRAIN_S + 5)
        took_s = time.monotonic() - began
    assert code == 0
    assert took_s < DRAIN_S + 3
    closed = [closing.result() for closing in closings]
    assert {(code, reason) for code, reason, _ in closed} == {(3001, "shutdown")}
    times = sorted(at for _, _, at in closed)
    # A hundred connections or more are spread over the time there is, so that not all come back
    # to the next node at once.
    assert times[-1] - times[0] > DRAIN_S / 3

    await asyncio.to_thread(hub.start)
    async with open_api(hub) as api:
        checker.stored(CHANNEL, await api.log(CHANNEL))
    assert checker.check() == []


async def test_a_draining_hub_takes_no_new_connections(make_hub: MakeHub) -> None:
    hub = make_hub({"server": {"host": "127.0.0.1", "drain_s": 3.0}})
    await asyncio.to_thread(hub.start)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(4):
            wire = await stack.enter_async_context(open_wire(hub.websocket_url))
            await wire.connect(connection_token("ann"))
        hub.send(signal.SIGTERM)
        await eventually_refused(hub)
    assert await asyncio.to_thread(hub.wait) == 0


async def eventually_refused(hub: HubProcess) -> None:
    """Connect until a connection is refused; within the time that draining takes."""

    async def is_refused() -> bool:
        try:
            async with open_wire(hub.websocket_url):
                return False
        except (OSError, websockets.InvalidStatus, websockets.InvalidMessage):
            return True

    await eventually(is_refused, within_s=2.5)


async def test_a_hub_without_connections_stops_at_once(make_hub: MakeHub) -> None:
    hub = make_hub({"server": {"host": "127.0.0.1", "drain_s": 30.0}})
    await asyncio.to_thread(hub.start)
    began = time.monotonic()
    assert await asyncio.to_thread(hub.terminate) == 0
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_does_not_break_the_drain(
    make_hub: MakeHub, number: signal.Signals
) -> None:
    hub = make_hub({"server": {"host": "127.0.0.1", "drain_s": 1.0}})
    await asyncio.to_thread(hub.start)
    async with open_wire(hub.websocket_url) as wire:
        await wire.connect(connection_token("ann"))
        hub.send(number)
        hub.send(number)
        assert await wire.closed() in {(3001, "shutdown"), (1006, "")}
    await asyncio.to_thread(hub.wait)


async def test_sighup_changes_keys_and_loses_no_connection(make_hub: MakeHub) -> None:
    hub = make_hub({})
    await asyncio.to_thread(hub.start)
    old, new = connection_token("ann"), connection_token("ann", secret=NEW_SECRET)
    async with open_wire(hub.websocket_url) as wire:
        await wire.connect(old)
        assert await outcome(hub, new) == 3500

        hub.configure({"auth": {"hmac_secret": NEW_SECRET, "hmac_previous_secret": HMAC_SECRET}})
        hub.send(signal.SIGHUP)
        await until(hub, new, 0)
        assert await outcome(hub, old) == 0

        hub.configure({"auth": {"hmac_secret": NEW_SECRET}})
        hub.send(signal.SIGHUP)
        await until(hub, old, 3500)
        assert await outcome(hub, new) == 0
        assert "presence_stats" in await wire.command("presence_stats", channel="chat:x")


async def test_sighup_with_broken_settings_keeps_the_keys(make_hub: MakeHub) -> None:
    hub = make_hub({})
    await asyncio.to_thread(hub.start)
    async with open_wire(hub.websocket_url) as wire:
        await wire.connect(connection_token("ann"))
        before = hub.log_bytes
        hub.configure({"auth": {"hmac_secret": "short"}})
        hub.send(signal.SIGHUP)
        await asyncio.to_thread(hub.wait_for_log, "hmac_secret", before)
        assert await outcome(hub, connection_token("bob")) == 0
        assert "presence_stats" in await wire.command("presence_stats", channel="chat:x")


async def outcome(hub: HubProcess, token: str) -> int:
    """Connect with a token: 0 is in, else the close code."""
    async with open_wire(hub.websocket_url) as wire:
        number = await wire.send("connect", token=token)
        try:
            return 0 if "connect" in await wire.reply(number) else -1
        except websockets.ConnectionClosed:
            return (await wire.closed())[0]


async def until(hub: HubProcess, token: str, wanted: int) -> None:
    """Connect again and again until that is the outcome."""

    async def is_wanted() -> bool:
        return await outcome(hub, token) == wanted

    await eventually(is_wanted)
