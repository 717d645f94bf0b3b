"""A batch on its way into the store: what of it waits, and what the rest is answered."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Sequence

from realtime.errors import StoreUnavailable
from realtime.model import NewEntry
from realtime.stores.base import Appended, Conflict
from realtime.stores.mongo.client import Document
from realtime.stores.mongo.documents import from_new
from realtime.stores.mongo.heads import Head
from realtime.stores.mongo.stored import Key, Stored, key_of


class Row:
    """An entry that waits for its place, and its document, which stays the same however often
    it is tried: only offset and n in it change."""

    __slots__ = ("document", "entry", "key", "refusals", "repeated", "settled")

    def __init__(self, entry: NewEntry, key: Key) -> None:
        self.entry = entry
        self.key = key
        self.document: Document = from_new(entry)
        self.refusals = 0
        self.settled = False
        # Other entries of the batch with the same key, and the first one's own place in it.
        self.repeated: list[tuple[int, NewEntry]] = []

    @property
    def head(self) -> Head:
        """What the channel's head is once this row is in its place."""
        return Head(self.document["o"], self.document["n"])

    def place_behind(self, head: Head) -> None:
        """Take the offset behind that of the head, and the n that follows from it."""
        self.document["o"] = head.offset + 1
        self.document["n"] = head.n + self.entry.counts


class Batch:
    """Rows by channel, in the batch's order, and the answers that are known so far."""

    def __init__(self, entries: Sequence[NewEntry]) -> None:
        self._answers: list[Appended | Conflict | None] = [None] * len(entries)
        self._places: dict[Key, int] = {}
        self.waiting: dict[str, list[Row]] = {}
        rows: dict[Key, Row] = {}
        for place, entry in enumerate(entries):
            key = key_of(entry)
            first = rows.get(key)
            if first is not None:
                first.repeated.append((place, entry))
                continue
            rows[key] = row = Row(entry, key)
            self._places[key] = place
            self.waiting.setdefault(entry.channel, []).append(row)

    @property
    def answers(self) -> list[Appended | Conflict]:
        """Every answer, once nothing waits."""
        return [answer for answer in self._answers if answer is not None]

    def settle(self, settled: Iterable[tuple[Row, Stored]]) -> None:
        """These rows are in the store, put there by this batch or before it."""
        touched: dict[str, set[Key]] = {}
        for row, stored in settled:
            row.settled = True
            own = stored.id == row.document["_id"]
            self._answers[self._places[row.key]] = (
                Appended(stored.head.offset, stored.at, n=stored.head.n)
                if own
                else stored.repeated_by(row.entry)
            )
            for place, entry in row.repeated:
                self._answers[place] = stored.repeated_by(entry)
            touched.setdefault(row.entry.channel, set()).add(row.key)
        for channel, keys in touched.items():
            left = [row for row in self.waiting[channel] if row.key not in keys]
            if left:
                self.waiting[channel] = left
            else:
                del self.waiting[channel]


class Turns:
    """One append at a time in each channel: this node does not race against itself."""

    def __init__(self) -> None:
        self._busy: dict[str, asyncio.Future[None]] = {}

    @contextlib.asynccontextmanager
    async def take(self, channels: Iterable[str], deadline: float) -> AsyncIterator[None]:
        """Wait until none of the channels is busy, then have them all for as long as it lasts.

        None is held while waiting for another, so nobody waits in a circle. Raises
        StoreUnavailable when the deadline, in `time.monotonic` seconds, has come.
        """
        names = list(channels)
        while busy := {self._busy[name] for name in names if name in self._busy}:
            left_s = deadline - time.monotonic()
            if left_s <= 0.0:
                raise StoreUnavailable("an append waited too long for those before it")
            await asyncio.wait(busy, timeout=left_s)
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._busy.update(dict.fromkeys(names, mine))
        try:
            yield
        finally:
            for name in names:
                del self._busy[name]
            mine.set_result(None)
