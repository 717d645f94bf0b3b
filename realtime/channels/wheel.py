"""One timing wheel for the deadlines of all connections: pings, pongs, expiries.

A timer object per connection would cost more memory than the rest of an idle connection, and a heap
more time. A wheel of short slots holds each client once, at its next deadline. Firing may be up to
one slot late, never early; but a deadline beyond the wheel's round comes up at the round's end,
and the caller, who looks at its own deadlines anyway, schedules it again.
"""

import math
from collections.abc import Iterator
from typing import Final, Protocol

SLOTS: Final = 256
"""Slots of the wheel; at a quarter of a second each, a round covers the usual ping deadlines."""


class Timed(Protocol):
    """What the wheel holds; `slot` is the wheel's own, -1 when not on it."""

    slot: int


class Wheel:
    """Deadlines in slots of `width` seconds; `now` is an argument everywhere."""

    __slots__ = ("_at", "_slots", "width")

    def __init__(self, now: float, width: float = 0.25) -> None:
        self.width = width
        self._at = math.floor(now / width)
        self._slots: list[set[Timed]] = [set() for _ in range(SLOTS)]

    def __iter__(self) -> Iterator[Timed]:
        """Everything that is held, in no order."""
        for slot in self._slots:
            yield from slot

    def schedule(self, item: Timed, deadline: float) -> None:
        """Have `item` answered once `deadline` has passed, or a round has; moves it if held."""
        slots = self._slots
        if item.slot >= 0:
            slots[item.slot].discard(item)
        turn = math.ceil(deadline / self.width)
        at = self._at
        if turn <= at:
            turn = at + 1
        elif turn >= at + SLOTS:
            turn = at + SLOTS - 1
        item.slot = slot = turn % SLOTS
        slots[slot].add(item)

    def cancel(self, item: Timed) -> None:
        """Forget `item`; harmless if it is not held."""
        if item.slot >= 0:
            self._slots[item.slot].discard(item)
            item.slot = -1

    def advance(self, now: float) -> list[Timed]:
        """What has become due since the last call; each is off the wheel."""
        due: list[Timed] = []
        until = math.floor(now / self.width)
        for turn in range(self._at + 1, min(until, self._at + SLOTS) + 1):
            slot = self._slots[turn % SLOTS]
            if slot:
                due += slot
                slot.clear()
        for item in due:
            item.slot = -1
        self._at = max(self._at, until)
        return due
