"""A websocket connection: bytes between the transport, the frame reader and the hub."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from typing import Final

from realtime.channels.live import Wire
from realtime.errors import MALFORMED, Disconnect
from realtime.hub.client import Client
from realtime.hub.hub import Hub
from realtime.server.gate import Gate
from realtime.websocket import (
    EMPTY_PING,
    Close,
    Event,
    Failure,
    FrameReader,
    OtherKind,
    Ping,
    frame_pong,
)
from realtime.websocket.closing import State, close, received

WRITE_HIGH_BYTES: Final = 64 * 1024
"""Above this the transport is full, and the client's outbox bounds what waits."""

WRITE_LOW_BYTES: Final = 16 * 1024
"""Below this it has room again. uvloop's own default is 16 bytes: stop and go for every frame."""


TURN_FRAMES: Final = 64
TURN_BYTES: Final = 16 * 1024
"""Frames of one connection, and bytes in them, that are acted on before others get their turn.

A read brings thousands of small ones, and the loop would read from a busy socket again and again.
"""

CLOSING_MAX_BYTES: Final = 256 * 1024
"""What a peer may still send after our close frame; one that floods us is not waited for."""


class WebsocketConnection(asyncio.Protocol):
    """The server's end of an open websocket; a `realtime.hub.transport.Transport`.

    Made by the door once the handshake is accepted, counted by the gate until it is lost.
    """

    __slots__ = (
        "_address",
        "_after_close",
        "_client",
        "_gate",
        "_hub",
        "_is_held",
        "_reader",
        "_state",
        "_transport",
        "_waiting",
        "frame_pings",
        "wire",
    )

    pongs = True
    is_emulated = False

    def __init__(
        self,
        hub: Hub,
        gate: Gate,
        transport: asyncio.Transport,
        *,
        wire: Wire,
        address: str | None,
        frame_pings: bool,
    ) -> None:
        self.wire = wire
        self.frame_pings = frame_pings
        self._hub = hub
        self._gate = gate
        self._transport = transport
        self._address = address
        message_max_bytes = hub.settings.client.message_max_bytes
        self._reader = FrameReader(message_max_bytes, is_binary=wire.codec.is_binary)
        self._state = State.OPEN
        # Frames that were read and wait for their turn; None nearly always.
        self._waiting: deque[Event] | None = None
        self._is_held = False
        self._after_close = 0
        transport.set_write_buffer_limits(WRITE_HIGH_BYTES, WRITE_LOW_BYTES)
        self._client: Client = hub.joined(self)

    # A hub's Transport.

    @property
    def sink(self) -> asyncio.Transport:
        """Where frames are written: without a hop, since this is done for every delivery."""
        return self._transport

    @property
    def address(self) -> str:
        """The client's address, "" if it cannot be told."""
        if self._address is not None:
            return self._address
        peer = self._transport.get_extra_info("peername")
        return str(peer[0]) if peer else ""

    def ping(self) -> None:
        """Send a native ping."""
        self._hub.fanout.send(self._client.outbox, EMPTY_PING, False)

    def close(self, disconnect: Disconnect, last: bytes = b"") -> None:
        """Send the close frame; the connection ends when the peer answers, or soon anyway."""
        step = close(self._state, disconnect.code, disconnect.reason)
        self._state = step.state
        if step.frame:
            self.resume_reading()  # where it was paused: the peer's close frame must be read
            self._write_last(last + step.frame)

    def pause_reading(self) -> None:
        """See Transport."""
        self._is_held = True
        self._pause()

    def resume_reading(self) -> None:
        """See Transport."""
        self._is_held = False
        if self._waiting is not None:
            asyncio.get_running_loop().call_soon(self._take_turn)
        else:
            self._resume()

    def abort(self) -> None:
        """End the TCP connection now."""
        self._transport.abort()

    # An asyncio Protocol.

    def data_received(self, data: bytes) -> None:
        """Read frames, and have their messages performed in order, a bounded number at a time."""
        if self._state is not State.OPEN:
            self._after_close += len(data)
            if self._after_close > CLOSING_MAX_BYTES:
                self._transport.abort()
                return
        events = self._reader.feed(data)
        if self._waiting is not None:
            self._waiting.extend(events)
        elif len(data) <= TURN_BYTES and len(events) <= TURN_FRAMES:
            self._act_on(events)
        else:
            self._pause()
            self._waiting = deque(events)
            self._take_turn()

    def _take_turn(self) -> None:
        waiting = self._waiting
        if waiting is None or self._transport.is_closing():
            self._waiting = None
            return
        turn: list[Event] = []
        size = 0
        while waiting and len(turn) < TURN_FRAMES and size < TURN_BYTES:
            event = waiting.popleft()
            size += len(event) if type(event) is bytes else 0
            turn.append(event)
        self._act_on(turn)
        if not waiting:
            self._waiting = None
            if not self._is_held:
                self._resume()
        elif not self._is_held:
            asyncio.get_running_loop().call_soon(self._take_turn)

    def _act_on(self, events: Sequence[Event]) -> None:
        client = self._client
        for event in events:
            if type(event) is bytes:
                if self._state is State.OPEN:
                    self._hub.received(client, event)
            elif type(event) is Ping:
                if self._state is not State.OPEN:
                    continue  # nothing may follow the close frame (RFC 6455, 5.5.1)
                # With the ephemeral frames: a peer that pings and never reads must not fill memory.
                self._hub.fanout.send(client.outbox, frame_pong(event.payload), False)
            elif type(event) is Close or type(event) is Failure:
                self._end(event)
            elif type(event) is OtherKind:
                self._hub.responder.close(client, MALFORMED)
            elif self.frame_pings:
                client.session.pong()

    def _pause(self) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def _resume(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self._hub.paused(self._client)

    def resume_writing(self) -> None:
        """The transport's buffer has room."""
        self._hub.resumed(self._client)

    def eof_received(self) -> bool:
        """The peer sends no more; a websocket is over then, so have the transport closed.

        It may not read either, and the transport would wait for it.
        """
        self._gate.leaving(self, asyncio.get_running_loop().time())
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, for whatever reason."""
        self._gate.left(self)
        self._gate.release()
        self._hub.left(self._client)
        self._waiting = None
        # The client refers to this connection; without the way back both are freed at once.
        del self._client

    def _end(self, event: Close | Failure) -> None:
        step = received(self._state, event)
        self._state = step.state
        frames = self._client.outbox.take()
        self._hub.left(self._client)
        self._write_last(frames + step.frame)
        self._transport.close()

    def _write_last(self, frames: bytes) -> None:
        """Write what ends the conversation; the gate aborts a peer that does not take it."""
        self._gate.leaving(self, asyncio.get_running_loop().time())
        # RuntimeError is uvloop's word for a transport that has just closed.
        with contextlib.suppress(RuntimeError):
            if frames and not self._transport.is_closing():
                self._transport.write(frames)
