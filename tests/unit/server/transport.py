"""A transport as asyncio makes them, without a socket."""

import asyncio
from typing import Any


class SocketlessTransport(asyncio.Transport):
    """Keeps what is written and what is asked of it. `protocol` is who holds the connection."""

    def __init__(self, peer: str = "192.0.2.1") -> None:
        super().__init__({"peername": (peer, 12345)})
        self.written = b""
        self.closing = False
        self.aborted = False
        self.reading = True
        self.unsent_bytes = 0
        """What the peer has not read."""
        self.limits: tuple[int | None, int | None] = (None, None)
        self.protocol: Any = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See asyncio."""
        self.written += bytes(data)

    def take(self) -> bytes:
        """What was written since the last time."""
        written, self.written = self.written, b""
        return written

    def close(self) -> None:
        """See asyncio."""
        self.closing = True

    def abort(self) -> None:
        """See asyncio."""
        self.closing = self.aborted = True

    def is_closing(self) -> bool:
        """See asyncio."""
        return self.closing

    def pause_reading(self) -> None:
        """See asyncio."""
        self.reading = False

    def resume_reading(self) -> None:
        """See asyncio."""
        self.reading = True

    def get_write_buffer_size(self) -> int:
        """See asyncio."""
        return self.unsent_bytes

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See asyncio."""
        self.limits = (high, low)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See asyncio."""
        self.protocol = protocol
