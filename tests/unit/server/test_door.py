"""The door and the websocket behind it, over a transport without a socket."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from realtime.server import door as door_module
from realtime.server.door import Doorway
from realtime.server.door_rules import DoorRules
from realtime.server.gate import CLOSE_TIMEOUT_S, HEAD_TIMEOUT_S, Gate
from realtime.server.websocket import WRITE_HIGH_BYTES, WRITE_LOW_BYTES, WebsocketConnection
from realtime.websocket import frame_close, frame_pong, frame_text
from tests.support.hub import Node, make_settings, running, settled
from tests.unit.server.transport import SocketlessTransport
from tests.unit.websocket.browser_head import ACCEPT, browser_head
from tests.unit.websocket.client_frames import BINARY, CLOSE, PING, PONG, TEXT, client_frame


class House:
    """A running node with a door."""

    def __init__(self, node: Node, gate: Gate, doorway: Doorway) -> None:
        self.node = node
        self.gate = gate
        self.doorway = doorway

    def knock(self, *pieces: bytes, peer: str = "192.0.2.1") -> SocketlessTransport:
        """A connection that has sent this."""
        transport = SocketlessTransport(peer)
        transport.protocol = self.doorway()
        transport.protocol.connection_made(transport)
        for piece in pieces:
            transport.protocol.data_received(piece)
        return transport

    def websocket(self, line: str = "GET /connection/websocket HTTP/1.1") -> SocketlessTransport:
        """An open websocket, its handshake read."""
        transport = self.knock(browser_head(line=line))
        assert transport.take().startswith(b"HTTP/1.1 101 ")
        return transport


@contextlib.asynccontextmanager
async def opened(
    *,
    connections_max: int = 10,
    origins: tuple[str, ...] = (),
    proxies: tuple[str, ...] = (),
    any_loopback: bool = False,
) -> AsyncIterator[House]:
    """A house, whose websockets are gone when it closes."""
    async with running(make_settings(anonymous=True)) as node:
        gate = Gate(connections_max=connections_max, connection_rate=0)
        http = web.Server(answer)
        rules = DoorRules(origins, proxies, any_loopback=any_loopback)
        yield House(node, gate, Doorway(node.hub, gate, rules, http))
        await http.shutdown(0)


async def answer(request: web.BaseRequest) -> web.Response:
    """What aiohttp's side says to everything."""
    return web.Response(text=f"{request.method} {request.path}")


def say(transport: SocketlessTransport, *documents: object) -> None:
    """Send commands as one text message."""
    text = "\n".join(json.dumps(document) for document in documents)
    transport.protocol.data_received(client_frame(TEXT, text.encode()))


async def test_an_upgrade_is_answered_and_served() -> None:
    async with opened() as house:
        transport = house.knock(browser_head())
        written = transport.take()
        assert written.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert f"Sec-WebSocket-Accept: {ACCEPT}\r\n".encode() in written
        assert isinstance(transport.protocol, WebsocketConnection)
        assert transport.limits == (WRITE_HIGH_BYTES, WRITE_LOW_BYTES)
        assert house.gate.connections == 1
        say(transport, {"id": 1, "connect": {}})
        await settled()
        assert b'{"id":1,"connect":{' in transport.take()
        transport.protocol.connection_lost(None)
        assert house.gate.connections == 0


async def test_a_head_may_come_byte_by_byte_and_bring_the_first_frames() -> None:
    async with opened() as house:
        frame = client_frame(TEXT, b'{"id":1,"connect":{}}')
        transport = house.knock(*[bytes((byte,)) for byte in browser_head()])
        assert b"101" in transport.take()
        for byte in frame:
            transport.protocol.data_received(bytes((byte,)))
        await settled()
        assert b'"connect"' in transport.take()
        eager = house.knock(browser_head() + frame)
        await settled()
        assert b'"connect"' in eager.take()
        for opened_transport in (transport, eager):
            opened_transport.protocol.connection_lost(None)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (browser_head(line="GET /elsewhere HTTP/1.1"), 404),
        (browser_head(("Origin", "https://evil.example.com"), without=("origin",)), 403),
        (browser_head(without=("sec-websocket-key",)), 400),
        (browser_head(("Sec-WebSocket-Version", "8"), without=("sec-websocket-version",)), 426),
        (b"GET / HTTP/1.1\r\nbroken\r\n\r\n", 400),
    ],
)
async def test_what_is_no_good_handshake_is_refused_and_counted(head: bytes, status: int) -> None:
    async with opened() as house:
        transport = house.knock(head)
        assert transport.take().startswith(f"HTTP/1.1 {status} ".encode())
        assert transport.closing
        assert house.gate.connections == 0
        assert len(house.node.hub.clients) == 0


