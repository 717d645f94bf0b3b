"""A channel's position on a node, by literals."""

from collections.abc import Sequence
from typing import Final

import pytest

from realtime.channels.cursor import (
    ENTRY_BYTES,
    HELD_MAX,
    TAIL_BYTES_MAX,
    TAIL_ENTRIES_MAX,
    Cursor,
    TailBudget,
)
from realtime.model import Entry, Retention

FOR_EVER: Final = Retention(-1, 0)


def entry(offset: int, data: bytes = b"1", at: int = 0, *, stub: bool = False) -> Entry:
    return Entry("a", offset, data, at, stub=stub)


def offsets(entries: Sequence[Entry] | None) -> list[int] | None:
    return None if entries is None else [item.offset for item in entries]


def cursor_at(position: int, budget: TailBudget | None = None) -> Cursor:
    return Cursor(position, budget if budget is not None else TailBudget(1 << 30))


def since(cursor: Cursor, offset: int, retention: Retention = FOR_EVER) -> list[int] | None:
    return offsets(cursor.since(offset, retention, now_ms=0))


# Order


def test_what_follows_the_position_is_deliverable() -> None:
    cursor = cursor_at(4)
    assert offsets(cursor.offer(entry(5))) == [5]
    assert cursor.position == 5
    assert not cursor.gap


def test_a_repeat_is_dropped() -> None:
    cursor = cursor_at(4)
    assert cursor.offer(entry(4)) == []
    assert cursor.offer(entry(1)) == []
    cursor.offer(entry(5))
    assert cursor.offer(entry(5)) == []
    assert cursor.position == 5


def test_what_is_above_a_gap_waits_for_what_is_missing() -> None:
    cursor = cursor_at(4)
    assert cursor.offer(entry(6)) == []
    assert cursor.gap
    assert cursor.offer(entry(8)) == []
    assert offsets(cursor.offer(entry(5))) == [5, 6]
    assert cursor.gap
    assert offsets(cursor.offer(entry(7))) == [7, 8]
    assert not cursor.gap
    assert cursor.known == cursor.position == 8


def test_an_entry_held_twice_comes_once() -> None:
    cursor = cursor_at(0)
    assert cursor.offer(entry(2)) == cursor.offer(entry(2)) == []
    assert offsets(cursor.offer(entry(1))) == [1, 2]
    assert cursor.offer(entry(2)) == []


def test_what_was_heard_of_is_a_gap_until_it_comes() -> None:
    cursor = cursor_at(4)
    cursor.heard(4)
    assert not cursor.gap
    cursor.heard(6)
    cursor.heard(5)
    assert cursor.gap
    cursor.offer(entry(5))
    assert cursor.gap
    cursor.offer(entry(6))
    assert not cursor.gap


def test_so_many_are_held_and_the_rest_comes_from_the_store() -> None:
    cursor = cursor_at(0)
    for offset in range(2, HELD_MAX + 4):
        assert cursor.offer(entry(offset)) == []
    assert offsets(cursor.offer(entry(1))) == list(range(1, HELD_MAX + 2))
    assert cursor.gap
    assert cursor.known == HELD_MAX + 3
    assert offsets(cursor.fill([entry(HELD_MAX + 2), entry(HELD_MAX + 3)])) == [
        HELD_MAX + 2,
        HELD_MAX + 3,
    ]
    assert not cursor.gap


# Filling from the store


def test_a_fill_closes_the_gap_and_brings_what_was_held() -> None:
    cursor = cursor_at(4)
    cursor.offer(entry(8))
    assert offsets(cursor.fill([entry(5), entry(6), entry(7)])) == [5, 6, 7, 8]
    assert not cursor.gap


def test_a_fill_may_repeat_what_came_meanwhile() -> None:
    cursor = cursor_at(4)
    cursor.offer(entry(7))
    cursor.offer(entry(5))
    assert offsets(cursor.fill([entry(5), entry(6), entry(7), entry(8)])) == [6, 7, 8]
    assert cursor.fill([entry(5), entry(6)]) == []
    assert cursor.fill([]) == []


def test_a_fill_stops_at_a_hole() -> None:
    cursor = cursor_at(4)
    assert offsets(cursor.fill([entry(5), entry(7), entry(8)])) == [5]
    assert cursor.position == 5
    assert cursor.gap
    assert cursor.known == 7


