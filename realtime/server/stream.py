"""An answer that never ends: the hub's side of server-sent events and HTTP streams.

The request was read by aiohttp, which has let go of the connection: this writes the answer's head,
and chunks after it, to the transport itself. So a stream that is silent costs no task and nothing
of aiohttp's.
"""

import asyncio
import contextlib
import socket
from typing import Final

from realtime.channels.live import Wire
from realtime.errors import Disconnect
from realtime.hub.client import Client
from realtime.hub.hub import Hub
from realtime.protocol.replies import Disconnected
from realtime.server.chunks import LAST_CHUNK, STAY_AWAY
from realtime.server.gate import CLOSE_TIMEOUT_S, Gate
from realtime.server.stream_wires import JSON_UNI_SSE
from realtime.server.websocket import WRITE_HIGH_BYTES, WRITE_LOW_BYTES

IGNORED_MAX_BYTES: Final = 64 * 1024
"""What a client may send behind its request, which nobody waits for; more ends the connection."""


class StreamConnection(asyncio.Protocol):
    """The server's end of one stream; a `realtime.hub.transport.Transport`.

    Made for a request that was read to its end, and counted by the gate until it is lost. `head` is
    the answer's, with whatever the stream begins with.
    """

    __slots__ = ("_address", "_client", "_gate", "_hub", "_ignored", "_transport", "wire")

    frame_pings = False
    pongs = True
    is_emulated = True

    def __init__(
        self,
        hub: Hub,
        gate: Gate,
        transport: asyncio.Transport,
        wire: Wire,
        *,
        address: str | None,
        head: bytes,
    ) -> None:
        self.wire = wire
        self._hub = hub
        self._gate = gate
        self._transport = transport
        self._address = address
        self._ignored = 0
        transport.set_write_buffer_limits(WRITE_HIGH_BYTES, WRITE_LOW_BYTES)
        transport.write(head)
        # None once the connection is lost.
        self._client: Client | None = hub.joined(self)

    def begin(self, payload: bytes) -> None:
        """Perform what the request asked for: the connect, and what was sent with it."""
        if self._client is not None:
            self._hub.received(self._client, payload)

    # A hub's Transport.

    @property
    def sink(self) -> asyncio.Transport:
        """Where frames are written."""
        return self._transport

    @property
    def address(self) -> str:
        """The client's address, "" if it cannot be told."""
        if self._address is not None:
            return self._address
        peer = self._transport.get_extra_info("peername")
        return str(peer[0]) if peer else ""

    def ping(self) -> None:
        """There is no other ping than the protocol's."""

    def close(self, disconnect: Disconnect, last: bytes = b"") -> None:
        """Push the code, and end the answer and the connection; at once, or soon anyway."""
        transport = self._transport
        if transport.is_closing():
            return
        push = self.wire.codec.push("", Disconnected(disconnect.code, disconnect.reason))
        self._gate.leaving(self, asyncio.get_running_loop().time())
        # RuntimeError is uvloop's word for a transport that has just closed.
        with contextlib.suppress(RuntimeError):
            transport.write(last + self.wire.frame(push) + LAST_CHUNK)
        transport.close()

    def pause_reading(self) -> None:
        """Have the client's requests wait: nothing else comes from it."""
        if self._client is not None:
            self._hub.emulation.hold(self._client)

    def resume_reading(self) -> None:
        """Have those that waited performed, and those that come."""
        if self._client is not None:
            self._hub.emulation.release(self._client)

    def abort(self) -> None:
        """End the TCP connection now."""
        self._transport.abort()

    # An asyncio Protocol.

    def data_received(self, data: bytes) -> None:
        """Nothing is expected: it is ignored, but not without end."""
        self._ignored += len(data)
        if self._ignored > IGNORED_MAX_BYTES:
            self._transport.abort()

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        if self._client is not None:
            self._hub.paused(self._client)

    def resume_writing(self) -> None:
        """The transport's buffer has room."""
        if self._client is not None:
            self._hub.resumed(self._client)

    def eof_received(self) -> bool:
        """The peer is done with us; have the transport closed, and aborted if nobody reads on."""
        self._gate.leaving(self, asyncio.get_running_loop().time())
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, for whatever reason."""
        self._gate.left(self)
        self._gate.release()
        if self._client is not None:
            self._hub.left(self._client)
        # The client refers to this connection; without the way back both are freed at once.
        self._client = None


class UnidirectionalStream(StreamConnection):
    """A stream whose client says nothing more than its request did."""

    __slots__ = ()

    pongs = False
    is_emulated = False

    def __init__(
        self,
        hub: Hub,
        gate: Gate,
        transport: asyncio.Transport,
        wire: Wire,
        *,
        address: str | None,
        head: bytes,
    ) -> None:
        super().__init__(hub, gate, transport, wire, address=address, head=head)
        # As a websocket that does not answer: a pong's time, and that of a close.
        _free_half_open(transport, hub.settings.client.pong_timeout_s + CLOSE_TIMEOUT_S)

    def close(self, disconnect: Disconnect, last: bytes = b"") -> None:
        """As any stream; a browser, which knows nothing of codes, is told whether to come back."""
        if self.wire is JSON_UNI_SSE and not disconnect.reconnects:
            last += STAY_AWAY
        super().close(disconnect, last)


def _free_half_open(transport: asyncio.Transport, timeout_s: float) -> None:
    """Have the kernel end the connection if the peer acknowledges nothing for so long.

    In place of pongs, which a client that only listens cannot send: pings are written, and a peer
    that vanished does not even acknowledge those. Where the system has no such option (it is
    Linux's), TCP itself gives up after a quarter of an hour.
    """
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    bound = transport.get_extra_info("socket")
    if option is None or bound is None:
        return
    with contextlib.suppress(OSError):  # a unix socket has no peer that could vanish
        bound.setsockopt(socket.IPPROTO_TCP, option, round(timeout_s * 1000))
