"""Who asks much and reads nothing costs the hub a bounded amount, and the others nothing."""

import asyncio
import contextlib
import json
import select
import socket
import time
from typing import Final

import pytest

from tests.end_to_end.conftest import MakeHub
from tests.support.processes import HubProcess
from tests.support.raw_socket import frame, open_upgraded, text_frame
from tests.support.tokens import connection_token
from tests.support.wire_client import open_wire

FLOOD_S: Final = 2.0
SLOWEST_S: Final = 0.5
"""For a neighbour's command, on a shared machine; a fair hub needs a few milliseconds."""
GROWTH_MAX_KB: Final = 40_000
"""Of the process, the page cache of the store included; the flood itself is several times that."""

CONNECT: Final = json.dumps({"id": 1, "connect": {"token": connection_token("flood")}})
HISTORY: Final = "\n".join(
    json.dumps({"id": number, "history": {"channel": "chat:long", "limit": 100}})
    for number in range(2, 42)
)

PUBLISH: Final = json.dumps({"id": 1, "publish": {"channel": "chat:flood", "data": 1}})


def flood(hub: HubProcess, piece: bytes, reads: bool) -> int:
    """Send as much as is taken for a while, reading the answers or not; how many bytes."""
    sent = 0
    with open_upgraded(hub.port, receive_buffer_bytes=0 if reads else 4096) as connection:
        connection.sendall(text_frame(CONNECT))
        deadline = time.monotonic() + FLOOD_S
        # The hub may stop reading, which is fine, or close.
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < deadline:
                # What was left out of a piece goes first, or the next frame would be garbage.
                rest = piece[sent % len(piece) :]
                readable, writable, _ = select.select([connection] * reads, [connection], [], 0.1)
                if readable and not connection.recv(1_000_000):
                    break
                if writable:
                    sent += connection.send(rest, socket.MSG_DONTWAIT)
        _linger_not(connection)
    return sent


def _linger_not(connection: socket.socket) -> None:
    """Do not leave what nobody will read to the kernel."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("piece", "reads"),
    [
        pytest.param(frame(9, b"x" * 125) * 500, False, id="pings unread"),
        pytest.param(frame(9, b"x" * 125) * 500, True, id="pings"),
        pytest.param(text_frame(HISTORY), False, id="histories unread"),
        pytest.param(text_frame(HISTORY), True, id="histories"),
        pytest.param(text_frame("{}\n" * 1000) * 10, False, id="pongs"),
        pytest.param(text_frame('{"id":1,"rpc":{}}\n' * 1000) * 10, True, id="commands"),
        pytest.param(text_frame("{}") * 1000, False, id="small frames"),
        pytest.param(text_frame(PUBLISH) * 100, True, id="publishes"),
    ],
)
async def test_a_flood_is_bounded_and_hardly_felt_by_others(
    make_hub: MakeHub, piece: bytes, reads: bool
) -> None:
    hub = make_hub({})
    await asyncio.to_thread(hub.start)
    async with open_wire(hub.websocket_url) as wire:
        await wire.connect(connection_token("ann"))
        for number in range(100):
            await wire.command("publish", channel="chat:long", data=str(number) * 200)
        before_kb = hub.rss_kb()
        flooding = asyncio.to_thread(flood, hub, piece, reads)
        async with asyncio.TaskGroup() as group:
            done = group.create_task(flooding)
            slowest_s = 0.0
            while not done.done():
                began = time.monotonic()
                await wire.command("presence_stats", channel="chat:x")
                await wire.command("publish", channel="chat:y", data=1)
                slowest_s = max(slowest_s, time.monotonic() - began)
                await asyncio.sleep(0.01)
        assert done.result() > 0
        assert slowest_s < SLOWEST_S
        assert hub.rss_kb() - before_kb < GROWTH_MAX_KB
