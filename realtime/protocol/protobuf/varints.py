"""Unsigned varints, the lengths and numbers of Protobuf: seven bits a byte, the lowest first."""

from typing import Final

from realtime.errors import MALFORMED, ConnectionRefused

LENGTH_BYTES_MAX: Final = 5
"""The most bytes that the length of a message may take: enough for 32 bits."""

# Looked up rather than made: the last byte of a varint, and any other.
_LAST: Final = tuple(bytes((number,)) for number in range(128))
_OTHER: Final = tuple(bytes((number | 0x80,)) for number in range(128))


def of(number: int) -> bytes:
    """The shortest varint of a number that is not negative."""
    if number < 1 << 7:
        return _LAST[number]
    if number < 1 << 14:
        return _OTHER[number & 0x7F] + _LAST[number >> 7]
    if number < 1 << 21:
        return _OTHER[number & 0x7F] + _OTHER[number >> 7 & 0x7F] + _LAST[number >> 14]
    return _OTHER[number & 0x7F] + _OTHER[number >> 7 & 0x7F] + of(number >> 14)


def read_length(data: bytes, at: int) -> tuple[int, int]:
    """The length at `at`, and where the message begins that it belongs to.

    Raises ConnectionRefused (3501) if it takes more than `LENGTH_BYTES_MAX` or ends too early.
    """
    length = 0
    for index, byte in enumerate(data[at : at + LENGTH_BYTES_MAX]):
        length |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return length, at + index + 1
    raise ConnectionRefused(MALFORMED)
