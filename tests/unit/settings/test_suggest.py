"""The nearest known name."""

import pytest

from realtime.settings.suggest import nearest

KNOWN = ("history_size", "history_ttl", "presence", "join_leave")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("histroy_size", "history_size"),
        ("historysize", "history_size"),
        ("HISTORY-TTL", "history_ttl"),
        ("presense", "presence"),
        ("zzz", None),
        ("", None),
    ],
)
def test_the_nearest_name_is_what_somebody_meant(name: str, expected: str | None) -> None:
    assert nearest(name, KNOWN) == expected


def test_an_endless_name_costs_no_more_than_a_long_one() -> None:
    assert nearest("presence" * 100_000, KNOWN) is None


def test_nothing_is_near_where_nothing_is_known() -> None:
    assert nearest("presence", ()) is None
