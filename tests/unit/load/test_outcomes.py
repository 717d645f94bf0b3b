"""When a second phase counts as slower than the first."""

import pytest

from load.histogram import Histogram
from load.measured import Measured
from load.scenarios.outcomes import not_slowed


def phase(p99_us: int | None) -> Measured:
    """One whose waits were all as long as that; None had none at all."""
    waits = {} if p99_us is None else {"told": Histogram([p99_us] * 10)}
    return Measured(phase="any", seconds=1.0, histograms=waits)


@pytest.mark.parametrize(
    ("before_us", "after_us", "passed"),
    [
        # Twice as long, or five milliseconds more: whichever is longer.
        (10_000, 19_000, True),
        (10_000, 22_000, False),
        (1_000, 5_500, True),
        (1_000, 7_000, False),
        (10_000, None, False),
        (None, 4_000, True),
        (None, 6_000, False),
    ],
)
def test_a_phase_is_slower_beyond_a_factor_and_beyond_noise(
    before_us: int | None, after_us: int | None, passed: bool
) -> None:
    phases = (phase(before_us), phase(after_us))
    words = ("before", "after")
    check = not_slowed("quick", "told", phases, words, factor_max=2.0, grace_us=5_000.0)
    assert check.passed is passed, check.detail


def test_both_figures_are_told_in_milliseconds() -> None:
    phases = (phase(2_000), phase(3_000))
    check = not_slowed("quick", "told", phases, ("alone", "beside"), factor_max=2.0, grace_us=0.0)
    assert (check.name, check.detail) == ("quick", "p99 2.0 ms alone, 3.0 ms beside")
