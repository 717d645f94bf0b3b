"""A running hub with its door and its HTTP routes, over transports without a socket."""

import contextlib
import json
from collections.abc import AsyncIterator, Collection, Iterator
from typing import Any, Final

from aiohttp import web

from realtime.server.door import Doorway
from realtime.server.door_rules import TRANSPORTS, DoorRules
from realtime.server.emulation import EmulationRoutes
from realtime.server.gate import Gate
from realtime.server.http import Routes, UpgradeRoute, make_runner
from realtime.server.stream_routes import StreamRoutes
from realtime.settings.schema import ClientSettings
from tests.support.hub import Node, make_settings, running, settled
from tests.unit.server.transport import SocketlessTransport

CONNECT: Final = b'{"id":1,"connect":{}}'


class StreamHouse:
    """A running node, its gate and its door; `http` is aiohttp's part of it."""

    def __init__(self, node: Node, gate: Gate, doorway: Doorway, http: web.Server) -> None:
        self.node = node
        self.gate = gate
        self.doorway = doorway
        self.http = http

    def knock(self, *pieces: bytes, peer: str = "192.0.2.1") -> SocketlessTransport:
        """A connection that has sent this."""
        transport = SocketlessTransport(peer)
        transport.protocol = self.doorway()
        transport.protocol.connection_made(transport)
        for piece in pieces:
            transport.protocol.data_received(piece)
        return transport

    async def asked(self, request: bytes) -> bytes:
        """The answer to one request, on a connection of its own that is over then."""
        transport = self.knock(request)
        await settled()
        transport.protocol.connection_lost(None)
        return transport.take()

    async def streaming(
        self, request: bytes, *, peer: str = "192.0.2.1"
    ) -> tuple[SocketlessTransport, bytes]:
        """A connection whose request is answered with a stream, and what has come of it."""
        transport = self.knock(request, peer=peer)
        await settled()
        written = transport.take()
        assert written.startswith(b"HTTP/1.1 200 OK\r\n"), written
        return transport, written.partition(b"\r\n\r\n")[2]

    async def emulate(self, body: object, *headers: str) -> int:
        """The status of an emulation request."""
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = await self.asked(post("/emulation", payload, *headers))
        return int(answer.split(b" ", 2)[1])


def post(path: str, body: bytes, *headers: str) -> bytes:
    """A POST request."""
    lines = [f"POST {path} HTTP/1.1", "Host: hub", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def get(target: str, *headers: str) -> bytes:
    """A GET request."""
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: hub", *headers, "\r\n"]).encode()


def status(answer: bytes) -> int:
    """Of an answer."""
    return int(answer.split(b" ", 2)[1])


def headers(answer: bytes) -> dict[str, str]:
    """Of an answer, by lower-case name."""
    lines = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def chunks(body: bytes) -> Iterator[bytes]:
    """The chunks of a body, each with its length checked; b"" is the last one."""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        assert rest[length : length + 2] == b"\r\n", rest
        yield rest[:length]
        body = rest[length + 2 :]


def documents(body: bytes) -> list[dict[str, Any]]:
    """The JSON documents in a body's chunks, as lines or events."""
    lines = [chunk.removeprefix(b"data: ").strip() for chunk in chunks(body)]
    return [json.loads(line) for line in lines if line]


@contextlib.asynccontextmanager
async def stream_house(
    *,
    connections_max: int = 10,
    origins: tuple[str, ...] = (),
    proxies: tuple[str, ...] = (),
    transports: Collection[str] = TRANSPORTS,
    client: ClientSettings | None = None,
) -> AsyncIterator[StreamHouse]:
    """A house whose guests may come without a token; every stream is gone when it closes."""
    async with running(make_settings(anonymous=True, client=client)) as node:
        gate = Gate(connections_max=connections_max, connection_rate=0)
        rules = DoorRules(origins, proxies, transports=transports)
        upgrades = UpgradeRoute()
        routes: list[Routes] = [
            upgrades,
            StreamRoutes(node.hub, gate, rules),
            EmulationRoutes(node.hub, rules, upgrades.http_connections),
        ]
        runner = make_runner(routes)
        await runner.setup()
        assert runner.server is not None  # made by `setup`
        upgrades.doorway = Doorway(node.hub, gate, rules, runner.server)
        try:
            yield StreamHouse(node, gate, upgrades.doorway, runner.server)
        finally:
            await runner.cleanup()
        assert gate.connections == 0, "a stream was not released"
