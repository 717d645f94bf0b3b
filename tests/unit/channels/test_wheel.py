"""The timing wheel: never early, at most one slot late (but for what is beyond its round)."""

from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from realtime.channels.wheel import SLOTS, Wheel

WIDTH: Final = 0.25
ROUND: Final = (SLOTS - 1) * WIDTH


class Item:
    """Something with deadlines."""

    def __init__(self) -> None:
        self.slot = -1
        self.deadline = 0.0
        self.scheduled_at = 0.0


def test_an_item_comes_up_once_its_deadline_has_passed() -> None:
    wheel, item = Wheel(100.0), Item()
    wheel.schedule(item, 101.0)
    assert wheel.advance(100.9) == []
    assert wheel.advance(101.0) == [item]
    assert item.slot == -1
    assert wheel.advance(200.0) == []


def test_an_item_comes_up_at_most_one_slot_late() -> None:
    wheel, item = Wheel(100.0), Item()
    wheel.schedule(item, 101.01)
    assert wheel.advance(101.24) == []
    assert wheel.advance(101.25) == [item]


@pytest.mark.parametrize("deadline", [0.0, 99.0, 100.0])
def test_a_deadline_that_has_passed_comes_up_in_the_next_slot(deadline: float) -> None:
    wheel, item = Wheel(100.0), Item()
    wheel.schedule(item, deadline)
    assert wheel.advance(100.2) == []
    assert wheel.advance(100.25) == [item]


def test_scheduling_again_moves_an_item() -> None:
    wheel, item = Wheel(100.0), Item()
    wheel.schedule(item, 101.0)
    wheel.schedule(item, 103.0)
    assert wheel.advance(102.0) == []
    wheel.schedule(item, 102.5)
    assert wheel.advance(102.5) == [item]
    assert wheel.advance(110.0) == []


def test_what_is_cancelled_does_not_come_up() -> None:
    wheel, item, other = Wheel(100.0), Item(), Item()
    wheel.schedule(item, 101.0)
    wheel.schedule(other, 101.0)
    wheel.cancel(item)
    wheel.cancel(item)
    assert item.slot == -1
    assert wheel.advance(200.0) == [other]


def test_what_came_up_may_be_cancelled_and_scheduled_again() -> None:
    wheel, item = Wheel(100.0), Item()
    wheel.schedule(item, 101.0)
    assert wheel.advance(101.0) == [item]
    wheel.cancel(item)
    wheel.schedule(item, 102.0)
    assert wheel.advance(102.0) == [item]


def test_a_deadline_beyond_the_round_comes_up_at_its_end_to_be_scheduled_again() -> None:
    wheel, item = Wheel(100.0), Item()
    wheel.schedule(item, 100_000.0)
    assert wheel.advance(100.0 + ROUND - WIDTH) == []
    assert wheel.advance(100.0 + ROUND) == [item]


def test_a_deadline_of_almost_a_round_is_not_early() -> None:
    wheel, item = Wheel(100.0), Item()
    wheel.schedule(item, 100.0 + ROUND)
    assert wheel.advance(100.0 + ROUND - 0.01) == []
    assert wheel.advance(100.0 + ROUND) == [item]


def test_after_a_long_sleep_everything_comes_up_at_once() -> None:
    wheel = Wheel(100.0)
    items = [Item() for _ in range(20)]
    for number, item in enumerate(items):
        wheel.schedule(item, 100.0 + number * 3)
    due = wheel.advance(1_000_000.0)
    assert sorted(map(id, due)) == sorted(map(id, items))
    late = Item()
    wheel.schedule(late, 1_000_001.0)
    assert wheel.advance(1_000_001.0) == [late]


def test_time_that_stands_still_or_goes_back_brings_nothing_up_twice() -> None:
    wheel, item = Wheel(100.0), Item()
    wheel.schedule(item, 101.0)
    assert wheel.advance(101.0) == [item]
    assert wheel.advance(101.0) == []
    assert wheel.advance(50.0) == []
    wheel.schedule(item, 150.0)
    assert wheel.advance(149.0) == []
    assert wheel.advance(150.0) == [item]


def test_the_width_of_a_slot_is_a_choice() -> None:
    wheel, item = Wheel(0.0, width=10.0), Item()
    wheel.schedule(item, 11.0)
    assert wheel.advance(19.0) == []
    assert wheel.advance(20.0) == [item]
    assert wheel.width == 10.0


def test_a_wheel_tells_what_is_on_it() -> None:
    wheel = Wheel(100.0)
    items = {Item() for _ in range(3)}
    for item in items:
        wheel.schedule(item, 101.0)
    gone = items.pop()
    wheel.cancel(gone)
    assert set(wheel) == items
    wheel.advance(200.0)
    assert set(wheel) == set()


class Deadlines(RuleBasedStateMachine):
    """Items with deadlines; time in 64ths of a second, which floats hold exactly.

    As the hub does, the machine looks at the deadline of what comes up, and schedules it again if
    that is still to come.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.wheel = Wheel(self.now, WIDTH)
        self.items = [Item() for _ in range(4)]
        self.waiting: set[Item] = set()

    def put(self, item: Item, deadline: float) -> None:
        item.deadline, item.scheduled_at = deadline, self.now
        self.wheel.schedule(item, deadline)
        self.waiting.add(item)

    @rule(number=st.integers(0, 3), ticks=st.integers(-64, 64 * 200))
    def schedule(self, number: int, ticks: int) -> None:
        self.put(self.items[number], self.now + ticks / 64)

    @rule(number=st.integers(0, 3))
    def cancel(self, number: int) -> None:
        self.wheel.cancel(self.items[number])
        self.waiting.discard(self.items[number])

    @rule(ticks=st.one_of(st.integers(0, 40), st.integers(0, 64 * 100)))
    def advance(self, ticks: int) -> None:
        self.now += ticks / 64
        for item in self.wheel.advance(self.now):
            assert isinstance(item, Item)
            assert item in self.waiting
            self.waiting.remove(item)
            if item.deadline > self.now:
                # Only what is beyond a round may come up early, and only at the round's end.
                assert item.deadline - item.scheduled_at > ROUND - WIDTH
                assert self.now - item.scheduled_at > ROUND - WIDTH
                self.put(item, item.deadline)

    @invariant()
    def what_waits_is_on_the_wheel_and_less_than_a_slot_overdue(self) -> None:
        assert set(self.wheel) == self.waiting
        for item in self.items:
            assert (item.slot >= 0) == (item in self.waiting)
            if item in self.waiting:
                assert self.now < max(item.deadline, item.scheduled_at) + WIDTH


TestDeadlines = Deadlines.TestCase
TestDeadlines.settings = settings(max_examples=150, stateful_step_count=40)
