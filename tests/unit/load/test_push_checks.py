"""What `push` calls right and wrong."""

from typing import Any

import msgspec
import pytest

from load.histogram import Histogram
from load.measured import Measured
from load.options import scenario_of
from load.scenarios.push import BESIDE, SILENCE, SMALL, Push, PushParameters

TOLD = "everybody who was away was told"


def phase(name: str, told_us: int = 1_000, **counts: int) -> Measured:
    """What was measured in one; all told after the same time."""
    histogram = Histogram()
    histogram.record_all([told_us] * counts.get("notified", 0))
    return Measured(phase=name, seconds=1.0, counts=counts, histograms={"told": histogram})


def failed(*measured: Measured, **parameters: Any) -> set[str]:
    """Names of the checks that do not pass."""
    outcomes = Push(PushParameters(**parameters)).checks(measured)
    return {outcome.name for outcome in outcomes if not outcome.passed}


def test_as_many_notifications_as_are_due_are_right() -> None:
    small, beside = (phase(name, due=10, notified=10) for name in (SMALL, BESIDE))
    assert failed(small, beside, phase(SILENCE)) == set()


@pytest.mark.parametrize("counts", [{"notified": 9}, {"notified": 11}, {}])
def test_one_too_few_or_too_many_is_wrong(counts: dict[str, int]) -> None:
    assert failed(phase(SMALL, due=10, **counts)) == {TOLD}


def test_what_comes_later_is_not_lost() -> None:
    assert failed(phase(SMALL, due=10, notified=9), phase(SILENCE, late=1)) == set()


def test_of_a_message_that_was_refused_it_is_not_known() -> None:
    assert failed(phase(SMALL, due=10, notified=9, excused=1)) == set()
    assert failed(phase(SMALL, due=10, notified=10, excused=1)) == set()
    assert failed(phase(SMALL, due=10, excused=10)) == {TOLD}


@pytest.mark.parametrize(
    ("counter", "name"),
    [
        ("twice", "nobody was told twice"),
        ("uncalled", "nobody was told who was connected"),
        ("textless", "notifications have the message's text"),
    ],
)
def test_what_comes_in_vain_is_wrong_in_the_silence_too(counter: str, name: str) -> None:
    assert failed(phase(SMALL, due=1, notified=1), phase(SILENCE, **{counter: 1})) == {name}


def test_small_rooms_may_be_held_up_by_a_factor() -> None:
    small = phase(SMALL, due=10, notified=10, told_us=50_000)
    beside = phase(BESIDE, due=10, notified=10, told_us=300_000)
    assert failed(small, beside, slower_max=10.0) == set()
    assert failed(small, beside, slower_max=2.0) == {"a large channel does not hold up small rooms"}


def test_every_room_is_named_to_be_taken_away() -> None:
    scenario = Push(PushParameters(rate=5.0, seconds=2.0, warm_up_s=1.0))
    names = scenario.leaves("ab")
    assert len(set(names)) == len(names) == 15 + 2
    assert all(name.startswith("chat:load-ab-") for name in names)


def test_its_parameters_can_be_given_as_texts() -> None:
    scenario = scenario_of("push", {"clients": "5", "connected": "2", "service": "[::1]:9"})
    assert scenario.connections(2) > 1
    with pytest.raises(ValueError, match="connected"):
        scenario_of("push", {"connected": "1"})
    with pytest.raises(ValueError, match="service"):
        scenario_of("push", {"service": "9710"})
    assert msgspec.to_builtins(PushParameters())["members"] == 1
