"""How long a service asks to wait, from its `Retry-After` (RFC 9110, 10.2.3)."""

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

RETRY_AFTER_MAX_S: Final = 86_400.0
"""The longest wait that is believed: what asks for more has a bug, or means us no good."""

_DIGITS_MAX: Final = 9


def retry_after_s(value: str | None, *, now: float) -> float:
    """Seconds to wait, 0 to `RETRY_AFTER_MAX_S`; 0 without the header or if it cannot be read.

    `value` is a number of seconds or a date. `now` is in seconds since 1970.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:_DIGITS_MAX]), RETRY_AFTER_MAX_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return 0.0
    if moment.tzinfo is None:
        # "-0000" and no zone at all; HTTP knows no other zone than this one.
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment.timestamp() - now, 0.0), RETRY_AFTER_MAX_S)
