"""Thresholds: what they say, what passes, and what is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from load.thresholds import ThresholdError, judge, parse


@dataclass
class Measured:
    """Figures of a run that never ran."""

    percentiles: Mapping[tuple[str, float], float] = field(default_factory=dict)
    means: Mapping[str, float] = field(default_factory=dict)
    a_second: float | None = None
    failed: int = 0
    tried: int = 0
    counts: Mapping[str, float] = field(default_factory=dict)

    def percentile_us(self, histogram: str, percent: float) -> float | None:
        """See Figures."""
        return self.percentiles.get((histogram, percent))

    def mean_us(self, histogram: str) -> float | None:
        """See Figures."""
        return self.means.get(histogram)

    def rate(self) -> float | None:
        """See Figures."""
        return self.a_second

    def errors(self) -> int:
        """See Figures."""
        return self.failed

    def error_share(self) -> float | None:
        """See Figures."""
        return self.failed / self.tried if self.tried else None

    def counted(self, name: str) -> float | None:
        """See Figures."""
        return self.counts.get(name)


FIGURES = Measured(
    percentiles={("", 50.0): 900.0, ("", 99.0): 49_000.0, ("", 99.9): 51_000.0, ("", 100.0): 9e5}
    | {("ack", 99.0): 20_000.0},
    means={"": 1_200.0, "ack": 800.0},
    a_second=1_000.0,
    failed=3,
    tried=3_000,
    counts={"lost": 0},
)


@pytest.mark.parametrize(
    ("text", "passes", "shown"),
    [
        ("p99<50ms", True, "49ms"),
        ("p99 <= 49ms", True, "49ms"),
        ("p99<0.049s", False, "0.049s"),
        ("P99.9<50ms", False, "51ms"),
        ("p50>1000us", False, "900us"),
        ("max<1s", True, "0.9s"),
        ("mean<1.3ms", True, "1.2ms"),
        ("ack.p99<20ms", False, "20ms"),
        ("ack.mean<1ms", True, "0.8ms"),
        ("rate>1000", False, "1,000"),
        ("rate>=1000", True, "1,000"),
        ("errors<0.1%", False, "0.1%"),
        ("errors<=0.1%", True, "0.1%"),
        ("errors<5", True, "3"),
        ("errors=0", False, "3"),
        ("lost=0", True, "0"),
    ],
)
def test_a_threshold_is_held_against_what_was_measured(text: str, passes: bool, shown: str) -> None:
    threshold = parse(text)
    outcome = judge(threshold, FIGURES)
    assert (outcome.passed, outcome.text) == (passes, text)
    assert threshold.shown(threshold.value(FIGURES)) == shown


def test_an_outcome_tells_the_value_in_the_unit_of_its_text() -> None:
    values = [judge(parse(text), FIGURES).value for text in ("p99<1s", "p99<1ms", "errors<5%")]
    assert values == pytest.approx([0.049, 49, 0.1])


@pytest.mark.parametrize(
    "text", ["p99<1s", "mean<1s", "max<1s", "rate>=0", "errors<100%", "lost=0", "no.p99<1s"]
)
def test_what_was_not_measured_does_not_pass(text: str) -> None:
    outcome = judge(parse(text), Measured())
    assert not outcome.passed
    assert outcome.value is None
    assert parse(text).shown(None) == "not measured"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "write it like"),
        ("p99", "write it like"),
        ("p99<", "write it like"),
        ("p99<fast", "write it like"),
        ("p99<-1ms", "write it like"),
        ("p99<50ms and more", "write it like"),
        ("p99<50ms;p50<1ms", "write it like"),
        ("p99<50", "is a time"),
        ("p99<50%", "is a time"),
        ("mean<5", "is a time"),
        ("rate>1000ms", "is no time"),
        ("rate>50%", "is no share"),
        ("lost<1%", "is no share"),
        ("ack.rate>5", "write it like|not of a histogram"),
    ],
)
def test_what_is_no_threshold_is_refused_with_the_reason(text: str, problem: str) -> None:
    with pytest.raises(ThresholdError, match=problem):
        parse(text)
