"""Whether a user is told: by literals, each reason once, and what must not be lost in between."""

from typing import Any, Final

import msgspec
import pytest

from realtime.model import Entry
from realtime.push.decision import (
    Clear,
    Drop,
    Facts,
    LookBack,
    Nothing,
    Send,
    Wait,
    decide,
    is_named_far_back,
    is_recipient,
    level_of,
)
from realtime.push.quiet import Quiet
from realtime.push.rows import DeviceRow, JobRow
from realtime.rows import MemberRow

NOW: Final = 1_780_000_000_000
"""2026-05-28, 20:26:40 UTC."""

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
PHONE: Final = DeviceRow("bob", "phone", provider="fcm")
TABLET: Final = DeviceRow("bob", "tablet", provider="apns")
BROWSER: Final = DeviceRow("bob", "browser", provider="webpush")
ALL_DAY: Final = msgspec.json.encode(Quiet("UTC", 20 * 60, 7 * 60))


def message(offset: int = 7, sender: str = "u:ann", **fields: Any) -> Entry:
    """A message, a minute old."""
    return Entry("room", offset, b"{}", **{"at": NOW - 60_000, "sender": sender, **fields})


def member(**fields: Any) -> MemberRow:
    """Bob in the room."""
    return MemberRow("room", "bob", **{"role": "member", **fields})


def job(**fields: Any) -> JobRow:
    """Bob's job, due for a while."""
    times = {"first_at": NOW - 60_000, "wait_until": NOW - 55_000}
    return JobRow("bob", "room", **{"offset": 7, "pushed": 6, **times, **fields})


def facts(*entries: Entry, **fields: Any) -> Facts:
    """What is known as a rule: one message, and two devices."""
    known = {
        "job": job(),
        "entries": entries or (message(),),
        "since": 6,
        "kind": "room",
        "level": "all",
        "ttl_ms": DAY,
        "max_wait_ms": 30_000,
        "member": member(),
        "devices": (PHONE, TABLET),
    }
    return Facts(**{**known, **fields})


def own(**fields: Any) -> DeviceRow:
    """What Bob has set for all channels."""
    return DeviceRow("bob", "", **fields)


def decided(known: Facts) -> Any:
    """The decision."""
    return decide(known, NOW)


def test_who_has_not_seen_it_is_told_on_all_devices() -> None:
    assert decided(facts()) == Send(message(), (PHONE, TABLET))


@pytest.mark.parametrize(
    ("known", "drop"),
    [
        (facts(message(sender="u:bob")), Drop("own_message")),
        (facts(member=None), Drop("not_a_member")),
        (facts(member=member(role="")), Drop("not_a_member")),
        (facts(member=member(role="banned")), Drop("not_a_member")),
        (facts(member=member(role="follower")), Drop("not_a_member")),
        (facts(member=member(joined_at=NOW)), Drop("not_a_member")),
        (facts(member=member(joined=8)), Drop("not_a_member")),
        (facts(blocked={"ann"}), Drop("blocked")),
        (facts(message(deleted_at=NOW)), Drop("deleted")),
        (facts(message(at=NOW - DAY)), Drop("expired")),
        (facts(member=member(read=7)), Drop("read")),
        (facts(job=job(read=7)), Drop("read")),
        (facts(member=member(seen=7, seen_by="laptop")), Drop("seen", "laptop")),
        (facts(member=member(push_until=-1)), Drop("muted", "the channel")),
        (facts(member=member(push_until=NOW + 1)), Drop("muted", "the channel")),
        (facts(own=own(muted_until=NOW + 1)), Drop("muted", "everything")),
        (facts(own=own(muted_until=-1)), Drop("muted", "everything")),
        (facts(level=""), Drop("never_recipient")),
        (facts(level="mentions"), Drop("never_recipient")),
        (facts(member=member(push_level="none")), Drop("never_recipient")),
        (facts(own=own(level="none")), Drop("never_recipient")),
        (facts(devices=()), Drop("no_device")),
        (
            facts(devices=(msgspec.structs.replace(PHONE, parked="other project"),)),
            Drop("address_dead", "other project"),
        ),
    ],
)
def test_why_somebody_is_not_told(known: Facts, drop: Drop) -> None:
    assert decided(known) == drop


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        # The first that applies is said.
        (facts(message(sender="u:bob"), member=None), "own_message"),
        (facts(member=None, blocked={"ann"}), "not_a_member"),
        (facts(message(deleted_at=5), blocked={"ann"}), "blocked"),
        (facts(message(deleted_at=5, at=5)), "deleted"),
        (facts(message(at=5), member=member(read=7)), "expired"),
        (facts(member=member(read=7, seen=7)), "read"),
        (facts(member=member(seen=7, push_until=-1)), "seen"),
        (facts(member=member(push_until=-1, push_level="none")), "muted"),
        (facts(member=member(push_level="none"), devices=()), "never_recipient"),
    ],
)
def test_reasons_have_an_order(known: Facts, reason: str) -> None:
    assert decided(known).reason == reason


