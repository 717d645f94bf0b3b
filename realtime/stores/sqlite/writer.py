"""The one thread that writes, and its group commit."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Final

import msgspec

from realtime.errors import StoreError
from realtime.model import NewEntry
from realtime.stores.base import Appended, Conflict
from realtime.stores.sqlite.appending import Appender, Statement
from realtime.stores.sqlite.jobs import Append, Job, JobQueue, Outcome, Read, Write
from realtime.stores.sqlite.threads import DatabaseThread

GROUP_ROWS_MAX: Final = 512
"""A commit takes no more queued calls once it has that many rows."""

GROUP_BYTES_MAX: Final = 4_194_304
"""Nor once it has that many bytes of data, about 10 ms of writing."""


class Commits(msgspec.Struct, frozen=True, gc=False):
    """What the writer has committed since it was started. Only transactions with entries count.

    `rows` are the entries that were asked for, duplicates and conflicts included. `last_s` is how
    long the latest took, from the first statement to the commit's end.
    """

    commits: int = 0
    rows: int = 0
    last_s: float = 0.0


class Writer(DatabaseThread):
    """Commits in groups: whatever was queued while the last commit was in flight is the next one.

    Nothing is answered before its commit has ended. When a commit fails, none of its group is
    acknowledged; when it failed because of one caller's values, each call is tried by itself.
    """

    take_rows_max = GROUP_ROWS_MAX
    take_bytes_max = GROUP_BYTES_MAX

    def __init__(
        self,
        jobs: JobQueue,
        connect: Callable[[], sqlite3.Connection],
        *,
        path: str,
        reconnects: bool,
        on_end: Callable[[], None],
        on_commit: Callable[[int, float], None] | None,
    ) -> None:
        """`on_commit` is called on the loop with the rows and the seconds of each commit."""
        super().__init__("writer", jobs, connect, path=path, reconnects=reconnects, on_end=on_end)
        self.commits = Commits()
        self._on_commit = on_commit
        self._appender: Appender | None = None

    def serve(self, jobs: Sequence[Job]) -> None:
        """Commit the jobs in groups, in order; a read in between is done by itself."""
        for reads, run in groupby(jobs, lambda job: isinstance(job.order, Read)):
            if reads:
                super().serve(list(run))
            else:
                self._commit(list(run))

    def recover(self) -> None:
        """Drop what was planned too: after a rollback the heads in memory are wrong."""
        super().recover()
        if self._connection is None:
            self._appender = None
        elif self._appender is not None:
            self._appender.forget()

    def _commit(self, jobs: Sequence[Job]) -> None:
        started = time.perf_counter()
        try:
            results = self._transact(jobs)
        except Exception as error:  # noqa: BLE001 - the thread's boundary: the callers get it
            self.recover()
            if len(jobs) == 1 or _is_the_stores(error):
                self._jobs.answer([Outcome(job, error=self.mapped(error)) for job in jobs])
            else:
                for job in jobs:
                    self._commit([job])
        else:
            seconds = time.perf_counter() - started
            rows = sum(len(job.order.entries) for job in jobs if isinstance(job.order, Append))
            outcomes = [Outcome(*answered) for answered in zip(jobs, results, strict=True)]
            self._jobs.answer(outcomes, lambda: self._note(rows, seconds))

    def _note(self, rows: int, seconds: float) -> None:
        """Count a commit; on the loop, after its answers."""
        if not rows:
            return
        before = self.commits
        self.commits = Commits(before.commits + 1, before.rows + rows, seconds)
        if self._on_commit is not None:
            self._on_commit(rows, seconds)

    def _transact(self, jobs: Sequence[Job]) -> Sequence[object]:
        """Do the jobs in one transaction and answer their results.

        The first try expects no duplicate; a unique index that says otherwise makes the second.
        """
        connection = self.connection()
        if self._appender is None:
            self._appender = Appender(connection)
        try:
            return self._try(connection, self._appender, jobs, careful=False)
        except sqlite3.IntegrityError:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return self._try(connection, self._appender, jobs, careful=True)

    def _try(
        self,
        connection: sqlite3.Connection,
        appender: Appender,
        jobs: Sequence[Job],
        *,
        careful: bool,
    ) -> Sequence[object]:
        appends = [job.order for job in jobs if isinstance(job.order, Append)]
        if len(appends) == len(jobs):
            return _append_all(connection, appender, appends, careful=careful)
        results: list[object] = []
        connection.execute("BEGIN IMMEDIATE")
        for job in jobs:
            if isinstance(job.order, Append):
                plan = appender.plan(job.order.entries, careful=careful)
                _execute(connection, plan.statements)
                results.append(plan.results)
            else:
                assert isinstance(job.order, Write), "reads are done by themselves"
                results.append(job.order.run(connection))
        connection.execute("COMMIT")
        return results


def _is_the_stores(error: Exception) -> bool:
    """Whether the store failed, rather than somebody's values (a type or size SQLite refuses)."""
    if isinstance(error, sqlite3.OperationalError | OSError | StoreError):
        return True
    # Damage is reported by the base class itself, and only by it.
    return type(error) is sqlite3.DatabaseError


def _append_all(
    connection: sqlite3.Connection,
    appender: Appender,
    appends: Sequence[Append],
    *,
    careful: bool,
) -> Sequence[Sequence[Appended | Conflict]]:
    """Append several callers' entries as if they were one batch."""
    entries: Sequence[NewEntry] = appends[0].entries
    if len(appends) > 1:
        entries = [entry for append in appends for entry in append.entries]
    statements, results = appender.plan(entries, careful=careful)
    if len(statements) == 1:
        # A statement outside a transaction is one by itself: two fewer to hand over the lock for.
        _execute(connection, statements)
    elif statements:
        connection.execute("BEGIN IMMEDIATE")
        _execute(connection, statements)
        connection.execute("COMMIT")
    return list(_split(results, appends))


def _execute(connection: sqlite3.Connection, statements: Sequence[Statement]) -> None:
    for sql, values in statements:
        connection.execute(sql, values)


def _split(
    results: Sequence[Appended | Conflict], appends: Sequence[Append]
) -> Iterator[Sequence[Appended | Conflict]]:
    start = 0
    for append in appends:
        yield results[start : start + len(append.entries)]
        start += len(append.entries)
