import pytest

from realtime.model import (
    EVERYTHING,
    NOTHING,
    ClientInfo,
    Entry,
    NewEntry,
    Position,
    Retention,
    Revocation,
)

FOR_EVER = Retention(-1, 0)


@pytest.mark.parametrize("offset", [1, 50, 100])
@pytest.mark.parametrize("at", [0, 1_000])
def test_a_log_kept_for_ever_hides_nothing(offset: int, at: int) -> None:
    assert not FOR_EVER.hides(offset, at, head=100, now_ms=10**15)


@pytest.mark.parametrize(
    ("size", "offset", "hidden"),
    [(10, 90, True), (10, 91, False), (10, 100, False), (1, 99, True), (1, 100, False)],
)
def test_a_size_keeps_the_newest_so_many(size: int, offset: int, hidden: bool) -> None:
    assert Retention(size, 0).hides(offset, 0, head=100, now_ms=10**15) is hidden


def test_a_size_of_nothing_hides_the_head_too() -> None:
    assert Retention(0, 0).hides(100, 0, head=100, now_ms=0)


@pytest.mark.parametrize(("age", "hidden"), [(0, False), (299, False), (300, True), (301, True)])
def test_an_entry_is_hidden_from_the_moment_it_is_as_old_as_the_ttl(age: int, hidden: bool) -> None:
    assert Retention(-1, 300).hides(100, 1_000, head=100, now_ms=1_000 + age) is hidden


def test_an_entry_from_a_clock_ahead_of_ours_is_not_hidden() -> None:
    assert not Retention(-1, 300).hides(1, 5_000, head=1, now_ms=1_000)


def test_size_and_age_each_hide_alone() -> None:
    both = Retention(10, 300)
    assert both.hides(90, 1_000, head=100, now_ms=1_000)
    assert both.hides(100, 1_000, head=100, now_ms=1_300)
    assert not both.hides(91, 1_000, head=100, now_ms=1_299)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (EVERYTHING, EVERYTHING, Retention(-1, 0)),
        (EVERYTHING, Retention(5, 300), Retention(5, 300)),
        (EVERYTHING, NOTHING, NOTHING),
        (NOTHING, Retention(5, 300), Retention(0, 300)),
        (Retention(10, 0), Retention(-1, 300), Retention(10, 300)),
        (Retention(10, 200), Retention(5, 300), Retention(5, 200)),
        (Retention(-1, 0), Retention(-1, 0), Retention(-1, 0)),
    ],
)
def test_what_may_be_seen_by_two_rules_is_the_least_of_each(
    one: Retention, other: Retention, both: Retention
) -> None:
    assert one.within(other) == both
    assert other.within(one) == both


def test_a_publisher_s_info_can_be_a_key() -> None:
    """The codec remembers the encoded form by it."""
    assert hash(ClientInfo("u", "c")) == hash(ClientInfo("u", "c"))
    assert ClientInfo("u", "c") != ClientInfo("u", "c", b"{}")


@pytest.mark.parametrize(
    "value",
    [
        Position("e", 1),
        ClientInfo("u", "c"),
        NewEntry("a", "u:1", "id", b"1", 1),
        Entry("a", 1, b"1", 1),
        Retention(1, 1),
        Revocation("u"),
    ],
)
def test_shared_values_cannot_be_changed(value: object) -> None:
    with pytest.raises(AttributeError, match="immutable"):
        setattr(value, next(iter(type(value).__slots__)), "other")  # type: ignore[attr-defined]


def test_an_entry_is_a_message_that_nothing_happened_to_unless_said() -> None:
    entry = Entry("a", 1, b"1", 1)
    assert entry.kind == "message"
    assert (entry.ref, entry.edited_at, entry.deleted_at, entry.stub) == (0, 0, 0, False)
    assert entry.info is None
    assert entry.tags is None
