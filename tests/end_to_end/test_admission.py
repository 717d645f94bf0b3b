"""Who gets in, and how long who does not speak may stay: limits before and after the handshake."""

import asyncio
import contextlib
import socket
import time

import pytest
import websockets

from tests.end_to_end.conftest import MakeHub
from tests.support.polling import eventually
from tests.support.processes import HubProcess
from tests.support.raw_socket import HANDSHAKE, open_raw, read_all
from tests.support.tokens import connection_token
from tests.support.wire_client import open_wire

HEAD_S = 15.0
"""No request head may take longer."""


async def refusal(hub: HubProcess) -> int:
    """Try a handshake: the HTTP status it is refused with, 101 where it is not."""
    try:
        async with open_wire(hub.websocket_url):
            return 101
    except websockets.InvalidStatus as refused:
        return refused.response.status_code


async def test_one_connection_too_many_is_refused_before_the_handshake(make_hub: MakeHub) -> None:
    hub = make_hub({"server": {"connections_max": 2}})
    await asyncio.to_thread(hub.start)
    async with open_wire(hub.websocket_url) as first:
        await first.connect(connection_token("ann"))
        async with open_wire(hub.websocket_url):
            assert await refusal(hub) == 503
            assert "presence_stats" in await first.command("presence_stats", channel="chat:x")

        async def has_room() -> bool:
            return await refusal(hub) == 101

        await eventually(has_room)


async def test_handshakes_above_the_rate_are_refused(make_hub: MakeHub) -> None:
    hub = make_hub({"server": {"connection_rate": 2.0}})
    await asyncio.to_thread(hub.start)
    outcomes = [await refusal(hub) for _ in range(20)]
    assert set(outcomes) == {101, 503}
    assert outcomes[0] == 101
    assert outcomes.count(101) <= 10

    async def is_over() -> bool:
        return await refusal(hub) == 101

    await eventually(is_over)


async def test_who_does_not_connect_in_time_is_stale(make_hub: MakeHub) -> None:
    hub = make_hub({"client": {"stale_close_s": 0.5}})
    await asyncio.to_thread(hub.start)
    async with open_wire(hub.websocket_url) as silent, open_wire(hub.websocket_url) as refused:
        reply = await refused.connect(connection_token("ann", ttl_s=-60))
        assert reply["error"]["code"] == 109
        assert await silent.closed() == (3502, "stale")
        assert await refused.closed() == (3502, "stale")


async def test_a_command_after_a_refused_connect_is_a_bad_request(hub: HubProcess) -> None:
    async with open_wire(hub.websocket_url) as wire:
        await wire.connect(connection_token("ann", ttl_s=-60))
        await wire.send("subscribe", channel="chat:x")
        assert (await wire.closed())[0] == 3501


@pytest.mark.parametrize("size", [65_537, 1_000_000])
async def test_a_message_over_the_limit_closes_the_connection(hub: HubProcess, size: int) -> None:
    async with open_wire(hub.websocket_url) as wire:
        await wire.connect(connection_token("ann"))
        with contextlib.suppress(websockets.ConnectionClosed):
            await wire.send_text(" " * size)
        assert (await wire.closed())[0] == 1009


async def test_a_message_at_the_limit_is_taken(hub: HubProcess) -> None:
    async with open_wire(hub.websocket_url) as wire:
        await wire.connect(connection_token("ann"))
        command = '{"id":9,"presence_stats":{"channel":"chat:x"}}'
        await wire.send_text(command + " " * (65_536 - len(command)))
        assert "presence_stats" in await wire.reply(9)


def test_a_request_head_that_never_ends_is_given_up(hub: HubProcess) -> None:
    """Whatever has come of it, and even if a line comes now and then (slowloris)."""
    beginnings = (b"", b"G", HANDSHAKE[:-2])
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(open_raw(hub.port)) for _ in beginnings]
        dripping = stack.enter_context(open_raw(hub.port))
        for connection, beginning in zip([*silent, dripping], [*beginnings, b""], strict=True):
            connection.sendall(beginning)
        assert drip(dripping) < HEAD_S
        for connection in silent:
            # They were opened before; one second more is for the machine.
            connection.settimeout(1.0)
            read_all(connection)


def drip(connection: socket.socket) -> float:
    """Send line after line of a request head; how many seconds until the hub had enough."""
    began = time.monotonic()
    connection.settimeout(0.2)
    connection.sendall(HANDSHAKE[:-2])
    with contextlib.suppress(ConnectionError):
        while time.monotonic() < began + HEAD_S:
            connection.sendall(b"X-Drip: 1\r\n")
            with contextlib.suppress(TimeoutError):
                if not connection.recv(1000):
                    break
    return time.monotonic() - began


def test_a_request_head_that_is_too_long_is_refused(hub: HubProcess) -> None:
    with open_raw(hub.port) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(HANDSHAKE[:-2] + b"X-Long: " + b"x" * 1_000_000)
        answer = read_all(connection)
    # The answer is lost where the rest of the request makes the system reset the connection.
    assert answer == b"" or answer.split(b" ", 2)[1] in {b"400", b"414", b"431"}


async def test_a_foreign_origin_is_refused(hub: HubProcess) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with open_wire(hub.websocket_url, origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403
    own = f"http://127.0.0.1:{hub.port}"
    async with open_wire(hub.websocket_url, origin=own) as wire:
        assert "connect" in await wire.connect(connection_token("ann"))


def test_an_empty_subprotocol_header_is_taken(hub: HubProcess) -> None:
    """Older versions of the Python SDK send one (protocol 1.12)."""
    with open_raw(hub.port) as connection:
        connection.sendall(HANDSHAKE[:-2] + b"Sec-WebSocket-Protocol: \r\n\r\n")
        head = connection.recv(4096, socket.MSG_PEEK)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-protocol" not in head.lower()
