"""A run from its first phase to its verdict: phases in turn, or the search for a knee.

What plays the phases is a `Stage`, the fleet of load processes; nothing here opens a connection.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from load.judgement import PhaseFigures, held, verdict_of
from load.knee import KneeSearch
from load.measured import CheckOutcome, Measured, ThresholdOutcome, Verdict
from load.plan import Plan
from load.scenarios.base import WARM_UP, Phase, Scenario
from load.thresholds import Threshold, judge


class Stage(Protocol):
    """Plays phases, one at a time."""

    @property
    def interrupted(self) -> bool:
        """Whether the phase that was played last did not come to its end."""

    async def phase(self, phase: Phase) -> Measured:
        """Play one in all processes, and give what they measured together."""


class Played(msgspec.Struct):
    """What a run has come to so far; it grows, so that an interrupted run has what it has."""

    phases: list[Measured] = []
    judged: list[Measured] = []
    """Those of the phases that thresholds are held against."""
    checks: list[CheckOutcome] = []
    thresholds: list[ThresholdOutcome] = []
    notes: list[str] = []
    verdict: Verdict = "interrupted"


Done = Callable[[Measured], None]
"""Told of each phase when it has ended."""


async def play(plan: Plan, scenario: Scenario, stage: Stage, played: Played, done: Done) -> None:
    """Run all of it. `played` has what there is also when this is cancelled, or raises."""
    if plan.until is not None:
        await _search(plan.until, plan, scenario, stage, played, done)
        return
    for phase in scenario.phases():
        measured = await _played(plan, scenario, stage, phase)
        done(measured)
        played.phases.append(measured)
        if stage.interrupted:
            return
        if phase.judged:
            played.judged.append(measured)
        played.thresholds = held(plan.thresholds, played.judged, scenario.subject)
    played.checks = scenario.checks(played.phases)
    played.verdict = verdict_of(played.phases, played.checks, played.thresholds, interrupted=False)


async def _played(plan: Plan, scenario: Scenario, stage: Stage, phase: Phase) -> Measured:
    """Play a phase, after its warm-up: a phase of its own, so that no process is in the one while
    another is in the other."""
    warm_up_s = plan.parameters.get("warm_up_s", 0.0)
    if scenario.warms_up and warm_up_s:
        changes = {**phase.changes, "seconds": warm_up_s}
        measured = await stage.phase(Phase(WARM_UP, judged=False, changes=changes))
        if stage.interrupted:
            return measured
    return await stage.phase(phase)


async def _search(
    until: Threshold, plan: Plan, scenario: Scenario, stage: Stage, played: Played, done: Done
) -> None:
    """Raise the load until the threshold breaks, or a check fails, or too much is refused: no knee
    is worth lost messages, and of a hub that refuses most of them the waits say nothing.

    It passes when it has found a load that holds and one that breaks. The outcome of the threshold
    is that of the knee, once there is one.
    """
    raised = scenario.subject.raised
    search = KneeSearch(float(plan.parameters[raised]))
    while search.load is not None:
        step = _step(scenario.raised(), raised, search.load)
        measured = await _played(plan, scenario, stage, step)
        done(measured)
        played.phases.append(measured)
        if stage.interrupted:
            return
        outcome = judge(until, PhaseFigures(measured, scenario.subject))
        if measured.saturation.saturated:
            played.thresholds = played.thresholds or [outcome]
            why = "; ".join(measured.saturation.reasons)
            played.notes.append(f"{step.name}: the load itself was what was slow: {why}")
            search.give_up()
            break
        broken = _broken(plan, scenario, measured)
        played.notes += [f"{step.name}: {what}" for what in broken]
        holds = outcome.passed and not broken
        search.tell(holds)
        if holds or search.held is None:
            played.thresholds = [outcome]
            played.judged = [measured]
    played.notes.append(_told(search, until, raised))
    found = search.held is not None and search.broke is not None
    saturated = any(measured.saturation.saturated for measured in played.phases)
    played.verdict = "invalid" if saturated else "passed" if found else "failed"


def _broken(plan: Plan, scenario: Scenario, measured: Measured) -> list[str]:
    """What does not hold in a step of a search, beside what it is for: checks, and the profile's
    thresholds of errors, where the search is not by errors itself."""
    found = [
        f"{check.name}: {check.detail}" for check in scenario.checks([measured]) if not check.passed
    ]
    if plan.until is not None and plan.until.figure != "errors":
        figures = PhaseFigures(measured, scenario.subject)
        found += [
            f"{threshold.text}: measured {threshold.shown(value)}"
            for threshold in plan.thresholds
            if threshold.figure == "errors"
            and not threshold.holds(value := threshold.value(figures))
        ]
    return found


def _step(phase: Phase, raised: str, load: float) -> Phase:
    name = f"{phase.name} at {raised} {_shown(load)}"
    return Phase(name, changes={**phase.changes, raised: load})


def _told(search: KneeSearch, until: Threshold, raised: str) -> str:
    """What the search has found, in a sentence."""
    if search.held is None and search.broke is None:
        return f"no knee: the load itself was slow at the first {raised}"
    if search.held is None:
        return f"no knee: {until.text} did not hold at any {raised}"
    if search.broke is None:
        held = f"held up to {raised} {_shown(search.held)}"
        return f"no knee: {until.text} {held}, and was not broken"
    return (
        f"the knee: {until.text} held at {raised} {_shown(search.held)}"
        f" and broke at {_shown(search.broke)}"
    )


def _shown(load: float) -> str:
    """A load to four digits, as a person writes it."""
    return f"{float(f'{load:.4g}'):,.10g}"
