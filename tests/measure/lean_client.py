"""A websocket connection that costs its process next to nothing, for measurements.

It trusts the hub: no check of the handshake's key, no fragments, no limits. Not for tests of
whether the hub is right.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from tests.support.processes import HubProcess

STAMP: Final = re.compile(rb"@T(\d{19})")
"""When something was sent: the monotonic clock of this machine, in nanoseconds."""

TEXT: Final = "a message of an everyday length, as in a chat"

_ANSWER: Final = re.compile(rb'"id":(\d+)')
_ERROR: Final = b'"error":'
_CONNECT_S: Final = 30.0
_PINGS: Final = (b"{}", b"{}\n")


def stamp() -> str:
    """Now, as `STAMP` finds it."""
    return f"@T{time.monotonic_ns():019d}"


class LeanClient(asyncio.Protocol):
    """One JSON connection; `open` makes one. Every text goes to `heard`, unless it is a ping."""

    __slots__ = ("_buffer", "_transport", "_upgraded", "heard", "is_open")

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self.heard = heard
        self.is_open = False
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._upgraded = asyncio.get_running_loop().create_future()

    async def open(self, hub: HubProcess | int, commands: Sequence[dict[str, Any]]) -> None:
        """Connect to a hub, or a port; send these commands, and wait for the last one's answer."""
        loop = asyncio.get_running_loop()
        port = hub if isinstance(hub, int) else hub.port
        heard, answered = self.heard, loop.create_future()
        last = b'"id":%d' % len(commands)

        def first(text: bytes) -> None:
            if _ERROR in text:
                answered.set_exception(RuntimeError(text.decode()))
            elif last in text:
                answered.set_result(None)

        self.heard = first
        async with asyncio.timeout(_CONNECT_S):
            await loop.create_connection(lambda: self, "127.0.0.1", port)
            await self._upgraded
            self.send(
                "\n".join(
                    json.dumps({"id": number, **command})
                    for number, command in enumerate(commands, 1)
                )
            )
            await answered
        self.heard = heard

    def send(self, text: str) -> None:
        """Send one text frame, masked with zeros: legal, and costs this side nothing."""
        assert self._transport is not None
        body = text.encode()
        size = len(body)
        if size < 126:
            head = bytes((0x81, 0x80 | size))
        elif size < 65_536:
            head = b"\x81\xfe" + size.to_bytes(2, "big")
        else:
            head = b"\x81\xff" + size.to_bytes(8, "big")
        self._transport.write(head + b"\0\0\0\0" + body)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See base."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True
        self._transport.write(
            b"GET /connection/websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n"
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """See base."""
        self.is_open = False

    def data_received(self, data: bytes) -> None:
        """See base."""
        if self._buffer:
            data = self._buffer + data
        if not self._upgraded.done():
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._buffer = head
                return
            if b" 101 " not in head:
                self._upgraded.set_exception(ConnectionError(head.decode(errors="replace")))
                return
            self._upgraded.set_result(None)
        at, size = 0, len(data)
        while size - at >= 2:
            start, length = at + 2, data[at + 1]
            if length == 126:
                start, length = at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
            elif length == 127:
                start, length = at + 10, int.from_bytes(data[at + 2 : at + 10], "big")
            if size - start < length:
                break
            text = data[start : start + length]
            at = start + length
            if text in _PINGS:
                self.send("{}")
            else:
                self.heard(text)
        self._buffer = data[at:]


class Publisher:
    """Publishes through one connection and times each ack, in milliseconds.

    `channel` names the channel of its n-th message.
    """

    def __init__(self, channel: Callable[[int], str]) -> None:
        self.client = LeanClient(self._heard)
        self.waits_ms: list[float] = []
        self.errors = 0
        self.window = 0
        """How many are to be on their way at any time; 0 for only those that are asked for."""
        self._channel = channel
        self._sent: dict[int, int] = {}
        self._id = 100
        self._count = 0

    @property
    def waiting(self) -> int:
        """How many are not answered yet."""
        return len(self._sent)

    def publish(self, count: int) -> None:
        """Publish so many, in one frame."""
        now = time.monotonic_ns()
        lines = []
        for _ in range(count):
            self._id += 1
            self._count += 1
            self._sent[self._id] = now
            lines.append(
                f'{{"id":{self._id},"publish":{{"channel":"{self._channel(self._count)}",'
                f'"data":{{"t":"{stamp()}","text":"{TEXT}"}}}}}}'
            )
        self.client.send("\n".join(lines))

    def fill(self) -> None:
        """Have as many on their way as `window` says."""
        missing = self.window - len(self._sent)
        if missing > 0:
            self.publish(missing)

    def _heard(self, text: bytes) -> None:
        now = time.monotonic_ns()
        for line in text.split(b"\n"):
            found = _ANSWER.search(line)
            sent = self._sent.pop(int(found[1]), None) if found else None
            if sent is None:
                continue
            if _ERROR in line:
                self.errors += 1
            else:
                self.waits_ms.append((now - sent) / 1e6)
        self.fill()


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest rank; nan of nothing."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