@pytest.mark.parametrize(
    "known",
    [
        facts(member=member(read=6, seen=6)),
        facts(member=member(push_until=NOW)),
        facts(own=own(muted_until=NOW)),
        facts(message(at=NOW - DAY + 1)),
        facts(message(at=5), ttl_ms=0),
        facts(member=member(joined_at=NOW - 60_000)),
        facts(member=member(joined=6, joined_at=NOW + 9)),
        facts(blocked={"cleo"}),
        facts(level="mentions", member=member(push_level="all")),
        facts(level="mentions", kind="direct"),
        facts(message(tags={"mentions": '["bob"]'}), level="mentions"),
    ],
)
def test_who_is_told_all_the_same(known: Facts) -> None:
    assert isinstance(decided(known), Send)


def test_an_edit_is_told_as_it_is_now() -> None:
    edited = msgspec.structs.replace(message(), data=b'{"text":"better"}', edited_at=NOW)
    assert decided(facts(edited)) == Send(edited, (PHONE, TABLET))


def test_devices_that_were_told_are_not_told_again() -> None:
    parked = msgspec.structs.replace(BROWSER, parked="gone")
    shown = job(shown=7)
    known = facts(job=shown, devices=(PHONE, TABLET, parked), told={"phone"}, shown=message())
    assert decided(known) == Send(message(), (TABLET,))
    known = facts(job=shown, told={"phone", "tablet"}, shown=message())
    assert decided(known) == Send(message(), ())


def test_a_device_that_was_told_of_what_was_deleted_since_is_told_of_the_one_before_it() -> None:
    """While another device could not be told; then the two of them are told of the same."""
    gone = message(7, deleted_at=NOW)
    asked = {"since": 5, "told": {"phone"}}
    known = facts(gone, message(6), job=job(pushed=5, shown=7), shown=gone, **asked)
    assert decided(known) == Send(message(6), (PHONE, TABLET))
    known = facts(gone, message(6), job=job(pushed=5, shown=6), shown=message(6), **asked)
    assert decided(known) == Send(message(6), (TABLET,)), "the phone shows it by now"


# The newest that can be told of


@pytest.mark.parametrize(
    "hidden",
    [
        message(deleted_at=NOW),
        message(sender="u:bob"),
        message(sender="u:eve"),
        message(stub=True),
        message(kind="edit", ref=5),
    ],
)
def test_a_message_that_cannot_be_told_of_does_not_hide_the_one_before_it(hidden: Entry) -> None:
    known = facts(hidden, job=job(pushed=3), blocked={"eve"})
    assert decided(known) == LookBack(3)
    known = facts(hidden, message(6), message(5), job=job(pushed=3), since=3, blocked={"eve"})
    assert decided(known) == Send(message(6), (PHONE, TABLET))


