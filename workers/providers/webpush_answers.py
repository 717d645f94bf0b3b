"""What a push service's answers mean: pure. RFC 8030, and what the services make of it."""

import re
from typing import Any, Final

import msgspec

from workers.providers.base import Delivered, Failed, Later, Misconfigured, Outcome, Rejected
from workers.providers.posting import UNREADABLE, Answer
from workers.providers.push_origins import Fault
from workers.providers.retry_after import retry_after_s

THROTTLED_WAIT_S: Final = 60.0
"""How long to wait where a service slows us down and does not say for how long, in seconds."""

DOUBT_WAIT_S: Final = 60.0
"""The same while it is not clear whose fault it is that our key was refused."""

_REASON: Final = re.compile(r"[A-Za-z]{1,40}")


def outcome_of(answer: Answer, *, fault: Fault, now: float) -> Outcome:
    """What is to be done. `now`: seconds since 1970. `fault` is used where our key is refused.

    Whatever concerns time concerns the device only: there are many services, and what one of them
    says must not hold up the others. Of the answer only a word or a number is in the outcome.
    """
    why = _why(answer)
    match answer.status:
        case 200 | 201 | 202 | 204:
            # The `Location` would be an address by which the message can be taken back: a secret.
            return Delivered()
        case 404 | 410:
            return Rejected(why)
        case 401 | 403:
            return _refused(why, fault)
        case 406 | 429:
            # Windows says 406 when it slows a sender down.
            after_s = retry_after_s(answer.headers.get("Retry-After"), now=now)
            return Later(why, after_s or THROTTLED_WAIT_S, "device")
        case status if status >= 500:
            after_s = retry_after_s(answer.headers.get("Retry-After"), now=now)
            return Later(why, after_s, "device")
        case _:
            return Failed(why)


def _refused(why: str, fault: Fault) -> Outcome:
    if fault == "subscription":
        return Rejected(f"{why}: subscribed with another key", parked=True)
    if fault == "unknown":
        return Later(
            f"{why}: subscribed with another key, or ours is wrong", DOUBT_WAIT_S, "device"
        )
    return Misconfigured(f"a push service refuses our key: {why}")


def _why(answer: Answer) -> str:
    """The status, and the reason where the service has a word (Apple) or a number (Mozilla)."""
    try:
        said: Any = msgspec.json.decode(answer.body)
    except UNREADABLE:
        return str(answer.status)
    if not isinstance(said, dict):
        return str(answer.status)
    reason, number = said.get("reason"), said.get("errno")
    if isinstance(reason, str) and _REASON.fullmatch(reason):
        return f"{answer.status} {reason}"
    if isinstance(number, int) and 0 < number < 10_000:
        return f"{answer.status} {number}"
    return str(answer.status)
