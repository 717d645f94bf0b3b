"""Time marks: a message that says when it was sent, to be found without parsing it.

`@T` and 19 digits, nanoseconds of this machine's monotonic clock. Processes of one machine agree on
it; machines do not, so what is sent on one is received on the same.
"""

import time
from typing import Final

MARK_START: Final = b"@T"
MARK_BYTES: Final = 21


def mark(sent_ns: int | None = None) -> str:
    """The mark of a time, or of now."""
    return f"@T{time.monotonic_ns() if sent_ns is None else sent_ns:019d}"


def sent_ns(document: bytes) -> int | None:
    """The first mark in a message; None where there is none."""
    at = document.find(MARK_START) + 2
    digits = document[at : at + MARK_BYTES - 2]
    return int(digits) if at > 1 and len(digits) == MARK_BYTES - 2 and digits.isdigit() else None
