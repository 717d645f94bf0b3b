"""What a run's figures amount to: thresholds held against phases, a verdict, an exit code. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from load.measured import CheckOutcome, Measured, ThresholdOutcome, Verdict
from load.scenarios.base import Subject, count_of
from load.thresholds import Threshold, judge

COULD_NOT_RUN: Final = 2
"""The exit code of a run that has no verdict."""

EXIT_CODES: Final[Mapping[Verdict, int]] = {
    "passed": 0,
    "failed": 1,
    "invalid": 3,
    # As a shell tells of a program that Ctrl-C ended.
    "interrupted": 130,
}


class PhaseFigures:
    """What thresholds ask for (see `load.thresholds.Figures`), of one phase of a scenario."""

    def __init__(self, measured: Measured, subject: Subject) -> None:
        self._measured = measured
        self._subject = subject

    def percentile_us(self, histogram: str, percent: float) -> float | None:
        """See Figures."""
        found = self._measured.histograms.get(histogram or self._subject.histogram)
        return found.percentile(percent) if found is not None and found.count else None

    def mean_us(self, histogram: str) -> float | None:
        """See Figures."""
        found = self._measured.histograms.get(histogram or self._subject.histogram)
        return found.mean if found is not None and found.count else None

    def rate(self) -> float | None:
        """See Figures."""
        if self._measured.seconds <= 0:
            return None
        return count_of(self._measured, self._subject.counter) / self._measured.seconds

    def errors(self) -> int:
        """See Figures."""
        return self._measured.errors_total

    def error_share(self) -> float | None:
        """See Figures."""
        errors = self._measured.errors_total
        tried = errors + sum(count_of(self._measured, name) for name in self._subject.tried)
        return errors / tried if tried else None

    def counted(self, name: str) -> float | None:
        """See Figures. What was never counted is not told from what came to nothing."""
        return float(count_of(self._measured, name))


def held(
    thresholds: Sequence[Threshold], phases: Sequence[Measured], subject: Subject
) -> list[ThresholdOutcome]:
    """An outcome for each threshold: of the first phase that breaks it, else of the last.

    Phases that have nothing of what it is about are left out; if none has, it does not pass.
    """
    outcomes = []
    for threshold in thresholds:
        outcome = ThresholdOutcome(text=threshold.text, passed=False)
        for measured in phases:
            found = judge(threshold, PhaseFigures(measured, subject))
            if found.value is None:
                continue
            outcome = found
            if not found.passed:
                break
        outcomes.append(outcome)
    return outcomes


def verdict_of(
    phases: Sequence[Measured],
    checks: Sequence[CheckOutcome],
    thresholds: Sequence[ThresholdOutcome],
    *,
    interrupted: bool,
) -> Verdict:
    """What all of it comes to. A saturated load says nothing of the hub, and comes first."""
    if interrupted:
        return "interrupted"
    if any(measured.saturation.saturated for measured in phases):
        return "invalid"
    right = all(check.passed for check in checks)
    kept = all(threshold.passed for threshold in thresholds)
    return "passed" if right and kept else "failed"
