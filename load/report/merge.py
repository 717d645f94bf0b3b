"""`python -m load merge A.json B.json …`: results of several machines become one. Pure.

The machines ran the same scenario at the same time against the same hubs, each with its own
clients. Histograms and counts add up, samples are put on one time line, and what is judged is
judged anew: a p99 of the whole is none of the parts' p99.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

from load import thresholds
from load.judgement import held, verdict_of
from load.measured import CheckOutcome, HubSeries, Measured, Result, Verdict
from load.measured import merge as merge_measured
from load.report import series
from load.report.words import MACHINES, VOID
from load.scenarios.base import WARM_UP, Subject

MACHINES_MAX: Final = 1000
"""Results that are merged at once."""


class MergeError(ValueError):
    """These results are not parts of one run; has what differs."""

    def __init__(self, what: str, values: Sequence[str]) -> None:
        super().__init__(what, values)
        self.what = what
        self.values = tuple(values)

    def __str__(self) -> str:
        return f"not parts of one run: {self.what} is {' or '.join(self.values)}"


def merged(
    results: Sequence[Result], subject: Subject, judged: Collection[str] | None = None
) -> Result:
    """One result of all; thresholds are held against the phases named in `judged`, or all.

    `subject` is the scenario's. Phases that an interrupted machine did not come to are of those
    that did. A check holds if it held everywhere. What differs between the machines, such as seeds,
    is told in the notes. Raises MergeError for results of different scenarios, formats, thresholds
    or phases, and ValueError for none, for more than `MACHINES_MAX`, and for searches for a knee,
    which raise the load on each machine at a time of its own.
    """
    if not 0 < len(results) <= MACHINES_MAX:
        raise ValueError(f"1 to {MACHINES_MAX} results, not {len(results)}")
    _check_alike(results)
    if len(results) > 1 and any(series.loads(result.phases) for result in results):
        raise ValueError("searches for a knee do not add up: run them on one machine")
    first = results[0]
    phases = _phases(results)
    asked = next((result.thresholds for result in results if _has_outcomes(result)), [])
    outcomes = held(
        [thresholds.parse(outcome.text) for outcome in asked],
        [phase for phase in phases if judged is None or phase.phase in judged],
        subject,
    )
    checks = _checks(results)
    hub, hub_notes = _hub(results)
    urls = list(dict.fromkeys(url for result in results for url in result.urls))
    return Result(
        load=first.load,
        scenario=first.scenario,
        parameters=_parameters(results),
        seed=first.seed,
        urls=urls,
        hub_versions=_hub_versions(results, urls),
        format=first.format,
        started_at=min(result.started_at for result in results),
        phases=phases,
        verdict=_verdict(
            results, verdict_of(phases, checks, outcomes, interrupted=_any(results, "interrupted"))
        ),
        hub=hub,
        checks=checks,
        thresholds=outcomes,
        versions=_versions(results),
        notes=[*_notes(results), *hub_notes],
    )


def _any(results: Sequence[Result], verdict: Verdict) -> bool:
    return any(result.verdict == verdict for result in results)


def _verdict(results: Sequence[Result], recomputed: Verdict) -> Verdict:
    """One machine that was too slow spoils the whole, however the sums of all look."""
    if recomputed != "interrupted" and _any(results, "invalid"):
        return "invalid"
    return recomputed


def _check_alike(results: Sequence[Result]) -> None:
    judged = [result for result in results if _has_outcomes(result)]
    for what, values in (
        ("the scenario", [result.scenario for result in results]),
        ("the format", [result.format for result in results]),
        ("the list of thresholds", [_threshold_texts(result) for result in judged]),
    ):
        different = list(dict.fromkeys(values))
        if len(different) > 1:
            raise MergeError(what, different)


def _has_outcomes(result: Result) -> bool:
    """Whether it came so far that thresholds were held against something, if there were any."""
    return result.verdict != "interrupted" or bool(result.thresholds)


def _threshold_texts(result: Result) -> str:
    return ", ".join(outcome.text for outcome in result.thresholds) or "empty"


def _phases(results: Sequence[Result]) -> list[Measured]:
    """The phases by name, in the order of the machine that came furthest.

    A warm-up in which a machine was stopped is of nothing, where others came further.
    """
    runs = [list(result.phases) for result in results]
    came_further = [[one for one in phases if one.phase != WARM_UP] for phases in runs]
    if any(came_further):
        runs = came_further
    names = dict.fromkeys(phase.phase for phase in max(runs, key=len))
    found = [phase for phases in runs for phase in phases]
    for phase in found:
        if phase.phase not in names:
            raise MergeError("a phase", [phase.phase, *names])
    return [merge_measured([phase for phase in found if phase.phase == name]) for name in names]


def _checks(results: Sequence[Result]) -> list[CheckOutcome]:
    """Each check once; the details are those of the machines on which it did not hold, if any."""
    found: dict[str, list[tuple[int, CheckOutcome]]] = {}
    for number, result in enumerate(results, 1):
        for check in result.checks:
            found.setdefault(check.name, []).append((number, check))
    return [_check(name, parts) for name, parts in found.items()]


def _check(name: str, parts: Sequence[tuple[int, CheckOutcome]]) -> CheckOutcome:
    told = [part for part in parts if not part[1].passed] or parts
    details = [f"machine {number}: {check.detail}" for number, check in told if check.detail]
    return CheckOutcome(
        name=name, passed=all(check.passed for _, check in parts), detail="; ".join(details)
    )


def _parameters(results: Sequence[Result]) -> dict[str, Any]:
    """What all were asked for alike, once; of what differs, each machine's value."""
    names = dict.fromkeys(name for result in results for name in result.parameters)
    merged_: dict[str, Any] = {}
    for name in names:
        values = [result.parameters.get(name) for result in results]
        merged_[name] = values[0] if all(value == values[0] for value in values) else values
    return merged_


