"""Thresholds: `p99<50ms`, `errors<0.1%`, `rate>1000`. Pure.

    threshold  = [ histogram "." ] figure operator number [ unit ]
    figure     = "p" percent | "mean" | "max" | "rate" | "errors" | a counter's name
    operator   = "<" | "<=" | ">" | ">=" | "="

A percentile, the mean and the maximum are times, of the histogram that is the scenario's subject
unless one is named (`ack.p99<20ms`); their unit is `us`, `ms` or `s`, and must be given. `rate` is
of what the scenario counts, a second. `errors` is a share of what was tried where its number ends
in `%`, else how many there were. Anything else is a counter: `lost=0`.
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec

from load.measured import ThresholdOutcome

UNITS_US: Final[Mapping[str, float]] = {"us": 1.0, "ms": 1_000.0, "s": 1_000_000.0}
"""What a time may be given in, in microseconds."""

SCALES: Final[Mapping[str, float]] = {**UNITS_US, "%": 0.01, "": 1.0}
"""What a unit is worth."""

_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}
_THRESHOLD: Final = re.compile(
    r"(?:(?P<histogram>[a-z_]+)\.)?(?P<figure>[a-z_][a-z_0-9.]*?)\s*"
    r"(?P<operator><=|>=|<|>|=)\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>us|ms|s|%)?"
)
_PERCENTILE: Final = re.compile(r"p(\d{1,2}(?:\.\d+)?)")


class ThresholdError(ValueError):
    """It is no threshold; has the text and what is wrong with it."""

    def __init__(self, text: str, problem: str) -> None:
        super().__init__(text, problem)
        self.text = text
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.text!r} is no threshold: {self.problem}"


class Figures(Protocol):
    """What was measured, as thresholds ask for it. None where there is nothing to tell."""

    def percentile_us(self, histogram: str, percent: float) -> float | None:
        """A percentile of a histogram, in microseconds; "" is the scenario's subject."""

    def mean_us(self, histogram: str) -> float | None:
        """Its mean."""

    def rate(self) -> float | None:
        """How many a second of what the scenario counts."""

    def errors(self) -> int:
        """How many attempts failed."""

    def error_share(self) -> float | None:
        """How many of all attempts, 0 to 1; None where nothing was tried."""

    def counted(self, name: str) -> float | None:
        """A counter; None where the scenario has none of that name."""


class Threshold(msgspec.Struct, frozen=True):
    """One condition. `limit` is in microseconds, a share, a second or a count, as its unit says."""

    text: str
    figure: str
    operator: str
    limit: float
    histogram: str = ""
    unit: str = ""

    @property
    def counter(self) -> str:
        """The counter that it is of; "" of every other figure."""
        known = self.figure in {"mean", "max", "rate", "errors"}
        return "" if known or _PERCENTILE.fullmatch(self.figure) else self.figure

    def value(self, figures: Figures) -> float | None:
        """What the measured figure is, in the unit of `limit`; None where there is none."""
        if self.figure == "mean":
            return figures.mean_us(self.histogram)
        if self.figure == "max":
            return figures.percentile_us(self.histogram, 100.0)
        if percentile := _PERCENTILE.fullmatch(self.figure):
            return figures.percentile_us(self.histogram, float(percentile[1]))
        if self.figure == "rate":
            return figures.rate()
        if self.figure == "errors":
            return figures.error_share() if self.unit == "%" else float(figures.errors())
        return figures.counted(self.figure)

    def holds(self, value: float | None) -> bool:
        """Whether it passes. What was not measured passes nothing: silence is no success."""
        return value is not None and _OPERATORS[self.operator](value, self.limit)

    def shown(self, value: float | None) -> str:
        """A value of `value`, as a person reads it."""
        if value is None:
            return "not measured"
        if self.unit:
            return f"{value / SCALES[self.unit]:.4g}{self.unit}"
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def parse(text: str) -> Threshold:
    """Read one. Raises ThresholdError."""
    found = _THRESHOLD.fullmatch(text.strip().lower())
    if found is None:
        raise ThresholdError(text, "write it like p99<50ms, errors<0.1% or rate>1000")
    figure, unit = found["figure"], found["unit"] or ""
    histogram = found["histogram"] or ""
    is_time = figure in {"mean", "max"} or _PERCENTILE.fullmatch(figure) is not None
    if is_time and unit not in UNITS_US:
        raise ThresholdError(text, f"{figure} is a time, in us, ms or s")
    if not is_time and unit in UNITS_US:
        raise ThresholdError(text, f"{figure} is no time")
    if unit == "%" and figure != "errors":
        raise ThresholdError(text, f"{figure} is no share, only errors are")
    if histogram and not is_time:
        raise ThresholdError(text, f"{figure} is not of a histogram")
    number = float(found["number"])
    limit = number * SCALES[unit]
    return Threshold(text.strip(), figure, found["operator"], limit, histogram, unit)


def judge(threshold: Threshold, figures: Figures) -> ThresholdOutcome:
    """Hold what was measured against it."""
    value = threshold.value(figures)
    scaled = None if value is None else value / SCALES[threshold.unit]
    return ThresholdOutcome(text=threshold.text, passed=threshold.holds(value), value=scaled)
