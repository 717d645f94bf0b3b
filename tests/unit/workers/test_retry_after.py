"""How long a service asks to wait."""

import pytest

from workers.providers.retry_after import RETRY_AFTER_MAX_S, retry_after_s

NOW = 784_111_700.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 77.0),
        ("Sun, 06 Nov 1994 08:49:37 -0000", 77.0),
        ("Sun, 06 Nov 1994 08:48:00 GMT", 0.0),
        ("Sun, 06 Nov 2094 08:48:00 GMT", RETRY_AFTER_MAX_S),
        ("9" * 400, RETRY_AFTER_MAX_S),
        ("100000", RETRY_AFTER_MAX_S),
        (None, 0.0),
        ("", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("1.5", 0.0),
        ("٣", 0.0),
        ("Sun, 06 Nov 99999999 08:49:37 GMT", 0.0),
        ("Sun, 66 Nov 1994 08:49:37 GMT", 0.0),
    ],
)
def test_seconds_and_dates_are_read_and_anything_else_says_nothing(
    value: str | None, seconds: float
) -> None:
    assert retry_after_s(value, now=NOW) == seconds
