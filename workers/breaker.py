"""Whether a provider may be asked now. Pure: times are seconds of a clock that does not go back.

A provider is left alone for a while when it says so, when it has failed several times in a row, or
when it refuses our own credentials. Then one request goes to find out; what it says is for all.
"""

from collections.abc import Callable
from typing import Final

from realtime.backoff import HALF, Backoff

FAILURES_MAX: Final = 5
"""Failures in a row after which the provider is left alone."""

REST_MIN_S: Final = 1.0
REST_MAX_S: Final = 60.0
"""How long it is left alone then, at first and at most, in seconds."""

NEWS_MIN_S: Final = 0.5
"""By how much longer a rest is than what was known, for it to be worth a word, in seconds."""

PROBE_S: Final = 15.0
"""How long the one request may take that finds out; then another one does."""


class Breaker:
    """The state of one provider, as one worker knows it. `random` answers from 0 to below 1."""

    def __init__(self, *, random: Callable[[], float]) -> None:
        self._failures = 0
        self._until = 0.0
        self._probing_until = 0.0
        self._backoff = Backoff(REST_MIN_S, REST_MAX_S, spread=HALF, random=random)
        self.why = ""
        """Why it was left alone last."""

    def wait_s(self, now: float) -> float:
        """In how many seconds to ask again; 0: it may be asked, and `succeeded` or so is to follow.

        Where it has been left alone, that is for one caller only, until what it found is told.
        """
        if now < self._until:
            return self._until - now
        if self._until:
            if now < self._probing_until:
                return self._probing_until - now
            self._probing_until = now + PROBE_S
        return 0.0

    def is_resting(self, now: float) -> bool:
        """Whether it is left alone now."""
        return now < self._until

    def succeeded(self, now: float) -> None:
        """It has answered as it should.

        What was under way when the rest began, or does not count for all, does not end it.
        """
        if not self.is_resting(now):
            self.end()

    def failed(self, now: float, why: str) -> bool:
        """It could not serve us. Whether that means that it is left alone from now on.

        Of many that were under way together, those that fail after the rest began say nothing new.
        """
        if self.is_resting(now):
            return False
        self._failures += 1
        is_probe = self._until > 0
        if self._failures < FAILURES_MAX and not is_probe:
            return False
        return self.rest(now, self._backoff.next_s(), why)

    def end(self) -> None:
        """Why it was left alone is over, whatever was said of how long."""
        self._failures = 0
        self._until = self._probing_until = 0.0
        self._backoff.reset()

    def rest(self, now: float, seconds: float, why: str) -> bool:
        """Leave it alone for so long, as it or another worker says. Whether that is news.

        Of many that were under way together, each may say so, a moment later than the others.
        """
        self._probing_until = 0.0
        until = now + seconds
        if until <= self._until:
            return False
        is_news = until - max(self._until, now) >= NEWS_MIN_S
        self._until = until
        self.why = why
        return is_news
