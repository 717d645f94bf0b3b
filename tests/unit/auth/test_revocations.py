import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.auth.revocations import Revocations
from realtime.model import Revocation, forgotten_name

BEFORE = 1_700_000_000_500


def index(*rows: Revocation) -> Revocations:
    revocations = Revocations()
    for row in rows:
        revocations.add(row)
    return revocations


@pytest.mark.parametrize(
    ("iat", "revoked"),
    [
        (None, True),
        (1_699_999_999, True),
        (1_699_999_999.999, True),
        # The second of the revocation: the token may be older or newer, so it is revoked.
        (1_700_000_000, True),
        (1_700_000_000.0, True),
        (1_700_000_000.499, True),
        (1_700_000_000.5, False),
        (1_700_000_000.501, False),
        (1_700_000_001, False),
        (1_800_000_000, False),
    ],
)
def test_a_users_tokens_from_before_are_revoked(iat: float | None, revoked: bool) -> None:
    assert index(Revocation(user="42", before=BEFORE)).revoked("42", iat, "") is revoked


def test_a_revocation_at_a_full_second_spares_tokens_of_that_second() -> None:
    """All of them are from after it."""
    revocations = index(Revocation(user="42", before=1_700_000_000_000))
    assert revocations.revoked("42", 1_699_999_999, "")
    assert not revocations.revoked("42", 1_700_000_000, "")


def test_other_users_are_not_touched() -> None:
    revocations = index(Revocation(user="42", before=BEFORE))
    assert not revocations.revoked("43", 0, "")
    assert not revocations.revoked("", None, "")


def test_one_token_is_revoked_by_its_id() -> None:
    revocations = index(Revocation(jti="t1"))
    assert revocations.revoked("42", 1_800_000_000, "t1")
    assert not revocations.revoked("42", 0, "t2")
    assert not revocations.revoked("42", None, "")


def test_a_row_that_names_nothing_revokes_nothing() -> None:
    revocations = index(Revocation(before=BEFORE))
    assert not revocations.revoked("", None, "")
    assert len(revocations) == 0


def test_a_later_row_does_not_take_an_earlier_one_back() -> None:
    revocations = index(
        Revocation(user="42", before=2_000, until=0), Revocation(user="42", before=1_000, until=9)
    )
    assert revocations.revoked("42", 1.5, "")
    assert revocations.sweep(10_000) == 0
    assert revocations.revoked("42", 1.5, "")


def test_entries_are_forgotten_when_their_time_has_passed() -> None:
    revocations = index(
        Revocation(user="a", before=BEFORE, until=100),
        Revocation(user="b", before=BEFORE, until=200),
        Revocation(user="c", before=BEFORE),
        Revocation(jti="t1", until=100),
        Revocation(jti="t2"),
    )
    assert len(revocations) == 5
    assert revocations.sweep(99) == 0
    assert revocations.sweep(100) == 2
    assert not revocations.revoked("a", 0, "t1")
    assert revocations.revoked("b", 0, "")
    assert revocations.sweep(1_000) == 1
    assert revocations.revoked("c", 0, "")
    assert revocations.revoked("", 0, "t2")
    assert len(revocations) == 2


def test_a_time_that_was_moved_on_is_heeded() -> None:
    rows = [
        Revocation(user="a", before=1, until=100),
        Revocation(user="a", before=1, until=200),
        Revocation(user="a", before=1, until=150),
        Revocation(jti="t1", until=100),
        Revocation(jti="t1", until=200),
    ]
    revocations = index(*rows, *rows)
    assert revocations.sweep(150) == 0
    assert revocations.revoked("a", 0, "t1")
    assert revocations.sweep(200) == 2
    assert len(revocations) == 0


def test_the_same_rows_again_take_no_more_room() -> None:
    row = Revocation(user="a", before=1, until=100)
    revocations = index(*[row] * 50)
    assert len(revocations) == 1
    assert len(revocations._due) == 1


rows = st.builds(
    Revocation,
    user=st.sampled_from("ab"),
    before=st.integers(0, 9_000),
    until=st.integers(0, 20),
) | st.builds(Revocation, jti=st.sampled_from("xy"), until=st.integers(0, 20))


