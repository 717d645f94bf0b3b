"""How far a node has delivered a channel's log, and the recent entries it still has.

Entries reach a node in any order, twice, or not at all: from its own commits, from the bus, from
the store. The cursor lets each through once, in order of offset:

- at position + 1: deliverable, and whatever was held behind it
- at or below the position: a repeat, dropped
- above: something is missing. It is held if there is room (the store has it anyway), and `gap`
  says that the store must be asked for what follows the position.

What is kept is the present truth: edits and deletes change it as they come (`stores.base.folding`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from realtime.model import Entry, Retention
from realtime.stores.base.folding import blanked, fold

HELD_MAX: Final = 128
"""Entries held above a gap, per channel."""

TAIL_ENTRIES_MAX: Final = 512
"""Recent entries kept per channel to answer recoveries without the store."""

TAIL_BYTES_MAX: Final = 256 * 1024
"""What they may weigh per channel, together with those that are held."""

ENTRY_BYTES: Final = 300
"""What an entry weighs besides its payload, roughly."""


class TailBudget:
    """What the cursors of a node may keep together, in bytes.

    Above the limit, those that began to keep entries first forget all of theirs. Nothing is lost
    by it: recoveries in their channels go to the store for a while.
    """

    __slots__ = ("_keeping", "limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        # Cursors that keep anything, in the order in which they began to.
        self._keeping: dict[Cursor, None] = {}

    def __repr__(self) -> str:
        return f"<TailBudget {self.used} of {self.limit} bytes in {len(self._keeping)} channels>"

    def add(self, cursor: Cursor) -> None:
        """The cursor begins to keep entries; it adds their weight to `used` itself."""
        self._keeping[cursor] = None

    def remove(self, cursor: Cursor) -> None:
        """The cursor keeps nothing any more; harmless if it never did."""
        self._keeping.pop(cursor, None)

    def shrink(self) -> None:
        """Have cursors forget what they keep until the rest is within the limit."""
        while self.used > self.limit:
            next(iter(self._keeping)).forget_tail()


class Cursor:
    """A channel's position on this node, with the tail behind it and the entries held above it."""

    __slots__ = ("_budget", "_held", "_kept_bytes", "_tail", "known", "position")

    def __init__(self, position: int, budget: TailBudget) -> None:
        self.position = position
        # The highest offset this node has heard of: `known > position` is a gap.
        self.known = position
        self._budget = budget
        self._tail: deque[Entry] | None = None
        self._held: dict[int, Entry] | None = None
        self._kept_bytes = 0

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
            self._hold(entry)
            return []
        ready = [entry] if self._held is None else self._release(entry)
        tail = self._tail
        if tail is None:
            tail = self._tail = deque()
            self._budget.add(self)
        kept = self._kept_bytes
        is_plain = self._held is None
        for item in ready:
            tail.append(item)
            kept += len(item.data) + ENTRY_BYTES
            if item.kind != "message":
                is_plain = False
        self.position = item.offset
        while len(tail) > TAIL_ENTRIES_MAX or (kept > TAIL_BYTES_MAX and tail):
            kept -= len(tail.popleft().data) + ENTRY_BYTES
        self._account(kept)
        if not is_plain:
            self._amend_by((*ready, *(self._held or {}).values()))
        return ready

    def fill(self, entries: Iterable[Entry]) -> list[Entry]:
        """What may be delivered now that the store answered with what follows the position.

        Entries must be in order. It stops short at a hole, or at a stub: retention has eaten part
        of the gap. Then `gap` still holds, and `skip` is the honest way on.
        """
        ready: list[Entry] = []
        for entry in entries:
            if entry.offset <= self.position:
                continue
            if entry.offset > self.position + 1 or entry.stub:
                self.heard(entry.offset)
                break
            ready += self.offer(entry)
        return ready

    def recall(self, entries: Sequence[Entry], head: int) -> None:
        """Keep what the store has shown of what is before the tail, as much as there is room for.

        So whoever asks next need not read it again. `entries` are the newest ones of the log when
        it ended at `head`, in order. Nothing happens where they do not reach up to the tail, or
        where one of them is missing or a stub: what follows that is kept.
        """
        held = tuple((self._held or {}).values())
        tail = self._tail if self._tail is not None else deque[Entry]()
        kept, before = self._kept_bytes, len(tail)
        expected = self.position - before
        for entry in reversed(entries):
            if entry.offset > expected:
                continue
            weight = len(entry.data) + ENTRY_BYTES
            is_full = len(tail) == TAIL_ENTRIES_MAX or kept + weight > TAIL_BYTES_MAX
            if entry.offset < expected or entry.stub or is_full:
                break
            tail.appendleft(entry)
            kept += weight
            expected -= 1
        if len(tail) == before:
            return
        if self._tail is None:
            self._tail = tail
            self._budget.add(self)
        self._account(kept)
        # What came since the store was read may have changed what it showed; and what a delete has
        # taken back may be in an edit that came after it, of which the tail knew only the edit.
        events = [
            entry for entry in (*tail, *held) if entry.offset > head or entry.kind == "delete"
        ]
        self._amend_by(events)

    def heard(self, offset: int) -> None:
        """An entry with this offset exists, though it has not come."""
        self.known = max(self.known, offset)

    def skip(self, position: int) -> None:
        """Give up continuity and go on from `position`; the caller tells every subscriber."""
        self.forget_tail()
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
        entries = [tail[index] for index in range(-missing, 0)]
        # By number the first goes first; by age it may be any, for the clocks of nodes differ.
        oldest = min(entry.at for entry in entries) if retention.ttl_ms else 0
        if retention.hides(offset + 1, oldest, self.position, now_ms):
            return None
        return entries

    def forget_tail(self) -> None:
        """Keep nothing: the entries are no longer to be shown, or the channel is closed here.

        What was held above a gap goes with it; the gap stays, and is filled from the store.
        """
        self._tail = None
        self._held = None
        self._budget.used -= self._kept_bytes
        self._kept_bytes = 0
        self._budget.remove(self)

    def _hold(self, entry: Entry) -> None:
        held = self._held
        if held is None:
            held = self._held = {}
            self._budget.add(self)
        if len(held) == HELD_MAX or entry.offset in held:
            return
        tail = self._tail
        weight = len(entry.data) + ENTRY_BYTES
        kept = self._kept_bytes + weight
        while kept > TAIL_BYTES_MAX and tail:
            kept -= len(tail.popleft().data) + ENTRY_BYTES
        if kept > TAIL_BYTES_MAX:
            kept -= weight
        else:
            held[entry.offset] = entry
        self._account(kept)
        self._amend_by((entry,))

    def _release(self, entry: Entry) -> list[Entry]:
        """The entry and what is held right behind it, which is held no longer."""
        ready = [entry]
        held = self._held or {}
        kept = self._kept_bytes
        while (following := held.pop(ready[-1].offset + 1, None)) is not None:
            ready.append(following)
            kept -= len(following.data) + ENTRY_BYTES
        if not held:
            self._held = None
        self._account(kept)
        return ready

    def _amend_by(self, entries: Iterable[Entry]) -> None:
        """Make of what is kept what the edits and deletes among these entries make of it.

        So that a recovery shows no message as it was before, nor, after its delete, what its edits
        said. Repeatedly does no harm.
        """
        for entry in entries:
            if entry.kind in ("edit", "delete"):
                self._amend(entry)

    def _amend(self, event: Entry) -> None:
        tail, held = self._tail or deque(), self._held or {}
        related = [
            (kept, place, entry)
            for kept, entries in ((tail, enumerate(tail)), (held, held.items()))
            for place, entry in entries
            if event.ref in (entry.offset, entry.ref)
        ]
        # Its message was deleted before it came.
        is_late = any(entry.kind == "delete" and entry is not event for _, _, entry in related)
        weight = self._kept_bytes
        for kept, place, entry in related:
            (after,) = fold([entry], [event])
            if is_late and entry.kind == "edit":
                after = blanked(after)
            kept[place] = after
            weight += len(after.data) - len(entry.data)
        self._account(weight)

    def _account(self, kept: int) -> None:
        """So many bytes are kept now; may cost this cursor all of them."""
        budget = self._budget
        budget.used += kept - self._kept_bytes
        self._kept_bytes = kept
        if budget.used > budget.limit:
            budget.shrink()
