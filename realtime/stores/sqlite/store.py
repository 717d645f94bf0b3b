"""The store on SQLite: the contracts of `realtime.stores.base` over one file or memory."""

import asyncio
import functools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from realtime.errors import StoreUnavailable
from realtime.model import Entry, NewEntry, Retention, Revocation
from realtime.stores.base import (
    MISSED_CHANNELS_MAX,
    Appended,
    Conflict,
    Grouping,
    Page,
    Swept,
)
from realtime.stores.sqlite import claims, reading, revocations, schema
from realtime.stores.sqlite.copying import backup, copy_from
from realtime.stores.sqlite.database import Database
from realtime.stores.sqlite.jobs import Append, JobQueue, Read, Write
from realtime.stores.sqlite.retention import find_hidden, take_away, truncate
from realtime.stores.sqlite.threads import Reader
from realtime.stores.sqlite.writer import Commits, Writer

_T = TypeVar("_T")


class Statistics(msgspec.Struct, frozen=True):
    """A snapshot. `pending` counts rows and other orders not answered yet; see `Commits`."""

    pending_rows: int
    pending_bytes: int
    pending_reads: int
    commits: Commits


class SQLiteStore:
    """LogStore, RevocationStore, IdempotencyStore, BackupStore and CopySource: see base.

    One thread writes, in groups, with `synchronous=FULL`; `readers` threads read over connections
    of their own. A file belongs to one store at a time, by a lock beside it. `:memory:` has one
    connection, which the writer's thread reads over too, and survives nothing.

    What bounds a call: the queues' limits, `busy_timeout_s` for another process's lock, and
    `close_timeout_s` for `close`. Not a disk that never answers: nothing can interrupt a write to
    it, so its callers wait, or give up themselves, and soon the full queue refuses new ones.
    """

    def __init__(
        self,
        path: str,
        *,
        busy_timeout_s: float = 5.0,
        pending_max: int = 20_000,
        pending_bytes_max: int = 67_108_864,
        reads_pending_max: int = 10_000,
        readers: int = 2,
        close_timeout_s: float = 10.0,
        on_commit: Callable[[int, float], None] | None = None,
    ) -> None:
        """`busy_timeout_s`: how long to wait for another process that holds the file locked.

        `pending_max` rows and `pending_bytes_max` bytes of data may wait for the writer, and
        `reads_pending_max` reads for the readers; more is StoreUnavailable at once. `on_commit`
        is called on the loop with the rows and the seconds of each commit that has entries.
        """
        self._database = Database(path, busy_timeout_s=busy_timeout_s)
        self._pending_max = pending_max
        self._pending_bytes_max = pending_bytes_max
        self._reads_pending_max = reads_pending_max
        self._readers_count = 0 if self._database.in_memory else max(readers, 1)
        self._close_timeout_s = close_timeout_s
        self._on_commit = on_commit
        self._epoch = ""
        self._closed = False
        self._writes: JobQueue | None = None
        self._reads: JobQueue | None = None
        self._writer: Writer | None = None
        self._readers: list[Reader] = []
        self._backups: dict[asyncio.Future[None], threading.Event] = {}

    # Opening and closing

    @property
    def epoch(self) -> str:
        """See base."""
        if not self._epoch:
            raise StoreUnavailable("the store is not open")
        return self._epoch

    async def open(self) -> None:
        """See base. The writer's thread does it, so a slow disk does not hold up the loop."""
        if self._writer is not None or self._closed:
            raise StoreUnavailable("a store is opened once")
        self._start()
        path = self._database.path
        try:
            self._epoch = await self._write_alone(lambda c: schema.epoch(c, path))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """See base. Queued appends are committed first; the write-ahead log is folded in.

        Raises StoreUnavailable if a thread does not end within the timeout. Cancelling it is
        safe: call it again.
        """
        self._closed = True
        if self._writer is None or self._writes is None or self._reads is None:
            return
        for cancelled in self._backups.values():
            cancelled.set()
        deadline = time.monotonic() + self._close_timeout_s
        if self._backups:
            await asyncio.wait(self._backups, timeout=self._close_timeout_s)
        # Readers first: the log is folded in when the last connection is closed, the writer's.
        self._reads.close()
        for reader in self._readers:
            await self._wait_ended(reader, deadline)
        self._writes.close()
        await self._wait_ended(self._writer, deadline)

    def statistics(self) -> Statistics:
        """How much waits and what has been committed, now."""
        return Statistics(
            pending_rows=self._writes.rows if self._writes else 0,
            pending_bytes=self._writes.size if self._writes else 0,
            pending_reads=self._reads.rows if self._reads else 0,
            commits=self._writer.commits if self._writer else Commits(),
        )

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._writes = JobQueue(
            "writer", loop, rows_max=self._pending_max, bytes_max=self._pending_bytes_max
        )
        self._reads = JobQueue("readers", loop, rows_max=self._reads_pending_max, bytes_max=1)
        path, in_memory = self._database.path, self._database.in_memory
        self._writer = Writer(
            self._writes,
            self._database.writer,
            path=path,
            reconnects=not in_memory,
            on_end=self._database.release,
            on_commit=self._on_commit,
        )
        self._writer.start()
        for number in range(self._readers_count):
            reader = Reader(
                f"reader-{number}", self._reads, self._database.reader, path=path, reconnects=True
            )
            self._readers.append(reader)
            reader.start()

    async def _wait_ended(self, thread: Reader | Writer, deadline: float) -> None:
        if not await thread.wait_ended(max(deadline - time.monotonic(), 0.0)):
            raise StoreUnavailable(
                f"database {self._database.path}: {thread.name} did not finish within"
                f" {self._close_timeout_s} s"
            )

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
        answered: Sequence[Appended | Conflict] = await writes.submit(
            Append(batch), rows=len(batch), size=sum([len(entry.data) for entry in batch])
        )
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
        """See base. A reader looks for what to take, so appends wait only for the taking."""
        if limit <= 0:
            raise ValueError(f"limit: {limit}, a positive number expected")
        found = await self._read(
            lambda c: find_hidden(c, retention, now_ms=now_ms, after=after, limit=limit)
        )
        if not found.deleted and not found.blanked:
            return Swept(0, found.next_channel)
        return await self._write(lambda c: take_away(c, found))

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

    # Handing over to the threads

    def _open_queue(self, jobs: JobQueue | None) -> JobQueue:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if jobs is None:
            raise StoreUnavailable("the store is not open")
        return jobs

    async def _read(self, run: Callable[[Any], _T]) -> _T:
        jobs = self._writes if self._database.in_memory else self._reads
        answered: _T = await self._open_queue(jobs).submit(Read(run))
        return answered

    async def _write(self, run: Callable[[Any], _T]) -> _T:
        answered: _T = await self._open_queue(self._writes).submit(Write(run))
        return answered

    async def _write_alone(self, run: Callable[[Any], _T]) -> _T:
        """On the writer's connection, but in no transaction."""
        answered: _T = await self._open_queue(self._writes).submit(Read(run))
        return answered
