"""The checker of a soak: each promise is found broken, a sound channel is not, and it forgets."""

from collections.abc import Callable

import pytest

from load.checker import FATE_S, KEPT_MAX, LATE_S, ChannelChecker

Story = Callable[[ChannelChecker], None]


class Told:
    """A checker, and what it has told."""

    def __init__(self) -> None:
        self.breaches: list[str] = []
        self.checker = ChannelChecker("room", lambda letter, text: self.breaches.append(text))


def talk(checker: ChannelChecker, count: int, *readers: int, begin: float = 0.0) -> None:
    """So many messages, a second apart, that all readers get and the log has."""
    for step in range(count):
        now = begin + step
        number = checker.send(now)
        checker.acked(number, now)
        offset = checker.head + 1
        checker.stored(offset, number)
        for reader in readers:
            checker.received(reader, offset, number, now)


def test_a_channel_in_which_all_is_well_has_nothing_to_tell() -> None:
    told = Told()
    checker = told.checker
    checker.joined(1, 0, 0.0)
    talk(checker, 3, 1)
    checker.joined(2, 3, 3.0)
    talk(checker, 2, 1, 2, begin=3.0)
    checker.left(1)
    talk(checker, 2, 2, begin=5.0)
    assert checker.is_quiet
    checker.settle(500.0)
    checker.end()
    assert told.breaches == []


def lost_ack(checker: ChannelChecker) -> None:
    """Acked, and not in the log."""
    checker.acked(checker.send(0.0), 0.0)


def hole(checker: ChannelChecker) -> None:
    """The log leaves out an offset."""
    checker.stored(1, checker.send(0.0))
    checker.stored(3, checker.send(0.0))


def never_delivered(checker: ChannelChecker) -> None:
    """The last one does not come."""
    checker.joined(1, 0, 0.0)
    talk(checker, 2, 1)
    talk(checker, 1)


def passed_over(checker: ChannelChecker) -> None:
    """One in the middle does not come."""
    checker.joined(1, 0, 0.0)
    talk(checker, 1, 1)
    talk(checker, 2)
    checker.received(1, 3, 3, 0.0)


def passed_over_and_left(checker: ChannelChecker) -> None:
    """One in the middle has not come when the reader leaves."""
    passed_over(checker)
    checker.left(1)


def far_passed_over(checker: ChannelChecker) -> None:
    """Thousands in the middle do not come."""
    checker.joined(1, 0, 0.0)
    talk(checker, 3_000)
    checker.received(1, 3_000, 3_000, 0.0)


def twice(checker: ChannelChecker) -> None:
    """The same again."""
    checker.joined(1, 0, 0.0)
    talk(checker, 2, 1)
    checker.received(1, 1, 1, 2.0)


def out_of_order(checker: ChannelChecker) -> None:
    """The second before the first."""
    checker.joined(1, 0, 0.0)
    talk(checker, 2)
    checker.received(1, 2, 2, 2.0)
    checker.received(1, 1, 1, 2.0)


def never_joined(checker: ChannelChecker) -> None:
    """Who is not in the room gets its messages."""
    talk(checker, 1, 9)


def has_left(checker: ChannelChecker) -> None:
    """Who has left gets the next one."""
    checker.joined(1, 0, 0.0)
    talk(checker, 1, 1)
    checker.left(1)
    talk(checker, 1, 1)


def before_joining(checker: ChannelChecker) -> None:
    """A newcomer gets what was before."""
    talk(checker, 2)
    checker.joined(1, 2, 2.0)
    checker.received(1, 2, 2, 2.0)


def made_up(checker: ChannelChecker) -> None:
    """A message that nobody has sent."""
    checker.joined(1, 0, 0.0)
    talk(checker, 1, 1)
    checker.received(1, 2, 7, 1.0)
    checker.stored(2, checker.send(1.0))


def not_what_is_stored(checker: ChannelChecker) -> None:
    """Another message than the log has, at its offset."""
    checker.joined(1, 0, 0.0)
    checker.joined(2, 0, 0.0)
    one, two = checker.send(0.0), checker.send(0.0)
    checker.received(1, 1, one, 0.0)
    checker.received(2, 1, two, 0.0)
    checker.stored(1, one)


def log_of_its_own(checker: ChannelChecker) -> None:
    """All got it, and the log has another."""
    checker.joined(1, 0, 0.0)
    one, two = checker.send(0.0), checker.send(0.0)
    checker.received(1, 1, two, 0.0)
    checker.stored(1, one)


def beyond_the_log(checker: ChannelChecker) -> None:
    """Delivered, and never stored."""
    checker.joined(1, 0, 0.0)
    talk(checker, 1, 1)
    checker.received(1, 2, checker.send(1.0), 1.0)


def stored_unsent(checker: ChannelChecker) -> None:
    """The log has what nobody has sent."""
    checker.stored(1, 5)


def stored_twice(checker: ChannelChecker) -> None:
    """One message, two entries."""
    number = checker.send(0.0)
    checker.stored(1, number)
    checker.stored(2, number)


def stored_again_much_later(checker: ChannelChecker) -> None:
    """The same, when the first one is forgotten."""
    talk(checker, 3)
    checker.settle(10.0)
    checker.stored(4, 2)


def stored_too_late(checker: ChannelChecker) -> None:
    """It was never acked, and is there when nobody expects it any more."""
    number = checker.send(0.0)
    checker.settle(FATE_S + 1)
    checker.stored(1, number)


