"""Plots as inline SVG: the picture stretches to the width there is, its words stay as they are.

A picture has neither text nor round things in it, so that it may be drawn at any width; ticks,
names and legends are HTML around it, and so are as large on a phone as on a desk. Nothing needs a
script: what a place of the plot stands for is its `<title>`. Every text that comes in is escaped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from load.report.markup import text
from load.report.scales import Label, Scale, Tick

COLOURS: Final = 6
"""Lines of one plot that are told from each other; the style sheet has a colour for each."""

POINTS_MAX: Final = 300
"""Points of one line; of more, several become one: a screen has no more places."""

_SIDE: Final = 1000.0
"""The picture's own units, either way."""

Point = tuple[float, float | None]
"""Where along the axis, and the value there; None is a gap."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot, of points from left to right."""

    name: str
    points: Sequence[Point]
    label: Label
    """How its values are told."""
    colour: int = 0
    """Which of the style sheet's colours, from 0 below `COLOURS`; or `BAD`."""
    shape: Literal["line", "steps", "area"] = "line"
    """`steps` keeps a value until the next one; `area` fills what is below the line."""


BAD: Final = COLOURS
"""The colour of errors."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the horizontal axis that has a name: a phase."""

    name: str
    begin: float
    end: float
    is_aside: bool = False
    """Left out of what is judged, as a warm-up is: drawn paler."""


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines above one horizontal axis. `note` says in words how to read it; `""` says nothing."""

    title: str
    note: str
    x: Scale
    y: Scale
    lines: Sequence[Line]
    x_label: Label
    spans: Sequence[Span] = ()
    marks: Sequence[tuple[float, str]] = field(default=())
    """Values of the vertical axis with a name, drawn across: thresholds."""
    moments: Sequence[tuple[float, str]] = field(default=())
    """Places of the horizontal axis with a name, drawn from top to bottom: what was done then."""


def drawn(plot: Plot) -> str:
    """The plot as an HTML `figure`; the style sheet is `load.report.stylesheet.CSS`."""
    width = max((len(tick.text) for tick in plot.y.ticks), default=1)
    note = f'<p class="note">{text(plot.note)}</p>' if plot.note else ""
    return (
        f'<figure class="plot"><figcaption><h3>{text(plot.title)}</h3>{note}'
        f"{_legend(plot.lines)}</figcaption>"
        f'<div class="chart" style="--labels:{width}ch">'
        f'<div class="y" aria-hidden="true">{_labels(plot.y.ticks, "bottom")}</div>'
        f'<div class="picture">{"".join(_names(plot))}'
        f'<svg viewBox="0 0 {_SIDE:.0f} {_SIDE:.0f}" preserveAspectRatio="none" role="img" '
        f'aria-label="{text(_described(plot))}">{"".join(_picture(plot))}</svg></div>'
        f'<div class="x" aria-hidden="true">{_labels(plot.x.ticks, "left")}</div>'
        "</div></figure>"
    )


def thinned(
    points: Sequence[Point], *, most: int = POINTS_MAX, greatest: bool = False
) -> list[Point]:
    """At most so many points: neighbours become one, at the first's place.

    It has their mean, or with `greatest` the greatest of them, as of latencies and of memory: an
    outlier must not vanish because a run was long.
    """
    size = -(-len(points) // most)
    if size <= 1:
        return list(points)
    thin: list[Point] = []
    for start in range(0, len(points), size):
        bunch = points[start : start + size]
        values = [value for _, value in bunch if value is not None]
        one = (max(values) if greatest else sum(values) / len(values)) if values else None
        thin.append((bunch[0][0], one))
    return thin


def _legend(lines: Sequence[Line]) -> str:
    if len(lines) < 2:
        return ""
    items = (f'<li class="c{line.colour}">{text(line.name)}</li>' for line in lines)
    return f'<ul class="legend">{"".join(items)}</ul>'


def _labels(ticks: Sequence[Tick], side: str) -> str:
    return "".join(
        f'<span style="{side}:{tick.at:.2%}"{_edge(tick, ticks[-1])}>{text(tick.text)}</span>'
        for tick in ticks
    )


def _edge(tick: Tick, last: Tick) -> str:
    """What would stand out beyond the plot's ends is aligned to them, and needs more room there."""
    if tick.at < 0.02:
        return ' class="first"'
    if tick.at > 0.96:
        return ' class="last"'
    # A phone has no room for both it and the last one.
    return ' class="tight"' if last.at > 0.96 and last.at - tick.at < 0.27 else ""


