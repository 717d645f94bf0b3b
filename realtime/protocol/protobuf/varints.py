"""Unsigned varints, the lengths and numbers of Protobuf: seven bits a byte, the lowest first."""

from typing import Final

from realtime.errors import MALFORMED, ConnectionRefused

LENGTH_BYTES_MAX: Final = 5
"""The most bytes that the length of a message may take: enough for 32 bits."""


def encode(number: int) -> bytes:
    """The shortest varint of a number that is not negative."""
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


SHORT: Final = tuple(encode(number) for number in range(2048))
"""The varints of small numbers, looked up rather than made: nearly every length is one."""


def of(number: int) -> bytes:
    """The varint of a number that is not negative; fastest for small ones."""
    return SHORT[number] if number < len(SHORT) else encode(number)


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
