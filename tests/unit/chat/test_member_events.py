"""What users are after an entry, by what they were: literals for every act."""

import msgspec
import pytest

from realtime.chat.member_events import MemberEvent, Place, apply, read
from realtime.chat.standing import NOBODY, Standing
from realtime.model import Entry

NOW = 1_000
OWNER = Standing("owner", offset=1)
MODERATOR = Standing("moderator", offset=1)
MEMBER = Standing("member", offset=1)
READER = Standing("reader", offset=1)
GONE = Standing("", offset=1)
BANNED = Standing("banned", banned_until=-1, offset=1)
FREE_AGAIN = Standing("banned", banned_until=NOW - 1, offset=1)
MUTED = Standing("member", muted_until=-1, offset=1)


def entry(event: MemberEvent, offset: int = 9) -> Entry:
    """An entry that says this."""
    return Entry("room:a", offset, msgspec.json.encode(event), NOW, kind="member")


def after(event: MemberEvent, before: Standing) -> Standing:
    """What `bob` is after it."""
    standings = {"bob": before}
    apply(entry(event), event, standings)
    return standings["bob"]


JOIN = MemberEvent("join", "bob", "member")
LEAVE = MemberEvent("leave", "bob")
INVITE = MemberEvent("invite", users=(Place("bob", "moderator"),))
INVITE_TO_ACCEPT = MemberEvent("invite", users=(Place("bob"),))
KICK = MemberEvent("kick", "bob")
BAN = MemberEvent("ban", "bob", until=-1)
UNBAN = MemberEvent("unban", "bob")
MUTE = MemberEvent("mute", "bob", until=5_000)
UNMUTE = MemberEvent("unmute", "bob")
READS = MemberEvent("role", "bob", "reader")
RISES = MemberEvent("role", "bob", "owner")
LATER = MemberEvent("promenade", "bob", "owner")


@pytest.mark.parametrize(
    ("event", "before", "role", "muted", "banned"),
    [
        (JOIN, NOBODY, "member", 0, 0),
        (JOIN, GONE, "member", 0, 0),
        (JOIN, BANNED, "banned", 0, -1),
        (JOIN, FREE_AGAIN, "member", 0, 0),
        (JOIN, MODERATOR, "moderator", 0, 0),
        (JOIN, Standing("", muted_until=-1), "member", -1, 0),
        (LEAVE, MEMBER, "", 0, 0),
        (LEAVE, OWNER, "", 0, 0),
        (LEAVE, BANNED, "banned", 0, -1),
        (LEAVE, MUTED, "", -1, 0),
        (INVITE, NOBODY, "moderator", 0, 0),
        (INVITE, READER, "reader", 0, 0),
        (INVITE, BANNED, "banned", 0, -1),
        (INVITE_TO_ACCEPT, NOBODY, "", 0, 0),
        (INVITE_TO_ACCEPT, MEMBER, "member", 0, 0),
        (KICK, MODERATOR, "", 0, 0),
        (KICK, OWNER, "owner", 0, 0),
        (KICK, BANNED, "banned", 0, -1),
        (BAN, MEMBER, "banned", 0, -1),
        (BAN, NOBODY, "banned", 0, -1),
        (BAN, OWNER, "owner", 0, 0),
        (BAN, FREE_AGAIN, "banned", 0, -1),
        (UNBAN, BANNED, "", 0, 0),
        (UNBAN, MEMBER, "member", 0, 0),
        (MUTE, MEMBER, "member", 5_000, 0),
        (MUTE, NOBODY, "", 5_000, 0),
        (MUTE, OWNER, "owner", 0, 0),
        (UNMUTE, MUTED, "member", 0, 0),
        (READS, MODERATOR, "reader", 0, 0),
        (READS, MUTED, "reader", -1, 0),
        (READS, GONE, "", 0, 0),
        (READS, BANNED, "banned", 0, -1),
        (READS, OWNER, "owner", 0, 0),
        (RISES, MEMBER, "member", 0, 0),
        (LATER, MEMBER, "member", 0, 0),
    ],
)
def test_what_an_entry_makes_of_a_user(
    event: MemberEvent, before: Standing, role: str, muted: int, banned: int
) -> None:
    found = after(event, before)
    assert (found.role, found.muted_until, found.banned_until) == (role, muted, banned)
    assert found.offset == 9


def test_an_entry_says_nothing_to_who_has_it_or_a_later_one() -> None:
    for offset in (9, 10):
        before = Standing("member", offset=offset)
        assert after(KICK, before) is before


TRANSFER = MemberEvent("transfer", "bob", previous="ann")


@pytest.mark.parametrize(
    ("ann", "bob", "expected"),
    [
        (OWNER, MEMBER, ("moderator", "owner")),
        (OWNER, READER, ("moderator", "owner")),
        (OWNER, GONE, ("owner", "")),  # left while the channel was given to them
        (MODERATOR, MEMBER, ("moderator", "member")),  # gave it to somebody else before
        (GONE, MEMBER, ("", "member")),
    ],
)
def test_a_channel_is_given_by_its_owner_to_a_member(
    ann: Standing, bob: Standing, expected: tuple[str, str]
) -> None:
    standings = {"ann": ann, "bob": bob}
    apply(entry(TRANSFER), TRANSFER, standings)
    assert (standings["ann"].role, standings["bob"].role) == expected
    assert {standing.offset for standing in standings.values()} == {9}


def test_of_two_transfers_that_cross_the_first_holds() -> None:
    other = MemberEvent("transfer", "cat", previous="ann")
    standings = {"ann": OWNER, "bob": MEMBER, "cat": MEMBER}
    apply(entry(TRANSFER, 9), TRANSFER, standings)
    apply(entry(other, 10), other, standings)
    assert {user: found.role for user, found in standings.items()} == {
        "ann": "moderator",
        "bob": "owner",
        "cat": "member",
    }


@pytest.mark.parametrize(
    "standings",
    [
        {"bob": MEMBER},
        {"ann": OWNER},
        {"ann": Standing("moderator", offset=9), "bob": MEMBER},  # read at different moments
    ],
)
def test_what_a_transfer_comes_to_is_not_told_of_one_alone(standings: dict[str, Standing]) -> None:
    apply(entry(TRANSFER), TRANSFER, standings)
    assert standings == {}


def test_a_transfer_that_is_half_written_is_finished() -> None:
    standings = {"ann": OWNER, "bob": Standing("owner", offset=9)}
    apply(entry(TRANSFER), TRANSFER, standings)
    assert (standings["ann"].role, standings["bob"].role) == ("moderator", "owner")


def test_an_admin_gives_a_channel_that_nobody_owns() -> None:
    given = MemberEvent("transfer", "bob")
    assert after(given, MEMBER).role == "owner"
    assert after(given, GONE).role == ""


def test_who_was_erased_is_nobody() -> None:
    assert MemberEvent("create", users=(Place(""), Place("bob", "member"))).concerns == ("bob",)


def test_everyone_is_concerned_once() -> None:
    assert MemberEvent("transfer", "bob", previous="bob").concerns == ("bob",)


def test_what_cannot_be_read_says_nothing() -> None:
    assert read(Entry("room:a", 1, b"{}", NOW, kind="member")) is None
    assert read(Entry("room:a", 1, b'{"act":"kick"}', NOW, kind="member", stub=True)) is None
    found = read(Entry("room:a", 1, b'{"act":"later","user":"a","more":1}', NOW, kind="member"))
    assert found == MemberEvent("later", "a")
