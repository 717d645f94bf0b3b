"""What fan-outs and rooms are held to: each delivery that is due, once."""

import pytest

from load.histogram import Histogram
from load.measured import Measured
from load.scenarios.publishing import everything_arrived

MARKS = 1_000_000_007


def phase(came: int, *, excused: int = 0, received: int = MARKS) -> Measured:
    """Ten deliveries are due, with time marks that add up to `MARKS`."""
    return Measured(
        phase="steady",
        seconds=1.0,
        counts={"due": 10, "excused": excused},
        histograms={"delivery": Histogram([1_000] * came)},
        mark_sums={"due": MARKS, "received": received},
    )


@pytest.mark.parametrize(
    ("measured", "passed"),
    [
        (phase(10), True),
        (phase(9), False),
        (phase(11), False),
        # One was lost, and another came twice.
        (phase(10, received=MARKS + 1), False),
        # What was refused may have come, or not: it is not known which were due.
        (phase(9, excused=1, received=MARKS - 1), True),
        (phase(8, excused=1), False),
        (phase(0), False),
    ],
)
def test_each_delivery_that_is_due_comes_once(measured: Measured, passed: bool) -> None:
    (check,) = everything_arrived([measured])
    assert check.passed is passed, check.detail


def test_of_those_that_are_not_the_right_ones_it_is_told_that_they_are_as_many() -> None:
    (check,) = everything_arrived([phase(10), phase(10, received=1)])
    assert check.detail == "10 of 10, but not those that were due (steady)"
