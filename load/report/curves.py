"""The plots of a run: which there are, of what, and how to read them. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from load import thresholds
from load.histogram import Histogram
from load.measured import HubSeries, Measured, Result
from load.report import figures, scales, series
from load.report.plots import BAD, COLOURS, Line, Plot, Point, Span, thinned
from load.report.series import PhaseTime
from load.scenarios.base import Subject, count_of

COUNT_PLOTS_MAX: Final = 3
"""Plots of how often things were done; what is rarer still stands in the tables."""

PAIRS_MAX: Final = 12
"""Plots of two runs beside each other; the tables have every figure."""

_HOW_TO_READ: Final = "So many percent took no longer than this."

_FAR_APART: Final = 30
"""Of two rates so many times apart, the lesser would lie at the bottom of the other's plot."""


def distributions(result: Result, subject: Subject | None = None) -> list[Plot]:
    """A percentile plot for each histogram, with a line for each phase that has it.

    Of more phases than there are colours, evenly chosen ones are shown, the first and last among
    them. The subject's comes first.
    """
    plots = []
    for name in _histograms(result, subject):
        phases = [phase for phase in result.phases if _waits(phase, name) is not None]
        chosen = _spread(phases, COLOURS)
        lines = [
            Line(
                phase.phase if len(phases) > 1 else "",
                _curve(phase.histograms[name]),
                figures.latency,
                colour,
            )
            for colour, phase in enumerate(chosen)
        ]
        left_out = len(phases) - len(chosen)
        plots.append(
            _percentile_plot(
                f"{_capital(name)}: distribution",
                lines,
                [phase.histograms[name] for phase in phases],
                _limits(result, name, subject),
                f"{_HOW_TO_READ} {left_out} phases are left out." if left_out else _HOW_TO_READ,
            )
        )
    return plots


def knee(result: Result, subject: Subject) -> list[Plot]:
    """The waits of a search for the knee over the load; nothing of other runs."""
    name = subject.histogram
    waited = {
        load: phase.histograms[name]
        for load, phase in series.loads(result.phases).items()
        if _waits(phase, name) is not None
    }
    if len(waited) < 2:
        return []
    lines = [
        Line(
            f"p{percent:g}",
            [(load, float(waits.percentile(percent))) for load, waits in waited.items()],
            figures.latency,
            colour,
        )
        for colour, percent in enumerate((50, 99))
    ]
    marks = _limits(result, name, subject)
    values = [value for line in lines for _, value in line.points if value is not None]
    return [
        Plot(
            title=f"{_capital(name)} by {subject.raised or 'load'}",
            note="Each step of the search for the knee; both axes are logarithmic.",
            x=scales.logarithmic(list(waited), label=figures.number),
            y=scales.logarithmic([*values, *(mark for mark, _ in marks)], label=figures.latency),
            lines=lines,
            x_label=figures.number,
            marks=marks,
        )
    ]


def beside(before: Result, after: Result) -> list[Plot]:
    """A percentile plot for each histogram of each phase that both runs have, one line for each."""
    later = {phase.phase: phase for phase in after.phases}
    plots = []
    for phase in before.phases:
        for name, old in phase.histograms.items():
            new = later[phase.phase].histograms.get(name) if phase.phase in later else None
            if new is None or not new.count or not old.count:
                continue
            pair = (("before", old), ("after", new))
            lines = [
                Line(label, _curve(histogram), figures.latency, colour)
                for colour, (label, histogram) in enumerate(pair)
            ]
            where = f", {phase.phase}" if len(before.phases) > 1 else ""
            plots.append(_percentile_plot(f"{_capital(name)}{where}", lines, (old, new), ()))
    return plots[:PAIRS_MAX]


def _percentile_plot(
    title: str,
    lines: Sequence[Line],
    histograms: Sequence[Histogram],
    marks: Sequence[tuple[float, str]],
    note: str = _HOW_TO_READ,
) -> Plot:
    waits = [value for line in lines for _, value in line.points if value is not None]
    return Plot(
        title=title,
        note=note,
        x=scales.percentiles(max(histogram.count for histogram in histograms)),
        y=scales.logarithmic([*waits, *(mark for mark, _ in marks)], label=figures.latency),
        lines=lines,
        x_label=lambda percent: f"{percent:.7g} %",
        marks=marks,
    )


