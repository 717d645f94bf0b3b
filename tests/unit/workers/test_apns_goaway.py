"""GOAWAYs are taken out of a stream of frames, and nothing else is touched."""

import pytest
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, PingFrame
from hypothesis import given
from hypothesis import strategies as st

from workers.providers.apns.goaway import Goaway, GoawayFilter


def goaway(last: int, code: int = 0, debug: bytes = b"") -> bytes:
    """A GOAWAY as a server sends it."""
    frame = GoAwayFrame(0)
    frame.last_stream_id, frame.error_code, frame.additional_data = last, code, debug
    return frame.serialize()


def data(stream: int, body: bytes) -> bytes:
    """Any other frame."""
    frame: Frame = DataFrame(stream, body)
    return frame.serialize()


def joined(parts: list[bytes | Goaway]) -> list[bytes | Goaway]:
    """The same, with bytes that follow one another as one."""
    result: list[bytes | Goaway] = []
    for part in parts:
        last = result[-1] if result else None
        if isinstance(part, bytes) and isinstance(last, bytes):
            result[-1] = last + part
        else:
            result.append(part)
    return result


def test_a_goaway_is_taken_out_from_between_two_frames() -> None:
    before, behind = data(1, b"before"), PingFrame(0, b"12345678").serialize()
    parts = list(GoawayFilter().feed(before + goaway(5, 2, b"{}") + behind))
    assert parts == [before, Goaway(5, 2), behind]


def test_bytes_are_passed_on_as_they_come() -> None:
    whole = data(1, b"x" * 5000)
    splitter = GoawayFilter()
    assert list(splitter.feed(whole[:4000])) == [whole[:4000]]
    assert list(splitter.feed(whole[4000:])) == [whole[4000:]]


@pytest.mark.parametrize(
    "frame",
    [
        goaway(1)[:3] + b"\x06" + goaway(1)[4:],  # of another type
        goaway(1)[:8] + b"\x01" + goaway(1)[9:],  # on a stream
        b"\x00\x00\x07" + goaway(1)[3:16],  # too short
        b"\x00\x40\x01" + goaway(1)[3:] + bytes(0x4001 - 8),  # too long
    ],
)
def test_what_is_no_good_goaway_is_left_for_h2(frame: bytes) -> None:
    assert joined(list(GoawayFilter().feed(frame + goaway(3)))) == [frame, Goaway(3, 0)]


FRAMES = st.one_of(
    st.builds(data, st.integers(1, 9), st.binary(max_size=30)),
    st.builds(goaway, st.integers(0, 2**31 - 1), st.integers(0, 13), st.binary(max_size=20)),
)


@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(1, 40), min_size=1))
def test_in_whatever_pieces_it_comes_the_result_is_the_same(
    frames: list[bytes], sizes: list[int]
) -> None:
    stream = b"".join(frames)
    whole = joined(list(GoawayFilter().feed(stream)))
    splitter, parts, place, turn = GoawayFilter(), list[bytes | Goaway](), 0, 0
    while place < len(stream):
        size = sizes[turn % len(sizes)]
        parts += splitter.feed(stream[place : place + size])
        place, turn = place + size, turn + 1
    assert joined(parts) == whole
    others = b"".join(frame for frame in frames if frame[3] != GoAwayFrame.type)
    assert b"".join(part for part in parts if isinstance(part, bytes)) == others
    assert sum(isinstance(part, Goaway) for part in parts) == sum(
        frame[3] == GoAwayFrame.type for frame in frames
    )
