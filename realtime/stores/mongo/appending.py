"""Appending: an insert at head + 1, as often as it takes.

What is waiting is inserted in rounds. A round inserts single entries of many channels together
and unordered, and several of one channel by themselves and in order, so that one that is refused
never leaves a hole. An entry that was refused is there already, by its key, or has lost the race
for its offset; a look at the keys and a look at the heads tell, and losers go into the next round.

An insert whose answer was lost is repeated with the same documents until it is answered: then it
is done, or it is found there under its own `_id`. That a look does not find it proves nothing,
since a look sees only what a majority has, so nothing is ever concluded from it but to try again.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from pymongo.errors import PyMongoError

from realtime.errors import StoreUnavailable
from realtime.model import NewEntry
from realtime.stores.base import Appended, Conflict
from realtime.stores.mongo.backoff import backoff_s
from realtime.stores.mongo.batches import Batch, Row, Turns
from realtime.stores.mongo.client import Database
from realtime.stores.mongo.concurrency import both, over
from realtime.stores.mongo.contention import Contention
from realtime.stores.mongo.failures import is_unknown, store_error
from realtime.stores.mongo.heads import TRUST_S, Heads
from realtime.stores.mongo.inserting import insert
from realtime.stores.mongo.stored import Stored, find_stored

INSERTS_MAX: Final = 16
"""Inserts that a store has under way at a time."""

_INSERT_S: Final = 1.5 * TRUST_S
"""How old a head may have become until an insert behind it begins, in seconds."""


class _Group(NamedTuple):
    """Rows of one insert. `pause_s`: how long to hold back before it, for the others' sake."""

    rows: Sequence[Row]
    ordered: bool
    pause_s: float


class _Tried(NamedTuple):
    """What a group's insert has done."""

    done: Sequence[Row]
    refused: Sequence[Row]
    failure: PyMongoError | None
    seconds: float


class _Ended(NamedTuple):
    """How a round ended for what still waits.

    `failure`: some outcome is unknown. `unsettled`: an offset is taken by what is not committed.
    `lost_s`: how long the slowest insert took that was refused something.
    """

    failure: PyMongoError | None = None
    unsettled: bool = False
    lost_s: float = 0.0


class Counts:
    """What has happened to appends since the store was made."""

    __slots__ = ("inserts", "lost_races", "rows", "unknown")

    def __init__(self) -> None:
        self.inserts = 0
        self.rows = 0
        self.lost_races = 0
        self.unknown = 0


