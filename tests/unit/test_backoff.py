"""Waits that double up to a most, and how much of them is chance."""

import pytest

from realtime.backoff import FULL, HALF, Backoff, wait_s


def test_waits_double_up_to_a_most_and_begin_anew() -> None:
    backoff = Backoff(0.5, 3.0, spread=FULL, random=lambda: 0.5)
    assert [backoff.next_s() for _ in range(5)] == [0.25, 0.5, 1.0, 1.5, 1.5]
    backoff.reset()
    assert backoff.next_s() == 0.25


@pytest.mark.parametrize(
    ("spread", "least", "most"), [(FULL, 0.0, 4.0), (HALF, 2.0, 4.0), (0.0, 4.0, 4.0)]
)
def test_chance_has_the_part_that_it_is_given(spread: float, least: float, most: float) -> None:
    chances = iter((0.0, 1.0))
    waits = [
        wait_s(3, min_s=1.0, max_s=9.0, spread=spread, random=lambda: next(chances))
        for _ in range(2)
    ]
    assert waits == [least, most]


def test_a_store_that_is_away_for_a_year_is_still_asked() -> None:
    backoff = Backoff(0.1, 2.0, spread=0.0, random=lambda: 0.0)
    waits = [backoff.next_s() for _ in range(5000)]
    assert waits[-1] == 2.0
    assert wait_s(10**9, min_s=0.1, max_s=2.0, spread=0.0, random=lambda: 0.0) == 2.0
