"""The door: one port for websockets and HTTP.

A small protocol reads the first request head. An upgrade to a websocket is the hub's own; anything
else is handed to aiohttp's request handler with the bytes read so far. A proxy may reuse a
connection that served HTTP for an upgrade: aiohttp's route for it hands the connection back here.
"""

import asyncio
from typing import Final, cast
from urllib.parse import parse_qsl

from aiohttp import web

from realtime.hub.hub import Hub
from realtime.server.door_rules import DoorRules
from realtime.server.gate import HTTP_CONNECTIONS_MAX, Gate
from realtime.server.uni_websocket import UnidirectionalWebsocket
from realtime.server.websocket import WebsocketConnection
from realtime.server.wires import websocket_wire
from realtime.websocket import (
    Accept,
    FamiliarHeads,
    HeadReader,
    Refuse,
    RequestHead,
    accept_response,
    check,
    is_upgrade,
    parse_head,
    refuse_response,
)

WEBSOCKET_PATH: Final = "/connection/websocket"
UNIDIRECTIONAL_PATH: Final = "/connection/uni_websocket"

CONNECT_PARAMETER: Final = "cf_connect"
"""The query's parameter that may hold a unidirectional client's connect request."""

FULL: Final = Refuse(503, "There are too many connections. Try again later.")
NOT_FOUND: Final = Refuse(404, "There is no websocket here; it is at /connection/websocket.")
NO_PROTOBUF: Final = Refuse(400, "Here is JSON only.")


class Doorway:
    """What every door of a listener shares. `http` makes aiohttp's request handlers."""

    def __init__(
        self,
        hub: Hub,
        gate: Gate,
        rules: DoorRules,
        http: web.Server,
    ) -> None:
        self.hub = hub
        self.gate = gate
        self.rules = rules
        self.http = http
        self._familiar = FamiliarHeads()
        names = {"websocket": WEBSOCKET_PATH, "uni_websocket": UNIDIRECTIONAL_PATH}
        self._paths = {path for name, path in names.items() if name in rules.transports}

    def __call__(self) -> asyncio.Protocol:
        """A door for a connection that was accepted just now."""
        return Door(self)

    def upgrade(self, transport: asyncio.Transport, head: bytes, rest: bytes) -> None:
        """Answer a request for a websocket, and serve it if it is a good one."""
        now = asyncio.get_running_loop().time()
        address: str | None = None
        query = ""
        verdict: Accept | Refuse | None = None
        if not self.rules.trusted:  # else the head says who it is from, and must be read
            verdict = self._familiar.find(head)
        if verdict is None:
            parsed = parse_head(head)
            if isinstance(parsed, Refuse):
                verdict = parsed
            else:
                query = parsed.query
                verdict = self._judge(parsed)
                if self.rules.trusted:
                    address = self.rules.forwarded(transport, parsed.values("x-forwarded-for"))
                elif isinstance(verdict, Accept) and verdict.path == WEBSOCKET_PATH:
                    self._familiar.learn(head, verdict)
        if isinstance(verdict, Accept) and not self.gate.admit(now):
            verdict = FULL
        if isinstance(verdict, Refuse):
            self.hub.statistics.refused_handshakes += 1
            refuse(transport, verdict)
            return
        transport.write(accept_response(verdict.key, verdict.subprotocol))
        if verdict.path == WEBSOCKET_PATH:
            self._serve(transport, verdict, address, rest)
        else:
            self._serve_unidirectional(transport, address, query, rest)

    def _serve(
        self, transport: asyncio.Transport, accept: Accept, address: str | None, rest: bytes
    ) -> None:
        connection = WebsocketConnection(
            self.hub,
            self.gate,
            transport,
            wire=websocket_wire(accept),
            address=address,
            frame_pings=accept.frame_ping_pong,
        )
        transport.set_protocol(connection)
        if rest:
            connection.data_received(rest)

    def _serve_unidirectional(
        self, transport: asyncio.Transport, address: str | None, query: str, rest: bytes
    ) -> None:
        connection = UnidirectionalWebsocket(self.hub, self.gate, transport, address=address)
        transport.set_protocol(connection)
        # The first of several, as with any other parameter.
        said = [value for name, value in parse_qsl(query) if name == CONNECT_PARAMETER]
        if said:
            connection.begin(said[0].encode("utf-8", "replace"))
        if rest:
            connection.data_received(rest)

    def _judge(self, head: RequestHead) -> Accept | Refuse:
        if head.path not in self._paths:
            return NOT_FOUND
        verdict = check(head, self.rules.origins(head.headers.get("origin", "")))
        if isinstance(verdict, Accept) and verdict.is_protobuf and head.path != WEBSOCKET_PATH:
            return NO_PROTOBUF
        return verdict


class Door(asyncio.Protocol):
    """One accepted connection, until its first request head is whole."""

    __slots__ = ("_doorway", "_reader", "_transport")

    def __init__(self, doorway: Doorway) -> None:
        self._doorway = doorway
        self._reader = HeadReader()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection was accepted; the gate watches how long the head takes."""
        # A cast: uvloop's transports are ones in all but name.
        self._transport = cast(asyncio.Transport, transport)
        self._doorway.gate.arriving(self, asyncio.get_running_loop().time())

    def data_received(self, data: bytes) -> None:
        """Collect the head, then hand the connection on."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        found = self._reader.feed(data)
        if found is None:
            return
        self._doorway.gate.arrived(self)
        if isinstance(found, Refuse):
            self._doorway.hub.statistics.refused_handshakes += 1
            refuse(transport, found)
            return
        head, rest = found
        if is_upgrade(head):
            self._doorway.upgrade(transport, head, rest)
            return
        parsed = parse_head(head)
        if isinstance(parsed, Refuse):
            # Before aiohttp sees it: its answers and logs would repeat what a stranger wrote.
            refuse(transport, parsed)
            return
        self._serve_http(transport, head + rest)

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone before it said what it wanted."""
        self._doorway.gate.arrived(self)

    def abort(self) -> None:
        """The head took too long."""
        if self._transport is not None:
            self._transport.abort()

    def _serve_http(self, transport: asyncio.Transport, data: bytes) -> None:
        """Hand the connection to aiohttp's request handler, with what was read from it."""
        http = self._doorway.http
        if len(http.connections) >= HTTP_CONNECTIONS_MAX:
            refuse(transport, FULL)
            return
        handler = http()
        transport.set_protocol(handler)
        handler.connection_made(transport)
        handler.data_received(data)


def refuse(transport: asyncio.Transport, refusal: Refuse) -> None:
    """Answer with an HTTP status and close."""
    transport.write(refuse_response(refusal.status, refusal.text))
    transport.close()
