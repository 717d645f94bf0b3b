"""A provider behind what protects it: a rate, a breaker, and rests that all workers keep.

What is refused here costs the provider nothing, and is `Later`: the job waits in the store.
"""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from realtime.chat.ports import Clock
from realtime.limits.buckets import FULL, Rate, admit, retry_after
from realtime.push.jobs import LARGE, SMALL
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

TURN_MAX_S: Final[Mapping[int, float]] = {SMALL: 5.0, LARGE: 2.0}
"""How long a notice may wait for its turn under the rate, by lane, in seconds; longer ones go back
to the queue. What is urgent waits behind that many of a large channel's at most."""

RATE: Final = "rate"
"""Why a notice is `Later` that had no turn."""

PLACE_MAX_S: Final = 5.0
"""How long a notice may wait until fewer requests are under way, in seconds."""

BUSY: Final = "busy"
"""Why a notice is `Later` that had no place."""

BUSY_AFTER_S: Final = 1.0
"""When to ask again then, in seconds."""

FOUND_MAX_S: Final = 5.0
"""How long a notice may wait for what another one finds out, after a rest, in seconds."""

SPARE: Final = 4
"""One place in so many is never taken by notices of large channels."""

SPARED: Final = "this device was told too much"
"""Why a notice is `Later` whose device is left alone for a while."""

SPARED_MAX: Final = 10_000
"""Devices that are left alone at a time; of more, the first ones are asked again too early."""

Told = Callable[[ProviderName, float, str], None]


class Gate:
    """One provider, as this worker may use it.

    `per_s` is the rate over all workers, of which `workers()` says how many there are; 0 is none.
    `places` is how many requests the provider has under way at once: who waits does so here, where
    what is urgent goes before what is not, and waiting is no fault of the provider's.
    `pause_s` is how long a provider rests that refuses our credentials. `tell` says to the other
    workers that it rests, for how many seconds and why.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        per_s: float,
        pause_s: float,
        places: int = 1_000,
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
        self._places = asyncio.Semaphore(places)
        self._large = asyncio.Semaphore(max(1, places - places // SPARE))
        self._is_refused = False
        """Whether our credentials were, when the last rest began."""
        self._tat = FULL
        # Until when devices are left alone, by their addresses.
        self._spared: OrderedDict[str, float] = OrderedDict()
        # Set, and replaced, with each answer.
        self._answered = asyncio.Event()
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

    async def send(self, target: Target, notice: Notice, lane: int = SMALL) -> Outcome:
        """Carry one notice to one device, when it may be: within what waiting here may take, and
        the provider's own timeout. Cancelling may leave it sent or not."""
        wait_s = await self._rest_s()
        device_s = self._spared.get(target.address, 0.0) - self._clock.monotonic()
        if wait_s:
            outcome: Outcome = Later(self._breaker.why or "resting", wait_s, asked=False)
        elif device_s > 0:
            outcome = Later(SPARED, device_s, "device", asked=False)
        else:
            outcome = await self._send(target, notice, lane)
        name = type(outcome).__name__.lower()
        self.outcomes[name] = self.outcomes.get(name, 0) + 1
        return outcome

    async def _send(self, target: Target, notice: Notice, lane: int) -> Outcome:
        places = (self._large, self._places) if lane == LARGE else (self._places,)
        async with contextlib.AsyncExitStack() as held:
            try:
                async with asyncio.timeout(PLACE_MAX_S):
                    for place in places:
                        await held.enter_async_context(place)
            except TimeoutError:
                return Later(BUSY, BUSY_AFTER_S, asked=False)
            if not await self._has_turn(TURN_MAX_S[lane]):
                return Later(RATE, TURN_MAX_S[lane], asked=False)
            now = self._clock.monotonic()
            if self._breaker.is_resting(now):
                # Since it began to wait.
                return Later(self._breaker.why, self._breaker.wait_s(now), asked=False)
            self.in_flight += 1
            try:
                outcome = await self.provider.send(target, notice)
            finally:
                self.in_flight -= 1
        self._learn(outcome)
        if isinstance(outcome, Later) and outcome.scope == "device" and outcome.after_s:
            self._spare(target, outcome.after_s)
        return outcome

    def _spare(self, target: Target, seconds: float) -> None:
        """A device is to be left alone, whatever there is to tell it. Other workers do not know."""
        self._spared[target.address] = self._clock.monotonic() + seconds
        self._spared.move_to_end(target.address)
        if len(self._spared) > SPARED_MAX:
            self._spared.popitem(last=False)

    def rest(self, seconds: float, why: str) -> None:
        """Leave the provider alone: another worker says so."""
        self._breaker.rest(self._clock.monotonic(), seconds, why)

    def renewed(self) -> None:
        """The provider has another key: it need not rest any more because of the last one."""
        if self._is_refused:
            self._is_refused = False
            self._breaker.end()
            self._answered.set()
            self._answered = asyncio.Event()

    async def _rest_s(self) -> float:
        """For how many seconds the provider is to be left alone, 0 if it may be asked now.

        While one request finds out, the others wait for what it finds; for a while.
        """
        wait_s, is_known = self._look()
        if is_known:
            return wait_s
        try:
            async with asyncio.timeout(FOUND_MAX_S):
                while not is_known:
                    await self._answered.wait()
                    wait_s, is_known = self._look()
        except TimeoutError:
            wait_s, _ = self._look()
        return wait_s

    def _look(self) -> tuple[float, bool]:
        """How long to wait, and whether that is known: not while one request finds out."""
        now = self._clock.monotonic()
        wait_s = self._breaker.wait_s(now)
        return wait_s, not wait_s or self._breaker.is_resting(now)

    async def _has_turn(self, longest_s: float) -> bool:
        """Wait for a turn under the rate; False if that is too long."""
        if not self._per_s:
            return True
        per_s = self._per_s / max(1, self._workers())
        rate = Rate(per_s, max(1.0, per_s))
        now = self._clock.monotonic()
        wait_s = retry_after(self._tat, now, rate)
        if wait_s > longest_s:
            return False
        # Taken now, for later: whoever comes next waits behind this one.
        taken = admit(self._tat, now + wait_s, rate)
        self._tat = self._tat + rate.interval_s if taken is None else taken
        if wait_s:
            await asyncio.sleep(wait_s)
        return True

    def _learn(self, outcome: Outcome) -> None:
        self._answered.set()
        self._answered = asyncio.Event()
        now = self._clock.monotonic()
        if isinstance(outcome, Misconfigured):
            self._is_refused = True
        elif not self._breaker.is_resting(now):
            self._is_refused = False
        match outcome:
            case Delivered() | Rejected() | Failed() | Later(scope="device"):
                self._breaker.succeeded(now)
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
