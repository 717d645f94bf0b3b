"""The store on SQLite: the contracts of `realtime.stores.base` over one file or memory."""

import asyncio
import functools
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from realtime.model import Entry, NewEntry, Retention, Revocation
from realtime.stores.base import (
    MISSED_CHANNELS_MAX,
    Appended,
    Conflict,
    Grouping,
    Page,
    Swept,
)
from realtime.stores.sqlite import claims, reading, revocations
from realtime.stores.sqlite.changes import ChangesOnSQLite
from realtime.stores.sqlite.copying import backup, copy_from
from realtime.stores.sqlite.jobs import Append
from realtime.stores.sqlite.personal import PersonalDataOnSQLite
from realtime.stores.sqlite.retention import find_hidden, take_away, truncate
from realtime.stores.sqlite.scrubbing import empty_log
from realtime.stores.sqlite.tables import TablesOnSQLite


class SQLiteStore(ChangesOnSQLite, TablesOnSQLite, PersonalDataOnSQLite):
    """LogStore, ChangeStore, TableStore and the stores of base beside them: see base.

    One thread writes, in groups, with `synchronous=FULL`; `readers` threads read over connections
    of their own. A file belongs to one store at a time, by a lock beside it. `:memory:` has one
    connection, which the writer's thread reads over too, and survives nothing.

    What bounds a call: the queues' limits, `busy_timeout_s` for another process's lock, and
    `close_timeout_s` for `close`. Not a disk that never answers: nothing can interrupt a write to
    it, so its callers wait, or give up themselves, and soon the full queue refuses new ones.
    """

    # The log

    @property
    def grouping(self) -> Grouping:
        """See base: one transaction at a time, and the more it holds the better."""
        return Grouping(in_flight=1, mixed=True)

    async def append(self, batch: Sequence[NewEntry]) -> Sequence[Appended | Conflict]:
        """See base. Calls that wait together share one commit."""
        writes = self._open_queue(self._writes)
        if not batch:
            return []
        self._note_short()
        answered: Sequence[Appended | Conflict] = await writes.submit(
            Append(batch), rows=len(batch), size=sum([len(entry.data) for entry in batch])
        )
        self._note_short()
        return answered

    async def read(
        self,
        channel: str,
        *,
        after: int = 0,
        before: int = 0,
        limit: int,
        newest_first: bool = False,
        retention: Retention,
        now_ms: int,
    ) -> Page:
        """See base."""
        return await self._read(
            functools.partial(
                reading.read_page,
                channel=channel,
                after=after,
                before=before,
                limit=limit,
                newest_first=newest_first,
                retention=retention,
                now_ms=now_ms,
            )
        )

    async def missed(self, positions: Mapping[str, int], *, limit: int) -> Sequence[Entry]:
        """See base."""
        if len(positions) > MISSED_CHANNELS_MAX:
            raise ValueError(
                f"positions: {len(positions)} channels, at most {MISSED_CHANNELS_MAX} expected"
            )
        return await self._read(
            functools.partial(reading.read_missed, positions=dict(positions), limit=limit)
        )

    async def truncate(self, channel: str) -> None:
        """See base."""
        await self._write(lambda c: truncate(c, channel))

    async def sweep(
        self,
        retention: Callable[[str], Retention],
        *,
        now_ms: int,
        after: str = "",
        limit: int,
    ) -> Swept:
        """See base. A reader looks for what to take, so appends wait only for the taking.

        After a round in whose time anything was overwritten, by whomever, the write-ahead log is
        emptied, which has it still.
        """
        if limit <= 0:
            raise ValueError(f"limit: {limit}, a positive number expected")
        found = await self._read(
            lambda c: find_hidden(c, retention, now_ms=now_ms, after=after, limit=limit)
        )
        swept = Swept(0, found.next_channel)
        if found.deleted or found.blanked:
            swept = await self._write(lambda c: take_away(c, found))
        if swept.next_channel is None and self._overwrote and not self._database.in_memory:
            await self._empty_log()
        return swept

    async def _empty_log(self) -> None:
        # Before it is emptied, so that what is overwritten meanwhile is noticed.
        self._overwrote = emptied = False
        try:
            emptied = await self._write_alone(empty_log)
        finally:
            self._overwrote |= not emptied

    # What must survive a restart beside it

    async def revoke(self, revocation: Revocation) -> int:
        """See base."""
        return await self._write(lambda c: revocations.insert(c, revocation))

    async def revocations(self, *, after: int, limit: int, now_ms: int) -> Sequence[Revocation]:
        """See base."""
        return await self._read(
            lambda c: revocations.select(c, after=after, limit=limit, now_ms=now_ms)
        )

    async def claim(self, scope: str, key: str, digest: bytes, *, until_ms: int) -> bytes | None:
        """See base. The clock that says whether a claim's time has passed is the machine's."""
        now_ms = time.time_ns() // 1_000_000
        return await self._write(
            lambda c: claims.claim(c, scope, key, digest, until_ms=until_ms, now_ms=now_ms)
        )

    # Moving into another store

    async def channels(self, *, after: str, limit: int) -> Sequence[str]:
        """See base, CopySource."""
        return await self._read(lambda c: reading.read_names(c, after=after, limit=limit))

    async def entries(self, channel: str, *, after: int, limit: int) -> Sequence[Entry]:
        """See base, CopySource."""
        return await self.missed({channel: after}, limit=limit)

    # Copying itself

    async def backup(self, path: str) -> None:
        """See base. A single file, which needs no log beside it. Cancelling gives it up."""
        self._open_queue(self._writes)
        if self._database.in_memory:
            await self._write_alone(lambda c: copy_from(c, path))
            return
        cancelled = threading.Event()
        copying: asyncio.Future[None] = asyncio.get_running_loop().run_in_executor(
            None,
            functools.partial(backup, self._database.path, path, cancelled=cancelled.is_set),
        )
        self._backups[copying] = cancelled
        copying.add_done_callback(self._forget_backup)
        try:
            await asyncio.shield(copying)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def _forget_backup(self, copying: asyncio.Future[None]) -> None:
        del self._backups[copying]
        if not copying.cancelled():
            # Looked at, so that one whose caller has gone is not reported as never retrieved.
            copying.exception()