@pytest.mark.parametrize(
    ("origin", "any_loopback", "status"),
    [
        ("http://localhost:5173", True, 101),
        ("http://127.0.0.1:9999", True, 101),
        ("http://[::1]:5173", True, 101),
        ("http://localhost:5173", False, 403),
        ("http://localhost.example.com", True, 403),
        ("http://[::1", True, 403),
        ("https://evil.example.com", True, 403),
    ],
)
async def test_in_development_pages_of_this_machine_are_let_in(
    origin: str, any_loopback: bool, status: int
) -> None:
    async with opened(any_loopback=any_loopback) as house:
        transport = house.knock(browser_head(("Origin", origin), without=("origin",)))
        assert transport.take().startswith(f"HTTP/1.1 {status} ".encode())
        transport.protocol.connection_lost(None)


async def test_one_too_many_gets_503_before_the_handshake() -> None:
    async with opened(connections_max=1) as house:
        first = house.websocket()
        late = house.knock(browser_head())
        assert late.take().startswith(b"HTTP/1.1 503 ")
        assert late.closing
        first.protocol.connection_lost(None)
        house.websocket().protocol.connection_lost(None)


async def test_a_closed_gate_refuses_upgrades() -> None:
    async with opened() as house:
        house.gate.closed = True
        assert house.knock(browser_head()).take().startswith(b"HTTP/1.1 503 ")


async def test_plain_http_is_aiohttps_with_all_that_was_read() -> None:
    async with opened() as house:
        transport = house.knock(b"GET /he", b"alth HTTP/1.1\r\nHost: example.com\r\n\r\n")
        for _ in range(20):
            await settled()
        assert b"GET /health" in transport.take()
        transport.protocol.connection_lost(None)


async def test_http_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "HTTP_CONNECTIONS_MAX", 1)
    async with opened() as house:
        head = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
        first = house.knock(head)
        await settled()
        assert house.knock(head).take().startswith(b"HTTP/1.1 503 ")
        first.protocol.connection_lost(None)
        last = house.knock(head)
        await settled()
        last.protocol.connection_lost(None)


async def test_who_says_nothing_is_ended_by_the_gate() -> None:
    async with opened() as house:
        silent = house.knock(b"GET /conn")
        gone = house.knock()
        gone.protocol.connection_lost(None)
        house.gate.sweep(asyncio.get_running_loop().time() + HEAD_TIMEOUT_S)
        assert silent.aborted
        assert not gone.aborted


async def test_nothing_is_read_from_a_connection_that_is_closing() -> None:
    async with opened() as house:
        transport = house.knock(b"nonsense\r\n\r\n")
        transport.take()
        transport.protocol.data_received(browser_head())
        assert transport.take() == b""


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.7, 10.9.9.9", "198.51.100.7"),
        ("10.0.0.1", "10.9.9.9", "10.9.9.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "not an address", "not an address"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
    ],
)
async def test_an_address_is_believed_from_trusted_proxies_only(
    peer: str, forwarded: str, expected: str
) -> None:
    async with opened(proxies=("10.0.0.0/8",)) as house:
        transport = house.knock(browser_head(("X-Forwarded-For", forwarded)), peer=peer)
        assert transport.protocol.address == expected
        transport.protocol.connection_lost(None)


async def test_without_trusted_proxies_the_header_means_nothing() -> None:
    async with opened() as house:
        transport = house.knock(browser_head(("X-Forwarded-For", "198.51.100.7")))
        assert transport.protocol.address == "192.0.2.1"
        transport.protocol.connection_lost(None)


# The websocket


async def test_a_close_of_the_hub_carries_its_code_and_ends_with_the_peers() -> None:
    async with opened() as house:
        transport = house.websocket()
        say(transport, {"id": 1, "subscribe": {"channel": "chat:1"}})
        assert transport.take() == frame_close(3501, "bad request")
        assert not transport.closing
        say(transport, {"id": 2, "connect": {}})
        await settled()
        assert transport.take() == b""
        transport.protocol.data_received(client_frame(CLOSE, b"\x0d\xad"))
        assert transport.closing
        assert transport.take() == b""
        transport.protocol.connection_lost(None)


