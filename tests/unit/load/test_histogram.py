"""Histograms keep three significant digits, and add up."""

import json
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.histogram import US_MAX, Histogram

WAITS = st.lists(st.integers(1, US_MAX), max_size=200)
PERCENTS = (0, 1, 50, 90, 99, 99.9, 100)


def nearest_rank(waits: list[int], percent: float) -> int:
    return sorted(waits)[max(1, ceil(round(len(waits) * percent / 100, 6))) - 1]


@given(st.lists(st.integers(1, US_MAX), min_size=1, max_size=200))
def test_a_percentile_is_that_of_the_sorted_list_within_a_thousandth(waits: list[int]) -> None:
    histogram = Histogram(waits)
    for percent in PERCENTS:
        exact = nearest_rank(waits, percent)
        assert exact <= histogram.percentile(percent) <= exact * 1.001


def test_what_is_below_two_milliseconds_is_exact() -> None:
    histogram = Histogram(range(1, 2048))
    assert [histogram.percentile(percent) for percent in (50, 99, 100)] == [1024, 2027, 2047]


def test_999_of_1000_is_the_999th() -> None:
    assert Histogram(range(1, 1001)).percentile(99.9) == 999


@given(st.lists(WAITS, max_size=5))
def test_histograms_of_parts_add_up_to_that_of_the_whole(parts: list[list[int]]) -> None:
    whole = Histogram(wait for part in parts for wait in part)
    merged = Histogram.merged(Histogram(part) for part in parts)
    assert merged == whole
    assert merged.mean == whole.mean
    assert [merged.percentile(p) for p in PERCENTS] == [whole.percentile(p) for p in PERCENTS]


@given(WAITS)
def test_a_histogram_goes_through_json_unchanged(waits: list[int]) -> None:
    histogram = Histogram(waits)
    again = Histogram.from_json(json.loads(json.dumps(histogram.to_json())))
    assert again == histogram
    again.record(5)
    histogram.record(5)
    assert again == histogram


@given(WAITS)
def test_buckets_rise_and_hold_every_wait(waits: list[int]) -> None:
    buckets = list(Histogram(waits).buckets())
    assert sum(count for _, count in buckets) == len(waits)
    assert [upper for upper, _ in buckets] == sorted({upper for upper, _ in buckets})


@given(WAITS)
def test_one_by_one_is_as_all_at_once(waits: list[int]) -> None:
    histogram = Histogram()
    for wait in waits:
        histogram.record(wait)
    assert histogram == Histogram(waits)


def test_nothing_has_no_waits() -> None:
    histogram = Histogram()
    assert (histogram.count, histogram.min, histogram.max, histogram.mean) == (0, 0, 0, 0.0)
    assert histogram.percentile(99) == 0
    assert histogram.share_above(10) == 0.0


def test_what_is_out_of_range_counts_as_the_end() -> None:
    histogram = Histogram([-5, 0, US_MAX * 2])
    assert (histogram.min, histogram.max, histogram.count) == (1, US_MAX, 3)


def test_the_share_above_a_wait_is_that_of_longer_ones() -> None:
    assert Histogram([100, 200, 300, 400]).share_above(300) == 0.25


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"indices": [1], "counts": [], "sum": 1, "min": 1, "max": 1},
        {"indices": [1], "counts": [0], "sum": 1, "min": 1, "max": 1},
        {"indices": [-1], "counts": [1], "sum": 1, "min": 1, "max": 1},
        {"indices": "x", "counts": [1], "sum": 1, "min": 1, "max": 1},
    ],
)
def test_what_is_no_histogram_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="histogram"):
        Histogram.from_json(document)
