"""Why a user was told of a message or was not: each reason of the list, as it is answered."""

from typing import Any, Final, get_args

import pytest

from realtime.model import Entry
from realtime.push.explaining import Explanation, Known, why
from realtime.push.reasons import Reason, sentence
from realtime.push.rows import DeviceRow, JobRow, TrailRow
from realtime.rows import MemberRow


def known(entry: Entry | None = None, **fields: Any) -> Known:
    """What is known of Bob and message 7."""
    message = Entry("room", 7, b"{}", 50, sender="u:ann") if entry is None else entry
    return Known(
        **{
            "user": "bob",
            "offset": 7,
            "entry": message,
            "member": MemberRow("room", "bob", role="member"),
            **fields,
        }
    )


def message(**fields: Any) -> Entry:
    """Message 7."""
    return Entry("room", 7, b"{}", 50, **{"sender": "u:ann", **fields})


def row(reason: str, device: str = "", offset: int = 7, **fields: Any) -> TrailRow:
    """A row of the trail."""
    return TrailRow("bob", "room", offset, device, reason, **{"since": 6, "at": 90, **fields})


def member(**fields: Any) -> MemberRow:
    """Bob in the room."""
    return MemberRow("room", "bob", **{"role": "member", **fields})


WAITING: Final = JobRow("bob", "room", "due", due_at=900, offset=8)
SETTLED: Final = JobRow("bob", "room", state="done", offset=7, pushed=7)

CASES: Final[list[tuple[Reason, str, Known]]] = [
    ("own_message", "", known(message(sender="u:bob"))),
    # As it was decided.
    ("seen", "tablet", known(trail=[row("seen", detail="tablet")])),
    ("read", "", known(trail=[row("read")])),
    ("muted", "the channel", known(trail=[row("muted", detail="the channel")])),
    ("blocked", "", known(trail=[row("blocked")])),
    ("not_a_member", "", known(trail=[row("not_a_member")])),
    ("deleted", "", known(trail=[row("deleted")])),
    ("expired", "", known(trail=[row("expired")])),
    ("never_recipient", "", known(trail=[row("never_recipient")])),
    ("no_device", "", known(trail=[row("no_device")])),
    ("quiet_hours", "until 900", known(trail=[row("quiet_hours", detail="until 900")])),
    ("waiting", "until 900", known(trail=[row("waiting", detail="until 900")])),
    ("sent", "", known(trail=[row("sent", "phone")])),
    ("sent_again", "", known(trail=[row("sent", "phone"), row("sent_again", "tablet")])),
    ("sent", "", known(trail=[row("refused", "phone"), row("sent", "tablet")])),
    ("refused", "BadTopic", known(trail=[row("refused", "phone", detail="BadTopic")])),
    ("address_dead", "410", known(trail=[row("address_dead", "phone", detail="410")])),
    ("waiting", "503", known(trail=[row("address_dead", "a"), row("waiting", "b", detail="503")])),
    # The one before it was told of.
    ("deleted", "", known(trail=[row("deleted"), row("sent", "phone")])),
    # By what became of a later one.
    ("merged", "by 9", known(trail=[row("sent", "phone", 9)])),
    ("merged", "by 9", known(trail=[row("quiet_hours"), row("sent", "phone", 9)])),
    ("merged", "by 8", known(trail=[row("sent", "a", 9), row("sent_again", "a", 8)])),
    (
        "superseded",
        "by 9",
        known(trail=[row("waiting", "phone", tries=2), row("sent", "phone", 9)]),
    ),
    ("seen", "tv", known(trail=[row("seen", offset=9, detail="tv")])),
    ("no_device", "", known(trail=[row("waiting"), row("no_device", offset=9)])),
    # Not of one that nobody was to be told of, as it was then.
    ("never_recipient", "", known(trail=[row("sent", "phone", 9)], level="mentions")),
    (
        "merged",
        "by 9",
        known(trail=[row("sent", "a", 9)], level="mentions", member=member(push_at=91)),
    ),
    ("deleted", "", known(message(deleted_at=90), trail=[row("sent", "phone", 9)])),
    ("merged", "by 9", known(message(deleted_at=91), trail=[row("sent", "phone", 9)])),
    ("not_a_member", "", known(trail=[row("sent", "phone", 9)], member=member(joined_at=51))),
    # One that was deleted says nothing of the one before it.
    ("read", "", known(trail=[row("deleted", offset=9)], member=member(read=7))),
    # Not decided, or nobody had to.
    ("waiting", "until 900", known(job=WAITING)),
    ("waiting", "nobody was looked for yet", known(message(notify=True))),
    ("not_a_member", "", known(member=None)),
    ("not_a_member", "", known(member=member(role=""))),
    ("not_a_member", "", known(member=member(joined_at=51))),
    ("not_a_member", "", known(member=member(joined=9))),
    ("blocked", "", known(blocked=True)),
    ("deleted", "", known(message(deleted_at=60))),
    ("never_recipient", "", known(level="mentions")),
    ("never_recipient", "", known(own=DeviceRow("bob", "", level="none"))),
    ("never_recipient", "", known(message(kind="edit"))),
    ("seen", "tv", known(job=SETTLED, member=member(seen=7, seen_by="tv"))),
    ("read", "", known(member=member(read=9))),
    ("seen", "tv", known(member=member(read=9, seen=7, seen_by="tv"))),
    ("read", "", known(member=member(read=9, seen=6, seen_by="tv"))),
    ("read", "", known(member=member(read=9, seen=9, seen_by="http"))),
    # What waits may stand for others that were never for the user.
    ("never_recipient", "", known(job=WAITING, level="mentions")),
    ("not_a_member", "", known(job=WAITING, member=member(joined_at=51))),
    ("waiting", "until 900", known(message(stub=True), job=WAITING)),
    # Of what was swept nothing is guessed.
    ("seen", "tv", known(member=member(seen=7, seen_by="tv"), kept_from=50)),
    ("unknown", "", known(member=member(seen=7, seen_by="tv"), kept_from=51)),
    ("unknown", "", known(member=None, kept_from=51)),
    ("unknown", "", known(level="mentions", kept_from=51)),
    ("unknown", "", known(trail=[row("deleted", offset=9)], kept_from=51)),
    ("sent", "", known(trail=[row("sent", "phone")], kept_from=51)),
    ("merged", "by 9", known(trail=[row("sent", "phone", 9)], kept_from=51)),
    ("own_message", "", known(message(sender="u:bob"), kept_from=51)),
    ("waiting", "until 900", known(job=WAITING, kept_from=51)),
    ("waiting", "nobody was looked for yet", known(message(notify=True), kept_from=51)),
    # Who blocks whom is not everybody's to know.
    ("never_recipient", "", known(blocked=True, blocks_unsaid=True)),
    ("never_recipient", "", known(trail=[row("blocked")], blocks_unsaid=True)),
    ("unknown", "", known(job=SETTLED)),
    ("unknown", "", known(message(stub=True))),
    ("unknown", "", known(trail=[row("a later version's")])),
]