async def test_a_peer_that_does_not_answer_a_close_is_ended_by_the_gate() -> None:
    async with opened() as house:
        transport = house.websocket()
        say(transport, {"id": 1})
        house.gate.sweep(asyncio.get_running_loop().time() + CLOSE_TIMEOUT_S)
        assert transport.aborted
        transport.protocol.connection_lost(None)


async def test_a_peer_that_says_no_more_and_does_not_read_is_ended_by_the_gate() -> None:
    async with opened() as house:
        transport = house.websocket()
        assert transport.protocol.eof_received() is False
        transport.close()  # as asyncio does
        house.gate.sweep(asyncio.get_running_loop().time() + CLOSE_TIMEOUT_S)
        assert transport.aborted
        transport.protocol.connection_lost(None)


async def test_a_peer_that_closes_a_closing_transport_is_ended_by_the_gate() -> None:
    async with opened() as house:
        transport = house.websocket()
        transport.close()
        transport.protocol.data_received(client_frame(CLOSE, b"\x03\xe8"))
        house.gate.sweep(asyncio.get_running_loop().time() + CLOSE_TIMEOUT_S)
        assert transport.aborted
        transport.protocol.connection_lost(None)


async def test_a_close_of_the_peer_is_echoed_behind_what_was_queued() -> None:
    async with opened() as house:
        transport = house.websocket()
        say(transport, {"id": 1, "connect": {}})
        transport.protocol.data_received(client_frame(CLOSE, b"\x03\xe8bye"))
        written = transport.take()
        assert b'"connect"' in written
        assert written.endswith(frame_close(1000, "bye"))
        assert transport.closing
        assert len(house.node.hub.clients) == 0
        transport.protocol.connection_lost(None)


async def test_a_ping_is_answered_and_a_binary_message_is_malformed() -> None:
    async with opened() as house:
        transport = house.websocket()
        transport.protocol.data_received(client_frame(PING, b"abc"))
        await settled()
        assert transport.take() == frame_pong(b"abc")
        transport.protocol.data_received(client_frame(BINARY, b"{}"))
        assert transport.take() == frame_close(3501, "bad request")
        transport.protocol.connection_lost(None)


async def test_native_pings_stand_in_for_the_protocols() -> None:
    async with opened() as house:
        transport = house.websocket("GET /connection/websocket?cf_ws_frame_ping_pong=true HTTP/1.1")
        say(transport, {"id": 1, "connect": {}})
        await settled()
        assert b'"ping"' not in transport.take()
        while not (written := transport.take()):
            await house.node.advance(1)
        assert written == b"\x89\x00"
        transport.protocol.data_received(client_frame(PONG))
        await house.node.advance(9)
        assert transport.take() == b""
        transport.protocol.connection_lost(None)


async def test_a_full_transport_pauses_its_outbox() -> None:
    async with opened() as house:
        transport = house.websocket()
        say(transport, {"id": 1, "connect": {}})
        await settled()
        transport.take()
        transport.protocol.pause_writing()
        assert len(house.node.hub.fanout.paused) == 1
        say(transport, {"id": 2, "unsubscribe": {"channel": "chat:1"}})
        await settled()
        assert transport.take() == b""
        transport.protocol.resume_writing()
        await settled()
        assert transport.take() == frame_text(b'{"id":2,"unsubscribe":{}}')
        transport.protocol.connection_lost(None)


async def test_a_broken_frame_closes_with_the_websockets_own_code() -> None:
    async with opened() as house:
        transport = house.websocket()
        transport.protocol.data_received(client_frame(TEXT, b"{}", mask=None))
        assert transport.take().startswith(frame_close(1002)[:1])
        assert transport.closing
        transport.protocol.connection_lost(None)


async def test_a_lost_connection_leaves_nothing() -> None:
    async with opened() as house:
        transport = house.websocket()
        say(transport, {"id": 1, "connect": {}})
        transport.protocol.connection_lost(ConnectionResetError())
        await settled()
        assert transport.take() == b""
        assert house.node.leaks() == []
        assert house.gate.connections == 0
        assert transport.protocol.eof_received() is False
