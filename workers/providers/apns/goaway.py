"""Takes GOAWAY frames out of what a server sends, before `h2` sees them. Sans-IO.

`h2` regards a connection as closed once it has seen a GOAWAY, and then refuses the answers that
are still to come (python-hyper/h2#1181), which RFC 9113, 6.8 allows and which APNs makes use of
whenever one of its servers is taken away.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

_HEADER_BYTES: Final = 9
"""Length (3), type, flags, stream (4): RFC 9113, 4.1."""

_GOAWAY: Final = 0x7
"""The type of the frame, RFC 9113, 6.8."""

_GOAWAY_BYTES_MIN: Final = 8
"""The last stream and the error code; what is behind them is for humans."""

_FRAME_BYTES_MAX: Final = 16_384
"""What we let a server send, by our settings; `h2` ends a connection with more."""

_STREAM_MASK: Final = 0x7FFF_FFFF
"""The first bit of a stream's number is reserved."""


class Goaway(msgspec.Struct, frozen=True):
    """The server takes no stream above `last`; those up to there may still be answered."""

    last: int
    code: int


class GoawayFilter:
    """Splits what is received, in any pieces, into GOAWAYs and the bytes between them.

    Keeps no more than a frame's header, and a GOAWAY that has not come whole.
    """

    def __init__(self) -> None:
        self._held = b""
        self._passing = 0
        """How many bytes of a frame that is none of ours are still to come."""

    def feed(self, data: bytes) -> Iterator[bytes | Goaway]:
        """What is in it, in order. Each call's iterator is to be used up before the next call."""
        data = self._held + data
        self._held = b""
        begin = place = 0
        while place < len(data):
            if self._passing:
                step = min(self._passing, len(data) - place)
                self._passing -= step
                place += step
                continue
            frame = data[place : place + _HEADER_BYTES]
            length = int.from_bytes(frame[:3])
            if len(frame) == _HEADER_BYTES and not _is_goaway(frame, length):
                self._passing = _HEADER_BYTES + length
                continue
            if len(data) - place < _HEADER_BYTES + length:
                # Not even the header, or a GOAWAY of which a part is missing.
                break
            if begin < place:
                yield data[begin:place]
            place += _HEADER_BYTES
            yield _goaway(data[place : place + length])
            begin = place = place + length
        self._held = data[place:]
        if begin < place:
            yield data[begin:place]


def _is_goaway(header: bytes, length: int) -> bool:
    """Whether it is one that is well formed; `h2` is to complain of any other."""
    stream = int.from_bytes(header[5:9]) & _STREAM_MASK
    return header[3] == _GOAWAY and stream == 0 and _GOAWAY_BYTES_MIN <= length <= _FRAME_BYTES_MAX


def _goaway(payload: bytes) -> Goaway:
    return Goaway(int.from_bytes(payload[:4]) & _STREAM_MASK, int.from_bytes(payload[4:8]))
