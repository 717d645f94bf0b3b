"""The table of the targets for speed and size, as Markdown: pure, no measuring here.

A row has a target; each round gives a reading of it; what counts is the median of the rounds.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

HEAD: Final = (
    "| row | what | target | measured (each round) | in that run | |",
    "|---|---|---|---|---|---|",
)


class Target(NamedTuple):
    """What a row must reach: at least `bound`, or at most; `unit` is said behind the number."""

    bound: float
    unit: str
    at_least: bool = True

    @property
    def text(self) -> str:
        """As in the list of targets."""
        return f"{'≥' if self.at_least else '≤'} {self.bound:g} {self.unit}".rstrip()

    def is_met(self, value: float) -> bool:
        """Whether a measured value reaches it."""
        return value >= self.bound if self.at_least else value <= self.bound


class Row(NamedTuple):
    """A line of the table. `key` begins with the number of the target's row."""

    key: str
    what: str
    target: Target

    @property
    def number(self) -> int:
        """Which row of the targets it is about."""
        return int(self.key.split()[0])


class Reading(NamedTuple):
    """What one round found: the value that the target is about, and absolute figures beside it.

    A figure's name has `{}` where its number goes: "p99 {} ms".
    """

    value: float
    figures: dict[str, float]


def number(value: float) -> str:
    """Three significant digits, or all before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def said_shortly(error: BaseException) -> str:
    """An error for a cell of the table: its first line, and where there is a log its last."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " … ".join(dict.fromkeys((lines[0], lines[-1]))).replace("|", "/")[:200]


def median_figures(readings: Sequence[Reading]) -> str:
    """The median of each absolute figure, one after the other."""
    names = readings[0].figures
    return ", ".join(
        name.format(number(statistics.median(reading.figures[name] for reading in readings)))
        for name in names
    )


def line(row: Row, readings: Sequence[Reading], reason: str = "") -> str:
    """A row's line; one without readings says the reason."""
    if not readings:
        found = f"not measured: {reason or 'no reading'}"
        return f"| {row.key} | {row.what} | {row.target.text} | {found} | | |"
    values = [reading.value for reading in readings]
    middle = statistics.median(values)
    rounds = ", ".join(number(value) for value in values)
    verdict = "met" if row.target.is_met(middle) else "**missed**"
    measured = f"**{number(middle)}** ({rounds})"
    shown = median_figures(readings)
    return f"| {row.key} | {row.what} | {row.target.text} | {measured} | {shown} | {verdict} |"


def markdown(
    rows: Sequence[Row], readings: Mapping[str, Sequence[Reading]], reasons: Mapping[str, str]
) -> str:
    """The whole table; `readings` and `reasons` (why there are none) are by the row's key."""
    lines = [line(row, readings.get(row.key, ()), reasons.get(row.key, "")) for row in rows]
    return "\n".join((*HEAD, *lines)) + "\n"
