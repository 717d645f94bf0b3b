"""What a cursor keeps of what the store has shown, so that it need not be read again."""

from collections.abc import Sequence
from typing import Final

import pytest

from realtime.channels.cursor import (
    ENTRY_BYTES,
    TAIL_BYTES_MAX,
    TAIL_ENTRIES_MAX,
    Cursor,
    TailBudget,
)
from realtime.model import Entry, Retention

FOR_EVER: Final = Retention(-1, 0)


def entry(offset: int, data: bytes = b"1", *, stub: bool = False) -> Entry:
    return Entry("a", offset, data, 0, stub=stub)


def cursor_at(position: int, budget: TailBudget | None = None) -> Cursor:
    return Cursor(position, budget if budget is not None else TailBudget(1 << 30))


def since(cursor: Cursor, offset: int) -> list[int] | None:
    found: Sequence[Entry] | None = cursor.since(offset, FOR_EVER, now_ms=0)
    return None if found is None else [item.offset for item in found]


def entries(*offsets: int) -> list[Entry]:
    return [entry(offset) for offset in offsets]


def test_what_the_store_has_shown_is_told_again() -> None:
    cursor = cursor_at(4)
    cursor.recall(entries(2, 3, 4), 4)
    assert since(cursor, 1) == [2, 3, 4]
    assert since(cursor, 0) is None
    cursor.offer(entry(5))
    assert since(cursor, 1) == [2, 3, 4, 5]


def test_what_was_before_the_tail_comes_before_it() -> None:
    cursor = cursor_at(4)
    cursor.offer(entry(5))
    cursor.recall(entries(2, 3, 4, 5), 5)
    assert since(cursor, 1) == [2, 3, 4, 5]
    cursor.recall(entries(1, 2, 3), 3)
    assert since(cursor, 0) == [1, 2, 3, 4, 5]


def test_what_is_above_the_position_is_not_kept_yet() -> None:
    cursor = cursor_at(4)
    cursor.recall(entries(4, 5, 6), 6)
    assert (cursor.position, since(cursor, 3)) == (4, [4])


@pytest.mark.parametrize(
    ("shown", "head"),
    [
        (entries(1, 2), 2),
        (entries(1, 2), 4),
        ([entry(3), entry(4, stub=True)], 4),
        ([], 4),
    ],
)
def test_what_does_not_reach_up_to_the_tail_is_not_kept(shown: list[Entry], head: int) -> None:
    budget = TailBudget(1 << 30)
    cursor = cursor_at(4, budget)
    cursor.recall(shown, head)
    assert since(cursor, 3) is None
    assert budget.used == 0


def test_what_is_before_a_hole_or_a_stub_is_not_kept() -> None:
    cursor = cursor_at(4)
    cursor.recall(entries(1, 3, 4), 4)
    assert (since(cursor, 2), since(cursor, 0)) == ([3, 4], None)
    cursor = cursor_at(4)
    cursor.recall([entry(2), entry(3, stub=True), entry(4)], 4)
    assert (since(cursor, 3), since(cursor, 1)) == ([4], None)


def test_so_much_is_kept_of_what_was_shown() -> None:
    head = TAIL_ENTRIES_MAX + 9
    cursor = cursor_at(head)
    cursor.recall(entries(*range(1, head + 1)), head)
    assert since(cursor, 9) == list(range(10, head + 1))
    assert since(cursor, 8) is None
    cursor = cursor_at(3)
    cursor.recall([entry(offset, b"x" * (TAIL_BYTES_MAX // 2 - 300)) for offset in (1, 2, 3)], 3)
    assert (since(cursor, 1), since(cursor, 0)) == ([2, 3], None)


def test_what_was_shown_is_forgotten_like_the_rest() -> None:
    budget = TailBudget(1 << 30)
    cursor = cursor_at(2, budget)
    cursor.recall(entries(1, 2), 2)
    assert budget.used == 2 * (1 + ENTRY_BYTES)
    cursor.forget_tail()
    assert (since(cursor, 1), budget.used) == (None, 0)


def test_above_the_limit_nothing_that_was_shown_is_kept() -> None:
    budget = TailBudget(ENTRY_BYTES)
    cursor = cursor_at(2, budget)
    cursor.recall(entries(1, 2), 2)
    assert (since(cursor, 1), budget.used) == (None, 0)
