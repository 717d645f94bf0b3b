"""Reading frames that clients sent: bytes in, messages and control frames out (RFC 6455, 5).

Sans-IO. The verdicts are those of the `websockets` library on the same bytes: the same messages,
the same control frames, the same close code. Where several rules are broken at once the order of
the checks decides, so it is that library's too.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

try:
    from websockets.speedups import apply_mask
except ImportError:  # pragma: no cover - a build of the library without its C part
    from websockets.utils import apply_mask

PROTOCOL_ERROR: Final = 1002
NO_STATUS: Final = 1005
INVALID_DATA: Final = 1007
MESSAGE_TOO_BIG: Final = 1009

_CONTINUATION: Final = 0x0
_TEXT: Final = 0x1
_BINARY: Final = 0x2
_CLOSE: Final = 0x8
_PING: Final = 0x9
_PONG: Final = 0xA
_OPCODES: Final = frozenset((_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG))

_FIN: Final = 0x80
_RESERVED_BITS: Final = 0x70
_MASKED: Final = 0x80
_CONTROL_MAX_BYTES: Final = 125
_NO_MASK: Final = b"\0\0\0\0"

# 1004 is reserved; 1005, 1006 and 1015 never travel (RFC 6455, 7.4.1); 1012-1014 were registered
# with IANA later.
_REGISTERED_CLOSE_CODES: Final = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015)))


class OtherKind(msgspec.Struct, frozen=True, gc=False):
    """A whole message of the kind that the reader is not for: binary, or text, which is UTF-8."""

    payload: bytes


class Ping(msgspec.Struct, frozen=True, gc=False):
    """The client asks for a pong with the same payload, at most 125 bytes (RFC 6455, 5.5.2)."""

    payload: bytes


class Pong(msgspec.Struct, frozen=True, gc=False):
    """The client answered a ping, or sent a pong unasked, which needs no answer."""

    payload: bytes


class Close(msgspec.Struct, frozen=True, gc=False):
    """The client's close frame; nothing is read after it. `code` is 1005 where it named none."""

    code: int
    reason: str


class Failure(msgspec.Struct, frozen=True, gc=False):
    """The client broke a rule: fail the connection with this code (RFC 6455, 7.1.7).

    Nothing is read after it. `reason` is one of a few constant texts, safe for the wire.
    """

    code: int
    reason: str


Event = bytes | OtherKind | Ping | Pong | Close | Failure
"""What a reader finds. Plain `bytes` are a message of its kind as sent, maybe empty; text is valid
UTF-8."""


def is_close_code(code: int) -> bool:
    """Whether a close frame may carry the code (RFC 6455, 7.4)."""
    return 3000 <= code <= 4999 or code in _REGISTERED_CLOSE_CODES


def _is_utf8(payload: bytes | bytearray) -> bool:
    if payload.isascii():
        return True
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


