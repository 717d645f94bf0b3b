"""Frames as a client sends them, right or wrong, written out bit by bit."""

from websockets.utils import apply_mask

MASK = b"\x37\xfa\x21\x3d"
"""The masking key of the examples in RFC 6455, 5.7."""

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def client_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    mask: bytes | None = MASK,
    wide: int = 0,
) -> bytes:
    """One frame. `reserved` is 0-7; `mask` None leaves it out; `wide` is 0, 2 or 8 length bytes."""
    size = len(payload)
    wide = max(wide, 0 if size < 126 else 2 if size < 65536 else 8)
    short = {0: size, 2: 126, 8: 127}[wide]
    head = bytes((fin << 7 | reserved << 4 | opcode, (mask is not None) << 7 | short))
    head += size.to_bytes(wide, "big") if wide else b""
    return head + payload if mask is None else head + mask + apply_mask(payload, mask)


def close_payload(code: int, reason: bytes = b"") -> bytes:
    """The payload of a close frame, whatever the code."""
    return code.to_bytes(2, "big") + reason
