"""Numbers as a person reads them."""

from collections.abc import Callable

import pytest

from load.report import figures


@pytest.mark.parametrize(
    ("tell", "value", "text"),
    [
        (figures.latency, 850.0, "850 µs"),
        (figures.latency, 999.7, "1 ms"),
        (figures.latency, 1_240.0, "1.24 ms"),
        (figures.latency, 48_213.0, "48.2 ms"),
        (figures.latency, 3_500_000.0, "3.5 s"),
        (figures.memory, 512.0, "512 KB"),
        (figures.memory, 49_356.0, "48.2 MB"),
        (figures.memory, 3 * 1024.0**2, "3 GB"),
        (figures.rate, 12_345.4, "12,345/s"),
        (figures.rate, 0.25, "0.25/s"),
        (figures.share, 0.5, "50 %"),
        (figures.share, 0.0, "0 %"),
        (figures.share, 0.00001, "< 0.01 %"),
        (figures.duration, 0.44, "0.4 s"),
        (figures.duration, 59.7, "1 min"),
        (figures.duration, 320.0, "5 min 20 s"),
        (figures.duration, 7_500.0, "2 h 5 min"),
        (figures.number, float("nan"), figures.NOTHING),
    ],
)
def test_a_number_is_told_in_the_unit_that_suits_it(
    tell: Callable[[float], str], value: float, text: str
) -> None:
    assert tell(value) == text


def test_a_ratio_to_nothing_is_none() -> None:
    assert figures.ratio(4, 5) == "×1.25"
    assert figures.ratio(0, 5) == figures.NOTHING
