"""A run as one HTML file that shows itself: nothing is loaded from anywhere, nothing is a script.

What was asked of the run comes first, in words; then the figures that matter most, plots, what was
measured in each phase, and all that it takes to do the same again. Pure.
"""

from collections.abc import Iterator
from typing import Final

from load.measured import Measured, Result
from load.report import curves, figures, markup, series, words
from load.report.plots import Plot, drawn
from load.report.text import PERCENTILES
from load.scenarios.base import Subject, count_of

_OPEN_PHASES: Final = 3
"""Of more phases the details are folded away below the table of all."""

_MARKS_SHOWN: Final = 1_000
_ERRORS_SHOWN: Final = 20


def report(result: Result, subject: Subject | None = None) -> str:
    """The page. `subject` is the scenario's, which tells what matters most; without it, the most
    frequent counter and histogram are taken for that."""
    subject = subject or words.likely_subject(result)
    parts = [
        *_verdict(result),
        _tiles(result, subject),
        _plots("The knee", curves.knee(result, subject)),
        _plots("Latency", curves.distributions(result, subject)),
        _plots("Over time", curves.over_time(result, subject)),
        _plots("The hub on this machine", curves.hub(result.hub) if result.hub else []),
        *_phases(result, subject),
        *_again(result),
    ]
    title = f"{result.scenario}: {words.VERDICTS[result.verdict].lower()}"
    return markup.page(title, "\n".join(part for part in parts if part))


def _verdict(result: Result) -> Iterator[str]:
    word = words.VERDICTS[result.verdict]
    yield f'<header class="card verdict {result.verdict}">'
    yield f"<h1>{markup.text(result.scenario)}: <b>{word}</b></h1>"
    yield f"<p>{markup.text(words.sentence(result))}</p>"
    yield (
        f'<p class="note">{markup.text(result.started_at)} · {markup.text(", ".join(result.urls))} '
        f"· {figures.duration(sum(phase.seconds for phase in result.phases))} measured</p>"
    )
    asked = words.outcomes(result)
    if asked:
        yield '<ul class="outcomes">'
        for outcome in asked:
            tone, mark = ("good", "✓ held") if outcome.passed else ("bad", "✗ failed")
            if result.verdict in words.VOID:
                tone = "void"
            detail = f'<p class="soft">{markup.text(outcome.detail)}</p>' if outcome.detail else ""
            yield (
                f'<li><span class="badge {tone}">{mark}</span>'
                f"<p>{markup.text(outcome.text)}</p>{detail}</li>"
            )
        yield "</ul>"
    if result.notes:
        notes = "".join(f"<li>{markup.text(note)}</li>" for note in result.notes)
        yield f'<ul class="notes">{notes}</ul>'
    yield "</header>"


def _tiles(result: Result, subject: Subject) -> str:
    """The subject's figures, of the phase that the verdict rests on."""
    tiles: list[tuple[str, str, str]] = []
    phase = words.telling_phase(result, subject)
    where = f"in {phase.phase}" if phase and len(result.phases) > 1 else ""
    if phase is not None and count_of(phase, subject.counter):
        rate = figures.rate(series.per_second(phase, subject.counter))
        tiles.append((subject.noun, rate, where))
    waits = phase.histograms.get(subject.histogram) if phase else None
    if waits is not None and waits.count:
        for name, us in (
            ("p50", waits.percentile(50)),
            ("p99", waits.percentile(99)),
            ("max", waits.max),
        ):
            tiles.append((f"{subject.histogram} {name}", figures.latency(us), where))
    errors = sum(phase.errors_total for phase in result.phases)
    tiles.append(("errors", f"{errors:,}", "in all phases" if len(result.phases) > 1 else ""))
    if result.hub and result.hub.samples:
        most = max(rss_kb for _, rss_kb, _ in result.hub.samples)
        tiles.append(("memory of the hub", figures.memory(most), "at most"))
    cells = (
        f'<div class="card"><dt>{markup.text(name)}</dt><dd>{markup.text(value)}'
        f"{f'<small>{markup.text(where)}</small>' if where else ''}</dd></div>"
        for name, value, where in tiles
    )
    return f'<dl class="tiles">{"".join(cells)}</dl>'


def _plots(title: str, plots: list[Plot]) -> str:
    if not plots:
        return ""
    pictures = "\n".join(f'<div class="card">{drawn(plot)}</div>' for plot in plots)
    return f'<section><h2>{markup.text(title)}</h2><div class="plots">{pictures}</div></section>'