class FrameReader:
    """Reads one client's frames. Holds bytes only while a frame or a message is incomplete.

    `is_binary`: the client's messages are binary ones, not text; those of the other kind are read
    as well, and told apart.

    `message_max_bytes` bounds a message's payload, fragments added up, and is judged from the
    frame's header. As in `websockets` it bounds a control frame too: within a fragmented message,
    by what that message has left. Between calls no more than that and a header is held.
    """

    __slots__ = ("_ended", "_kind", "_max", "_message", "_need", "_opcode", "_pending", "_room")

    def __init__(self, message_max_bytes: int, *, is_binary: bool = False) -> None:
        self._opcode = _BINARY if is_binary else _TEXT
        self._max = message_max_bytes
        # What the message being read may still take.
        self._room = message_max_bytes
        # The beginning of a frame, and how many bytes it takes to get any further with it.
        self._pending: bytearray | None = None
        self._need = 0
        # The fragments so far of a message (RFC 6455, 5.4), and the opcode of its first.
        self._message: bytearray | None = None
        self._kind = self._opcode
        self._ended = False

    def __repr__(self) -> str:
        pending = len(self._pending or b"")
        message = "none" if self._message is None else f"{len(self._message)} bytes"
        return f"<FrameReader pending={pending} bytes message={message} ended={self._ended}>"

    @property
    def ended(self) -> bool:
        """Whether a close frame or a failure was found, so that nothing more is read."""
        return self._ended

    def feed(self, data: bytes) -> Sequence[Event]:
        """Take what arrived; return what it completed, in order.

        The last event is a `Close` or a `Failure` if there was one; all later data is discarded.
        Never raises on what a client sent.
        """
        if self._ended:
            return ()
        if self._pending is not None:
            self._pending += data
            if len(self._pending) < self._need:
                return ()
            data = bytes(self._pending)
            self._pending = None
        events: list[Event] = []
        start, end = 0, len(data)
        # Nearly all traffic is short messages of one kind in one frame each: those take this loop
        # alone. Whatever is unusual about a frame leaves it, and is judged below.
        opcode = self._opcode
        expected = _FIN | opcode
        while end - start > 5 and data[start] == expected and self._message is None:
            body = start + 6
            size = data[start + 1] - _MASKED
            if size > 125:
                if size == 127:
                    break
                size = data[start + 2] << 8 | data[start + 3]
                body += 2
            stop = body + size
            if size < 0 or size > self._max or stop > end:
                break
            payload = data[body:stop]
            mask = data[body - 4 : body]
            if mask != _NO_MASK:
                payload = apply_mask(payload, mask)
            if opcode == _TEXT and not payload.isascii():
                try:
                    payload.decode()
                except UnicodeDecodeError:
                    break
            events.append(payload)
            start = stop
        while start < end:
            start = self._read_frame(data, start, end, events)
        return events

    def _read_frame(self, data: bytes, start: int, end: int, events: list[Event]) -> int:
        """Read the frame at `start`; return where the next one starts, or `end` to stop."""
        if end - start < 2:
            return self._wait(data, start, end, 2)
        head = data[start]
        opcode = head & 0x0F
        size = data[start + 1] - _MASKED
        if opcode not in _OPCODES:
            return self._fail(PROTOCOL_ERROR, "unknown opcode", end, events)
        if size < 0:
            return self._fail(PROTOCOL_ERROR, "frame without a mask", end, events)
        # A length in more bytes than needed is against RFC 6455, 5.2, but `websockets` reads it.
        body = start + 6
        if size > 125:
            wide = 2 if size == 126 else 8
            if end - start < 2 + wide:
                return self._wait(data, start, end, 2 + wide)
            size = int.from_bytes(data[start + 2 : start + 2 + wide], "big")
            body += wide
        if size > self._room:
            return self._fail(MESSAGE_TOO_BIG, "message too big", end, events)
        broken = self._broken_rule(head, opcode, size)
        if broken:
            return self._fail(PROTOCOL_ERROR, broken, end, events)
        stop = body + size
        if stop > end:
            return self._wait(data, start, end, stop - start)
        payload = data[body:stop]
        mask = data[body - 4 : body]
        if mask != _NO_MASK:
            payload = apply_mask(payload, mask)
        if opcode < _CLOSE:
            event = self._take_data(opcode, head >= _FIN, payload)
        else:
            event = self._take_control(opcode, payload)
        if event is not None:
            events.append(event)
            if type(event) in (Close, Failure):
                return self._end(end)
        return stop

    def _broken_rule(self, head: int, opcode: int, size: int) -> str:
        """What is wrong with a frame's header, all of it 1002; "" if nothing."""
        if head & _RESERVED_BITS:
            return "reserved bits set"
        if opcode >= _CLOSE:
            if size > _CONTROL_MAX_BYTES:
                return "control frame too long"
            if head < _FIN:
                return "fragmented control frame"
        elif opcode == _CONTINUATION:
            if self._message is None:
                return "unexpected continuation frame"
        elif self._message is not None:
            return "continuation frame expected"
        return ""

    def _take_data(self, opcode: int, is_final: bool, payload: bytes) -> Event | None:
        if opcode != _CONTINUATION:
            self._kind = opcode
        if not is_final or self._message is not None:
            # Added up, not listed: any number of empty fragments must cost nothing.
            if self._message is None:
                self._message = bytearray()
            self._message += payload
            self._room = self._max - len(self._message)
            if not is_final:
                return None
            payload = bytes(self._message)
            self._message = None
            self._room = self._max
        # Judged when the message is whole, as RFC 6455, 8.1 lets us.
        if self._kind == _TEXT and not _is_utf8(payload):
            return Failure(INVALID_DATA, "invalid UTF-8")
        return payload if self._kind == self._opcode else OtherKind(payload)

    def _take_control(self, opcode: int, payload: bytes) -> Event:
        if opcode == _PING:
            return Ping(payload)
        if opcode == _PONG:
            return Pong(payload)
        close = parse_close(payload)
        if self._message is not None and type(close) is Close:
            return Failure(PROTOCOL_ERROR, "incomplete fragmented message")
        return close

    def _wait(self, data: bytes, start: int, end: int, need: int) -> int:
        self._pending = bytearray(data[start:])
        self._need = need
        return end

    def _fail(self, code: int, reason: str, end: int, events: list[Event]) -> int:
        events.append(Failure(code, reason))
        return self._end(end)

    def _end(self, end: int) -> int:
        self._ended = True
        self._message = None
        return end


def parse_close(payload: bytes) -> Close | Failure:
    """What the payload of a close frame says (RFC 6455, 5.5.1)."""
    if not payload:
        return Close(NO_STATUS, "")
    if len(payload) == 1:
        return Failure(PROTOCOL_ERROR, "close frame too short")
    try:
        reason = payload[2:].decode()
    except UnicodeDecodeError:
        return Failure(INVALID_DATA, "invalid UTF-8")
    code = int.from_bytes(payload[:2], "big")
    if not is_close_code(code):
        return Failure(PROTOCOL_ERROR, "invalid close code")
    return Close(code, reason)
