"""What a run came to, in words that HTML, text and JUnit share. Pure; plain text, unescaped."""

import math
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from load import thresholds
from load.judgement import PhaseFigures
from load.measured import Measured, Result, ThresholdOutcome, Verdict
from load.report import figures, series
from load.scenarios.base import Subject, count_of

VERDICTS: Final[Mapping[Verdict, str]] = {
    "passed": "Passed",
    "failed": "Failed",
    "invalid": "Invalid",
    "interrupted": "Interrupted",
}

VOID: Final[frozenset[Verdict]] = frozenset({"invalid", "interrupted"})
"""Of runs with these verdicts, what held and what did not says little or nothing."""

_NEVER_SHOWN: Final = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One thing that was asked of the run, and what became of it."""

    kind: Literal["threshold", "check"]
    text: str
    passed: bool
    detail: str
    """What was measured, or what the check found; "" says nothing."""


def outcomes(result: Result) -> list[Outcome]:
    """Thresholds and checks, those that failed first."""
    found = [
        Outcome("threshold", one.text, one.passed, f"measured {threshold_value(one)}")
        for one in result.thresholds
    ]
    found += [Outcome("check", one.name, one.passed, one.detail) for one in result.checks]
    return sorted(found, key=lambda outcome: outcome.passed)


def threshold_value(outcome: ThresholdOutcome) -> str:
    """What was measured, in the unit of the threshold's own text: `48.2 ms`."""
    if outcome.value is None:
        return "nothing"
    try:
        unit = thresholds.parse(outcome.text).unit
    except thresholds.ThresholdError:
        unit = ""  # of a file that another version wrote
    shown = figures.number(outcome.value)
    # A limit that is missed by a hair must not read as if it was met.
    if math.isfinite(outcome.value) and 0 < abs(outcome.value) < 1000:
        shown = f"{outcome.value:.4g}"
    return f"{shown} {unit.replace('us', 'µs')}".rstrip()


def sentence(result: Result) -> str:
    """Why the verdict is what it is, as one or two sentences."""
    if result.verdict == "invalid":
        reasons = saturation_reasons(result)
        why = f": {'; '.join(reasons)}" if reasons else ""
        return f"The load itself was too slow{why}. The figures say nothing of the hub."
    if result.verdict == "interrupted":
        return "It was stopped before its end. This is what ran until then."
    asked = outcomes(result)
    missed = [outcome for outcome in asked if not outcome.passed]
    if missed:
        verb = "did" if len(asked) > 1 else "does"
        named = ", ".join(outcome.text for outcome in missed[:3])
        more = f" and {len(missed) - 3} more" if len(missed) > 3 else ""
        if len(asked) == 1:
            return f"What was asked for {verb} not hold: {named}."
        return f"{len(missed)} of {len(asked)} {verb} not hold: {named}{more}."
    if result.verdict == "failed":
        return "The notes below say why."
    if not asked:
        return "It ran to its end. No threshold was set and nothing was checked."
    return f"{_all(result)} held."


def _all(result: Result) -> str:
    parts = []
    for count, what in ((len(result.thresholds), "threshold"), (len(result.checks), "check")):
        if count:
            all_of = {1: f"the {what}", 2: f"both {what}s"}
            parts.append(all_of.get(count, f"all {count} {what}s"))
    text = " and ".join(parts)
    return text[0].upper() + text[1:]


def saturation_reasons(result: Result) -> list[str]:
    """Why the load was too slow, by phase; empty for a valid run."""
    return [
        f"{reason} (phase {phase.phase})"
        for phase in result.phases
        for reason in phase.saturation.reasons
    ]


def likely_subject(result: Result) -> Subject:
    """What a run is probably about, where its scenario is not known: what came most often."""
    waits: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for phase in result.phases:
        counts.update(phase.counts)
        waits.update({name: histogram.count for name, histogram in phase.histograms.items()})
    waited = waits.most_common(1)[0][0] if waits else ""
    counted = (counts | waits).most_common(1)[0][0] if counts | waits else ""
    return Subject(histogram=waited, counter=counted, noun=counted, tried=(), raised="")