def over_time(result: Result, subject: Subject | None = None) -> list[Plot]:
    """Rates, errors, and waits over the time that was measured."""
    times = series.timeline(result.phases)
    if not any(time.phase.samples for time in times):
        return []
    plots = [*_rates(times, subject)]
    if any(phase.errors_total for phase in result.phases):
        points = thinned(series.points(times, series.errors_rate), greatest=True)
        line = Line("errors", points, figures.rate, BAD, "area")
        plots.append(_timed("Errors", "How many a second.", times, [line], figures.rate))
    for name in _histograms(result, subject):
        lines = [
            Line(
                label,
                thinned(series.points(times, series.percentile_of(name, percent)), greatest=True),
                figures.latency,
                colour,
            )
            for colour, (label, percent) in enumerate((("p50", 50), ("p99", 99), ("max", 100)))
        ]
        if any(value is not None for line in lines for _, value in line.points):
            plots.append(_timed_waits(name, times, lines, _limits(result, name, subject)))
    return plots


def hub(samples: HubSeries) -> list[Plot]:
    """Memory and CPU of a hub on this machine; nothing of fewer than two samples."""
    if len(samples.samples) < 2:
        return []
    memory = thinned(series.hub_memory(samples), greatest=True)
    cpu = thinned(series.hub_cpu(samples))
    x = scales.time_axis(samples.samples[-1][0])
    return [
        Plot(
            title="Memory of the hub",
            note="Resident memory of its processes over the whole run, warm-up included.",
            x=x,
            y=_even(memory, figures.memory, unit=_memory_unit(memory)),
            lines=[Line("", memory, figures.memory, 0, "area")],
            x_label=figures.duration,
        ),
        Plot(
            title="CPU of the hub",
            note="As a share of one core, over the whole run, warm-up included.",
            x=x,
            y=_even(cpu, figures.share),
            lines=[Line("", cpu, figures.share, 1, "area")],
            x_label=figures.duration,
        ),
    ]


def _rates(times: Sequence[PhaseTime], subject: Subject | None) -> Iterator[Plot]:
    """Plots of what was done, each with rates of the same order; the subject's own comes first."""
    names = _drawn_counters(times, subject)
    most: dict[str, float] = {}
    for name in names:
        points = series.points(times, series.rate_of(name))
        most[name] = max((value for _, value in points if value is not None), default=0.0)
    groups: list[list[str]] = []
    for name in sorted((name for name in most if most[name]), key=lambda name: -most[name]):
        near = groups and most[groups[-1][0]] < most[name] * _FAR_APART
        if near and len(groups[-1]) < COLOURS:
            groups[-1].append(name)
        else:
            groups.append([name])
    if subject is not None:
        groups.sort(key=lambda group: subject.counter not in group)
    for group in groups[:COUNT_PLOTS_MAX]:
        told = [
            subject.noun if subject is not None and name == subject.counter else name
            for name in group
        ]
        lines = [
            Line(
                told[colour],
                thinned(series.points(times, series.rate_of(name))),
                figures.rate,
                colour,
            )
            for colour, name in enumerate(group)
        ]
        title = f"Rate of {told[0]}" if len(group) == 1 else "Rates"
        yield _timed(title, "How many a second.", times, lines, figures.rate)


def _drawn_counters(times: Sequence[PhaseTime], subject: Subject | None) -> list[str]:
    """Counters of what went on over time, the subject's first.

    One that is written down at once, as what is due is, has no rate; of two that counted the same,
    as what was received and what was waited for, the lines would hide each other.
    """
    names = dict.fromkeys(name for time in times for name in time.phase.counts)
    if subject is not None:
        names = {subject.counter: None, **names}
    chosen: dict[tuple[int, ...], str] = {}
    for name in names:
        totals = tuple(count_of(time.phase, name) for time in times)
        at_once = all(
            total in {0, max(count_of(sample, name) for sample in time.phase.samples)}
            for time, total in zip(times, totals, strict=True)
            if len(time.phase.samples) > 1
        )
        is_sampled = any(len(time.phase.samples) > 1 for time in times)
        if name == (subject and subject.counter) or not (at_once and is_sampled):
            chosen.setdefault(totals, name)
    return list(chosen.values())


def _timed(
    title: str,
    note: str,
    times: Sequence[PhaseTime],
    lines: Sequence[Line],
    label: Callable[[float], str],
) -> Plot:
    values = [point for line in lines for point in line.points]
    return Plot(
        title=title,
        note=note,
        x=scales.time_axis(times[-1].end_s),
        y=_even(values, label),
        lines=lines,
        x_label=figures.duration,
        spans=_spans(times),
        moments=_moments(times),
    )


