"""What waits for one client: bounded in bytes, two lanes (design 4)."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.channels.outbox import FRAME_BYTES, Backlog, Outbox
from tests.unit.channels.clients import Sink

DURABLE: Final = True
EPHEMERAL: Final = False


def room_for(*frames: bytes) -> int:
    """A limit that these frames use up."""
    return sum(len(frame) + FRAME_BYTES for frame in frames)


def test_what_waits_comes_out_in_order_durable_frames_first() -> None:
    backlog = Backlog(10_000)
    for frame, durable in ((b"a", DURABLE), (b"1", EPHEMERAL), (b"b", DURABLE), (b"2", EPHEMERAL)):
        assert backlog.offer(frame, durable, 0.0)
    assert backlog.size == room_for(b"a", b"b", b"1", b"2")
    assert backlog.drain() == b"ab12"
    assert backlog.size == 0
    assert backlog.drain() == b""


def test_the_oldest_ephemeral_frames_make_room() -> None:
    backlog = Backlog(room_for(b"11", b"22", b"33"))
    for frame in (b"11", b"22", b"33"):
        assert backlog.offer(frame, EPHEMERAL, 0.0)
    assert backlog.dropped == 0
    assert backlog.offer(b"44", EPHEMERAL, 0.0)
    assert backlog.offer(b"aa", DURABLE, 0.0)
    assert backlog.dropped == 2
    assert backlog.drain() == b"aa3344"


def test_an_ephemeral_frame_never_takes_a_durable_one_s_place() -> None:
    backlog = Backlog(room_for(b"aa", b"bb"))
    assert backlog.offer(b"aa", DURABLE, 0.0)
    assert backlog.offer(b"bb", DURABLE, 0.0)
    assert backlog.offer(b"11", EPHEMERAL, 0.0)
    assert backlog.dropped == 1
    assert backlog.size == room_for(b"aa", b"bb")
    assert backlog.drain() == b"aabb"


def test_a_durable_frame_without_room_makes_the_client_slow_once() -> None:
    backlog = Backlog(room_for(b"aa", b"bb"))
    assert backlog.offer(b"aa", DURABLE, 0.0)
    assert backlog.offer(b"11", EPHEMERAL, 0.0)
    assert not backlog.overflowed
    assert not backlog.offer(b"bbb", DURABLE, 0.0)
    assert backlog.overflowed
    assert backlog.offer(b"c", DURABLE, 0.0)
    assert backlog.offer(b"2", EPHEMERAL, 0.0)


def test_after_an_overflow_nothing_is_kept_since_it_would_follow_a_hole() -> None:
    backlog = Backlog(room_for(b"aa"))
    backlog.offer(b"aa", DURABLE, 0.0)
    backlog.offer(b"bb", DURABLE, 0.0)
    backlog.offer(b"c", DURABLE, 0.0)
    assert backlog.size == 0
    assert backlog.waited(100.0) == 0.0
    assert backlog.drain() == b""


def test_an_outbox_of_tiny_frames_is_bounded_too() -> None:
    """A frame of two bytes takes a hundred of memory: a peer may send pings without end."""
    backlog = Backlog(10_000)
    for _ in range(10_000):
        backlog.offer(b"\x8a\x00", EPHEMERAL, 0.0)
    assert len(backlog.drain()) // 2 <= 10_000 // FRAME_BYTES


def test_a_backlog_knows_how_long_its_oldest_durable_frame_has_waited() -> None:
    backlog = Backlog(10_000)
    assert backlog.waited(5.0) == 0.0
    backlog.offer(b"1", EPHEMERAL, 1.0)
    assert backlog.waited(5.0) == 0.0
    backlog.offer(b"a", DURABLE, 2.0)
    backlog.offer(b"b", DURABLE, 4.0)
    assert backlog.waited(5.0) == 3.0
    backlog.drain()
    assert backlog.waited(5.0) == 0.0


@given(
    st.integers(0, 600),
    st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=40),
)
def test_a_backlog_keeps_its_limit_and_every_durable_frame(
    limit: int, offers: list[tuple[int, bool]]
) -> None:
    """Until one does not fit even without the ephemeral ones; frames are told by number."""
    backlog = Backlog(limit)
    durable: list[bytes] = []
    ephemeral: list[bytes] = []
    slow = False
    for number, (size, is_durable) in enumerate(offers):
        frame = b"%03d" % number + b"." * size
        fits = is_durable and room_for(*durable, frame) <= limit
        taken = backlog.offer(frame, is_durable, float(number))
        assert backlog.size <= limit
        if is_durable:
            assert taken is (fits or slow)
            slow = slow or not fits
            durable.append(frame)
        else:
            assert taken
            ephemeral.append(frame)
    size = backlog.size
    drained = backlog.drain()
    if slow:
        assert drained == b""
        return
    kept = drained.removeprefix(b"".join(durable))
    assert len(drained) - len(kept) == sum(map(len, durable))
    count = sum(frame in kept for frame in ephemeral)
    assert kept == b"".join(ephemeral[len(ephemeral) - count :])
    assert backlog.dropped == len(ephemeral) - count
    assert size == room_for(*durable, *ephemeral[len(ephemeral) - count :])


@pytest.mark.parametrize(
    ("frames", "joined"), [(None, b""), (b"a", b"a"), ([b"a", b"b"], b"ab"), ([], b"")]
)
def test_a_tick_s_frames_can_be_taken_once(
    frames: bytes | list[bytes] | None, joined: bytes
) -> None:
    outbox = Outbox(Sink(), None)
    outbox.frames = frames
    assert outbox.take() == joined
    assert outbox.frames is None
    assert outbox.take() == b""


def test_an_outbox_tells_what_waits() -> None:
    outbox = Outbox(Sink(), "owner")
    assert outbox.owner == "owner"
    assert repr(outbox) == "<Outbox flowing>"
    outbox.backlog = Backlog(10_000)
    outbox.backlog.offer(b"abc", DURABLE, 0.0)
    assert repr(outbox) == f"<Outbox {3 + FRAME_BYTES} bytes wait>"
