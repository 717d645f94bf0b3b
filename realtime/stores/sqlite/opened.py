"""A database in use: its threads, and what is handed over to them."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from realtime.errors import StoreUnavailable
from realtime.rows import TABLES
from realtime.stores.base import Table
from realtime.stores.sqlite import schema
from realtime.stores.sqlite.database import Database
from realtime.stores.sqlite.jobs import JobQueue, Read, Write
from realtime.stores.sqlite.threads import Reader
from realtime.stores.sqlite.writer import Commits, Writer

T = TypeVar("T")

HOLD_S: Final = 0.003
"""How long after something short the writer is kept free for more of it, in seconds."""

HOLDS_MAX: Final = 4
"""How often that is waited for before each part of something long: of what is written in parts of a
hundred rows, 7,000 rows a second are, however much else there is."""


class Statistics(msgspec.Struct, frozen=True):
    """A snapshot. `pending` counts rows and other orders not answered yet; see `Commits`."""

    pending_rows: int
    pending_bytes: int
    pending_reads: int
    commits: Commits


class OpenDatabase:
    """What every part of the store stands on: one thread that writes, and some that read.

    What it promises is said by `realtime.stores.sqlite.store.SQLiteStore`.
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
        tables: Sequence[Table[Any]] = TABLES,
    ) -> None:
        """`busy_timeout_s`: how long to wait for another process that holds the file locked.

        `pending_max` rows and `pending_bytes_max` bytes of data may wait for the writer, and
        `reads_pending_max` reads for the readers; more is StoreUnavailable at once. `on_commit`
        is called on the loop with the rows and the seconds of each commit that has entries.
        `tables` are those that rows are kept in; what is missing of them is made by `open`.
        """
        self._database = Database(path, busy_timeout_s=busy_timeout_s, tables=tables)
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
        self._overwrote = False
        # One at a time of what takes long: what is short waits for one of them at most.
        self._long_read = asyncio.Lock()
        self._long_write = asyncio.Lock()
        self._short_at = float("-inf")
        """When something short was written last, or handed over to be."""

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

    # Handing over to the threads

    def _open_queue(self, jobs: JobQueue | None) -> JobQueue:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if jobs is None:
            raise StoreUnavailable("the store is not open")
        return jobs

    async def _read(self, run: Callable[[Any], T]) -> T:
        jobs = self._writes if self._database.in_memory else self._reads
        answered: T = await self._open_queue(jobs).submit(Read(run))
        return answered

    async def _write(self, run: Callable[[Any], T], *, rows: int = 1, size: int = 0) -> T:
        """`rows` and `size`, in bytes, are what it weighs."""
        self._overwrote = True
        self._note_short()
        answered: T = await self._open_queue(self._writes).submit(Write(run), rows=rows, size=size)
        self._note_short()
        return answered

    async def _write_part(self, run: Callable[[Any], object], *, rows: int, size: int) -> None:
        """A part of something long. Whoever has just written something short writes more in a
        moment, as a rule: it waits for that, HOLD_S at a time and HOLDS_MAX times at most."""
        async with self._long_write:
            for _ in range(HOLDS_MAX):
                if time.monotonic() - self._short_at > HOLD_S:
                    break
                await asyncio.sleep(HOLD_S)
            self._overwrote = True
            await self._open_queue(self._writes).submit(Write(run), rows=rows, size=size)

    def _note_short(self) -> None:
        self._short_at = time.monotonic()

    async def _write_alone(self, run: Callable[[Any], T]) -> T:
        """On the writer's connection, but in no transaction."""
        answered: T = await self._open_queue(self._writes).submit(Read(run))
        return answered