def _names(plot: Plot) -> Iterator[str]:
    """Names of spans and marks, which lie above the picture."""
    for span in plot.spans:
        begin, end = plot.x.place(span.begin), plot.x.place(span.end)
        yield (
            f'<span class="span" style="left:{begin:.2%};width:{end - begin:.2%}" '
            f'title="{text(span.name)}">{text(span.name)}</span>'
        )
    for value, name in plot.marks:
        yield (f'<span class="mark" style="bottom:{plot.y.place(value):.2%}">{text(name)}</span>')


def _picture(plot: Plot) -> Iterator[str]:
    yield '<g class="grid">'
    for tick in plot.y.ticks:
        yield f'<path d="M0 {_down(tick.at)}H{_SIDE:.0f}"/>'
    for tick in plot.x.ticks:
        yield f'<path d="M{_right(tick.at)} 0V{_SIDE:.0f}"/>'
    yield "</g>"
    for span in plot.spans:
        begin, end = (_right(plot.x.place(edge)) for edge in (span.begin, span.end))
        if span.is_aside:
            yield f'<path class="aside" d="M{begin} 0H{end}V{_SIDE:.0f}H{begin}Z"/>'
        yield f'<path class="edge" d="M{end} 0V{_SIDE:.0f}"/>'
    for value, _ in plot.marks:
        yield f'<path class="threshold" d="M0 {_down(plot.y.place(value))}H{_SIDE:.0f}"/>'
    for place, name in plot.moments:
        at = _right(plot.x.place(place))
        yield f'<path class="moment" d="M{at} 0V{_SIDE:.0f}"><title>{text(name)}</title></path>'
    for line in plot.lines:
        yield from _line(plot, line)
    yield from _hints(plot)


def _line(plot: Plot, line: Line) -> Iterator[str]:
    for run in _runs(line.points):
        places = [(_right(plot.x.place(x)), _down(plot.y.place(y))) for x, y in run]
        path = f"M{places[0][0]} {places[0][1]}"
        for x, y in places[1:]:
            path += f"H{x}V{y}" if line.shape == "steps" else f"L{x} {y}"
        dot = ""
        if len(places) == 1:
            path += "h0"  # a round cap makes a dot of it
            dot = "dot "
        if line.shape == "area":
            below = f"{path}V{_SIDE:.0f}H{places[0][0]}Z"
            yield f'<path class="area c{line.colour}" d="{below}"/>'
        yield f'<path class="line {dot}c{line.colour}" d="{path}"/>'


def _runs(points: Sequence[Point]) -> Iterator[list[tuple[float, float]]]:
    """Points without a gap between them."""
    run: list[tuple[float, float]] = []
    for x, y in points:
        if y is not None:
            run.append((x, y))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _hints(plot: Plot) -> Iterator[str]:
    """Invisible columns, each of which tells the values at its place when pointed at."""
    told: dict[float, list[str]] = {}
    for line in plot.lines:
        for x, y in line.points:
            if y is not None:
                name = f"{line.name}: " if line.name else ""
                told.setdefault(x, []).append(f"{name}{line.label(y)}")
    places = sorted(told)
    for index, x in enumerate(places):
        here = plot.x.place(x)
        left = (plot.x.place(places[index - 1]) + here) / 2 if index else 0.0
        right = (here + plot.x.place(places[index + 1])) / 2 if index + 1 < len(places) else 1.0
        if right > left:
            hint = "\n".join([plot.x_label(x), *told[x]])
            yield (
                f'<rect class="hint" x="{_right(left)}" y="0" width="{_right(right - left)}" '
                f'height="{_SIDE:.0f}"><title>{text(hint)}</title></rect>'
            )


def _described(plot: Plot) -> str:
    """What the picture shows, for who does not see it: each line's least and greatest."""
    parts = []
    for line in plot.lines:
        values = [value for _, value in line.points if value is not None]
        if values:
            least, greatest = line.label(min(values)), line.label(max(values))
            parts.append(f"{line.name or plot.title} from {least} to {greatest}")
    return f"{plot.title}: {'; '.join(parts) or 'nothing measured'}"


def _right(place: float) -> str:
    return f"{place * _SIDE:.5g}"


def _down(place: float) -> str:
    return f"{(1 - place) * _SIDE:.5g}"
