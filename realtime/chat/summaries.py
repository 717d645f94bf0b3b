"""What others have added to a message, counted again from its rows, and put on its entry.

Counted and not added up, because an event may be folded twice, or late. Several nodes may count the
same message at the same time, and whoever saw more must win, whoever writes last. Nothing else
being at hand, the rows say how much somebody saw: they only ever come to be, or to be of later
events, so the sum of their offsets only grows, and of two counts the one with the greater sum saw
all that the other did. Whoever has removed rows after all says so: `Summaries.recount`.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from realtime.chat.ports import ChatStore, Clock
from realtime.chat.views import Summary
from realtime.rows import PINS, REACTIONS, REFERENCES, WORK
from realtime.stores.base import Key, Removal, Row, Span, Table, Write

PAGE_ROWS: Final = 1_000
"""Rows that one read asks for."""

COUNTED_ROWS_MAX: Final = 100_000
"""Rows of one message that are counted; with more of them its summary stays as it is."""

BUSY_ROWS: Final = 200
"""Rows above which a message is counted again only after as many milliseconds."""

BUSY_MAX: Final = 1_000
"""Such messages that a node remembers."""

MARKS_SWEPT_MAX: Final = 100
"""Messages that one sweep counts."""

REMOVED: Final = 1 << 40
"""What a recount is ahead of one before it, whatever was removed: offsets are far below it."""

RECOUNT: Final = "recount"
"""`WorkRow.kind` of a message that is still to be counted."""

GONE: Final = "gone"
"""`ReferenceRow.kind` of a reply that has been deleted."""

_encode: Final = msgspec.json.Encoder(order="sorted").encode


class TooMany(Exception):
    """A message has more rows than are counted."""


class _Flight:
    """Counts of one message. `begun` and `finished` number them, `waiting` wait for one."""

    __slots__ = ("begun", "finished", "lock", "waiting")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.begun = 0
        self.finished = 0
        self.waiting = 0


class Summaries:
    """Counts messages. On each node, one count of a message at a time serves all who wait for it.

    A message with many rows is not counted for each of them: a mark is left in the store, and
    `sweep` counts it when its time has come.
    """

    def __init__(self, store: ChatStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._flights: dict[tuple[str, int], _Flight] = {}
        self._busy: OrderedDict[tuple[str, int], float] = OrderedDict()
        """Until when (monotonic, s) a message is not counted again."""

    async def refresh(self, channel: str, ref: int, *, by: int) -> None:
        """Have the entry at `ref` show what its rows say now, that of the event `by` among them.

        To be called once that row is written. Raises StoreError.
        """
        if self._clock.monotonic() < self._busy.get((channel, ref), 0.0):
            await self._store.write(
                [Write(WORK, (RECOUNT, f"{ref}:{channel}"), set={"state": b"%d" % by})]
            )
        else:
            await self._count(channel, ref)

    async def recount(self, channel: str, ref: int) -> None:
        """The same where rows of the message were removed. Raises StoreError."""
        nobody = (channel, ref, "", "")
        await self._store.write([Write(REACTIONS, nobody, add={"offset": REMOVED})])
        await self._count(channel, ref)

    async def sweep(self) -> None:
        """Count what was marked. Raises StoreError."""
        marks = await self._store.find(WORK, Span((RECOUNT,)), limit=MARKS_SWEPT_MAX)
        for mark in marks:
            ref, _, channel = mark.id.partition(":")
            if self._clock.monotonic() < self._busy.get((channel, int(ref)), 0.0):
                continue
            await self._count(channel, int(ref))
            # Unless somebody has marked it again, whose row may have come after the count.
            await self._store.write(
                [Removal(WORK, (RECOUNT, mark.id), equals={"state": mark.state})]
            )

    async def _count(self, channel: str, ref: int) -> None:
        """Count once, or wait for a count that began after this was called."""
        place = (channel, ref)
        flight = self._flights.setdefault(place, _Flight())
        wanted = flight.begun + 1
        flight.waiting += 1
        try:
            async with flight.lock:
                if flight.finished < wanted:
                    flight.begun += 1
                    await self._summarise(channel, ref)
                    flight.finished = flight.begun
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                del self._flights[place]

    async def _summarise(self, channel: str, ref: int) -> None:
        begun = self._clock.monotonic()
        try:
            summary, seen, rows = await self._read(channel, ref)
        except TooMany:
            rows = COUNTED_ROWS_MAX
        else:
            await self._store.summarise(channel, ref, _encode(summary), by=seen)
        if rows > BUSY_ROWS:
            self._busy[channel, ref] = begun + rows / 1_000
            self._busy.move_to_end((channel, ref))
            if len(self._busy) > BUSY_MAX:
                self._busy.popitem(last=False)

    async def _read(self, channel: str, ref: int) -> tuple[Summary, int, int]:
        """The summary, the sum of the offsets that it is made of, and of how many rows."""
        reactions: dict[str, int] = {}
        replies = last_reply = seen = rows = 0
        pinned = False
        async for reaction in _all(self._store, REACTIONS, (channel, ref)):
            rows += 1
            seen += reaction.offset
            if reaction.shown:
                reactions[reaction.emoji] = reactions.get(reaction.emoji, 0) + 1
        async for reference in _all(self._store, REFERENCES, (channel, ref)):
            rows += 1
            seen += reference.offset
            if reference.kind == "message":
                replies += 1
                last_reply = reference.offset
            elif reference.kind == GONE:
                seen += reference.offset  # counts as later than the reply that it was
        for pin in await self._store.get(PINS, [(channel, ref)]):
            seen += pin.offset
            pinned = pin.pinned == 1
        return Summary(reactions, replies, last_reply, pinned), seen, rows


async def _all(store: ChatStore, table: Table[Row], equal: Key) -> AsyncIterator[Any]:
    """The rows whose first fields are these. Raises TooMany above COUNTED_ROWS_MAX."""
    spans = [Span(equal)]
    for _ in range(COUNTED_ROWS_MAX // PAGE_ROWS):
        page = await store.find(table, *spans, limit=PAGE_ROWS)
        for row in page:
            yield row
        if len(page) < PAGE_ROWS:
            return
        key = table.key_of(page[-1])
        # Behind the last row: the rest of each run that it is in, from the innermost.
        spans = [Span(key[:end], after=key[end]) for end in range(len(equal), len(key))]
    raise TooMany