def _phases(result: Result, subject: Subject) -> Iterator[str]:
    if not result.phases:
        return
    yield "<section><h2>What was measured</h2>"
    if len(result.phases) > 1:
        yield f'<div class="card">{_overview(result, subject)}</div>'
    is_open = len(result.phases) <= _OPEN_PHASES
    for phase in result.phases:
        took = markup.text(words.took(phase))
        head = f'{markup.text(phase.phase)} <span class="soft">{took}</span>'
        inside = "\n".join(_phase(phase))
        if is_open:
            yield f'<div class="card phase"><h3>{head}</h3>{inside}</div>'
        else:
            yield (f'<details class="card phase"><summary>{head}</summary>{inside}</details>')
    yield "</section>"


def _overview(result: Result, subject: Subject) -> str:
    rows = []
    for phase in result.phases:
        waits = phase.histograms.get(subject.histogram)
        percentiles = (
            [*(figures.latency(waits.percentile(part)) for part in PERCENTILES)]
            if waits and waits.count
            else [figures.NOTHING] * len(PERCENTILES)
        )
        rate = figures.rate(series.per_second(phase, subject.counter))
        took = figures.duration(phase.seconds)
        rows.append((phase.phase, took, rate, *percentiles, f"{phase.errors_total:,}"))
    waited = [f"{subject.histogram} p{part:g}".strip() for part in PERCENTILES]
    return markup.table(("phase", "took", subject.noun, *waited, "errors"), rows)


def _phase(phase: Measured) -> Iterator[str]:
    if phase.counts:
        rows = [
            (name, f"{count:,}", figures.rate(phase.rate(name)))
            for name, count in phase.counts.items()
        ]
        yield markup.table(("done", "in all", "a second"), rows)
    waits = [(name, one) for name, one in phase.histograms.items() if one.count]
    if waits:
        head = (
            "waits",
            "in all",
            "a second",
            "mean",
            *(f"p{part:g}" for part in PERCENTILES),
            "max",
        )
        yield markup.table(
            head,
            [
                (
                    name,
                    f"{one.count:,}",
                    figures.rate(one.count / phase.seconds if phase.seconds else 0.0),
                    figures.latency(one.mean),
                    *(figures.latency(one.percentile(part)) for part in PERCENTILES),
                    figures.latency(one.max),
                )
                for name, one in waits
            ],
        )
    if phase.errors:
        kinds = sorted(phase.errors.items(), key=lambda item: -item[1])
        told = [(f"{count:,}", kind) for kind, count in kinds[:_ERRORS_SHOWN]]
        if len(kinds) > _ERRORS_SHOWN:
            rest = sum(count for _, count in kinds[_ERRORS_SHOWN:])
            told.append((f"{rest:,}", f"{len(kinds) - _ERRORS_SHOWN} more kinds"))
        yield markup.table(("errors", "what"), told, words=(1,))
    if phase.marks:
        done = [
            (mark.what, f"{mark.at:,.0f} s", f"{mark.seconds:.1f} s")
            for mark in phase.marks[:_MARKS_SHOWN]
        ]
        yield markup.table(("done to the hubs", "at", "took"), done)
    if phase.facts:
        facts = [(name, figures.number(value)) for name, value in phase.facts.items()]
        yield markup.pairs(facts)
    yield f'<p class="note">{markup.text(_load_itself(phase))}</p>'


def _load_itself(phase: Measured) -> str:
    """What the load itself was like: whether its figures may be trusted."""
    facts = phase.saturation
    sent = ""
    if facts.sends:
        late = figures.share(facts.late / facts.sends)
        sent = f"{late} of {facts.sends:,} messages left late, "
    errors = "" if phase.errors else "No errors. "
    return (
        f"{errors}The load itself: {sent}its loop {figures.number(facts.lag_ms)} ms behind, "
        f"its busiest process at {figures.share(facts.cpu_share)} of a core."
    )


def _again(result: Result) -> Iterator[str]:
    yield "<section><h2>To do the same again</h2>"
    if again := words.command(result):
        yield f'<div class="card"><pre>{markup.text(again)}</pre>'
        yield (
            '<p class="note">With the same secret, tokens and authorities, which no result holds. '
            "The seed makes the same names and the same order of things.</p></div>"
        )
    else:
        yield '<p class="note">The report of each machine has its own command.</p>'
    yield '<div class="halves" style="margin-top:16px">'
    yield f'<div class="card"><h3>Settings</h3>{markup.pairs(words.settings(result))}</div>'
    yield f'<div class="card"><h3>Versions</h3>{markup.pairs(words.versions(result))}</div>'
    yield "</div></section>"
    measured_s = series.timeline(result.phases)[-1].end_s if result.phases else 0.0
    yield (
        f"<footer>Phases stand one after another, {figures.duration(measured_s)} in all; warm-up "
        "and pauses between them are left out. Percentiles are of histograms with three "
        "significant digits. Waits of messages that are sent at a rate count from the time at "
        "which each was to leave.</footer>"
    )
