"""Where clients connect to, worked out once for all of them."""

import asyncio
import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

from load.wire.codec import CODECS, Codec, Format
from load.wire.sockets import Sockets

PATH: Final = "/connection/websocket"
"""Where hubs take connections, unless the URL says otherwise."""

RESOLVE_S: Final = 10.0
"""How long the name of a hub may take to resolve, in seconds."""


class Target:
    """A hub's URL, `ws` or `wss`, in one format. `resolve` before the first client.

    `ca_file` holds the authorities to believe instead of the system's. Raises ValueError for what
    is no such URL, OSError for a file that cannot be read.
    """

    def __init__(self, url: str, format: Format = "json", *, ca_file: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"ws", "wss"} or not parts.hostname:
            raise ValueError("not a URL like ws://127.0.0.1:8000")
        self.codec: Codec = CODECS[format]
        self.host: str = parts.hostname
        self.port: int = parts.port or (443 if parts.scheme == "wss" else 80)
        self.tls: ssl.SSLContext | None = None
        if parts.scheme == "wss":
            self.tls = ssl.create_default_context(cafile=ca_file or None)
        self._sockets: Sockets | None = None
        self.address: tuple[str, int] | None = None
        """What the name resolved to."""
        self.family = socket.AF_INET
        query = f"?{parts.query}" if parts.query else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        lines = [
            f"GET {parts.path.rstrip('/') or PATH}{query} HTTP/1.1",
            f"Host: {host}:{self.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            # One key for all: it guards against confused caches, and there are none here.
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Version: 13",
        ]
        if self.codec.subprotocol:
            lines.append(f"Sec-WebSocket-Protocol: {self.codec.subprotocol}")
        self.request: bytes = "\r\n".join([*lines, "", ""]).encode()
        """The handshake, the same for every client."""

    @property
    def sockets(self) -> Sockets:
        """Its plain connections; within the loop. One target is of one loop."""
        if self._sockets is None:
            self._sockets = Sockets(asyncio.get_running_loop())
        return self._sockets

    def close(self) -> None:
        """Hang up what is plain and still connected; within the loop."""
        if self._sockets is not None:
            self._sockets.close()
            self._sockets = None

    async def resolve(self) -> None:
        """Find the address, once. Raises OSError or TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(RESOLVE_S):
            found = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        self.family, address = found[0][0], found[0][4]
        self.address = (str(address[0]), int(address[1]))
