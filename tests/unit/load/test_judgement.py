"""Verdicts: a phase that breaks a threshold fails the run, a saturated load says nothing."""

import pytest

from load.histogram import Histogram
from load.judgement import EXIT_CODES, PhaseFigures, held, verdict_of
from load.measured import CheckOutcome, Measured, SaturationFacts, ThresholdOutcome, Verdict
from load.scenarios.base import Subject
from load.thresholds import parse

SUBJECT = Subject("delivery", "received", "deliveries", tried=("published",), raised="rate")
SATURATED = SaturationFacts(sends=100, late=50)


def phase(name: str = "steady", wait_us: int = 1_000, **fields: object) -> Measured:
    """A phase of ten seconds with a hundred deliveries."""
    values = {
        "seconds": 10.0,
        "counts": {"received": 100, "published": 10},
        "histograms": {"delivery": Histogram([wait_us] * 100), "ack": Histogram([500])},
        **fields,
    }
    return Measured(phase=name, **values)  # type: ignore[arg-type]


def test_figures_are_of_the_scenarios_subject_unless_another_is_named() -> None:
    figures = PhaseFigures(phase(errors={"publish: 103": 10}), SUBJECT)
    assert figures.percentile_us("", 99) == 1_000
    assert figures.percentile_us("ack", 99) == 500
    assert figures.percentile_us("recover", 99) is None
    assert figures.mean_us("") == 1_000
    assert figures.rate() == 10
    assert figures.errors() == 10
    assert figures.error_share() == 0.5
    assert figures.counted("lost") == 0


def test_a_phase_without_anything_has_no_figures() -> None:
    figures = PhaseFigures(Measured(phase="none", seconds=0.0), SUBJECT)
    assert figures.rate() is None
    assert figures.error_share() is None
    assert figures.mean_us("") is None


def test_the_phase_that_breaks_a_threshold_is_the_one_that_is_told_of() -> None:
    phases = [phase("a", 1_000), phase("b", 60_000), phase("c", 2_000)]
    outcomes = held([parse("p99<50ms"), parse("rate>=10")], phases, SUBJECT)
    assert [outcome.passed for outcome in outcomes] == [False, True]
    assert outcomes[0].value == pytest.approx(60)


def test_a_phase_that_has_nothing_of_what_a_threshold_is_about_is_left_out() -> None:
    without = phase("storm", histograms={"back": Histogram([5_000])})
    for phases in ([phase(), without], [without, phase()]):
        outcomes = held([parse("p99<2ms"), parse("back.p99<9ms")], phases, SUBJECT)
        assert [outcome.passed for outcome in outcomes] == [True, True]
    assert not held([parse("p99<2ms")], [without], SUBJECT)[0].passed


def test_nothing_passes_where_no_phase_ran() -> None:
    assert held([parse("p99<50ms")], [], SUBJECT) == [
        ThresholdOutcome(text="p99<50ms", passed=False)
    ]


@pytest.mark.parametrize(
    ("saturation", "check", "threshold", "interrupted", "verdict", "code"),
    [
        (SaturationFacts(), True, True, False, "passed", 0),
        (SaturationFacts(), False, True, False, "failed", 1),
        (SaturationFacts(), True, False, False, "failed", 1),
        (SATURATED, True, True, False, "invalid", 3),
        (SATURATED, False, False, False, "invalid", 3),
        (SaturationFacts(), True, True, True, "interrupted", 130),
    ],
)
def test_the_verdict_and_its_exit_code(
    saturation: SaturationFacts,
    check: bool,
    threshold: bool,
    interrupted: bool,
    verdict: Verdict,
    code: int,
) -> None:
    found = verdict_of(
        [phase(), phase(saturation=saturation)],
        [CheckOutcome(name="every message arrived", passed=check)],
        [ThresholdOutcome(text="p99<50ms", passed=threshold)],
        interrupted=interrupted,
    )
    assert found == verdict
    assert EXIT_CODES[found] == code