def _versions(results: Sequence[Result]) -> dict[str, str]:
    names = dict.fromkeys(name for result in results for name in result.versions)
    machines = sum(int(result.versions.get(MACHINES, "1")) for result in results)
    found = {
        name: " / ".join(
            dict.fromkeys(result.versions[name] for result in results if name in result.versions)
        )
        for name in names
    }
    return {**found, MACHINES: str(machines)}


def _hub_versions(results: Sequence[Result], urls: Sequence[str]) -> list[str]:
    """For each URL all that machines were told there."""
    told: dict[str, dict[str, None]] = {url: {} for url in urls}
    for result in results:
        for url, version in zip(result.urls, result.hub_versions, strict=False):
            told[url][version] = None
    found = [" / ".join(filter(None, versions)) for versions in told.values()]
    return found if any(found) else []


def _hub(results: Sequence[Result]) -> tuple[HubSeries | None, list[str]]:
    """The longest series: of two, it is not known whether they are of the same hub."""
    series = [result.hub for result in results if result.hub and result.hub.samples]
    if not series:
        return None, []
    longest = max(series, key=lambda one: len(one.samples))
    if len(series) == 1:
        return longest, []
    return longest, [f"{len(series)} machines had a hub beside them; one of these is shown."]


def _notes(results: Sequence[Result]) -> list[str]:
    if len(results) == 1:
        return list(results[0].notes)
    notes = [f"Merged from {len(results)} machines; parameters are those of each."]
    for number, result in enumerate(results, 1):
        notes += [f"Machine {number}: {note}" for note in result.notes]
        if result.verdict in VOID:
            notes.append(f"Machine {number}: its run was {result.verdict}.")
    for what, values in (
        ("Seeds", [str(result.seed) for result in results]),
        ("Versions of load", [result.load for result in results]),
    ):
        if len(set(values)) > 1:
            notes.append(f"{what}: {', '.join(values)}.")
    return notes
