"""What is known of each push service that Web Push posts to.

There are many of them, and a client chooses which: what one of them does must not hold up the
others, nor speak for them.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Literal

ORIGINS_MAX: Final = 1_000
"""How many are remembered; of more, the one heard of longest ago is forgotten."""

FAILURES_MAX: Final = 5
"""So many failures in a row, and it is left alone for `REST_S`."""

REST_S: Final = 30.0

PROOF_LIFE_S: Final = 600.0
"""For how long it counts that a service has accepted our key, in seconds."""

SUSPECTS_MAX: Final = 10_000
"""How many subscriptions for which our key was refused are remembered, 32 bytes each and a time."""

Fault = Literal["subscription", "unknown", "ours"]


class _Origin:
    __slots__ = ("accepted_at", "failures", "rests_until")

    def __init__(self) -> None:
        self.accepted_at = float("-inf")
        self.failures = 0
        self.rests_until = 0.0


class PushOrigins:
    """`monotonic` tells the time in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._known: OrderedDict[str, _Origin] = OrderedDict()
        # By the digest of a subscription: when our key was first refused for it.
        self._suspects: OrderedDict[bytes, float] = OrderedDict()
        self._accepted_at = float("-inf")

    def rest_s(self, origin: str) -> float:
        """How long it is still to be left alone, in seconds; 0 if it is not."""
        known = self._known.get(origin)
        return 0.0 if known is None else max(0.0, known.rests_until - self._monotonic())

    def failed(self, origin: str) -> None:
        """It did not answer, or said that it is in trouble."""
        known = self._at(origin)
        known.failures += 1
        if known.failures >= FAILURES_MAX:
            # One more failure is enough for the next rest.
            known.failures = FAILURES_MAX - 1
            known.rests_until = self._monotonic() + REST_S

    def answered(self, origin: str) -> None:
        """It is there, whatever it thinks of the notice."""
        self._at(origin).failures = 0

    def accepted(self, origin: str) -> None:
        """It took a notice, and with it our key."""
        self._accepted_at = self._at(origin).accepted_at = self._monotonic()

    def fault(self, origin: str, address: str) -> Fault:
        """Whose it is that our key was refused for this subscription.

        Its own, where the same service has accepted our key for others since it first was: it was
        made for another key. Ours, where no service at all has accepted it lately. Else nobody
        knows yet. A subscription is a client's choice, so one alone must not silence the rest.
        """
        now = self._monotonic()
        digest = hashlib.sha256(address.encode()).digest()
        suspected_at = self._suspects.setdefault(digest, now)
        while len(self._suspects) > SUSPECTS_MAX:
            self._suspects.popitem(last=False)
        if self._at(origin).accepted_at > suspected_at:
            return "subscription"
        return "unknown" if now - self._accepted_at < PROOF_LIFE_S else "ours"

    def _at(self, origin: str) -> _Origin:
        known = self._known.setdefault(origin, _Origin())
        self._known.move_to_end(origin)
        while len(self._known) > ORIGINS_MAX:
            self._known.popitem(last=False)
        return known
