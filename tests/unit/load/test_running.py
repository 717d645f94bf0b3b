"""Runs: phases in turn to a verdict, or a search that ends at the knee."""

import msgspec
import pytest

from load.histogram import Histogram
from load.measured import Measured, SaturationFacts
from load.plan import Plan
from load.running import Played, play
from load.scenarios.base import WARM_UP, Phase
from load.scenarios.fanout import Fanout, FanoutParameters
from load.thresholds import Threshold, parse


class Hub:
    """A stage without a fleet: waits grow a hundredfold above `knee` messages a second."""

    def __init__(self, knee: float, **measured: object) -> None:
        self.knee = knee
        self.played: list[Phase] = []
        self.measured = measured
        self.interrupted = False

    async def phase(self, phase: Phase) -> Measured:
        """See Stage."""
        self.played.append(phase)
        rate = phase.changes.get("rate", 100.0)
        wait_us = 1_000 if rate <= self.knee else 100_000
        values = {
            "seconds": 1.0,
            "counts": {"due": 10},
            "histograms": {"delivery": Histogram([wait_us] * 10)},
            **self.measured,
        }
        return Measured(phase=phase.name, **values)  # type: ignore[arg-type]


def plan(*thresholds: str, until: str = "") -> Plan:
    """A fan-out that begins with a hundred messages a second."""
    found: tuple[Threshold, ...] = tuple(parse(text) for text in thresholds)
    return Plan(
        scenario="fanout",
        urls=("ws://127.0.0.1:1",),
        parameters={"rate": 100.0},
        thresholds=found,
        until=parse(until) if until else None,
    )


async def run(wanted: Plan, hub: Hub) -> Played:
    """All of it."""
    played, told = Played(), list[Measured]()
    await play(wanted, Fanout(FanoutParameters()), hub, played, told.append)
    assert told == played.phases
    return played


@pytest.mark.parametrize(
    ("threshold", "knee", "verdict"), [("p99<50ms", 100, "passed"), ("p99<50ms", 99, "failed")]
)
async def test_a_run_fails_by_its_thresholds(threshold: str, knee: float, verdict: str) -> None:
    played = await run(plan(threshold), Hub(knee))
    assert played.verdict == verdict
    assert [outcome.text for outcome in played.thresholds] == [threshold]


async def test_phases_are_warmed_up_at_their_own_load_and_nobody_looks() -> None:
    hub = Hub(100)
    wanted = msgspec.structs.replace(plan(), parameters={"rate": 100.0, "warm_up_s": 2.5})
    played = await run(wanted, hub)
    assert [(phase.name, dict(phase.changes)) for phase in hub.played] == [
        (WARM_UP, {"seconds": 2.5}),
        ("steady", {}),
    ]
    assert [measured.phase for measured in played.phases] == ["steady"]


async def test_a_run_fails_by_its_checks_without_any_threshold() -> None:
    played = await run(plan(), Hub(100, counts={"due": 11}))
    assert played.verdict == "failed"
    assert [check.passed for check in played.checks] == [False]


async def test_a_saturated_run_is_invalid() -> None:
    saturated = SaturationFacts(sends=10, late=10)
    assert (await run(plan(), Hub(100, saturation=saturated))).verdict == "invalid"


@pytest.mark.parametrize("until", ["", "p99<50ms"])
async def test_a_run_that_is_interrupted_has_what_it_measured_and_no_outcomes(until: str) -> None:
    hub = Hub(100)
    hub.interrupted = True
    played = await run(plan("p99<50ms", until=until), hub)
    assert len(played.phases) == 1
    assert played.verdict == "interrupted"
    assert not played.thresholds and not played.checks


async def test_a_search_raises_the_load_until_it_breaks_and_tells_the_knee() -> None:
    hub = Hub(knee=930)
    played = await run(plan(until="p99<50ms"), hub)
    rates = [phase.changes["rate"] for phase in hub.played]
    assert rates[:5] == [100, 200, 400, 800, 1600]
    assert played.verdict == "passed"
    assert [outcome.passed for outcome in played.thresholds] == [True]
    (note,) = played.notes
    assert note.startswith("the knee: p99<50ms held at rate ")


async def test_a_search_that_finds_no_knee_says_so_and_fails() -> None:
    played = await run(plan(until="p99<50ms"), Hub(knee=0))
    assert played.verdict == "failed"
    assert played.notes[-1] == "no knee: p99<50ms did not hold at any rate"
    assert [outcome.passed for outcome in played.thresholds] == [False]


async def test_a_search_ends_where_the_load_itself_is_slow() -> None:
    saturated = SaturationFacts(sends=10, late=10)
    played = await run(plan(until="p99<50ms"), Hub(100, saturation=saturated))
    assert len(played.phases) == 1
    assert played.verdict == "invalid"
    assert [outcome.text for outcome in played.thresholds] == ["p99<50ms"]
    assert played.notes[-1] == "no knee: the load itself was slow at the first rate"


@pytest.mark.parametrize(
    ("thresholds", "until", "verdict"),
    [
        (["p99<1us", "errors<0.1%"], "p99<50ms", "failed"),
        (["errors<20%"], "p99<50ms", "passed"),
        # Whoever searches by errors says how many are too many.
        (["errors<0.1%"], "errors<20%", "failed"),
    ],
)
async def test_a_search_does_not_take_refusals_for_a_load_that_holds(
    thresholds: list[str], until: str, verdict: str
) -> None:
    """What a hub refuses is answered soon: the waits of the rest say nothing."""
    hub = Hub(knee=930, errors={"publish: 111 too many requests": 2})
    played = await run(plan(*thresholds, until=until), hub)
    assert played.verdict == verdict
    held = played.notes[-1].startswith(("the knee: ", "no knee: errors<20% held up to"))
    assert held is not ("errors<0.1%" in thresholds and until == "p99<50ms"), played.notes
    if not held:
        assert played.notes[0] == "steady at rate 100: errors<0.1%: measured 16.67%"


async def test_a_search_tells_large_loads_in_digits() -> None:
    played = await run(plan(until="p99<50ms"), Hub(knee=93_000))
    assert played.notes == [
        "the knee: p99<50ms held at rate 86,110 and broke at 93,900",
    ]
    names = [measured.phase for measured in played.phases]
    assert names[8:11] == [
        "steady at rate 25,600",
        "steady at rate 51,200",
        "steady at rate 102,400",
    ]


async def test_a_search_does_not_take_lost_messages_for_a_load_that_holds() -> None:
    played = await run(plan(until="p99<50ms"), Hub(1e9, counts={"due": 11}))
    assert played.verdict == "failed"
    assert "everything arrived once" in played.notes[0]
