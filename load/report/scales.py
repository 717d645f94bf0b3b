"""Axes of a plot: where between 0 and 1 a value lies, and which are written beside it. Pure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from load.report import figures

Label = Callable[[float], str]
"""How a value of an axis is written."""

_TICKS_TARGET: Final = 4
_TIME_TICKS_TARGET: Final = 6
_TALL_DECADES: Final = 2.4
"""A logarithmic axis of no more decades has ticks at 2 and 5, too."""
_NINES_MIN: Final = 2
_NINES_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Tick:
    """A value written beside an axis, at a place between 0 (low end) and 1 (high end)."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis: `place` gives a value's place from 0 to 1; what is beyond an end lies at it."""

    place: Callable[[float], float]
    ticks: Sequence[Tick]


def linear(values: Sequence[float], *, label: Label, from_zero: bool = True) -> Scale:
    """An axis in even steps of 1, 2 or 5 times a power of ten, up to above the greatest value."""
    low = 0.0 if from_zero else min(values, default=0.0)
    high = max(values, default=0.0)
    step = _even_step(high - low, _TICKS_TARGET)
    bottom = math.floor(low / step + 1e-9) * step
    count = max(1, math.ceil((high - bottom) / step - 1e-9))
    top = bottom + count * step

    def place(value: float) -> float:
        return _within((value - bottom) / (top - bottom))

    marks = (bottom + step * index for index in range(count + 1))
    return Scale(place, [Tick(place(mark), label(mark)) for mark in marks])


def exact(high: float, *, label: Label) -> Scale:
    """An axis from zero that ends where the values do, as time does; its ticks are even."""
    high = high or 1.0
    step = _even_step(high, _TIME_TICKS_TARGET)
    marks = [step * index for index in range(int(high / step + 1e-9) + 1)]
    return Scale(
        lambda value: _within(value / high), [Tick(mark / high, label(mark)) for mark in marks]
    )


def logarithmic(values: Sequence[float], *, label: Label) -> Scale:
    """A logarithmic axis around the values above zero; what is not lies at its low end."""
    positive = [value for value in values if value > 0]
    low, high = min(positive, default=1.0), max(positive, default=10.0)
    first, last = _log_ends(low, high)
    bottom, top = math.log10(first), math.log10(last)

    def place(value: float) -> float:
        return _within((math.log10(value) - bottom) / (top - bottom)) if value > 0 else 0.0

    marks = _log_marks(first, last, (1, 2, 5) if top - bottom <= _TALL_DECADES else (1,))
    return Scale(place, [Tick(place(mark), label(mark)) for mark in marks])


def percentiles(count: int) -> Scale:
    """The axis of an HDR percentile plot: 90 %, 99 %, 99.9 % are equally far from each other.

    It takes percentages from 0 to 100, and goes to as many nines as `count` values can tell of: the
    slowest of a thousand is the 99.9th.
    """
    nines = min(_NINES_MAX, max(_NINES_MIN, math.ceil(math.log10(max(1, count)))))

    def place(percentile: float) -> float:
        rest = max(10.0**-_NINES_MAX / 10, 1 - percentile / 100)
        return _within(-math.log10(rest) / nines)

    marks = [50.0, *(100 - 10.0 ** (2 - nine) for nine in range(1, nines + 1))]
    return Scale(place, [Tick(place(mark), f"{mark:.10g} %") for mark in marks])


def time_axis(seconds: float) -> Scale:
    """Seconds since the start of a run; in minutes or hours where it is that long."""
    if seconds >= 2 * 3600:
        return _in_units(seconds, 3600, "h")
    if seconds >= 3 * 60:
        return _in_units(seconds, 60, "min")
    return exact(seconds, label=lambda value: f"{figures.number(round(value, 3))} s")


def _in_units(seconds: float, unit_s: int, unit: str) -> Scale:
    units = exact(seconds / unit_s, label=lambda value: f"{figures.number(round(value, 3))} {unit}")
    return Scale(lambda value: units.place(value / unit_s), units.ticks)


def _even_step(span: float, ticks: int) -> float:
    if span <= 0:
        return 1.0
    rough = span / ticks
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * times for times in (1, 2, 5, 10) if power * times >= rough * 0.999)


def _log_ends(low: float, high: float) -> tuple[float, float]:
    """The last 1, 2 or 5 of a decade below the least value, and the first above the greatest."""
    around = _log_marks(low / 10, high * 10, (1, 2, 5))
    first = max(mark for mark in around if mark <= low * 1.000001)
    last = min(mark for mark in around if mark >= high * 0.999999)
    return first, last if last > first else around[around.index(first) + 1]


def _log_marks(low: float, high: float, factors: Sequence[int]) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks = (10.0**decade * factor for decade in decades for factor in factors)
    return [mark for mark in marks if low * 0.999999 <= mark <= high * 1.000001]


def _within(place: float) -> float:
    return min(1.0, max(0.0, place))