def test_looking_back_ends_at_what_is_known_to_be_seen() -> None:
    gone = message(deleted_at=NOW)
    assert decided(facts(gone, job=job(pushed=1), member=member(read=4, seen=5))) == LookBack(5)
    assert decided(facts(gone, job=job(pushed=1), member=member(seen=6))) == Drop("deleted")
    looked = facts(gone, message(6, deleted_at=9), job=job(pushed=5), since=5)
    assert decided(looked) == Drop("deleted")
    far = facts(message(5_000, deleted_at=9), job=job(offset=5_000, pushed=1), since=4_999)
    assert decided(far) == LookBack(4_000)


def test_a_mention_further_back_than_it_is_looked_is_told_of_where_nothing_newer_is() -> None:
    named = message(10, tags={"mentions": '["bob"]'})
    far = job(offset=5_000, pushed=1, named=10)
    known = facts(message(5_000), job=far, since=4_999, own=own(level="mentions"), named=named)
    assert decided(known) == LookBack(4_000), "there may be a newer one"
    looked = msgspec.structs.replace(known, since=4_000)
    assert decided(looked) == Send(named, (PHONE, TABLET))
    for hidden in (None, message(10, deleted_at=9), message(10, at=NOW - DAY)):
        without = msgspec.structs.replace(looked, named=hidden)
        assert decided(without) == Drop("never_recipient")
    assert not is_named_far_back(job(offset=1_009, pushed=1, named=10))
    assert is_named_far_back(job(offset=1_010, pushed=1, named=10))
    assert not is_named_far_back(job(offset=1_010, pushed=10, named=10))


def test_a_reason_that_holds_for_all_ends_it() -> None:
    known = facts(message(deleted_at=9), message(6), job=job(pushed=1), since=5)
    muted = msgspec.structs.replace(known, own=own(muted_until=-1))
    assert decided(muted) == Drop("deleted")
    assert decided(msgspec.structs.replace(known, member=None)) == Drop("not_a_member")


def test_what_was_settled_is_not_told_again_though_it_is_looked_at() -> None:
    known = facts(message(deleted_at=9), message(6), job=job(pushed=6), since=5)
    assert decided(known) == Drop("deleted")


def test_what_retention_has_taken_is_expired() -> None:
    assert decided(facts(entries=(), since=6)) == Drop("expired", "not kept any more")
    assert decided(facts(entries=(), job=job(pushed=3))) == LookBack(3)


# Waiting


def test_the_newest_has_its_own_time_to_be_seen() -> None:
    """As when the job is due for the first message, and the second came this instant."""
    known = facts(job=job(pushed=5, first_at=NOW - 5_000, wait_until=NOW + 4_900))
    assert decided(known) == Wait("waiting", NOW + 4_900)


def test_what_comes_in_does_not_put_off_for_ever_what_nobody_sees() -> None:
    known = facts(job=job(first_at=NOW - 29_000, wait_until=NOW + 4_900))
    assert decided(known) == Wait("waiting", NOW + 1_000)
    known = facts(job=job(first_at=NOW - 30_000, wait_until=NOW + 4_900))
    assert isinstance(decided(known), Send)


def test_who_sees_what_comes_in_has_time_for_each() -> None:
    """However long it goes on: each time something more was seen, and that is settled."""
    waiting = job(pushed=3, first_at=NOW - 90_000, wait_until=NOW + 4_900)
    known = facts(job=waiting, member=member(seen=6))
    assert decided(known) == Wait("waiting", NOW + 4_900, settled=6)
    known = facts(job=msgspec.structs.replace(waiting, pushed=6), member=member(seen=6))
    assert isinstance(decided(known), Send), "nothing more was seen since"


def test_quiet_hours_put_it_off_until_they_are_over() -> None:
    morning = NOW + 10 * HOUR + 33 * 60_000 + 20_000
    assert decided(facts(own=own(quiet=ALL_DAY))) == Wait("quiet_hours", morning)
    assert isinstance(decide(facts(own=own(quiet=ALL_DAY)), morning), Send)
    late = facts(own=own(quiet=ALL_DAY), ttl_ms=5 * HOUR)
    assert decided(late) == Drop("expired", f"in quiet hours until {morning}")


