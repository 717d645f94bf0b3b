"""What a proxy sees of a hub, without a hub: two ports, answers on demand, requests remembered."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final, Literal

PUBLIC: Final = 8000
INTERNAL: Final = 9000
KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
"""The key that a handshake must have, for its answer is always the same (RFC 6455, 1.3)."""

_ACCEPTED: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
_HEAD_MAX: Final = 65_536

Manner = Literal["serve", "full", "die"]
"""Answer, answer 503, or end the connection after the request was read."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that came in; header names are in small letters."""

    port: int
    method: str
    target: str
    headers: dict[str, str]


@dataclass(slots=True)
class StubHub:
    """One hub at an address. An upgrade is accepted, and then whatever comes is sent back."""

    name: str
    address: str
    manner: Manner = "serve"
    is_ready: bool = True
    requests: list[Request] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen on both ports while the block lasts; no connection outlives it."""
        writers: set[asyncio.StreamWriter] = set()

        async def serve(
            port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            writers.add(writer)
            try:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    while await self._answer(port, reader, writer):
                        pass
            finally:
                writers.discard(writer)
                writer.close()

        listeners = [
            await asyncio.start_server(
                lambda reader, writer, port=port: serve(port, reader, writer),  # type: ignore[misc]
                self.address,
                port,
                limit=_HEAD_MAX,
            )
            for port in (PUBLIC, INTERNAL)
        ]
        try:
            yield
        finally:
            for listener in listeners:
                listener.close()
            for writer in list(writers):
                writer.transport.abort()
            while writers:  # noqa: ASYNC110 - aborted just now, gone within a turn or two
                await asyncio.sleep(0)

    def of_clients(self) -> list[Request]:
        """The requests that were no health checks."""
        return [request for request in self.requests if request.target != "/ready"]

    async def _answer(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Take one request; whether another may follow on the connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        headers: dict[str, str] = {}
        for line in filter(None, head[1:]):
            name, _, value = line.partition(":")
            known = headers.get(name.lower())
            headers[name.lower()] = value.strip() if known is None else f"{known}, {value.strip()}"
        await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append(Request(port, method, target, headers))
        if target == "/ready":
            return await self._say(writer, 200 if self.is_ready else 503)
        if self.manner == "die":
            return False
        if self.manner == "full":
            return await self._say(writer, 503)
        if "upgrade" not in headers:
            return await self._say(writer, 200)
        writer.write(_ACCEPTED)
        while data := await reader.read(_HEAD_MAX):
            writer.write(data)
        return False

    async def _say(self, writer: asyncio.StreamWriter, status: int) -> bool:
        body = self.name.encode()
        writer.write(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
        await writer.drain()
        return True
