"""Shapes tell what a value looks like, and not what it says."""

import datetime

import pytest

from realtime.settings.shape import shape, shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, "true or false"),
        (5, "a whole number"),
        (5.5, "a number with a fraction"),
        ("", "an empty text"),
        ("x", "a text of 1 character"),
        ("xyz", "a text of 3 characters"),
        ([], "an empty list"),
        ([1], "a list of 1 value"),
        ([1, 2], "a list of 2 values"),
        ({"a": 1}, "a table"),
        (datetime.date(2026, 1, 1), "a date or time"),
        (datetime.datetime(2026, 1, 1, 1), "a date or time"),
        (datetime.time(1), "a date or time"),
        (None, "nothing"),
        (object(), "something else"),
    ],
)
def test_a_value_has_a_shape(value: object, expected: str) -> None:
    assert shape(value) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("port", "port"),
        ("", "''"),
        ("a\nrealtime: all is well", r"'a\nrealtime: all is well'"),
        ("x" * 100, "x" * 64 + "…"),
    ],
)
def test_a_name_is_shown_on_one_line_and_not_endless(name: str, expected: str) -> None:
    assert shown(name) == expected
