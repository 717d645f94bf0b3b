"""How far a node has delivered a channel's log, and the recent entries it still has.

Entries reach a node in any order, twice, or not at all: from its own commits, from the bus, from
the store. The cursor lets each through once, in order of offset:

- at position + 1: deliverable, and whatever was held behind it
- at or below the position: a repeat, dropped
- above: something is missing. It is held (a bounded number; the store has them all anyway), and
  `gap` says that the store must be asked for what follows the position.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from realtime.model import Entry, Retention

HELD_MAX: Final = 128
"""Entries held above a gap, per channel."""

TAIL_ENTRIES_MAX: Final = 512
"""Recent entries kept per channel to answer recoveries without the store."""

TAIL_BYTES_MAX: Final = 256 * 1024
"""Payload bytes of them per channel."""

_ENTRY_BYTES: Final = 300
"""What an entry weighs besides its payload, roughly."""


class TailBudget:
    """What the tails of all channels of a node may weigh together, in bytes.

    A channel that wants to grow its tail when the budget is used up shortens its own instead, so
    recoveries in busy channels go to the store sooner; nothing is lost by it.
    """

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0


class Cursor:
    """A channel's position on this node, with the tail behind it and the entries held above it."""

    __slots__ = ("_budget", "_held", "_tail", "_tail_bytes", "known", "position")

    def __init__(self, position: int, budget: TailBudget) -> None:
        self.position = position
        # The highest offset this node has heard of: `known > position` is a gap.
        self.known = position
        self._budget = budget
        self._tail: deque[Entry] | None = None
        self._tail_bytes = 0
        self._held: dict[int, Entry] | None = None

    def __repr__(self) -> str:
        held = len(self._held) if self._held else 0
        tail = len(self._tail) if self._tail else 0
        return f"<Cursor at {self.position} known={self.known} tail={tail} held={held}>"

    @property
    def gap(self) -> bool:
        """Whether something between the position and what was heard of is missing."""
        return self.known > self.position

    def offer(self, entry: Entry) -> list[Entry]:
        """What may be delivered now that `entry` came, in order; often just the entry."""
        offset = entry.offset
        if offset <= self.position:
            return []
        if offset > self.known:
            self.known = offset
        if offset > self.position + 1:
            if self._held is None:
                self._held = {}
            if len(self._held) < HELD_MAX:
                self._held[offset] = entry
            return []
        ready = [entry]
        if self._held:
            following = self._held.pop(offset + 1, None)
            while following is not None:
                ready.append(following)
                following = self._held.pop(following.offset + 1, None)
            if not self._held:
                self._held = None
        for item in ready:
            self._keep(item)
        self.position = ready[-1].offset
        return ready

    def fill(self, entries: Iterable[Entry]) -> list[Entry]:
        """What may be delivered now that the store answered with what follows the position.

        Entries must be in order. It stops short at a hole, or at a stub: retention has eaten part
        of the gap. Then `gap` still holds, and `skip` is the honest way on.
        """
        ready: list[Entry] = []
        for entry in entries:
            if entry.offset > self.position + 1 or entry.stub:
                self.known = max(self.known, entry.offset)
                if entry.offset > self.position:
                    break
                continue
            ready += self.offer(entry)
        return ready

    def heard(self, offset: int) -> None:
        """An entry with this offset exists, though it has not come."""
        self.known = max(self.known, offset)

    def skip(self, position: int) -> None:
        """Give up continuity and go on from `position`; the caller tells every subscriber."""
        self.forget_tail()
        self._held = None
        self.position = position
        self.known = max(self.known, position)

    def since(self, offset: int, retention: Retention, now_ms: int) -> list[Entry] | None:
        """Every entry after `offset` up to the position; None where the tail cannot tell.

        None also where retention hides one of them: only the store may admit that.
        """
        missing = self.position - offset
        if missing == 0:
            return []
        tail = self._tail
        if missing < 0 or tail is None or len(tail) < missing:
            return None
        oldest = tail[-missing]
        if retention.hides(oldest.offset, oldest.at, self.position, now_ms):
            return None
        return [tail[index] for index in range(-missing, 0)]

    def forget_tail(self) -> None:
        """Drop the tail: its entries are no longer to be shown, or the channel is closed here."""
        self._budget.used -= self._tail_bytes
        self._tail_bytes = 0
        self._tail = None

    def _keep(self, entry: Entry) -> None:
        tail = self._tail
        if tail is None:
            tail = self._tail = deque()
        weight = len(entry.data) + _ENTRY_BYTES
        tail.append(entry)
        self._tail_bytes += weight
        budget = self._budget
        budget.used += weight
        while (
            len(tail) > TAIL_ENTRIES_MAX
            or self._tail_bytes > TAIL_BYTES_MAX
            or (budget.used > budget.limit and len(tail) > 1)
        ) and tail:
            weight = len(tail.popleft().data) + _ENTRY_BYTES
            self._tail_bytes -= weight
            budget.used -= weight
