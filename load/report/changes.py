"""What is different between two runs, figure by figure, and whether that is more than chance. Pure.

A figure of a run goes up and down from second to second; half the distance between the 10th and
90th of a hundred of its samples is its spread. A change counts when it is more than the spread of
either run and more than `CHANGE_MIN` of the figure. That is a rule of thumb, no statistical test:
who must know runs each side three times.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from load.measured import HubSeries, Measured, Result
from load.report import figures, series, words
from load.report.plots import Point

CHANGE_MIN: Final = 0.01
"""Of what the load measures. A histogram keeps 0.1 %."""

HUB_CHANGE_MIN: Final = 0.05
"""Of memory and CPU: the same hub takes some per cent more or less from one start to the next."""

SAMPLES_MIN: Final = 5
"""Of fewer samples of a run, nothing is known of its spread."""

PERCENTILES: Final = (50.0, 99.0, 99.9)

Weight = Literal["more", "within", "unknown"]
"""A change is more than the spread or within it, or there is no telling for want of samples."""


@dataclass(frozen=True, slots=True)
class Change:
    """One figure of both runs. A figure that one of them does not have is None there."""

    name: str
    before: float | None
    after: float | None
    unit: Literal["latency", "rate", "memory", "share", "number"]
    spread: float | None = None
    """The greater spread of both, in the unit of the figure."""
    lower_is_better: bool | None = None
    """None of what is neither better nor worse by itself, such as how much was sent."""
    change_min: float = CHANGE_MIN
    """What differs by a smaller share is no change, however steady both runs were."""

    @property
    def weight(self) -> Weight:
        """Whether it is more than the spread."""
        if self.before is None or self.after is None:
            return "unknown"
        if self._is_small:
            return "within"
        if self.spread is None:
            return "unknown"
        return "more" if abs(self.after - self.before) > self.spread else "within"

    @property
    def _is_small(self) -> bool:
        before, after = self.before or 0.0, self.after or 0.0
        return abs(after - before) <= self.change_min * max(abs(before), abs(after))

    @property
    def is_better(self) -> bool | None:
        """Whether the later run is better by more than the spread; None of all that is unclear."""
        if self.weight != "more" or self.lower_is_better is None:
            return None
        assert self.before is not None and self.after is not None, "it has a weight"
        return (self.after < self.before) == self.lower_is_better

    @property
    def verdict(self) -> str:
        """In a word or two: better, worse, more, less, same, within spread; or that it is unclear.

        It is unclear where there are too few samples to tell a change from chance.
        """
        if self.before is None or self.after is None:
            return "only before" if self.after is None else "only after"
        if self.is_better is not None:
            return "better" if self.is_better else "worse"
        if self.weight == "more":
            return "more" if self.after > self.before else "less"
        if self.weight == "unknown":
            return "unclear"
        return "same" if self._is_small else "within spread"

    def shown(self, value: float | None) -> str:
        """A value of this figure, as a person reads it."""
        if value is None:
            return figures.NOTHING
        tell = {
            "latency": figures.latency,
            "rate": figures.rate,
            "memory": figures.memory,
            "share": figures.share,
        }.get(self.unit, figures.number)
        return tell(value)

    @property
    def ratio(self) -> str:
        """How many times the earlier the later is."""
        if self.before is None or self.after is None:
            return figures.NOTHING
        return figures.ratio(self.before, self.after)


@dataclass(frozen=True, slots=True)
class Part:
    """A phase that both runs have, or the hub beside them, and its figures."""

    name: str
    changes: Sequence[Change]


def parts(before: Result, after: Result) -> list[Part]:
    """Every phase of the same name in both, then the hub if both had one beside them."""
    later = {phase.phase: phase for phase in after.phases}
    found = [
        Part(phase.phase, list(_phase(phase, later[phase.phase])))
        for phase in before.phases
        if phase.phase in later
    ]
    if before.hub and after.hub:
        both = _hub(before.hub, after.hub)
        told = [change for change in both if (change.before, change.after) != (None, None)]
        found.append(Part("the hub", told))
    return [part for part in found if part.changes]


def phases_of_one(before: Result, after: Result) -> list[str]:
    """Phases that only one of both has: there is nothing to compare them with."""
    names = [{phase.phase for phase in result.phases} for result in (before, after)]
    return sorted(names[0] ^ names[1])


def settings(before: Result, after: Result) -> list[tuple[str, str, str]]:
    """Settings and versions that are not the same: name, before, after. Not when each was run."""
    pairs = [
        dict(words.settings(result)) | {f"version of {name}": text for name, text in versions}
        for result, versions in ((before, words.versions(before)), (after, words.versions(after)))
    ]
    names = [name for name in dict.fromkeys([*pairs[0], *pairs[1]]) if name != "started"]
    found = [(name, pairs[0].get(name, ""), pairs[1].get(name, "")) for name in names]
    return [one for one in found if one[1] != one[2]]


def spread(points: Sequence[Point]) -> float | None:
    """Half the distance between the 10th and the 90th of a hundred values; None of too few."""
    values = sorted(value for _, value in points if value is not None)
    if len(values) < SAMPLES_MIN:
        return None
    last = len(values) - 1
    return (values[round(last * 0.9)] - values[round(last * 0.1)]) / 2


def _phase(before: Measured, after: Measured) -> Iterator[Change]:
    for name in _names(before, after):
        yield Change(
            f"{name} a second",
            series.per_second(before, name) if _has(before, name) else None,
            series.per_second(after, name) if _has(after, name) else None,
            "rate",
            _wider(before, after, series.rate_of(name)),
        )
    for name in dict.fromkeys([*before.histograms, *after.histograms]):
        for percent in PERCENTILES:
            yield Change(
                f"{name} p{percent:g}",
                _percentile(before, name, percent),
                _percentile(after, name, percent),
                "latency",
                _wider(before, after, series.percentile_of(name, percent)),
                lower_is_better=True,
            )
    if before.errors_total or after.errors_total:
        yield Change(
            "errors a second",
            before.errors_total / before.seconds if before.seconds else None,
            after.errors_total / after.seconds if after.seconds else None,
            "rate",
            _wider(before, after, series.errors_rate),
            lower_is_better=True,
        )
    for name in dict.fromkeys([*before.facts, *after.facts]):
        yield Change(name, before.facts.get(name), after.facts.get(name), "number")


def _names(before: Measured, after: Measured) -> list[str]:
    """What was done or waited for, in either."""
    return list(
        dict.fromkeys([*before.counts, *after.counts, *before.histograms, *after.histograms])
    )


def _has(phase: Measured, name: str) -> bool:
    return name in phase.counts or name in phase.histograms


def _hub(before: HubSeries, after: HubSeries) -> Iterator[Change]:
    memory = [series.hub_memory(one) for one in (before, after)]
    # It grows while clients come; what it is like afterwards tells of chance.
    settled = [points[len(points) // 2 :] for points in memory]
    yield Change(
        "memory at most",
        _most(memory[0]),
        _most(memory[1]),
        "memory",
        _wide(*settled),
        lower_is_better=True,
        change_min=HUB_CHANGE_MIN,
    )
    busy = [_busy(series.hub_cpu(one)) for one in (before, after)]
    yield Change(
        "CPU of a core when busy",
        _mean(busy[0]),
        _mean(busy[1]),
        "share",
        _wide(*busy),
        lower_is_better=True,
        change_min=HUB_CHANGE_MIN,
    )


def _busy(cpu: Sequence[Point]) -> list[Point]:
    """Samples of at least half of the greatest: before and after the load a hub is idle."""
    most = _most(cpu) or 0.0
    return [(t_s, value) for t_s, value in cpu if value is not None and value >= most / 2]


def _most(points: Sequence[Point]) -> float | None:
    return max((value for _, value in points if value is not None), default=None)


def _mean(points: Sequence[Point]) -> float | None:
    values = [value for _, value in points if value is not None]
    return sum(values) / len(values) if values else None


def _percentile(phase: Measured, name: str, percent: float) -> float | None:
    histogram = phase.histograms.get(name)
    return float(histogram.percentile(percent)) if histogram and histogram.count else None


def _wider(before: Measured, after: Measured, figure: series.Figure) -> float | None:
    return _wide(*(series.points(series.timeline([phase]), figure) for phase in (before, after)))


def _wide(before: Sequence[Point], after: Sequence[Point]) -> float | None:
    """The greater spread of both; None when that of one is not known."""
    spreads = [spread(before), spread(after)]
    known = [one for one in spreads if one is not None]
    return max(known) if len(known) == len(spreads) else None