def _timed_waits(
    name: str,
    times: Sequence[PhaseTime],
    lines: Sequence[Line],
    marks: Sequence[tuple[float, str]],
) -> Plot:
    waits = [value for line in lines for _, value in line.points if value is not None]
    return Plot(
        title=f"{_capital(name)}: over time",
        note=f"How long {name} took, by the second in which it ended.",
        x=scales.time_axis(times[-1].end_s),
        y=scales.logarithmic([*waits, *(mark for mark, _ in marks)], label=figures.latency),
        lines=lines,
        x_label=figures.duration,
        spans=_spans(times),
        marks=marks,
        moments=_moments(times),
    )


def _moments(times: Sequence[PhaseTime]) -> list[tuple[float, str]]:
    """When something was done to the hubs."""
    return [
        (time.begin_s + mark.at, mark.what)
        for time in times
        for mark in time.phase.marks
        if time.begin_s + mark.at <= time.end_s
    ]


def _spans(times: Sequence[PhaseTime]) -> list[Span]:
    if len(times) < 2:
        return []
    shared = _shared([time.phase.phase for time in times])
    return [Span(time.phase.phase[shared:], time.begin_s, time.end_s) for time in times]


def _shared(names: Sequence[str]) -> int:
    """How many letters of words all names begin with: of `rate 50`, `rate 100`, those of `rate `.

    There is little place for names above a plot of many phases.
    """
    shared = 0
    for same, *others in zip(*(name.split(" ")[:-1] for name in names), strict=False):
        if any(other != same for other in others):
            break
        shared += len(same) + 1
    return shared


def _even(
    points: Sequence[Point], label: Callable[[float], str], *, unit: float = 1.0
) -> scales.Scale:
    """An axis from zero, in even steps of `unit`."""
    values = [value / unit for _, value in points if value is not None]
    even = scales.linear(values, label=lambda value: label(value * unit) if value else "0")
    return scales.Scale(lambda value: even.place(value / unit), even.ticks)


def _memory_unit(points: Sequence[Point]) -> float:
    """KB, MB or GB in KB, so that the ticks are even in what they are told in."""
    most = max((value for _, value in points if value is not None), default=0.0)
    return 1024.0**2 if most >= 1024**2 else 1024.0 if most >= 1024 else 1.0


def _curve(histogram: Histogram) -> list[Point]:
    """Percentiles of a histogram: a point for each bucket, thinned where they are dense."""
    points: list[Point] = []
    seen = 0
    for upper_us, count in histogram.buckets():
        # A bucket is drawn from the percentile at which it begins to the one at which it ends.
        points.append((seen / histogram.count * 100, float(upper_us)))
        seen += count
    points.append((100.0, float(histogram.max)))
    scale = scales.percentiles(histogram.count)
    kept: list[Point] = []
    for percent, value in points:
        if kept and scale.place(percent) - scale.place(kept[-1][0]) < 1 / 400 and percent < 100:
            kept[-1] = (kept[-1][0], value)
        else:
            kept.append((percent, value))
    return kept


def _limits(result: Result, name: str, subject: Subject | None) -> list[tuple[float, str]]:
    """Thresholds that are times of this histogram, in microseconds, with their text."""
    mine = subject.histogram if subject else _only(result)
    found = []
    for outcome in result.thresholds:
        try:
            threshold = thresholds.parse(outcome.text)
        except thresholds.ThresholdError:
            continue  # of a file that another version wrote
        if threshold.unit in thresholds.UNITS_US and (threshold.histogram or mine) == name:
            found.append((threshold.limit, outcome.text))
    return found


def _only(result: Result) -> str:
    """The one histogram of a run that has no other."""
    names = _histograms(result, None)
    return names[0] if len(names) == 1 else ""


def _histograms(result: Result, subject: Subject | None) -> list[str]:
    """Names of what was waited for, in any phase; the subject's first."""
    names = dict.fromkeys(
        name
        for phase in result.phases
        for name in phase.histograms
        if _waits(phase, name) is not None
    )
    return sorted(names, key=lambda name: subject is None or name != subject.histogram)


def _waits(phase: Measured, name: str) -> Histogram | None:
    found = phase.histograms.get(name)
    return found if found is not None and found.count else None


def _spread(phases: Sequence[Measured], most: int) -> list[Measured]:
    if len(phases) <= most:
        return list(phases)
    last = len(phases) - 1
    return [phases[round(index * last / (most - 1))] for index in range(most)]


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
