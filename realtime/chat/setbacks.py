"""Entries that a sweep could not fold: tried again later and later, so that others have their turn.

Remembered by the node that tried. Another one, or this one when it begins anew, tries for itself.
"""

from collections.abc import Iterable
from typing import Final

from realtime.chat.ports import Clock
from realtime.model import Entry

AGAIN_S: Final = 10.0
"""When an entry is tried again, in seconds; after each further try that fails twice as late."""

AGAIN_MAX_S: Final = 600.0
"""The longest that one waits for its next try, in seconds."""

REMEMBERED_MAX: Final = 2_000
"""Entries that a node remembers. Beyond them those that are first in order may be in the way of
others, which then wait for retries of their senders."""


class Setbacks:
    """What could not be folded, and when it is to be tried again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waits: dict[tuple[str, int], tuple[float, float]] = {}
        """How long each waits, and until when (monotonic), both in seconds."""

    def __len__(self) -> int:
        return len(self._waits)

    def is_due(self, entry: Entry) -> bool:
        """Whether the entry is to be tried now: it is new, or has waited for long enough."""
        _, until = self._waits.get(_key(entry), (0.0, 0.0))
        return until <= self._clock.monotonic()

    def put_aside(self, entry: Entry) -> bool:
        """Have an entry wait; answers whether it is remembered from now on for the first time."""
        key = _key(entry)
        waited = self._waits.get(key)
        if waited is None and len(self._waits) >= REMEMBERED_MAX:
            return False
        wait_s = AGAIN_S if waited is None else min(2 * waited[0], AGAIN_MAX_S)
        self._waits[key] = (wait_s, self._clock.monotonic() + wait_s)
        return waited is None

    def done(self, entry: Entry) -> None:
        """The entry was folded after all."""
        self._waits.pop(_key(entry), None)

    def keep_only(self, entries: Iterable[Entry]) -> None:
        """These are all that are left: whatever else is remembered was folded by somebody."""
        there = {_key(entry) for entry in entries}
        self._waits = {key: wait for key, wait in self._waits.items() if key in there}


def _key(entry: Entry) -> tuple[str, int]:
    return (entry.channel, entry.offset)
