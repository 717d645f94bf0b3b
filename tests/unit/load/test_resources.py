"""Memory and descriptors of hubs: what grows is told from what is noise."""

import os
import random
from pathlib import Path

import pytest

from load.resources import (
    DESCRIPTORS_SLACK,
    LIFE_S,
    SAMPLES_MAX,
    Life,
    descriptors,
    leaked,
    trend,
)

CHANCE = random.Random(3)  # noqa: S311 - the same every time


def memory(seconds: int, kb_per_s: float, *, begin_kb: int = 80_000) -> list[tuple[float, int]]:
    """A hub that fills its caches in a minute, and then grows, with noise."""
    return [
        (
            float(at_s),
            begin_kb + min(at_s, 60) * 400 + round(at_s * kb_per_s) + CHANCE.randrange(1_500),
        )
        for at_s in range(seconds)
    ]


def test_a_hub_that_has_filled_its_caches_is_flat() -> None:
    found = trend(memory(3_600, 0.0))
    assert found is not None and not found.grows
    assert abs(found.kb_per_min) < 60
    assert 3_200 < found.seconds < 3_240


def test_a_hub_that_leaks_is_found_out_in_an_hour() -> None:
    # 10 KB a second: one small object for each message, forgotten nowhere.
    found = trend(memory(3_600, 10.0))
    assert found is not None and found.grows
    assert found.kb_per_min == pytest.approx(600, rel=0.05)
    told = str(found._replace(first_kb=102_400, last_kb=128_512, kb_per_min=600.4, seconds=3_539.2))
    assert told == "100.0 MiB, then 125.5 MiB (+600 KiB/min over 3,539 s)"


def test_nothing_is_said_of_a_short_life() -> None:
    assert trend([]) is None
    assert trend(memory(int(LIFE_S), 1_000.0)) is None


def test_descriptors_may_be_a_few_more_than_before() -> None:
    assert not leaked(20, 20 + DESCRIPTORS_SLACK)
    assert leaked(20, 21 + DESCRIPTORS_SLACK)


def test_a_life_is_looked_at_while_it_lasts(tmp_path: Path) -> None:
    life = Life("this", os.getpid())
    before = life.look(0.0)
    assert before is not None and before.rss_kb > 1_000 and before.at_s == 0.0
    with (tmp_path / "one").open("w"), (tmp_path / "two").open("w"):
        after = life.look(1.0)
    assert after is not None and after.descriptors == before.descriptors + 2
    assert life.samples == [before, after]
    assert descriptors(2**22 + 1) == 0
    assert Life("nobody", 2**22 + 1).look(0.0) is None


def test_a_long_life_keeps_a_bounded_number_of_samples() -> None:
    life = Life("this", os.getpid())
    first = life.look(0.0)
    assert first is not None
    life.samples = [first._replace(at_s=float(at_s)) for at_s in range(SAMPLES_MAX)]
    life.look(float(SAMPLES_MAX))
    assert len(life.samples) == SAMPLES_MAX // 2 + 1
    assert [sample.at_s for sample in life.samples[:3]] == [0.0, 2.0, 4.0]
    for at_s in range(1, 5):
        life.look(SAMPLES_MAX + float(at_s))
    assert len(life.samples) == SAMPLES_MAX // 2 + 3
