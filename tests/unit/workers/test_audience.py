"""Which messages a member is told of, by literals."""

from typing import Any

from realtime.model import Entry
from realtime.rows import MemberRow
from workers.audience import Audience, Told


def message(offset: int, sender: str = "u:ann", **fields: Any) -> Entry:
    return Entry("room", offset, b"", **{"at": 100 * offset, "sender": sender, **fields})


def told(*entries: Entry, level: str = "all", kind: str = "room", **member: Any) -> Told | None:
    row = MemberRow("room", "bob", **{"role": "member", **member})
    return Audience(entries, level=level, kind=kind).for_member(row)


def test_one_job_stands_for_the_newest_message_and_has_waited_since_the_first() -> None:
    assert told(message(3), message(4), message(5)) == Told(5, 300, 500)
    assert told(message(3, at=700), message(4, at=650)) == Told(4, 650, 650)


def test_what_a_member_has_said_read_or_seen_is_left_out_and_what_came_before_they_did() -> None:
    entries = (message(3), message(4), message(5, "u:bob"))
    assert told(*entries) == Told(4, 300, 400)
    assert told(*entries, read=3) == Told(4, 400, 400)
    assert told(*entries, seen=3) == Told(4, 400, 400)
    assert told(*entries, read=4) is None
    assert told(*entries, joined_at=301) == Told(4, 400, 400)
    assert told(*entries, joined_at=401) is None
    assert told(*entries, joined=4, joined_at=999) == Told(4, 400, 400), "clocks say nothing"
    assert told(*entries, joined=9, joined_at=1) is None


def test_what_was_taken_back_or_is_no_message_tells_nobody() -> None:
    assert told(message(3, deleted_at=1), message(4, stub=True), message(5, kind="member")) is None
    assert told() is None


def test_who_wants_mentions_only_is_told_of_those() -> None:
    entries = (
        message(3, tags={"mentions": '["bob"]'}),
        message(4),
        message(5, tags={"mentions": '["eve"]'}),
        message(6, tags={"mentions": "[broken"}),
    )
    assert told(*entries, level="mentions") == Told(3, 300, 300, 3)
    assert told(*entries, push_level="mentions") == Told(3, 300, 300, 3)
    assert told(*entries[1:], level="mentions") is None
    assert told(*entries, level="mentions", push_level="all") == Told(6, 300, 600, 3)
    assert told(*entries, read=3) == Told(6, 400, 600), "it is read"
    assert told(*entries, push_level="none") is None
    assert told(*entries, level="", push_level="all") is None


def test_in_a_channel_of_two_every_message_is_for_the_other() -> None:
    assert told(message(3), level="mentions", kind="direct") == Told(3, 300, 300)
    assert told(message(3), level="mentions", kind="direct", push_level="none") is None
