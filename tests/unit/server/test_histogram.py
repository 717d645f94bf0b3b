"""Counting observations in buckets, as Prometheus has them."""

from realtime.server.histogram import Histogram


def test_an_observation_is_in_every_bucket_at_or_above_it() -> None:
    histogram = Histogram((1, 2.5, 10))
    for value in (0, 1, 1.5, 2.5, 9, 10, 10.5, 500):
        histogram.observe(value)
    assert histogram.cumulated() == [("1", 2), ("2.5", 4), ("10", 6), ("+Inf", 8)]
    assert histogram.total == 534.5


def test_without_observations_all_buckets_are_empty() -> None:
    histogram = Histogram((1,))
    assert histogram.cumulated() == [("1", 0), ("+Inf", 0)]
    assert histogram.total == 0.0
