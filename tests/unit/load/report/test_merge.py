"""Results of several machines as one: what each measured adds up, and is judged anew."""

import msgspec
import pytest

from load.histogram import Histogram
from load.measured import CheckOutcome, Measured, Result, Sample, SaturationFacts, ThresholdOutcome
from load.report import html, text, words
from load.report.merge import MergeError, merged
from load.scenarios.base import WARM_UP
from tests.support.load_results import SUBJECT, hub, measured, result


def _phase(waits_us: list[int], *, seconds: float = 2.0, errors: int = 0) -> Measured:
    half = len(waits_us) // 2
    return Measured(
        phase="steady",
        seconds=seconds,
        counts={"published": len(waits_us)},
        histograms={"delivery": Histogram(waits_us)},
        errors={"publish: refused": errors} if errors else {},
        samples=[
            Sample(
                at=at,
                seconds=1.0,
                counts={"published": len(part)},
                histograms={"delivery": Histogram(part)},
            )
            for at, part in ((0.0, waits_us[:half]), (1.0, waits_us[half:]))
        ],
        saturation=SaturationFacts(sends=len(waits_us)),
    )


def _run(
    *phases: Measured, value: float = 0.0, limit: str = "p99<50ms", **changes: object
) -> Result:
    outcome = ThresholdOutcome(text=limit, passed=True, value=value)
    return result(*phases, thresholds=[outcome], **changes)


def test_two_halves_make_the_whole() -> None:
    whole = list(range(1_000, 41_000, 10))
    parts = [_run(_phase(whole[0::2])), _run(_phase(whole[1::2]))]
    together = merged(parts, SUBJECT)
    expected = _phase(whole)
    phase = together.phases[0]
    assert phase.histograms == expected.histograms
    assert phase.counts == expected.counts
    assert [sample.counts for sample in phase.samples] == [
        {"published": 2_000},
        {"published": 2_000},
    ]
    assert phase.processes == 2
    alone = merged([_run(expected)], SUBJECT)
    assert together.thresholds == alone.thresholds
    assert together.thresholds[0].value == pytest.approx(40.6, rel=0.01)


def test_the_whole_is_judged_anew_and_not_by_the_parts_verdicts() -> None:
    """Each passed by itself; of all waits together, one in twenty is too long."""
    fast = _run(_phase([1_000] * 1_000), value=1.0)
    slow = _run(_phase([1_000] * 900 + [90_000] * 100), value=1.0)
    together = merged([fast, slow], SUBJECT)
    assert together.verdict == "failed"
    assert together.thresholds[0].value == pytest.approx(90.0, rel=0.01)
    assert merged([fast, fast], SUBJECT).verdict == "passed"


def test_phases_that_are_not_judged_are_left_out() -> None:
    slow = msgspec.structs.replace(_phase([90_000] * 10), phase="filling")
    run = _run(slow, _phase([1_000] * 10))
    assert merged([run, run], SUBJECT).verdict == "failed"
    assert merged([run, run], SUBJECT, judged={"steady"}).verdict == "passed"


def test_a_check_holds_if_it_held_everywhere() -> None:
    good = CheckOutcome(name="nothing twice", passed=True, detail="0 of 9")
    bad = CheckOutcome(name="nothing twice", passed=False, detail="3 of 9")
    runs = [_run(_phase([5, 9]), checks=[check]) for check in (good, bad, good)]
    together = merged(runs, SUBJECT)
    assert together.verdict == "failed"
    assert together.checks == [
        CheckOutcome(name="nothing twice", passed=False, detail="machine 2: 3 of 9")
    ]


def test_one_machine_that_was_too_slow_makes_the_whole_invalid() -> None:
    runs = [_run(_phase([5, 9])), _run(_phase([5, 9]), verdict="invalid")]
    together = merged(runs, SUBJECT)
    assert together.verdict == "invalid"
    assert "Machine 2: its run was invalid." in together.notes


def test_a_machine_that_was_stopped_leaves_what_the_others_measured() -> None:
    later = msgspec.structs.replace(_phase([5, 9]), phase="later")
    runs = [_run(_phase([5, 9]), verdict="interrupted"), _run(_phase([5, 9]), later)]
    together = merged(runs, SUBJECT)
    assert together.verdict == "interrupted"
    assert [(phase.phase, phase.counts["published"]) for phase in together.phases] == [
        ("steady", 4),
        ("later", 2),
    ]


