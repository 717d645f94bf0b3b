"""What a cursor keeps shows the present truth: edits and deletes change it as they come."""

from itertools import permutations

import pytest

from realtime.channels.cursor import ENTRY_BYTES, Cursor, TailBudget
from realtime.model import Entry, Kind, Retention

FOR_EVER = Retention(-1, 0)


def message(offset: int, data: bytes = b'"said"', *, ref: int = 0) -> Entry:
    return Entry("a", offset, data, 0, ref=ref)


def event(offset: int, kind: Kind, ref: int, data: bytes = b'"better"') -> Entry:
    tags = {"kind": kind, "ref": str(ref)}
    return Entry("a", offset, data if kind == "edit" else b"{}", 90, kind, ref=ref, tags=tags)


def kept(cursor: Cursor) -> list[bytes]:
    """The data of everything that a recovery from the beginning would show."""
    entries = cursor.since(0, FOR_EVER, now_ms=0)
    assert entries is not None
    return [entry.data for entry in entries]


def cursor_with(*entries: Entry) -> Cursor:
    cursor = Cursor(0, TailBudget(1 << 30))
    for entry in entries:
        cursor.offer(entry)
    return cursor


def test_an_edit_changes_its_message_and_no_other() -> None:
    cursor = cursor_with(message(1), message(2), event(3, "edit", 1))
    assert kept(cursor) == [b'"better"', b'"said"', b'"better"']
    entries = cursor.since(0, FOR_EVER, now_ms=0)
    assert entries is not None
    assert (entries[0].edited_at, entries[0].tags) == (90, {"edited_at": "90"})


def test_a_delete_blanks_its_message_and_what_the_edits_of_it_said() -> None:
    cursor = cursor_with(message(1), event(2, "edit", 1), message(3, ref=1), event(4, "delete", 1))
    assert kept(cursor) == [b"{}", b"{}", b'"said"', b"{}"]
    entries = cursor.since(0, FOR_EVER, now_ms=0)
    assert entries is not None
    assert entries[0].deleted_at == 90


def test_an_edit_that_comes_after_the_delete_changes_nothing_and_says_nothing() -> None:
    cursor = cursor_with(message(1), event(2, "delete", 1), event(3, "edit", 1))
    assert kept(cursor) == [b"{}", b"{}", b"{}"]


def test_of_two_edits_the_later_one_counts() -> None:
    cursor = cursor_with(message(1), event(2, "edit", 1, b"2"), event(3, "edit", 1, b"3"))
    assert kept(cursor) == [b"3", b"2", b"3"]


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
def test_the_order_in_which_they_come_changes_nothing(order: tuple[int, ...]) -> None:
    entries = {1: message(1), 2: event(2, "edit", 1), 3: event(3, "delete", 1)}
    assert kept(cursor_with(*(entries[offset] for offset in order))) == [b"{}", b"{}", b"{}"]


def test_what_is_held_above_a_gap_changes_what_is_below_it() -> None:
    """A recovery up to the position must not show what this node knows to be taken back."""
    cursor = cursor_with(message(1), event(3, "delete", 1))
    assert cursor.position == 1
    assert kept(cursor) == [b"{}"]


def test_a_message_that_comes_after_its_delete_is_never_shown() -> None:
    cursor = cursor_with(event(3, "delete", 1))
    cursor.offer(message(1))
    assert cursor.position == 1
    assert kept(cursor) == [b"{}"]


def test_held_messages_are_changed_by_held_events() -> None:
    cursor = cursor_with(message(2), event(3, "edit", 2), event(4, "delete", 2))
    cursor.offer(message(1))
    assert kept(cursor) == [b'"said"', b"{}", b"{}", b"{}"]


def test_what_the_store_fills_a_gap_with_changes_what_is_kept() -> None:
    cursor = cursor_with(message(1))
    cursor.heard(2)
    cursor.fill([event(2, "delete", 1)])
    assert kept(cursor) == [b"{}", b"{}"]


def test_what_came_since_the_store_was_read_changes_what_it_showed() -> None:
    cursor = Cursor(2, TailBudget(1 << 30))
    cursor.offer(event(3, "edit", 1))
    cursor.offer(event(5, "delete", 2))
    cursor.recall([message(1), message(2)], 2)
    assert kept(cursor) == [b'"better"', b"{}", b'"better"']


def test_a_delete_that_the_store_shows_takes_back_what_a_later_edit_says() -> None:
    """The tail began between them, and did not know of it."""
    cursor = Cursor(2, TailBudget(1 << 30))
    cursor.offer(event(3, "edit", 1))
    shown = cursor_with(message(1), event(2, "delete", 1), event(3, "edit", 1))
    cursor.recall(shown.since(0, FOR_EVER, now_ms=0) or [], 3)
    assert kept(cursor) == [b"{}", b"{}", b"{}"]


def test_what_the_store_showed_with_its_changes_stays_as_it_was_shown() -> None:
    cursor = Cursor(3, TailBudget(1 << 30))
    shown = cursor_with(message(1), event(2, "edit", 1), event(3, "delete", 1))
    cursor.recall(shown.since(0, FOR_EVER, now_ms=0) or [], 3)
    assert kept(cursor) == [b"{}", b"{}", b"{}"]


def test_the_weight_of_what_is_kept_follows_its_size() -> None:
    budget = TailBudget(1 << 30)
    cursor = Cursor(0, budget)
    for entry in (message(1, b"x" * 1000), message(3), event(4, "delete", 3)):
        cursor.offer(entry)
    cursor.offer(event(2, "delete", 1))
    assert budget.used == 4 * (2 + ENTRY_BYTES)
    cursor.forget_tail()
    assert budget.used == 0


def test_an_edit_that_makes_a_message_too_long_costs_the_tail_and_nothing_else() -> None:
    budget = TailBudget(2 * ENTRY_BYTES + 100)
    cursor = Cursor(0, budget)
    cursor.offer(message(1, b"1"))
    cursor.offer(event(2, "edit", 1, b"x" * 60))
    assert cursor.position == 2
    assert cursor.since(0, FOR_EVER, now_ms=0) is None
    assert budget.used == 0
