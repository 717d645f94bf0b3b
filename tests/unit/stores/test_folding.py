"""What edits and deletes make of the entries before them, told without a store."""

from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.model import Change, Entry, Kind
from realtime.stores.base.folding import BLANK, blanked, change_of, changed, fold

TAGS = {"client_id": "m-1", "ref": "1", "also": "1", "kind": "x", "mentions": "[]"}
KEPT = {"client_id": "m-1", "ref": "1", "also": "1", "kind": "x"}

MESSAGE = Entry("a", 5, b"old", 1_000, sender="u:ann", tags=TAGS, n=3, counts=True, summary=b"[]")


def event(
    kind: Kind,
    offset: int,
    ref: int = 5,
    *,
    channel: str = "a",
    data: bytes = b"new",
    tags: dict[str, str] | None = None,
) -> Entry:
    """An event made at `offset` ms."""
    given = {"kind": kind, "ref": str(ref), **(tags or {})}
    return Entry(channel, offset, data, offset, kind, ref=ref, tags=given, pending=True)


# What an event makes of a message


def test_an_edit_brings_its_data_and_its_tags_and_leaves_what_the_message_is() -> None:
    edit = event("edit", 7, tags={"mentions": "2", "client_id": "edit-1"})
    assert change_of(edit, MESSAGE) == Change(
        "a", 5, 7, b"new", {**KEPT, "mentions": "2", "edited_at": "7"}, edited_at=7
    )


def test_a_delete_leaves_nothing_of_what_was_said() -> None:
    assert change_of(event("delete", 7), MESSAGE) == Change(
        "a", 5, 7, BLANK, {**KEPT, "deleted_at": "7"}, deleted_at=7
    )


def test_a_message_without_tags_gets_those_that_say_when() -> None:
    plain = msgspec.structs.replace(MESSAGE, tags=None)
    for kind, word in (("edit", "edited_at"), ("delete", "deleted_at")):
        made = change_of(event("edit" if kind == "edit" else "delete", 7), plain)
        assert made is not None and made.tags == {word: "7"}


@pytest.mark.parametrize("kind", ["message", "reaction", "pin", "member", "channel"])
def test_other_events_change_no_message(kind: Kind) -> None:
    assert change_of(event(kind, 7), MESSAGE) is None


def test_an_event_that_is_gone_changes_nothing() -> None:
    assert change_of(msgspec.structs.replace(event("edit", 7), stub=True), MESSAGE) is None


# The message after it


def test_a_change_leaves_everything_else() -> None:
    edit = change_of(event("edit", 7), MESSAGE)
    assert edit is not None
    assert changed(MESSAGE, edit) == msgspec.structs.replace(
        MESSAGE, data=b"new", tags={**KEPT, "edited_at": "7"}, changed=7, edited_at=7
    )


def test_a_delete_takes_the_summary_and_the_time_of_the_edit() -> None:
    edit, delete = change_of(event("edit", 7), MESSAGE), change_of(event("delete", 8), MESSAGE)
    assert edit is not None and delete is not None
    assert changed(changed(MESSAGE, edit), delete) == msgspec.structs.replace(
        MESSAGE,
        data=BLANK,
        tags={**KEPT, "deleted_at": "8"},
        changed=8,
        deleted_at=8,
        summary=b"",
    )


def test_a_change_that_does_not_apply_leaves_the_same_object() -> None:
    delete, edit = change_of(event("delete", 8), MESSAGE), change_of(event("edit", 9), MESSAGE)
    assert delete is not None and edit is not None
    gone = changed(MESSAGE, delete)
    assert changed(gone, edit) is gone
    assert changed(gone, delete) is gone
    edited = changed(MESSAGE, edit)
    assert changed(edited, edit) is edited
    stub = msgspec.structs.replace(MESSAGE, stub=True, data=b"")
    assert changed(stub, delete) is stub


events = st.lists(
    st.tuples(st.sampled_from(["edit", "delete"]), st.integers(6, 20)),
    max_size=5,
    unique_by=lambda pair: pair[1],
)


@given(events)
def test_events_come_to_the_same_in_any_order_and_more_than_once(
    told: list[tuple[Kind, int]],
) -> None:
    made = [change_of(event(kind, offset), MESSAGE) for kind, offset in told]
    changes = [change for change in made if change is not None]
    results = set()
    for order in permutations([*changes, *changes[:1]]):
        entry = MESSAGE
        for change in order:
            entry = changed(entry, change)
        results.add(msgspec.json.encode(entry))
    assert len(results) == 1
    deletes = [offset for kind, offset in told if kind == "delete"]
    edits = [offset for kind, offset in told if kind == "edit"]
    by = min(deletes) if deletes else max(edits, default=0)
    assert msgspec.json.decode(results.pop())["changed"] == by


# What waits, folded into a page


def test_a_page_without_what_waits_is_the_page() -> None:
    page = [MESSAGE, event("reaction", 6)]
    assert fold(page, []) is page
    assert fold(page, [event("reaction", 6), event("pin", 7)]) is page


def test_what_waits_is_folded_into_the_message_that_it_is_about() -> None:
    other = msgspec.structs.replace(MESSAGE, offset=4)
    elsewhere = msgspec.structs.replace(MESSAGE, channel="b")
    waiting = [event("edit", 8), event("edit", 9, 4, channel="b", data=b"b"), event("edit", 10)]
    folded = fold([other, MESSAGE, elsewhere], waiting)
    assert [(entry.changed, entry.data) for entry in folded] == [
        (0, b"old"),
        (10, b"new"),
        (0, b"old"),
    ]
    assert folded[0] is other


def test_what_was_carried_out_already_is_not_folded_in_again() -> None:
    edit = event("edit", 8)
    change = change_of(edit, MESSAGE)
    assert change is not None
    done = changed(MESSAGE, change)
    assert list(fold([done], [edit])) == [done]
    assert list(fold([done], [event("edit", 7, data=b"late")])) == [done]


def test_edits_of_a_message_that_a_waiting_delete_takes_have_no_text() -> None:
    first, second = event("edit", 6, tags={"mentions": "[]"}), event("edit", 9)
    other = event("edit", 7, 4)
    page = [first, other, event("delete", 8), second]
    folded = fold(page, page)
    assert [entry.data for entry in folded] == [BLANK, b"new", b"new", BLANK]
    assert folded[0].tags == {"kind": "edit", "ref": "5"}
    assert (folded[0].pending, folded[0].offset, folded[0].kind) == (True, 6, "edit")


def test_stubs_stay_stubs() -> None:
    stub = Entry("a", 6, b"", 6, "edit", ref=5, stub=True)
    gone = msgspec.structs.replace(MESSAGE, data=b"", tags=None, stub=True)
    page = [gone, stub]
    assert list(fold(page, [event("delete", 8)])) == page


def test_blanking_leaves_no_tags_where_none_is_kept() -> None:
    entry = msgspec.structs.replace(MESSAGE, tags={"mentions": "[]"})
    assert blanked(entry) == msgspec.structs.replace(entry, data=BLANK, tags=None)
    assert blanked(MESSAGE).tags == KEPT
