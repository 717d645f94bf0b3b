"""Each scenario finds a broken build: one promise taken away, and its own fault shows it.

A broken build goes through load without a fault first, and nothing is found: so what is found then
is the fault's doing. Several scenarios share a cluster, each on channels of its own.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.faults.catalogue import SCENARIOS, STEADY
from tests.faults.rig import open_rig
from tests.faults.run import Run

PATIENCE_S: Final = 4.0
"""How long is waited for what is not going to come."""


class Proof(NamedTuple):
    """Which scenario, for how long, by which plan, finds what."""

    scenario: str
    seconds: float
    finds: str
    seed: int = 1


QUICK: Final = {
    "ack-before-store": [Proof("kill", 1, "was acked but is not stored")],
    "no-position-check": [Proof("bus-drops", 4, "never got")],
}
"""Broken builds, and which scenarios find them; these always run."""

THOROUGH: Final = {
    "ack-before-store": [
        Proof("rolling", 1, "was acked but is not stored"),
        Proof("drain", 1, "was acked but is not stored"),
        Proof("mongo-killed", 2, "acks came while there was no store"),
    ],
    "no-dedupe": [Proof("mongo-paused", 6, "is stored 2 times")],
    "no-resubscribe": [
        Proof("redis-empty", 1, "a message from hub"),
        Proof("pubsub-killed", 1, "a message from hub"),
    ],
    "no-position-check": [
        Proof("redis-paused", 6, "never got"),
        Proof("bus-cut", 3, "never got"),
        Proof("mixed", 2, "never got", seed=2),
    ],
    "never-denied": [Proof("retention", 1, "never got")],
}


@pytest.mark.timeout(150)
@pytest.mark.parametrize(
    ("sabotage", "proofs"),
    [
        *QUICK.items(),
        *(pytest.param(*case, marks=pytest.mark.thorough) for case in THOROUGH.items()),
    ],
)
async def test_a_promise_that_is_broken_is_found(
    sabotage: str, proofs: Sequence[Proof], tmp_path: Path
) -> None:
    scenarios = [SCENARIOS[proof.scenario] for proof in proofs]
    proxied = any(scenario.proxied for scenario in scenarios)
    steady = replace(STEADY, forgets=any(scenario.forgets for scenario in scenarios))
    async with open_rig(tmp_path, nodes=3, proxied=proxied, sabotage=sabotage) as rig:
        verdict = await Run(rig, steady, seconds=0.5, patience_s=PATIENCE_S).perform()
        assert verdict.findings == ()
        for number, proof in enumerate(proofs, 1):
            verdict = await Run(
                rig,
                SCENARIOS[proof.scenario],
                number,
                seed=proof.seed,
                seconds=proof.seconds,
                patience_s=PATIENCE_S,
            ).perform()
            # pytest shows it where the test fails.
            print(verdict.line(), *verdict.details(), sep="\n")  # noqa: T201
            assert any(proof.finds in finding for finding in verdict.findings)


@pytest.mark.thorough
@pytest.mark.timeout(60)
async def test_offsets_that_are_guessed_are_found(tmp_path: Path) -> None:
    """That also happens without a fault, but seldom: the bus tells of the others' heads."""
    async with open_rig(tmp_path, nodes=3, proxied=True, sabotage="wrong-head") as rig:
        verdict = await Run(rig, SCENARIOS["bus-cut"], seconds=2, patience_s=PATIENCE_S).perform()
    assert any("the log has offset" in finding for finding in verdict.findings)


@pytest.mark.thorough
@pytest.mark.timeout(60)
async def test_a_drain_that_closes_everybody_at_once_is_found(tmp_path: Path) -> None:
    async with open_rig(tmp_path, nodes=2, proxied=False, sabotage="rushed-drain") as rig:
        verdict = await Run(rig, SCENARIOS["drain"], seconds=1, patience_s=PATIENCE_S).perform()
    assert any("a drain closed" in finding for finding in verdict.findings)


def test_every_scenario_is_shown_to_find_something() -> None:
    """A new scenario needs a broken build that it finds."""
    cases = [*QUICK.values(), *THOROUGH.values()]
    assert {proof.scenario for proofs in cases for proof in proofs} == set(SCENARIOS)
