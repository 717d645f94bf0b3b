"""A server that is APNs as far as HTTP/2 goes, and answers when and what a test tells it to."""

import asyncio
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from tests.support.certificates import Certificate


class Asked:
    """A request that has come whole."""

    def __init__(
        self, served: "ServedConnection", stream: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        self.served = served
        self.stream = stream
        self.headers = headers
        self.body = body

    @property
    def device(self) -> str:
        """The device's token."""
        return self.headers[":path"].removeprefix("/3/device/")

    @property
    def token(self) -> str:
        """The provider token."""
        return self.headers["authorization"].removeprefix("bearer ")

    def answer(self, status: int = 200, reason: str = "", **more: Any) -> None:
        """Answer it, with what APNs says where it is no 200."""
        self.answer_raw(status, json.dumps({"reason": reason, **more}).encode() if reason else b"")

    def answer_raw(self, status: int, body: bytes, *, end: bool = True, **headers: str) -> None:
        """Answer it with any body, of which this may be the beginning only."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        fields = {":status": str(status), "apns-id": self.headers.get("apns-id", ""), **named}
        link = self.served.h2
        link.send_headers(self.stream, list(fields.items()), end_stream=end and not body)
        if body:
            link.send_data(self.stream, body, end_stream=end)
        self.served.flush()

    def send_headers(self, status: int = 200) -> None:
        """Say the status, and nothing more for now."""
        self.served.h2.send_headers(self.stream, [(":status", str(status))])
        self.served.flush()

    def reset(self, code: ErrorCodes) -> None:
        """End the stream without an answer."""
        self.served.h2.reset_stream(self.stream, code)
        self.served.flush()


class ServedConnection(asyncio.Protocol):
    """One connection. It breaks for a client that opens more streams than it is allowed."""

    def __init__(self, server: "ApnsServer") -> None:
        self.server = server
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: server.streams_max,
                SettingCodes.INITIAL_WINDOW_SIZE: server.window_bytes,
            },
        )
        self.transport: asyncio.Transport | None = None
        self.resets: list[int] = []
        self.pings = 0
        self.pongs = 0
        self.lost = asyncio.Event()
        self.broken = ""
        self.begun: dict[int, Mapping[str, str]] = {}
        """The headers of streams whose body has not come whole."""
        self._held: bytearray | None = None
        self._bodies: dict[int, bytearray] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, if the test wants it."""
        self.transport = cast(asyncio.Transport, transport)
        self.server.connections.append(self)
        self.server.changed.set()
        if self.server.greets:
            self.greet()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self.lost.set()
        self.server.changed.set()

    def data_received(self, data: bytes) -> None:
        """Read, unless the test wants a server that is deaf."""
        if self.server.deaf:
            return
        try:
            for event in self.h2.receive_data(data):
                self._take(event)
        except ProtocolError as error:
            self.broken = repr(error)
            self.flush()
            self.abort()
        self.flush()
        self.server.changed.set()

    def flush(self) -> None:
        """Send what there is."""
        if data := self.h2.data_to_send():
            self._write(data)

    def greet(self) -> None:
        """Say how much is taken at once."""
        self.h2.initiate_connection()
        self.flush()

    def allow(self, streams_max: int) -> None:
        """Take so many streams at once from now on."""
        self.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: streams_max})
        self.flush()

    async def round_trip(self) -> None:
        """Wait until all that the client has sent by now has come."""
        before = self.pongs
        self.h2.ping(bytes(8))
        self.flush()
        await self.server.until(lambda: self.pongs > before)

    def goaway(self, last: int) -> None:
        """Take no more streams than up to this one, and go on with those: `h2` cannot say that."""
        frame = GoAwayFrame(0)
        frame.last_stream_id = last
        frame.additional_data = b'{"reason":"Shutdown"}'
        self.flush()
        self._write(frame.serialize())

    def break_protocol(self) -> None:
        """Send a PING of one byte."""
        self.flush()
        self._write(b"\x00\x00\x01\x06\x00\x00\x00\x00\x00x")

    @contextmanager
    def in_one_piece(self) -> Iterator[None]:
        """Send at once, at the end, what is sent meanwhile."""
        self._held = bytearray()
        try:
            yield
        finally:
            held, self._held = bytes(self._held), None
            self._write(held)

    def abort(self) -> None:
        """Be gone."""
        assert self.transport is not None
        self.transport.abort()

    def _write(self, data: bytes) -> None:
        assert self.transport is not None
        if self._held is None:
            self.transport.write(data)
        else:
            self._held += data

    def _take(self, event: events.Event) -> None:
        match event:
            case events.RequestReceived(stream_id=int(stream)):
                self.begun[stream] = cast(Mapping[str, str], dict(event.headers or ()))
                self._bodies[stream] = bytearray()
            case events.DataReceived(stream_id=int(stream)):
                self._bodies[stream] += event.data or b""
                self.h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
            case events.StreamEnded(stream_id=int(stream)):
                body = bytes(self._bodies.pop(stream))
                self.server.take(Asked(self, stream, self.begun.pop(stream), body))
            case events.StreamReset(stream_id=int(stream)):
                self.resets.append(stream)
            case events.PingReceived():
                self.pings += 1
            case events.PingAckReceived():
                self.pongs += 1
            case _:
                pass


class ApnsServer:
    """Listens on 127.0.0.1. `answer` is called with each request, and answers it or keeps it."""

    def __init__(self) -> None:
        self.answer: Callable[[Asked], None] = lambda asked: asked.answer()
        self.streams_max = 100
        self.window_bytes = 65_535
        self.greets = True
        self.deaf = False
        self.asked: list[Asked] = []
        self.connections: list[ServedConnection] = []
        self.changed = asyncio.Event()
        self.port = 0
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self.port}"

    async def start(self, certificate: Certificate, *, alpn: str = "h2") -> None:
        """Listen, on the port of before if there was one."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate.certificate, certificate.key)
        context.set_alpn_protocols([alpn])
        self._server = await asyncio.get_running_loop().create_server(
            lambda: ServedConnection(self), "127.0.0.1", self.port, ssl=context
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Be gone, with all connections."""
        assert self._server is not None
        self._server.close()
        for served in self.connections:
            served.abort()
        await self._server.wait_closed()

    def take(self, asked: Asked) -> None:
        """A request has come."""
        self.asked.append(asked)
        self.answer(asked)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something has come of what the client did. Raises TimeoutError."""
        async with asyncio.timeout(10):
            while not holds():
                self.changed.clear()
                await self.changed.wait()

    @contextmanager
    def keeping(self) -> Iterator[list[Asked]]:
        """Answer nothing meanwhile: the test does, from this list."""
        before, kept = self.answer, list[Asked]()
        self.answer = kept.append
        try:
            yield kept
        finally:
            self.answer = before
