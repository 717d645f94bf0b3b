"""What becomes of requests, as a test has written it down: per device, or for a whole service."""

from collections import deque
from typing import Annotated, Final, Literal, get_args

import msgspec

Service = Literal["fcm", "apns", "webpush"]
Scripted = Literal["fcm", "apns", "webpush", "oauth"]
"""What can have a script: the services, and the endpoint that gives FCM's access tokens."""

What = Literal[
    "ok",
    "dead",
    "expired",
    "bad_token",
    "wrong_environment",
    "sender_mismatch",
    "bad_payload",
    "too_large",
    "busy_device",
    "busy",
    "unavailable",
    "internal_error",
    "wrong_credentials",
    "third_party",
    "hang",
    "slow",
    "drop",
    "goaway",
]
"""What each does, where a service has no such answer of its own, is in that service's file.

`dead`: 410, or 404 UNREGISTERED. `bad_token`: not an address of this service. `busy_device` and
`busy`: 429, for the one device or for all. `wrong_credentials`: ours are refused. `third_party`:
FCM's, whose key for another service is wrong. `hang`: taken from the wire, never answered.
`slow`: ok, after `delay_s`. `drop`: the phone gets it, but the connection ends instead of an
answer. `goaway`: the connection ends before this request is taken; on APNs by a GOAWAY whose last
stream is below it, so that earlier streams of the connection are still answered.
"""

WHATS: Final = frozenset(get_args(What))

SCRIPTED_MAX: Final = 100_000
"""Scripts that wait for their turn, over all devices; more are refused."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of the next requests: of `times` of them, 0 for all from now on.

    `retry_after_s` is told where the answer is 429 or 503. `since_ms`: when the device died, in ms
    since 1970; 0 is now. `delay_s` is how slow.
    """

    what: What
    times: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    retry_after_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] | None = None
    since_ms: Annotated[int, msgspec.Meta(ge=0)] = 0
    delay_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 1.0


OK: Final = Outcome(what="ok")


def outcome_named(name: str) -> Outcome | None:
    """What a name asks for: "dead-bob" is `dead`; None where it does not begin with an outcome."""
    what, dash, _ = name.partition("-")
    return Outcome(what=msgspec.convert(what, What)) if dash and what in WHATS else None


class Scripts:
    """The outcomes that are still to come. A service's own come before those of its devices."""

    def __init__(self) -> None:
        self._queues: dict[tuple[Scripted, str], deque[Outcome]] = {}
        self._used: dict[tuple[Scripted, str], int] = {}
        self._scripted = 0

    def __repr__(self) -> str:
        return f"<Scripts {self._scripted}>"

    def add(self, service: Scripted, device: str, outcome: Outcome) -> None:
        """Let this follow what was scripted before; `device` is its id, "" for the service.

        What was to last for ever ends here. Raises OverflowError above `SCRIPTED_MAX`.
        """
        if self._scripted >= SCRIPTED_MAX:
            raise OverflowError("too many outcomes are scripted")
        key = (service, device)
        queue = self._queues.setdefault(key, deque())
        if queue and not queue[-1].times:
            queue.pop()
            self._scripted -= 1
        queue.append(outcome)
        self._scripted += 1

    def clear(self) -> None:
        """Let everything be as it would without a script."""
        self._queues.clear()
        self._used.clear()
        self._scripted = 0

    def take(self, service: Scripted, device: str) -> Outcome | None:
        """The outcome of one more request; None where nobody has said."""
        if not self._queues:
            return None
        outcome = self._next((service, ""))
        if (outcome is None or outcome.what == "ok") and device:
            own = self._next((service, device))
            return outcome if own is None else own
        return outcome

    def _next(self, key: tuple[Scripted, str]) -> Outcome | None:
        queue = self._queues.get(key)
        if queue is None:
            return None
        outcome = queue[0]
        if outcome.times:
            used = self._used.get(key, 0) + 1
            self._used[key] = used
            if used >= outcome.times:
                queue.popleft()
                del self._used[key]
                self._scripted -= 1
                if not queue:
                    del self._queues[key]
        return outcome
