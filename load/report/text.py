"""A run as the terminal shows it at the end: the verdict first, then each phase. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from load.measured import Measured, Result
from load.report import figures, series, words
from load.scenarios.base import Subject

PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9)
"""What is told of each histogram, beside its greatest."""

_ERRORS_SHOWN: Final = 5
_MARKS_SHOWN: Final = 40
_PHASES_SHOWN: Final = 6
"""Of more phases, such as those of a search for the knee, each has one line."""


def summary(result: Result, subject: Subject | None = None) -> str:
    """The whole run in lines of text, with a line feed at the end.

    `subject` is the scenario's; without it, what came most often is taken for that. Nothing in the
    text moves a terminal's cursor or colours it, whatever the hub called its errors.
    """
    return "".join(f"{words.printable(line).rstrip()}\n" for line in _lines(result, subject))


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines: the first column to the left, numbers below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _lines(result: Result, subject: Subject | None) -> Iterator[str]:
    subject = subject or words.likely_subject(result)
    yield ""
    verdict = words.VERDICTS[result.verdict].upper()
    yield f"{verdict}  {result.scenario}: {words.sentence(result)}"
    for outcome in words.outcomes(result):
        mark = "ok  " if outcome.passed else "FAIL"
        detail = f": {outcome.detail}" if outcome.detail else ""
        yield f"  {mark}  {outcome.text}{detail}"
    for note in result.notes:
        yield f"  note: {note}"
    if len(result.phases) > _PHASES_SHOWN:
        yield ""
        rows = [_brief(phase, subject) for phase in result.phases]
        yield from _indented(table([_head(subject), *rows]))
    else:
        for phase in result.phases:
            yield ""
            yield from _phase(phase)
    yield from _hub(result)
    if told := words.hub_versions(result):
        yield ""
        yield from (f"{name}: version {version or figures.NOTHING}" for name, version in told)
    if again := words.command(result):
        yield ""
        yield f"Again: {again}"


def _head(subject: Subject) -> tuple[str, ...]:
    waits = (f"{subject.histogram} {what}".strip() for what in ("p50", "p99", "max"))
    return ("phase", "took", subject.noun, *waits, "errors")


def _brief(phase: Measured, subject: Subject) -> tuple[str, ...]:
    """A phase in one line: what the run is about."""
    waits = phase.histograms.get(subject.histogram)
    told = [figures.NOTHING] * 3
    if waits is not None and waits.count:
        told = [*map(figures.latency, (waits.percentile(50), waits.percentile(99), waits.max))]
    rate = figures.rate(series.per_second(phase, subject.counter))
    return (phase.phase, figures.duration(phase.seconds), rate, *told, f"{phase.errors_total:,}")


def _phase(phase: Measured) -> Iterator[str]:
    yield f"{phase.phase} ({words.took(phase)})"
    if phase.counts:
        rows = [
            (name, f"{count:,}", figures.rate(phase.rate(name)))
            for name, count in phase.counts.items()
        ]
        yield from _indented(table(rows))
    waits = [(name, one) for name, one in phase.histograms.items() if one.count]
    if waits:
        head = ("waits", "a second", *(f"p{percent:g}" for percent in PERCENTILES), "max")
        yield from _indented(
            table(
                [
                    head,
                    *(
                        (
                            name,
                            figures.rate(series.per_second(phase, name)),
                            *(figures.latency(one.percentile(part)) for part in PERCENTILES),
                            figures.latency(one.max),
                        )
                        for name, one in waits
                    ),
                ]
            )
        )
    for name, value in phase.facts.items():
        yield f"  {name}: {figures.number(value)}"
    if phase.marks:
        shown = phase.marks[:_MARKS_SHOWN]
        yield "  what was done to the hubs, and how long it took until all was as before:"
        rows = [(mark.what, f"{mark.at:,.0f} s", f"{mark.seconds:.1f} s") for mark in shown]
        yield from (f"    {line}" for line in table([("", "at", "took"), *rows]))
        if len(phase.marks) > len(shown):
            yield f"    and {len(phase.marks) - len(shown):,} more"
    yield f"  errors: {phase.errors_total:,}" if phase.errors else "  no errors"
    kinds = sorted(phase.errors.items(), key=lambda item: -item[1])
    for kind, count in kinds[:_ERRORS_SHOWN]:
        yield f"    {count:,} × {kind}"
    if len(kinds) > _ERRORS_SHOWN:
        yield f"    and {len(kinds) - _ERRORS_SHOWN} more kinds"


def _hub(result: Result) -> Iterator[str]:
    if result.hub is None or not result.hub.samples:
        return
    memory = [value for _, value in series.hub_memory(result.hub) if value is not None]
    cpu = [value for _, value in series.hub_cpu(result.hub) if value is not None]
    yield ""
    yield "hub on this machine"
    text = f"  memory {figures.memory(memory[0])} at first, {figures.memory(max(memory))} at most"
    yield f"{text}, {figures.memory(memory[-1])} at last"
    if cpu:
        mean = figures.share(sum(cpu) / len(cpu))
        yield f"  CPU {mean} of a core on average, {figures.share(max(cpu))} at most"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    yield from (f"  {line}" for line in lines)