def test_a_fill_stops_at_a_stub() -> None:
    cursor = cursor_at(4)
    assert offsets(cursor.fill([entry(5), entry(6, stub=True), entry(7)])) == [5]
    assert cursor.position == 5
    assert cursor.gap


def test_a_stub_that_was_delivered_when_it_was_an_entry_does_not_stop_a_fill() -> None:
    cursor = cursor_at(4)
    assert offsets(cursor.fill([entry(3, stub=True), entry(4, stub=True), entry(5)])) == [5]
    assert not cursor.gap


def test_skipping_goes_on_from_a_position_without_what_was_held_or_kept() -> None:
    cursor = cursor_at(4)
    cursor.offer(entry(5))
    cursor.offer(entry(9))
    cursor.skip(8)
    assert cursor.position == 8
    assert cursor.gap
    assert since(cursor, 4) is None
    assert since(cursor, 8) == []
    assert offsets(cursor.offer(entry(9))) == [9]
    assert not cursor.gap
    cursor.skip(20)
    assert not cursor.gap
    assert cursor.known == 20


def test_a_tail_does_not_reach_over_what_was_skipped() -> None:
    cursor = cursor_at(2)
    for offset in (3, 4, 5):
        cursor.offer(entry(offset))
    cursor.skip(7)
    assert since(cursor, 5) is None
    cursor.offer(entry(8))
    assert since(cursor, 7) == [8]
    assert since(cursor, 6) is None


# The tail


def test_the_tail_tells_what_followed_a_position() -> None:
    cursor = cursor_at(4)
    for offset in (5, 6, 7):
        cursor.offer(entry(offset))
    assert since(cursor, 7) == []
    assert since(cursor, 6) == [7]
    assert since(cursor, 4) == [5, 6, 7]


def test_the_tail_cannot_tell_what_was_before_it_or_is_not_there_yet() -> None:
    cursor = cursor_at(4)
    assert since(cursor, 4) == []
    assert since(cursor, 3) is None
    cursor.offer(entry(5))
    assert since(cursor, 3) is None
    assert since(cursor, 6) is None
    cursor.offer(entry(7))
    assert since(cursor, 5) == []


def test_a_tail_keeps_so_many_entries() -> None:
    cursor = cursor_at(0)
    for offset in range(1, TAIL_ENTRIES_MAX + 11):
        cursor.offer(entry(offset))
    assert since(cursor, 10) == list(range(11, TAIL_ENTRIES_MAX + 11))
    assert since(cursor, 9) is None


