import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.chat.pacing import Pace, Paced
from realtime.errors import StoreUnavailable
from tests.support.chat import ManualClock


def pace(keys_max: int = 100) -> Pace[str, int]:
    return Pace(lambda one, other: one + other, keys_max=keys_max)


def test_the_first_note_of_a_key_is_due_at_once_and_the_next_ones_are_one_a_second_later() -> None:
    notes = pace()
    notes.add("a", 1, now=10.0)
    assert notes.next_s(10.0) == 0.0
    assert notes.due(10.0) == [("a", 1)]
    notes.add("a", 2, now=10.1)
    notes.add("a", 3, now=10.9)
    assert notes.due(10.99) == []
    assert notes.next_s(10.5) == pytest.approx(0.5)
    assert notes.due(11.0) == [("a", 5)]


def test_keys_do_not_wait_for_each_other() -> None:
    notes = pace()
    notes.add("a", 1, now=0.0)
    notes.due(0.0)
    notes.add("b", 1, now=0.1)
    assert notes.due(0.1) == [("b", 1)]


def test_notes_that_wait_together_are_merged() -> None:
    notes = pace()
    notes.add("a", 1, now=0.0)
    notes.add("a", 2, now=0.0)
    assert notes.due(0.0) == [("a", 3)]


def test_a_key_is_forgotten_once_its_second_is_over() -> None:
    notes = pace()
    notes.add("a", 1, now=0.0)
    notes.due(0.0)
    assert len(notes) == 1
    assert notes.due(1.0) == []
    assert len(notes) == 0
    assert notes.next_s(1.0) is None


def test_what_is_too_much_is_dropped_and_counted() -> None:
    notes = pace(keys_max=2)
    for key in "abc":
        notes.add(key, 1, now=0.0)
    assert notes.dropped == 1
    assert notes.due(0.0) == [("a", 1), ("b", 1)]


def test_only_so_many_notes_are_due_together() -> None:
    notes = pace()
    for key in "abc":
        notes.add(key, 1, now=0.0)
    assert len(notes.due(0.0, limit=2)) == 2
    assert len(notes.due(0.0, limit=2)) == 1


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(0, 0.7), st.booleans()),
        max_size=60,
    )
)
def test_nothing_is_lost_and_no_key_is_due_twice_within_its_interval(
    steps: list[tuple[str, float, bool]],
) -> None:
    notes = pace()
    now, added, sent = 0.0, 0, 0
    last: dict[str, float] = {}
    for key, later, looks in steps:
        now += later
        notes.add(key, 1, now)
        added += 1
        if looks:
            for due, count in notes.due(now):
                assert due not in last or now - last[due] >= 1.0
                last[due] = now
                sent += count
    sent += sum(count for _, count in notes.due(now + 1.0))
    assert sent == added


async def test_notes_that_cannot_be_sent_are_lost_and_the_next_ones_are_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    told: list[tuple[str, int]] = []
    failing = True

    async def send(due: Sequence[tuple[str, int]]) -> None:
        if failing:
            raise StoreUnavailable("away")
        told.extend(due)

    paced = Paced("notes", pace(), clock, send)
    paced.add("a", 1)
    await paced.send_due()
    failing = False
    clock.now_ms += 1_000
    paced.add("a", 2)
    await paced.send_due()
    assert told == [("a", 2)]
    assert [record.message for record in caplog.records] == ["notes has to wait: away"]


async def test_a_note_that_is_due_at_once_does_not_wait_for_those_that_are_not() -> None:
    clock = ManualClock()
    told: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

    async def send(due: Sequence[tuple[str, int]]) -> None:
        for note in due:
            told.put_nowait(note)

    paced = Paced("notes", pace(), clock, send)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(paced.run())
        paced.add("a", 1)
        assert await told.get() == ("a", 1)
        paced.add("a", 2)
        paced.add("b", 3)
        assert await told.get() == ("b", 3)
        clock.now_ms += 1_000
        assert await told.get() == ("a", 2)
        running.cancel()