def telling_phase(result: Result, subject: Subject) -> Measured | None:
    """The phase that the verdict rests on, whose figures matter most; None of a run of nothing.

    It is the one that a threshold's outcome is of, first of one that was missed: of a search, the
    highest load that held. Without thresholds, it is the last phase that has what it is about.
    """
    for outcome in sorted(result.thresholds, key=lambda one: one.passed):
        try:
            threshold = thresholds.parse(outcome.text)
        except thresholds.ThresholdError:
            continue  # of a file that another version wrote
        for phase in reversed(result.phases):
            judged = thresholds.judge(threshold, PhaseFigures(phase, subject))
            if judged == outcome and judged.value is not None:
                return phase
    about = [phase for phase in result.phases if count_of(phase, subject.counter)]
    found = about or result.phases
    return found[-1] if found else None


def settings(result: Result) -> list[tuple[str, str]]:
    """What the run was, by name: scenario, hubs, parameters, seed, and what it ran on."""
    rows = [
        ("scenario", result.scenario),
        ("hubs", ", ".join(result.urls)),
        ("wire format", result.format),
        ("seed", str(result.seed)),
        ("started", result.started_at),
    ]
    rows += [(name, shown(value)) for name, value in result.parameters.items()]
    return rows


def versions(result: Result) -> list[tuple[str, str]]:
    """What the run ran on, by name."""
    return [("load", result.load), *hub_versions(result), *result.versions.items()]


def hub_versions(result: Result) -> list[tuple[str, str]]:
    """What the hubs say they are: once for all if that is the same, else by URL."""
    told = result.hub_versions
    if len(set(told)) == 1:
        return [("hub", told[0])]
    return [(f"hub {url}", version) for url, version in zip(result.urls, told, strict=False)]


def took(phase: Measured) -> str:
    """How long a phase was, of how many processes, and since when: `42 s, 2 processes, from …`."""
    several = f", {phase.processes} processes" if phase.processes > 1 else ""
    return f"{figures.duration(phase.seconds)}{several}{_since(phase.began_at)}"


def _since(began_at: str) -> str:
    try:
        began = datetime.fromisoformat(began_at).astimezone(UTC)
    except (ValueError, OverflowError):
        return ""  # of a file that another version wrote
    return f", from {began:%Y-%m-%d %H:%M:%S} UTC"


def shown(value: Any) -> str:
    """A parameter's value as a person writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.10g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    return str(value)


MACHINES: Final = "machines"
"""Among the versions of a result that was merged: of how many machines it is."""


def command(result: Result) -> str:
    """The command that does the same again, as one types it into a shell; "" of merged results.

    Files of secrets and tokens are not part of a result, and so neither of this.
    """
    if MACHINES in result.versions:
        return ""  # each machine had its own, and its own report tells it
    words = ["python", "-m", "load", result.scenario]
    for url in result.urls:
        words += ["--url", url]
    words += ["--format", result.format, "--seed", str(result.seed)]
    processes = max((phase.processes for phase in result.phases), default=1)
    words += ["--processes", str(processes)]
    for name, value in result.parameters.items():
        words += _option(name, value)
    option = "--until" if series.loads(result.phases) else "--threshold"
    for threshold in result.thresholds:
        words += [option, threshold.text]
    return shlex.join(printable(word) for word in words)


def _option(name: str, value: Any) -> Iterator[str]:
    """Every parameter is an option with one value; one that is not set is left out."""
    if value is not None:
        yield f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            yield str(value).lower()
        elif isinstance(value, list | tuple):
            yield ",".join(map(str, value))
        else:
            yield f"{value:.10g}" if isinstance(value, float) else str(value)


def printable(text: str) -> str:
    """Text without what would move a terminal's cursor, or what XML and UTF-8 have no place for."""
    return "".join(
        character if character.isprintable() else " " if character.isspace() else _NEVER_SHOWN
        for character in text
    )
