"""What waits to be published: bounds, and what is kept when there is no room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.brokers.base import BrokerStatistics
from realtime.brokers.redis.outbox import Outbox, Worth

EPHEMERAL, STORED = Worth.EPHEMERAL, Worth.STORED


def make(messages_max: int = 4, bytes_max: int = 1000) -> tuple[Outbox, BrokerStatistics]:
    counted = BrokerStatistics()
    return Outbox(counted, messages_max=messages_max, bytes_max=bytes_max), counted


def payloads(outbox: Outbox) -> list[bytes]:
    return [item.payload for item in outbox.waiting()]


def test_what_comes_first_goes_first() -> None:
    outbox, _ = make()
    for payload in (b"1", b"2", b"3"):
        outbox.offer(b"a", payload, EPHEMERAL)
    assert [item.payload for item in outbox.take(2, 1000)] == [b"1", b"2"]
    outbox.sent()
    assert [item.payload for item in outbox.take(2, 1000)] == [b"3"]


def test_a_batch_ends_once_it_has_enough_bytes_but_is_never_empty() -> None:
    outbox, _ = make()
    for _ in range(3):
        outbox.offer(b"a", b"x" * 99, EPHEMERAL)
    assert len(outbox.take(10, 1)) == 1
    outbox.sent()
    assert len(outbox.take(10, 101)) == 2
    assert outbox.size_bytes == 0


def test_a_full_outbox_keeps_how_far_each_log_goes() -> None:
    outbox, counted = make()
    outbox.offer(b"a", b"a1", STORED)
    outbox.offer(b"b", b"b1", STORED)
    outbox.offer(b"a", b"a2", STORED)
    outbox.offer(b"a", b"typing", EPHEMERAL)
    outbox.offer(b"c", b"c1", STORED)
    assert payloads(outbox) == [b"a2", b"b1", b"c1"]
    assert counted.dropped == 2


def test_a_full_outbox_of_what_must_be_kept_drops_what_comes() -> None:
    outbox, counted = make()
    for name in (b"a", b"b", b"c", b"d", b"e"):
        outbox.offer(name, name, STORED)
    assert payloads(outbox) == [b"a", b"b", b"c", b"d"]
    assert counted.dropped == 1


def test_bytes_are_bounded_as_well() -> None:
    outbox, counted = make(messages_max=1000, bytes_max=100)
    for _ in range(10):
        outbox.offer(b"a", b"x" * 29, EPHEMERAL)
    assert outbox.size_bytes <= 100
    outbox.offer(b"a", b"x" * 101, STORED)
    assert outbox.size_bytes <= 100
    assert counted.dropped + len(outbox) == 11


def test_what_failed_is_repeated_once_if_it_is_stored() -> None:
    outbox, counted = make()
    outbox.offer(b"a", b"stored", STORED)
    outbox.offer(b"a", b"typing", EPHEMERAL)
    outbox.take(10, 1000)
    outbox.offer(b"a", b"next", STORED)
    outbox.failed()
    assert payloads(outbox) == [b"stored", b"next"]
    assert counted.dropped == 1
    outbox.take(1, 1000)
    outbox.failed()
    assert payloads(outbox) == [b"next"]
    assert counted.dropped == 2


def test_it_is_settled_when_nothing_waits_and_nothing_is_in_flight() -> None:
    outbox, _ = make()
    assert outbox.settled.is_set()
    outbox.offer(b"a", b"1", EPHEMERAL)
    outbox.take(10, 1000)
    assert not outbox.settled.is_set()
    outbox.sent()
    assert outbox.settled.is_set()
    outbox.offer(b"a", b"1", EPHEMERAL)
    outbox.clear()
    assert outbox.settled.is_set()


def test_news_are_told_once() -> None:
    told: list[None] = []
    outbox, _ = make()
    outbox.on_news = lambda: told.append(None)
    outbox.offer(b"a", b"1", EPHEMERAL)
    outbox.offer(b"a", b"2", EPHEMERAL)
    assert len(told) == 1
    outbox.take(10, 1000)
    outbox.offer(b"a", b"3", EPHEMERAL)
    assert len(told) == 2


def test_one_outbox_takes_over_from_another() -> None:
    first, _ = make()
    second, _ = make()
    first.offer(b"a", b"1", STORED)
    second.adopt(first)
    assert payloads(second) == [b"1"]
    assert len(first) == first.size_bytes == 0


def test_an_outbox_full_of_one_channel_is_made_room_in_again_and_again() -> None:
    outbox, counted = make(messages_max=10)
    for number in range(1000):
        outbox.offer(b"a", b"%d" % number, STORED)
    assert payloads(outbox)[-1] == b"999"
    assert counted.dropped == 1000 - len(outbox)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"a", b"b", b"c"]),
            st.binary(max_size=20),
            st.sampled_from([EPHEMERAL, STORED]),
            st.sampled_from(["offer", "offer", "offer", "take", "fail"]),
        ),
        max_size=60,
    )
)
def test_it_never_exceeds_its_bounds_and_counts_all_it_drops(
    steps: list[tuple[bytes, bytes, Worth, str]],
) -> None:
    outbox, counted = make(messages_max=5, bytes_max=60)
    offered = taken = 0
    for topic, payload, worth, step in steps:
        if step == "offer":
            outbox.offer(topic, payload, worth)
            offered += 1
        else:
            batch = outbox.take(2, 30)
            if step == "take":
                taken += len(batch)
                outbox.sent()
            else:
                outbox.failed()
        assert len(outbox) <= 5
        assert outbox.size_bytes == sum(len(i.topic) + len(i.payload) for i in outbox.waiting())
        assert outbox.size_bytes <= 60
        assert offered == taken + counted.dropped + len(outbox)
        assert outbox.settled.is_set() == (len(outbox) == 0)


def test_two_pipelines_at_a_time_are_a_defect() -> None:
    outbox, _ = make()
    outbox.offer(b"a", b"1", EPHEMERAL)
    outbox.take(1, 1000)
    with pytest.raises(AssertionError):
        outbox.take(1, 1000)
