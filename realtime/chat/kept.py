"""What is kept of a store's rows on one node, as long as the channel's log tells of changes there.

While a node has a channel live, every entry passes by it in order, so a value that was read from
the store can be kept, and be changed by the entries or forgotten for them. Without that nothing
tells, and a value is good for a second.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from math import inf
from typing import Final, Generic, TypeVar

from realtime.chat.ports import Clock
from realtime.errors import StoreUnavailable

KEEP_S: Final = 1.0
"""How long a value is kept where the channel is not live on this node, from before it was read."""

TRIES_MAX: Final = 5
"""How often a value is read again because it was changed while it was being read."""

Value = TypeVar("Value")


class _Live:
    """One time of a channel being live here. Values that were kept in an earlier one are void."""

    __slots__ = ("is_over",)

    def __init__(self) -> None:
        self.is_over = False


class KeptCopy(Generic[Value]):
    """A value as it is kept. Whoever holds on to it is told by it whether it still is so.

    `doubt`: an entry that may change the value, and has not passed; 0 where there is none.
    `until`: when its time is up, by `Clock.monotonic`: at once when it is kept no longer.
    """

    __slots__ = ("doubt", "live", "until", "value")

    def __init__(self, value: Value, live: _Live | None, until: float, doubt: int = 0) -> None:
        self.value: Final = value
        self.live: Final = live
        self.until = until
        self.doubt = doubt

    def holds(self, now: float) -> bool:
        """Whether `Kept.get` would answer this, for hot paths: it costs no look-up.

        It does not count as a use of it. Where the channel is not live, it never holds.
        """
        live = self.live
        return live is not None and not live.is_over and not self.doubt and now < self.until


class _Flight(Generic[Value]):
    """A read in progress, of which several wait. `stale`: something passed since it began."""

    __slots__ = ("done", "stale")

    def __init__(self) -> None:
        self.done: asyncio.Future[Value | None] = asyncio.get_running_loop().create_future()
        self.stale = False


class Kept(Generic[Value]):
    """Values of channels by a key, the least recently used of which go first.

    `opened` and `closed` say where the channel is live, `live_s` how long a value is kept there.
    """

    def __init__(self, clock: Clock, *, kept_max: int, live_s: float = inf) -> None:
        self._clock = clock
        self._kept_max = kept_max
        self._live_s = live_s
        self._live: dict[str, _Live] = {}
        self._kept: OrderedDict[tuple[str, str], KeptCopy[Value]] = OrderedDict()
        self._flights: dict[tuple[str, str], _Flight[Value]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def opened(self, channel: str) -> None:
        """From the next entry on, all that are appended to the channel pass by here."""
        self.closed(channel)
        self._live[channel] = _Live()

    def closed(self, channel: str) -> None:
        """Entries of the channel do not pass by here any more."""
        live = self._live.pop(channel, None)
        if live is not None:
            live.is_over = True

    def get(self, channel: str, key: str) -> Value | None:
        """The value, if it is kept and good, and not in doubt."""
        copy = self.copy(channel, key)
        return None if copy is None else copy.value

    def copy(self, channel: str, key: str) -> KeptCopy[Value] | None:
        """The same, with what tells how long it is so."""
        kept = self._good((channel, key))
        return None if kept is None or kept.doubt else kept

    def passing(self, channel: str, key: str) -> Value | None:
        """The value as of the entries that have passed, where they do: the next one changes it."""
        kept = self._good((channel, key)) if channel in self._live else None
        return None if kept is None else kept.value

    def put(self, channel: str, key: str, value: Value, *, offset: int) -> None:
        """Change a value that is kept to what the entry at this offset has made of it."""
        place = (channel, key)
        kept = self._kept.get(place)
        if kept is not None:
            doubt = 0 if kept.doubt <= offset else kept.doubt
            self._keep(place, KeptCopy(value, kept.live, kept.until, doubt))

    def forget(self, channel: str, key: str) -> None:
        """Keep the value no longer, nor what is being read right now."""
        self._drop((channel, key))
        self._outdate((channel, key))

    def forget_all(self, channel: str) -> None:
        """The same for all values of the channel."""
        if channel in self._live:
            self.opened(channel)
        else:
            # Asked of channels that are followed, as a rule; of others little is kept, and briefly.
            for place in [place for place in self._kept if place[0] == channel]:
                self._drop(place)
        for place, flight in self._flights.items():
            if place[0] == channel:
                flight.stale = True

    def doubt(self, channel: str, key: str, offset: int) -> None:
        """An entry may change the value: it is not told before that entry has, or it is read."""
        kept = self._kept.get((channel, key))
        if kept is not None:
            kept.doubt = max(kept.doubt, offset)
        self._outdate((channel, key))

    async def look_up(self, channel: str, key: str, read: Callable[[], Awaitable[Value]]) -> Value:
        """The value as it is kept, or as `read` answers it; reads at the same time become one.

        Nothing that passes before this returns is missing in it. May be cancelled. Raises what
        `read` raises, and StoreUnavailable where the value changed at every try.
        """
        for _ in range(TRIES_MAX):
            value = self.get(channel, key)
            if value is not None:
                return value
            flight = self._flights.get((channel, key))
            if flight is None:
                value = await self._fly(channel, key, read)
                if value is not None:
                    return value
            else:
                live = self._live.get(channel)
                value = await asyncio.shield(flight.done)
                # What is kept was changed by what passed before this went on; `value` was not.
                if value is not None and live is None and self._live.get(channel) is None:
                    return value
        raise StoreUnavailable(f"what is kept of a channel changed {TRIES_MAX} times while read")

    async def _fly(
        self, channel: str, key: str, read: Callable[[], Awaitable[Value]]
    ) -> Value | None:
        """Read and keep the value; None where it has changed meanwhile."""
        place = (channel, key)
        flight = self._flights[place] = _Flight()
        live = self._live.get(channel)
        until = self._clock.monotonic() + (KEEP_S if live is None else self._live_s)
        value = None
        try:
            value = await read()
            if flight.stale or self._live.get(channel) is not live:
                value = None
            else:
                self._keep(place, KeptCopy(value, live, until))
            return value
        finally:
            # Whoever waits tries for itself where this one failed or was cancelled.
            del self._flights[place]
            flight.done.set_result(value)

    def _good(self, place: tuple[str, str]) -> KeptCopy[Value] | None:
        kept = self._kept.get(place)
        if kept is None:
            return None
        if kept.live is not self._live.get(place[0]) or (
            kept.until != inf and kept.until <= self._clock.monotonic()
        ):
            self._drop(place)
            return None
        if len(self._kept) * 2 > self._kept_max:  # else none will have to go soon
            self._kept.move_to_end(place)
        return kept

    def _outdate(self, place: tuple[str, str]) -> None:
        """What is being read right now may miss something, and is read again."""
        flight = self._flights.get(place)
        if flight is not None:
            flight.stale = True

    def _keep(self, place: tuple[str, str], copy: KeptCopy[Value]) -> None:
        self._drop(place)
        self._kept[place] = copy
        while len(self._kept) > self._kept_max:
            self._drop(next(iter(self._kept)))

    def _drop(self, place: tuple[str, str]) -> None:
        dropped = self._kept.pop(place, None)
        if dropped is not None:
            dropped.until = -inf  # whoever holds on to it must see
