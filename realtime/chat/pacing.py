"""At most one note for each key and interval: the first at once, later ones merged into the next.

`Pace` decides, by the time it is told; `Paced` waits and sends.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

from realtime.chat.ports import Clock
from realtime.cluster.outage import Outage
from realtime.errors import CommandRefused, StoreError

logger = logging.getLogger(__name__)

INTERVAL_S: Final = 1.0
"""The least time between two notes of one key, in seconds."""

KEYS_MAX: Final = 50_000
"""Keys that wait or have had their note less than an interval ago; more are dropped."""

AT_ONCE_MAX: Final = 200
"""Notes that are sent together."""

GATHER_S: Final = 0.02
"""How exactly intervals are kept, so that many that end one after another cost one look."""

SEND_TIMEOUT_S: Final = 10.0
"""How long sending them may take."""

Key = TypeVar("Key")
Note = TypeVar("Note")


class Pace(Generic[Key, Note]):
    """Which notes are due. `merge` makes one note of the one that waits and a new one."""

    __slots__ = ("_cooling", "_ends", "_interval_s", "_keys_max", "_merge", "_ready", "dropped")

    def __init__(
        self,
        merge: Callable[[Note, Note], Note],
        *,
        interval_s: float = INTERVAL_S,
        keys_max: int = KEYS_MAX,
    ) -> None:
        self._merge = merge
        self._interval_s = interval_s
        self._keys_max = keys_max
        self._ready: dict[Key, Note] = {}
        # Keys that had a note lately: what waits for them, and when each may have the next.
        self._cooling: dict[Key, Note | None] = {}
        self._ends: deque[tuple[float, Key]] = deque()
        self.dropped = 0
        """Notes for which there was no room."""

    def __len__(self) -> int:
        """Keys that are known."""
        return len(self._ready) + len(self._cooling)

    def add(self, key: Key, note: Note, now: float) -> bool:
        """Have the note sent, with others of its key if need be. `now` in seconds, monotonic.

        Answers whether it is due now, and nothing of its key was before.
        """
        self._warm(now)
        if key in self._cooling:
            waiting = self._cooling[key]
            self._cooling[key] = note if waiting is None else self._merge(waiting, note)
        elif key in self._ready:
            self._ready[key] = self._merge(self._ready[key], note)
        elif len(self) >= self._keys_max:
            self.dropped += 1
        else:
            self._ready[key] = note
            return True
        return False

    def due(self, now: float, limit: int = AT_ONCE_MAX) -> Sequence[tuple[Key, Note]]:
        """At most `limit` notes that are to be sent now; they are not kept."""
        self._warm(now)
        taken = [(key, self._ready[key]) for key, _ in zip(self._ready, range(limit), strict=False)]
        for key, _ in taken:
            del self._ready[key]
            self._cooling[key] = None
            self._ends.append((now + self._interval_s, key))
        return taken

    def next_s(self, now: float) -> float | None:
        """In how many seconds there may be something due; None where nothing can be."""
        if self._ready:
            return 0.0
        return max(self._ends[0][0] - now, 0.0) if self._ends else None

    def _warm(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            _, key = self._ends.popleft()
            note = self._cooling.pop(key)
            if note is not None:
                self._ready[key] = note


async def wait_for_due(pace: Pace[Any, Any], wanted: asyncio.Event, clock: Clock) -> None:
    """Wait until something may be due. Whoever adds to the pace sets `wanted`; it is cleared."""
    wait_s = pace.next_s(clock.monotonic())
    wanted.clear()
    if wait_s is None:
        await wanted.wait()
    elif wait_s > 0:
        # What is added meanwhile may be due at once.
        with suppress(TimeoutError):
            async with asyncio.timeout(max(wait_s, GATHER_S)):
                await wanted.wait()


class Paced(Generic[Key, Note]):
    """Notes that are sent in the background, by `run`, for as long as that runs.

    `send` is given those that are due. Notes may get lost: where it raises StoreError,
    CommandRefused or TimeoutError, those that it had are not sent again.
    """

    def __init__(
        self,
        what: str,
        pace: Pace[Key, Note],
        clock: Clock,
        send: Callable[[Sequence[tuple[Key, Note]]], Awaitable[None]],
    ) -> None:
        self._pace = pace
        self._clock = clock
        self._send = send
        self._wanted = asyncio.Event()
        self._outage = Outage(logger, what)

    def add(self, key: Key, note: Note) -> None:
        """Have the note sent. Never waits."""
        # What has to wait is found when the intervals end that `run` waits for in any case.
        if self._pace.add(key, note, self._clock.monotonic()):
            self._wanted.set()

    async def run(self) -> None:
        """Send what is due for ever. Hosted by a task group; may be cancelled anywhere."""
        while True:
            await wait_for_due(self._pace, self._wanted, self._clock)
            await self.send_due()

    async def send_due(self) -> None:
        """Send what is due now."""
        notes = self._pace.due(self._clock.monotonic())
        if not notes:
            return
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._send(notes)
        except (StoreError, CommandRefused, TimeoutError) as error:
            self._outage.failed(error)
        except Exception:  # the boundary of one round: nothing of it was promised to anybody
            logger.exception("a round of hints could not be sent")
        else:
            self._outage.ended()