@pytest.mark.parametrize("phase", ["steady", WARM_UP])
@pytest.mark.parametrize("first", [True, False])
def test_a_machine_that_was_stopped_before_anything_was_judged_is_merged_too(
    phase: str, first: bool
) -> None:
    stopped = msgspec.structs.replace(_phase([5, 9]), phase=phase)
    ended = _run(_phase([1_000] * 4))
    runs = [result(stopped, verdict="interrupted", thresholds=[], checks=[]), ended]
    together = merged(runs if first else runs[::-1], SUBJECT)
    assert together.verdict == "interrupted"
    assert [phase.phase for phase in together.phases] == ["steady"]
    assert together.phases[0].counts["published"] == (6 if phase == "steady" else 4)
    assert [(outcome.text, outcome.passed) for outcome in together.thresholds] == [
        ("p99<50ms", True)
    ]
    alone = merged([runs[0]], SUBJECT)
    assert [one.phase for one in alone.phases] == [phase]


def test_what_differs_between_machines_is_told() -> None:
    runs = [
        _run(_phase([5]), seed=seed, parameters={"clients": clients, "rate": 5.0}, hub=series)
        for seed, clients, series in ((1, 10, None), (2, 20, hub(9)), (3, 20, hub(40)))
    ]
    together = merged(runs, SUBJECT)
    assert together.parameters == {"clients": [10, 20, 20], "rate": 5.0}
    assert together.hub == hub(40)
    assert together.versions["machines"] == "3"
    assert together.notes == [
        "Merged from 3 machines; parameters are those of each.",
        "Seeds: 1, 2, 3.",
        "2 machines had a hub beside them; one of these is shown.",
    ]
    assert words.command(together) == ""
    assert "Again:" not in text.summary(together, SUBJECT)
    assert "The report of each machine has its own command." in html.report(together, SUBJECT)


def test_each_hub_keeps_its_version() -> None:
    first = _run(_phase([5]), urls=["ws://a/", "ws://b/"], hub_versions=["0.1.0", ""])
    second = _run(_phase([9]), urls=["ws://b/", "ws://a/"], hub_versions=["0.2.0", "0.1.1"])
    silent = _run(_phase([7]), urls=["ws://c/"], hub_versions=[])
    together = merged([first, second, silent], SUBJECT)
    assert together.urls == ["ws://a/", "ws://b/", "ws://c/"]
    assert together.hub_versions == ["0.1.0 / 0.1.1", "0.2.0", ""]
    assert merged([silent, silent], SUBJECT).hub_versions == []


def test_what_was_merged_may_be_merged_again() -> None:
    pair = merged([_run(_phase([5, 9])), _run(_phase([7, 8]))], SUBJECT)
    three = merged([pair, _run(_phase([6, 6]))], SUBJECT)
    assert three.versions["machines"] == "3"
    assert three.phases[0].histograms["delivery"] == Histogram([5, 6, 6, 7, 8, 9])


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (_run(_phase([5]), scenario="rooms"), "the scenario is fanout or rooms"),
        (_run(_phase([5]), format="protobuf"), "the format is json or protobuf"),
        (_run(_phase([5]), limit="p50<1s"), "the list of thresholds is p99<50ms or p50<1s"),
        (_run(measured("other", seconds=1)), "a phase is other or steady"),
    ],
)
def test_results_of_different_runs_are_refused(other: Result, what: str) -> None:
    with pytest.raises(MergeError, match=what):
        merged([_run(_phase([5])), other], SUBJECT)


def test_searches_for_a_knee_are_refused() -> None:
    steps = [
        msgspec.structs.replace(_phase([5]), phase=f"steady at rate {load}") for load in (50, 100)
    ]
    with pytest.raises(ValueError, match="searches for a knee do not add up"):
        merged([_run(*steps), _run(*steps)], SUBJECT)


def test_nothing_is_no_run() -> None:
    with pytest.raises(ValueError, match="1 to 1000 results, not 0"):
        merged([], SUBJECT)