@given(st.lists(rows, max_size=12), st.data())
def test_the_order_of_rows_does_not_matter_and_only_their_time_ends_them(
    given_rows: list[Revocation], data: st.DataObject
) -> None:
    """Against a list that is searched: a user's newest `before` counts until the last `until`."""
    revocations = index(*data.draw(st.permutations(given_rows)))
    now = data.draw(st.integers(0, 25))
    revocations.sweep(now)
    for user in "ab":
        named = [row for row in given_rows if row.user == user]
        lives = any(row.until == 0 or row.until > now for row in named)
        for iat in (None, 0, 3, 9):
            expected = lives and (iat is None or any(iat * 1000 < row.before for row in named))
            assert revocations.revoked(user, iat, "") == expected
    for jti in "xy":
        lives = any(row.jti == jti and (row.until == 0 or row.until > now) for row in given_rows)
        assert revocations.revoked("", 0, jti) == lives


# Bans


def ban(user: str, channel: str = "", until: int = 0, seq: int = 0) -> Revocation:
    """A row that bans."""
    return Revocation(act="ban", user=user, channel=channel, until=until, seq=seq)


def test_a_ban_is_of_its_channel_and_one_of_the_hub_of_all() -> None:
    revocations = Revocations()
    revocations.add(ban("ann", "room"))
    revocations.add(ban("bob"))
    assert revocations.banned("ann", "room", 1)
    assert not revocations.banned("ann", "other", 1)
    assert not revocations.banned("ann", "", 1)
    assert revocations.banned("bob", "room", 1)
    assert revocations.banned("bob", "", 1)
    assert not revocations.banned("", "room", 1)
    assert revocations.bans("ann")
    assert not revocations.bans("carol")


def test_a_ban_ends_with_its_time_and_is_then_forgotten() -> None:
    revocations = Revocations()
    revocations.add(ban("ann", "room", until=100))
    revocations.add(ban("ann", "for ever"))
    assert revocations.banned("ann", "room", 99)
    assert not revocations.banned("ann", "room", 100)
    assert revocations.sweep(99) == 0
    assert revocations.sweep(100) == 1
    assert len(revocations) == 1
    assert revocations.banned("ann", "for ever", 10**15)


@pytest.mark.parametrize("until", [0, 500])
def test_a_later_ban_replaces_the_time_of_an_earlier_one(until: int) -> None:
    revocations = Revocations()
    revocations.add(ban("ann", "room", until=100))
    revocations.add(ban("ann", "room", until=until))
    assert revocations.sweep(100) == 0
    assert revocations.banned("ann", "room", 499)
    assert revocations.sweep(500) == (1 if until else 0)


def test_an_unban_takes_back_what_came_before_and_nothing_after() -> None:
    revocations = Revocations()
    lift = Revocation(act="unban", user="ann", channel="room", seq=2)
    revocations.add(ban("ann", "room", seq=1))
    revocations.add(lift)
    revocations.add(lift)
    assert not revocations.banned("ann", "room", 1)
    assert not revocations.bans("ann")
    revocations.add(ban("ann", "room", seq=3))
    assert revocations.banned("ann", "room", 1)
    assert revocations.seq == 3


def test_one_time_orders_leave_nothing_but_their_seq() -> None:
    revocations = Revocations()
    revocations.add(Revocation(act="disconnect", user="ann", seq=7))
    assert len(revocations) == 0
    assert revocations.seq == 7
    assert not revocations.revoked("ann", None, "")


def test_of_a_row_of_a_later_version_only_the_seq_is_taken() -> None:
    revocations = index(Revocation(act="ban", user="42", seq=1), Revocation(act="unknown", seq=2))
    assert (revocations.seq, len(revocations)) == (2, 1)
    assert revocations.banned("42", "", 0)


def test_what_was_taken_from_an_erased_user_stays_taken() -> None:
    """Under the name that stands for them, also for a row from before the erasure."""
    revocations = Revocations()
    name = forgotten_name("ada")
    revocations.add(Revocation(user=name, before=5_000, at=1, seq=1))
    revocations.add(Revocation(user=name, act="ban", channel="chat:one", at=1, seq=2))
    assert revocations.revoked("ada", 4.0, "")
    assert not revocations.revoked("ada", 6.0, "")
    assert not revocations.revoked("bob", 4.0, "")
    assert revocations.bans("ada")
    assert revocations.banned("ada", "chat:one", 10)
    assert not revocations.banned("bob", "chat:one", 10)
    revocations.add(Revocation(user="ada", act="unban", channel="chat:one", at=1, seq=3))
    assert not revocations.banned("ada", "chat:one", 10)
