"""A provider behind what protects it: a rate, a breaker, and rests that all workers keep.

What is refused here costs the provider nothing, and is `Later`: the job waits in the store.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from realtime.chat.ports import Clock
from realtime.limits.buckets import FULL, Rate, admit, retry_after
from workers.breaker import Breaker
from workers.providers.base import (
    Delivered,
    Failed,
    Later,
    Misconfigured,
    Notice,
    Outcome,
    Provider,
    ProviderName,
    Rejected,
    Target,
)

logger = logging.getLogger(__name__)

TURN_MAX_S: Final = 5.0
"""How long a notice may wait for its turn under the rate; longer ones go back to the queue."""

RATE: Final = "rate"
"""Why a notice is `Later` that had no turn."""

Told = Callable[[ProviderName, float, str], None]


class Gate:
    """One provider, as this worker may use it.

    `per_s` is the rate over all workers, of which `workers()` says how many there are; 0 is none.
    `pause_s` is how long a provider rests that refuses our credentials. `tell` says to the other
    workers that it rests, for how many seconds and why.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        per_s: float,
        pause_s: float,
        clock: Clock,
        random: Callable[[], float],
        workers: Callable[[], int] = lambda: 1,
        tell: Told = lambda *_: None,
    ) -> None:
        self.provider = provider
        self._per_s = per_s
        self._pause_s = pause_s
        self._clock = clock
        self._workers = workers
        self._tell = tell
        self._breaker = Breaker(random=random)
        self._tat = FULL
        self.outcomes: dict[str, int] = {}
        """How often each outcome was, by name."""
        self.in_flight = 0
        """Requests under way."""

    def __repr__(self) -> str:
        return f"<Gate of {self.provider.name}>"

    @property
    def is_resting(self) -> bool:
        """Whether the provider is left alone now."""
        return self._breaker.is_resting(self._clock.monotonic())

    async def send(self, target: Target, notice: Notice) -> Outcome:
        """Carry one notice to one device, when it may be."""
        wait_s = self._breaker.wait_s(self._clock.monotonic())
        if wait_s:
            outcome: Outcome = Later(self._breaker.why or "resting", wait_s)
        elif not await self._has_turn():
            outcome = Later(RATE, TURN_MAX_S)
        else:
            self.in_flight += 1
            try:
                outcome = await self.provider.send(target, notice)
            finally:
                self.in_flight -= 1
            self._learn(outcome)
        name = type(outcome).__name__.lower()
        self.outcomes[name] = self.outcomes.get(name, 0) + 1
        return outcome

    def rest(self, seconds: float, why: str) -> None:
        """Leave the provider alone: another worker says so."""
        self._breaker.rest(self._clock.monotonic(), seconds, why)

    async def _has_turn(self) -> bool:
        """Wait for a turn under the rate; False if that is too long."""
        if not self._per_s:
            return True
        per_s = self._per_s / max(1, self._workers())
        rate = Rate(per_s, max(1.0, per_s))
        now = self._clock.monotonic()
        wait_s = retry_after(self._tat, now, rate)
        if wait_s > TURN_MAX_S:
            return False
        # Taken now, for later: whoever comes next waits behind this one.
        taken = admit(self._tat, now + wait_s, rate)
        self._tat = self._tat + rate.interval_s if taken is None else taken
        if wait_s:
            await asyncio.sleep(wait_s)
        return True

    def _learn(self, outcome: Outcome) -> None:
        now = self._clock.monotonic()
        match outcome:
            case Delivered() | Rejected() | Failed() | Later(scope="device"):
                self._breaker.succeeded()
            case Misconfigured():
                if self._breaker.rest(now, self._pause_s, outcome.why):
                    logger.error(
                        "%s refuses our credentials (%s): nothing is sent by it for %g s",
                        self.provider.name,
                        outcome.why,
                        self._pause_s,
                    )
                    self._tell(self.provider.name, self._pause_s, outcome.why)
            case Later():
                if outcome.after_s:
                    is_news = self._breaker.rest(now, outcome.after_s, outcome.why)
                else:
                    is_news = self._breaker.failed(now, outcome.why)
                if is_news:
                    logger.warning("%s rests: %s", self.provider.name, outcome.why)
                    rest_s = max(outcome.after_s, 1.0)
                    self._tell(self.provider.name, rest_s, outcome.why)