def test_a_tail_keeps_so_many_bytes() -> None:
    cursor = cursor_at(0)
    data = b"x" * (TAIL_BYTES_MAX // 4 - ENTRY_BYTES)
    for offset in range(1, 8):
        cursor.offer(entry(offset, data))
    assert since(cursor, 3) == [4, 5, 6, 7]
    assert since(cursor, 2) is None


def test_an_entry_heavier_than_a_tail_is_delivered_and_not_kept() -> None:
    budget = TailBudget(1 << 30)
    cursor = cursor_at(0, budget)
    cursor.offer(entry(1))
    assert offsets(cursor.offer(entry(2, b"x" * TAIL_BYTES_MAX))) == [2]
    assert since(cursor, 1) is None
    assert budget.used == 0
    cursor.offer(entry(3))
    assert since(cursor, 2) == [3]


def test_a_forgotten_tail_tells_nothing_and_grows_again() -> None:
    cursor = cursor_at(0)
    cursor.offer(entry(1))
    cursor.forget_tail()
    cursor.forget_tail()
    assert since(cursor, 0) is None
    assert since(cursor, 1) == []
    cursor.offer(entry(2))
    assert since(cursor, 1) == [2]
    assert since(cursor, 0) is None


@pytest.mark.parametrize(("offset", "told"), [(6, False), (7, True), (9, True), (10, True)])
def test_the_tail_does_not_tell_what_the_size_hides(offset: int, told: bool) -> None:
    cursor = cursor_at(0)
    for number in range(1, 11):
        cursor.offer(entry(number))
    expected = list(range(offset + 1, 11)) if told else None
    assert since(cursor, offset, Retention(3, 0)) == expected


@pytest.mark.parametrize(("now_ms", "told"), [(1_299, True), (1_300, False)])
def test_the_tail_does_not_tell_what_the_ttl_hides(now_ms: int, told: bool) -> None:
    cursor = cursor_at(0)
    for number in range(1, 4):
        cursor.offer(entry(number, at=1_000 + number - 1))
    found = offsets(cursor.since(0, Retention(-1, 300), now_ms))
    assert found == ([1, 2, 3] if told else None)


def test_an_entry_of_a_node_whose_clock_is_behind_may_be_hidden_before_older_ones() -> None:
    cursor = cursor_at(0)
    cursor.offer(entry(1, at=1_000))
    cursor.offer(entry(2, at=400))
    cursor.offer(entry(3, at=1_000))
    assert cursor.since(0, Retention(-1, 300), 1_000) is None
    assert offsets(cursor.since(2, Retention(-1, 300), 1_000)) == [3]


# The budget


def test_what_is_kept_is_weighed() -> None:
    budget = TailBudget(1 << 30)
    first, second = cursor_at(0, budget), cursor_at(0, budget)
    first.offer(entry(1, b"x" * 10))
    second.offer(entry(2, b"x" * 20))
    assert budget.used == 30 + 2 * ENTRY_BYTES
    second.offer(entry(1, b"x" * 40))
    assert budget.used == 70 + 3 * ENTRY_BYTES
    first.forget_tail()
    second.forget_tail()
    assert budget.used == 0


def test_what_is_held_twice_weighs_once() -> None:
    budget = TailBudget(1 << 30)
    cursor = cursor_at(0, budget)
    for _ in range(3):
        cursor.offer(entry(2, b"x" * 10))
    assert budget.used == 10 + ENTRY_BYTES
    cursor.offer(entry(1, b"x" * 10))
    assert budget.used == 20 + 2 * ENTRY_BYTES


def test_above_the_limit_those_that_began_first_forget() -> None:
    budget = TailBudget(3 * (ENTRY_BYTES + 1))
    cursors = [cursor_at(0, budget) for _ in range(3)]
    for cursor in cursors:
        cursor.offer(entry(1))
    cursors[0].offer(entry(2))
    assert [since(cursor, cursor.position - 1) for cursor in cursors] == [None, [1], [1]]
    assert budget.used == 2 * (ENTRY_BYTES + 1)
    # It lost its tail by its own doing, and begins anew, as the last.
    cursors[0].offer(entry(3))
    cursors[2].offer(entry(2))
    assert [since(cursor, cursor.position - 1) for cursor in cursors] == [[3], None, [2]]


def test_an_entry_above_the_limit_alone_is_delivered_and_not_kept() -> None:
    budget = TailBudget(1000)
    cursor = cursor_at(0, budget)
    assert offsets(cursor.offer(entry(1, b"x" * 1000))) == [1]
    assert since(cursor, 0) is None
    assert budget.used == 0


def test_what_is_held_may_be_forgotten_but_not_that_it_is_missing() -> None:
    budget = TailBudget(1000)
    waiting, busy = cursor_at(0, budget), cursor_at(0, budget)
    waiting.offer(entry(3))
    busy.offer(entry(1, b"x" * 600))
    assert budget.used == 600 + ENTRY_BYTES
    assert waiting.gap
    assert offsets(waiting.offer(entry(1))) == [1]
    assert offsets(waiting.fill([entry(2), entry(3)])) == [2, 3]


def test_what_is_held_takes_the_place_of_the_tail_and_then_no_more() -> None:
    budget = TailBudget(1 << 30)
    cursor = cursor_at(0, budget)
    data = b"x" * (TAIL_BYTES_MAX // 4 - ENTRY_BYTES)
    cursor.offer(entry(1, data))
    for offset in range(3, 9):
        cursor.offer(entry(offset, data))
        assert budget.used <= TAIL_BYTES_MAX
    assert since(cursor, 0) is None
    assert offsets(cursor.offer(entry(2, data))) == [2, 3, 4, 5, 6]
    assert cursor.gap
    cursor.forget_tail()
    assert budget.used == 0


def test_they_tell_what_they_keep() -> None:
    budget = TailBudget(1000)
    cursor = cursor_at(0, budget)
    assert repr(cursor) == "<Cursor at 0 known=0 tail=0 held=0>"
    cursor.offer(entry(1))
    cursor.offer(entry(3))
    assert repr(cursor) == "<Cursor at 1 known=3 tail=1 held=1>"
    assert repr(budget) == "<TailBudget 602 of 1000 bytes in 1 channels>"
