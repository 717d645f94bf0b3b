"""Durations, by literals."""

import pytest

from realtime.settings.durations import FOR_EVER, Duration


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("0s", 0),
        ("0d", 0),
        ("500ms", 500),
        ("1s", 1_000),
        ("300s", 300_000),
        ("10m", 600_000),
        ("24h", 86_400_000),
        ("7d", 604_800_000),
        ("007s", 7_000),
        ("36500d", 3_153_600_000_000),
    ],
)
def test_a_number_with_a_unit_is_a_duration(text: str, ms: int) -> None:
    assert Duration.parse(text).ms == ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "s",
        "-5s",
        "+5s",
        "1.5h",
        "5 s",
        " 5s",
        "5s ",
        "5s\n",
        "1h30m",
        "5S",
        "5w",
        "٥s",
        "1_000s",
        "36501d",
        "9999999999999s",
    ],
)
def test_anything_else_is_not(text: str) -> None:
    with pytest.raises(ValueError, match="expected a whole number with a unit"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (1_500, "1500ms"),
        (90_000, "90s"),
        (600_000, "10m"),
        (86_400_000, "1d"),
        (90_000_000, "25h"),
    ],
)
def test_it_is_written_with_the_largest_unit_that_leaves_no_rest(ms: int, text: str) -> None:
    assert str(Duration(ms)) == text
    assert Duration.parse(text) == Duration(ms)


def test_for_ever_is_zero() -> None:
    assert FOR_EVER.ms == 0