def test_quiet_hours_that_cannot_be_read_are_none() -> None:
    assert isinstance(decided(facts(own=own(quiet=b"{"))), Send)


# Taking away


def test_what_was_read_is_taken_away_where_that_makes_no_sound() -> None:
    devices = (PHONE, BROWSER, msgspec.structs.replace(TABLET, parked="gone"))
    known = facts(
        job=job(pushed=7, shown=7), member=member(read=7), devices=devices, shown=message()
    )
    assert decided(known) == Clear((PHONE,))


def test_what_was_deleted_is_taken_away() -> None:
    for gone in (None, message(deleted_at=NOW), message(stub=True)):
        known = facts(job=job(pushed=7, shown=7), shown=gone)
        assert decided(known) == Clear((PHONE, TABLET))


def test_what_is_new_replaces_what_was_read() -> None:
    known = facts(job=job(shown=6), member=member(read=6), shown=message(6))
    assert decided(known) == Send(message(), (PHONE, TABLET))


def test_what_is_new_and_read_as_well_takes_the_old_one_away() -> None:
    known = facts(job=job(shown=6), member=member(read=7), shown=message(6))
    assert decided(known) == Clear((PHONE, TABLET), Drop("read"))


def test_what_is_new_goes_on_waiting_while_the_old_one_is_taken_away() -> None:
    for gone in (None, message(6, deleted_at=NOW)):
        known = facts(job=job(shown=6), own=own(quiet=ALL_DAY), shown=gone)
        wait = decided(facts(own=own(quiet=ALL_DAY)))
        assert isinstance(wait, Wait)
        assert decided(known) == Clear((PHONE, TABLET), wait)
        late = job(shown=6, first_at=NOW, wait_until=NOW + 9)
        wait = Wait("waiting", NOW + 9)
        assert decided(facts(job=late, shown=gone)) == Clear((PHONE, TABLET), wait)
        kept = facts(job=late, shown=message(6))
        assert decided(kept) == wait, "it is there still"


def test_what_is_seen_and_not_read_stays_visible() -> None:
    known = facts(job=job(shown=6), member=member(seen=7, seen_by="tv"), shown=message(6))
    assert decided(known) == Drop("seen", "tv")


def test_where_nothing_is_new_nothing_is_done() -> None:
    assert decided(facts(job=job(pushed=7))) == Nothing()
    known = facts(job=job(pushed=7, shown=7), member=member(read=6), shown=message())
    assert decided(known) == Nothing()


# Who is told at all


@pytest.mark.parametrize(
    ("namespace", "channel", "all_channels", "level"),
    [
        ("all", "", "", "all"),
        ("mentions", "", "", "mentions"),
        ("", "all", "all", "none"),
        ("nonsense", "all", "all", "none"),
        ("all", "mentions", "none", "mentions"),
        ("mentions", "all", "", "all"),
        ("all", "", "mentions", "mentions"),
        ("mentions", "", "all", "mentions"),
        ("all", "", "none", "none"),
        ("all", "later version's", "later version's", "all"),
    ],
)
def test_the_channels_level_holds_then_the_less_of_the_users_and_the_namespaces(
    namespace: str, channel: str, all_channels: str, level: str
) -> None:
    assert level_of(namespace, member(push_level=channel), own(level=all_channels)) == level


def test_only_messages_of_others_are_told_of() -> None:
    assert is_recipient(message(), member(), level="all", kind="room")
    assert not is_recipient(message(sender="u:bob"), member(), level="all", kind="room")
    assert not is_recipient(message(kind="member"), member(), level="all", kind="room")
    assert is_recipient(message(sender="k:"), member(), level="all", kind="room")


def test_a_tag_that_is_not_ours_mentions_nobody() -> None:
    for tag in ("bob", '"bob"', '{"bob":1}', "[1]"):
        entry = message(tags={"mentions": tag})
        assert not is_recipient(entry, member(), level="mentions", kind="room")
