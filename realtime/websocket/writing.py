"""Building the frames that the server sends: never masked, lengths in the fewest bytes.

RFC 6455, 5.1 and 5.2. Every message is one frame, so a frame made once may be written to any
number of connections.
"""

from typing import Final

from realtime.websocket.frames import NO_STATUS, is_close_code

CONTROL_MAX_BYTES: Final = 125
"""Payload of a control frame (RFC 6455, 5.5); for a close frame the code takes two of them."""

# Looked up rather than packed: nearly every frame is short.
_TEXT_HEADS: Final = tuple(bytes((0x81, size)) for size in range(126))
_BINARY_HEADS: Final = tuple(bytes((0x82, size)) for size in range(126))


def frame_text(payload: bytes) -> bytes:
    """A text message. `payload` must be valid UTF-8, which is not checked."""
    size = len(payload)
    if size < 126:
        return _TEXT_HEADS[size] + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def frame_binary(payload: bytes) -> bytes:
    """A binary message."""
    size = len(payload)
    if size < 126:
        return _BINARY_HEADS[size] + payload
    if size < 65536:
        return b"\x82\x7e" + size.to_bytes(2, "big") + payload
    return b"\x82\x7f" + size.to_bytes(8, "big") + payload


def frame_close(code: int, reason: str = "") -> bytes:
    """A close frame; with code 1005 and no reason, one without a payload.

    Raises `ValueError` if the code must not be sent (RFC 6455, 7.4) or the reason takes more than
    123 bytes of UTF-8.
    """
    if code == NO_STATUS and not reason:
        return EMPTY_CLOSE
    if not is_close_code(code):
        raise ValueError(f"close code: {code} must not be sent")
    return _frame_control(0x88, code.to_bytes(2, "big") + reason.encode())


def frame_ping(payload: bytes = b"") -> bytes:
    """A ping. Raises `ValueError` if the payload is longer than 125 bytes."""
    return _frame_control(0x89, payload)


def frame_pong(payload: bytes) -> bytes:
    """The answer to a ping, with the ping's payload. Raises `ValueError` above 125 bytes."""
    return _frame_control(0x8A, payload)


def _frame_control(head: int, payload: bytes) -> bytes:
    size = len(payload)
    if size > CONTROL_MAX_BYTES:
        raise ValueError(f"control frame: {size} bytes of payload, at most {CONTROL_MAX_BYTES} fit")
    return bytes((head, size)) + payload


EMPTY_CLOSE: Final = b"\x88\x00"
"""The answer to a close frame that named no code."""

EMPTY_PING: Final = frame_ping()
"""The ping for clients that asked for native ones (`cf_ws_frame_ping_pong`)."""