def refused_and_stored(checker: ChannelChecker) -> None:
    """The publisher was told that it is refused."""
    number = checker.send(0.0)
    checker.refused(number)
    checker.stored(1, number)


def stored_and_refused(checker: ChannelChecker) -> None:
    """The same, and the log was quicker."""
    number = checker.send(0.0)
    checker.stored(1, number)
    checker.refused(number)


BROKEN: dict[Story, list[str]] = {
    lost_ack: ["A: message 1 was acked but is not stored (room)"],
    hole: ["A: the log has 3 where 2 belongs (room)"],
    never_delivered: ["A: reader 1 never got 3 (message 3) (room)"],
    passed_over: ["A: reader 1 never got 2 (message 2) (room)"],
    passed_over_and_left: ["A: reader 1 never got 2 (message 2) (room)"],
    far_passed_over: ["A: reader 1 never got 1 to 2999 (room)"],
    twice: ["B: reader 1 got 1 again (room)"],
    out_of_order: ["C: reader 1 got 1 after 2 (room)"],
    never_joined: ["D: reader 9 got 1 but has not joined, or has left (room)"],
    has_left: ["D: reader 1 got 2 but has not joined, or has left (room)"],
    before_joining: ["D: reader 1 got 2, it may have what follows 2 (room)"],
    made_up: ["D: reader 1 got message 7, which was never sent (room)"],
    not_what_is_stored: ["D: reader 2 got message 2 at 1, where 1 is (room)"],
    log_of_its_own: ["D: readers got message 2 at 1, stored is 1 (room)"],
    beyond_the_log: ["D: readers got 2, but the log ends at 1 (room)"],
    stored_unsent: ["D: message 5 is stored at 1 but was never sent (room)"],
    stored_twice: ["E: message 1 is stored at 1 and at 2 (room)"],
    stored_again_much_later: ["E: message 2 is stored at 4, again or much too late (room)"],
    stored_too_late: ["E: message 1 is stored at 1, again or much too late (room)"],
    refused_and_stored: ["E: message 1 is stored at 1 but was refused (room)"],
    stored_and_refused: ["E: message 1 is stored at 1 but was refused (room)"],
}


@pytest.mark.parametrize("story", BROKEN, ids=lambda story: story.__name__)
def test_every_broken_promise_is_told_once(story: Story) -> None:
    told = Told()
    story(told.checker)
    told.checker.end()
    assert told.breaches == BROKEN[story]


def test_what_is_too_late_is_told_while_the_load_goes_on() -> None:
    told = Told()
    checker = told.checker
    checker.joined(1, 0, 0.0)
    talk(checker, 2)
    checker.acked(checker.send(2.0), 2.0)
    checker.settle(3.0)
    assert list(checker.behind(4.0)) == []
    checker.settle(14.0)
    assert list(checker.behind(14.0)) == [1]
    assert told.breaches == []
    checker.settle(2.5 + LATE_S)
    assert told.breaches == ["A: message 3 was acked but is not stored (room)"]
    checker.settle(3.5 + LATE_S)
    assert told.breaches[1:] == ["A: reader 1 never got 1 (message 1) and 1 more (room)"]
    checker.end()
    assert len(told.breaches) == 2


def test_who_is_away_has_all_the_time_there_is_and_gets_it_when_it_is_back() -> None:
    told = Told()
    checker = told.checker
    checker.joined(1, 0, 0.0)
    talk(checker, 1, 1)
    checker.away(1)
    talk(checker, 2, begin=1.0)
    checker.settle(1_000.0)
    assert not checker.is_quiet
    checker.back(1, 1_000.0)
    checker.received(1, 2, 2, 1_000.0)
    checker.received(1, 3, 3, 1_000.0)
    assert checker.is_quiet and checker.position(1) == 3
    checker.end()
    assert told.breaches == []


def test_what_a_reader_is_told_that_it_cannot_have_is_no_loss() -> None:
    told = Told()
    checker = told.checker
    checker.joined(1, 0, 0.0)
    talk(checker, 3)
    checker.denied(1, 3)
    talk(checker, 1, 1)
    checker.end()
    assert told.breaches == []


def test_what_was_not_acked_may_be_there_once_or_not_at_all() -> None:
    told = Told()
    checker = told.checker
    checker.send(0.0)
    checker.stored(1, checker.send(0.0))
    assert checker.is_quiet
    checker.settle(FATE_S + 1)
    checker.end()
    assert told.breaches == []


def test_it_forgets_what_is_settled() -> None:
    told = Told()
    checker = told.checker
    checker.joined(1, 0, 0.0)
    for hour in range(20):
        talk(checker, 100, 1, begin=100.0 * hour)
        checker.settle(100.0 * hour + 100)
    assert repr(checker) == "<ChannelChecker room head=2000 messages=0 entries=0 readers=1>"
    assert told.breaches == []


def test_it_gives_up_what_is_too_much_and_says_so() -> None:
    told = Told()
    checker = told.checker
    checker.joined(1, 0, 0.0)
    checker.away(1)
    for _ in range(KEPT_MAX + 5):
        talk(checker, 1)
    checker.settle(1.0)
    assert repr(checker) == (
        f"<ChannelChecker room head={KEPT_MAX + 5} messages=0 entries={KEPT_MAX} readers=1>"
    )
    assert checker.given_up == 10
    checker.back(1, 1.0)
    for offset in range(1, KEPT_MAX + 6):
        checker.received(1, offset, offset, 1.0)
    checker.end()
    assert told.breaches == []