class Appender:
    """Appends batches, several at once. `heads` and `contention` are shared with whoever reads."""

    def __init__(
        self,
        database: Database,
        heads: Heads,
        contention: Contention,
        *,
        append_for_s: float,
        on_commit: Callable[[int, float], None] | None,
    ) -> None:
        self.counts = Counts()
        self._database = database
        self._heads = heads
        self._contention = contention
        self._append_for_s = append_for_s
        self._on_commit = on_commit
        self._turns = Turns()
        self._inserts = asyncio.Semaphore(INSERTS_MAX)

    async def append(self, entries: Sequence[NewEntry]) -> list[Appended | Conflict]:
        """See base. Raises StoreUnavailable after `append_for_s`, PyMongoError at once for what
        no repetition can mend."""
        batch = Batch(entries)
        deadline = time.monotonic() + self._append_for_s
        async with self._turns.take(batch.waiting, deadline):
            failures = losses = 0
            while batch.waiting:
                try:
                    ended = await self._round(batch)
                except PyMongoError as error:
                    if not is_unknown(error):
                        raise
                    ended = _Ended(failure=error)
                if not batch.waiting:
                    break
                if ended.failure is not None or ended.unsettled:
                    self.counts.unknown += 1
                    failures, losses = failures + 1, 0
                    pause_s = backoff_s(failures)
                else:
                    failures, losses = 0, losses + 1
                    pause_s = self._contention.jitter_s(losses, ended.lost_s)
                if time.monotonic() + pause_s > deadline:
                    raise self._gave_up(ended.failure)
                await asyncio.sleep(pause_s)
        return batch.answers

    async def _round(self, batch: Batch) -> _Ended:
        """Insert all that waits, once."""
        await self._heads.learn(batch.waiting)
        tried = await over(self._groups(batch), self._try)
        for group in tried:
            batch.settle([(row, _stored(row)) for row in group.done])
        lost_s = max([group.seconds for group in tried if group.refused], default=0.0)
        refused = [row for group in tried for row in group.refused]
        doubtful = await self._outrun(refused, lost_s)
        await self._look_up(batch, doubtful)
        unsettled = False
        for row in refused:
            if row.settled:
                continue
            # Behind a head that has not moved is an entry that a majority does not have yet,
            # perhaps this one: time will tell.
            if self._heads.known(row.entry.channel) < row.document["o"]:
                unsettled = True
            else:
                self.counts.lost_races += 1
                self._contention.seen(row.entry.channel)
        return _Ended(
            next((group.failure for group in tried if group.failure is not None), None),
            unsettled,
            lost_s,
        )

    def _groups(self, batch: Batch) -> list[_Group]:
        """What waits, with offsets, divided into inserts."""
        groups: list[_Group] = []
        singles: list[Row] = []
        paused: list[Row] = []
        longest_s = 0.0
        for channel, rows in batch.waiting.items():
            head = self._heads.last(channel)
            for row in rows:
                row.place_behind(head)
                head = row.head
            pause_s = self._contention.pause_s(channel)
            if len(rows) > 1:
                groups.append(_Group(rows, True, pause_s))
            elif pause_s:
                paused += rows
                longest_s = max(longest_s, pause_s)
            else:
                singles += rows
        if singles:
            groups.append(_Group(singles, False, 0.0))
        if paused:
            groups.append(_Group(paused, False, longest_s))
        return groups

    async def _try(self, group: _Group) -> _Tried:
        if group.pause_s:
            await asyncio.sleep(group.pause_s)
        rows = group.rows
        async with self._inserts:
            begun = self._heads.clock()
            if not all(self._heads.is_fresh(row.entry.channel, _INSERT_S) for row in rows):
                # It has waited for long, or the process was stopped: the heads are read again.
                return _Tried((), (), None, 0.0)
            started = time.monotonic()
            inserted = await insert(
                self._database.entries, [row.document for row in rows], ordered=group.ordered
            )
            seconds = time.monotonic() - started
        done = [rows[index] for index in inserted.done]
        for row in done:
            self._heads.rise(row.entry.channel, row.head, at=begun)
        for channel in {row.entry.channel for row in done}:
            self._contention.appended(channel, seconds)
        self._note(len(done), seconds)
        return _Tried(done, [rows[index] for index in inserted.refused], inserted.failure, seconds)

    def _note(self, rows: int, seconds: float) -> None:
        self.counts.inserts += 1
        self.counts.rows += rows
        if rows and self._on_commit is not None:
            self._on_commit(rows, seconds)

    async def _outrun(self, refused: Sequence[Row], lost_s: float) -> Sequence[Row]:
        """Those that may have been refused for their key; the others lost a race for an offset.

        On a contended channel that is what has happened nearly always: if the head has moved, the
        key is looked at only when the entry is refused again. And who waits a moment hears of the
        head over the bus, and need not ask. So losing costs the store next to nothing.
        """
        racing: list[Row] = []
        doubtful: list[Row] = []
        for row in refused:
            row.refusals += 1
            contended = self._contention.is_contended(row.entry.channel)
            (racing if contended and row.refusals % 2 else doubtful).append(row)
        if not racing:
            return doubtful
        if self._behind(racing):
            await asyncio.sleep(self._contention.jitter_s(2, lost_s))
        await self._heads.catch_up(
            list(dict.fromkeys([row.entry.channel for row in self._behind(racing)]))
        )
        return doubtful + self._behind(racing)

    def _behind(self, rows: Sequence[Row]) -> list[Row]:
        """Rows whose offset nobody is known to have taken."""
        return [row for row in rows if self._heads.known(row.entry.channel) < row.document["o"]]

    async def _look_up(self, batch: Batch, refused: Sequence[Row]) -> None:
        """Answer those that are there, and catch up with the heads."""
        if not refused:
            return
        stored, _ = await both(
            find_stored(self._database.entries, self._database.pace, [row.key for row in refused]),
            self._heads.catch_up(list(dict.fromkeys([row.entry.channel for row in refused]))),
        )
        repeated = {row.entry.channel for row in refused if row.key in stored}
        # One that was there before seldom comes alone: a resent outbox costs a look, not a
        # refused insert for each.
        others = [row for channel in repeated for row in batch.waiting[channel]]
        others = [row for row in others if row.key not in stored]
        if others:
            stored.update(
                await find_stored(
                    self._database.entries, self._database.pace, [row.key for row in others]
                )
            )
        self._settle_stored(batch, [*refused, *others], stored)

    def _settle_stored(
        self, batch: Batch, rows: Iterable[Row], stored: dict[tuple[str, str, str], Stored]
    ) -> None:
        found = [(row, stored[row.key]) for row in rows if row.key in stored]
        for row, first in found:
            self._heads.rise(row.entry.channel, first.head)
        batch.settle(found)

    def _gave_up(self, failure: PyMongoError | None) -> StoreUnavailable:
        place = self._database.place
        reason = f"{place}: others were always faster" if failure is None else ""
        if failure is not None:
            reason = str(store_error(failure, place))
        return StoreUnavailable(f"{reason}; given up after {self._append_for_s:g} s")


def _stored(row: Row) -> Stored:
    """What has been stored, told by who stored it."""
    return Stored(row.head, row.entry.at, row.entry.digest, row.document["_id"])