@pytest.mark.parametrize(("reason", "detail", "facts"), CASES)
def test_one_answer_says_why(reason: Reason, detail: str, facts: Known) -> None:
    answer = why(facts)
    assert (answer.reason, answer.detail) == (reason, detail)
    assert answer.sentence == sentence(reason, detail)


def test_there_is_a_case_for_every_reason() -> None:
    assert {reason for reason, _, _ in CASES} == set(get_args(Reason))


def test_nothing_is_known_of_what_is_not_there() -> None:
    nothing = Known(user="bob", offset=7)
    assert why(nothing) == Explanation("unknown", sentence("unknown"))


def test_an_answer_has_each_device() -> None:
    trail = [
        row("refused", "phone", detail="BadTopic", tries=1),
        row("sent", "tablet", tries=3, at=95),
    ]
    answer = why(known(trail=trail))
    assert [(each.device, each.reason, each.tries) for each in answer.devices] == [
        ("phone", "refused", 1),
        ("tablet", "sent", 3),
    ]
    assert answer.devices[0].sentence == "The service will not take it. (BadTopic)"
    assert answer.at == 95


def test_a_device_that_was_tried_in_vain_and_told_of_a_later_one_waits_no_more() -> None:
    trail = [
        row("sent", "phone", tries=1),
        row("waiting", "tablet", tries=1),
        row("waiting", "watch", tries=1),
        row("sent", "phone", 9),
        row("waiting", "tablet", 9),
        row("sent_again", "tablet", 10),
    ]
    answer = why(known(trail=trail))
    fared = {told.device: (told.reason, told.detail) for told in answer.devices}
    assert fared == {
        "phone": ("sent", ""),
        "tablet": ("superseded", "by 10"),
        "watch": ("waiting", ""),
    }


def test_a_device_waits_no_more_for_what_stands_for_a_message_either() -> None:
    trail = [row("sent", "phone", 9), row("waiting", "tablet", 9), row("sent", "tablet", 10)]
    answer = why(known(trail=trail))
    assert answer.reason == "merged"
    fared = {told.device: (told.reason, told.detail) for told in answer.devices}
    assert fared == {"phone": ("sent", ""), "tablet": ("superseded", "by 10")}


def test_what_was_tried_in_vain_twice_has_given_way_to_the_third() -> None:
    trail = [row("waiting", "a", tries=1), row("waiting", "a", 9, tries=1), row("sent", "a", 10)]
    answer = why(known(trail=trail))
    assert (answer.reason, answer.detail) == ("superseded", "by 10")
