"""A small APNs client by `h2`, which can also do what a good client never does."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings

_TIMEOUT_S: Final = 10.0
_READ_BYTES: Final = 65_536
_FRAME_BYTES: Final = 16_384


@dataclass
class ApnsAnswer:
    """What came back for one stream. `reset` is the code it was reset with."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    done: bool = False
    reset: int | None = None

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """Apple's word for a refusal, "" where it was accepted."""
        return str(self.json()["reason"]) if self.body else ""


class ApnsClient:
    """One connection; an async context manager."""

    def __init__(self, url: str, ca_file: Path) -> None:
        self._url = urlsplit(url)
        self._ca_file = ca_file
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(config)
        self.answers: dict[int, ApnsAnswer] = {}
        self.goaway: int | None = None
        """The last stream of the server's GOAWAY, once there was one."""
        self.closed = False

    async def __aenter__(self) -> Self:
        context = ssl.create_default_context(cafile=str(self._ca_file))
        context.set_alpn_protocols(["h2"])
        self._reader, self._writer = await asyncio.open_connection(
            self._url.hostname, self._url.port, ssl=context
        )
        self._h2.initiate_connection()
        self._flush()
        async with asyncio.timeout(_TIMEOUT_S):
            while not self.streams_max:
                await self._read()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.transport.abort()

    @property
    def streams_max(self) -> int:
        """How many streams the server takes at once, 0 before it has said so."""
        found = self._h2.remote_settings.get(h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS, 0)
        return int(found)

    def begin(
        self,
        address: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        method: str = "POST",
        path: str | None = None,
    ) -> int:
        """Send a request without waiting for anything; the stream's id."""
        id = self._h2.get_next_available_stream_id()
        self.answers[id] = ApnsAnswer()
        # It is for the server to refuse what is above its limit.
        self._h2.remote_settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] = 10_000
        limit = self.streams_max
        self._h2.remote_settings.acknowledge()
        pseudo = [
            (":method", method),
            (":scheme", "https"),
            (":authority", self._url.netloc),
            (":path", path or f"/3/device/{address}"),
        ]
        self._h2.send_headers(id, [*pseudo, *headers.items()], end_stream=not body)
        for at in range(0, len(body), _FRAME_BYTES):
            last = at + _FRAME_BYTES >= len(body)
            self._h2.send_data(id, body[at : at + _FRAME_BYTES], end_stream=last)
        self._h2.remote_settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] = limit
        self._h2.remote_settings.acknowledge()
        self._flush()
        return id

    async def answer(self, id: int) -> ApnsAnswer:
        """Wait for the end of a stream, or of the connection."""
        async with asyncio.timeout(_TIMEOUT_S):
            while not self.answers[id].done and not self.closed:
                await self._read()
        return self.answers[id]

    async def send(self, address: str, headers: Mapping[str, str], payload: Any) -> ApnsAnswer:
        """Send a request, `payload` as JSON or as the bytes that it is, and wait."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return await self.answer(self.begin(address, headers, body))

    async def ended(self) -> None:
        """Wait for the end of the connection."""
        async with asyncio.timeout(_TIMEOUT_S):
            while not self.closed:
                await self._read()

    async def _read(self) -> None:
        try:
            data = await self._reader.read(_READ_BYTES)
        except ConnectionError:
            data = b""
        if not data:
            self.closed = True
            return
        for event in self._h2.receive_data(data):
            self._take(event)
        self._flush()

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = event.last_stream_id
            # What was open goes on to be answered, of which `h2` knows nothing.
            self._h2.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
        stream = getattr(event, "stream_id", None)
        answer = self.answers.get(stream or 0)
        if answer is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            # `header_encoding` makes them text.
            answer.headers = {str(name): str(value) for name, value in event.headers or ()}
            answer.status = int(answer.headers[":status"])
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data or b""
        elif isinstance(event, h2.events.StreamEnded):
            answer.done = True
        elif isinstance(event, h2.events.StreamReset):
            answer.done, answer.reset = True, int(event.error_code or 0)

    def _flush(self) -> None:
        self._writer.write(self._h2.data_to_send())
