"""Threads that own a connection: one that writes, a few that read."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Final

from realtime.stores.sqlite.failures import Failure, store_error
from realtime.stores.sqlite.jobs import Job, JobQueue, Outcome, Read

_JOIN_S: Final = 1.0


class DatabaseThread(threading.Thread):
    """Does a queue's jobs in order over a connection that no other thread touches.

    The connection is made for the first job, and again after an error that it did not survive.
    Subclasses say how many jobs they take at once and what is done with them. A daemon thread, so
    that a disk that never answers cannot keep the process from ending.
    """

    take_rows_max = 1
    take_bytes_max = 1

    def __init__(
        self,
        name: str,
        jobs: JobQueue,
        connect: Callable[[], sqlite3.Connection],
        *,
        path: str,
        reconnects: bool,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """`reconnects`: whether a broken connection may be replaced (not so in memory).

        `on_end` is called on the thread when its connection has been closed for good.
        """
        super().__init__(name=f"sqlite-{name}", daemon=True)
        self.path = path
        self._jobs = jobs
        self._connect = connect
        self._reconnects = reconnects
        self._on_end = on_end
        self._connection: sqlite3.Connection | None = None
        self._ended = asyncio.get_running_loop().create_future()

    async def wait_ended(self, timeout_s: float) -> bool:
        """Whether the thread ended in time. Its queue must have been closed before."""
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(self._ended)
        except TimeoutError:
            return False
        self.join(_JOIN_S)
        return True

    def run(self) -> None:
        """Serve until the queue ends. A thread that dies leaves no caller waiting."""
        taken: Sequence[Job] = ()
        try:
            while taken := self._jobs.take(
                rows_max=self.take_rows_max, bytes_max=self.take_bytes_max
            ):
                self.serve(taken)
        except BaseException:
            self._jobs.abandon(f"the store's thread {self.name} has died", taken)
            raise
        finally:
            self._disconnect()
            self._on_end()
            self._jobs.call_on_loop(self._note_end)

    def serve(self, jobs: Sequence[Job]) -> None:
        """Do the jobs and answer each of them, whatever happens."""
        for job in jobs:
            self.alone(job)

    def alone(self, job: Job) -> None:
        """Do a job that wants no transaction."""
        assert isinstance(job.order, Read), "only the writer takes orders that write"
        try:
            outcome = Outcome(job, job.order.run(self.connection()))
        except Exception as error:  # noqa: BLE001 - the thread's boundary: the caller gets it
            self.recover()
            outcome = Outcome(job, error=self.mapped(error))
        self._jobs.answer([outcome])

    def connection(self) -> sqlite3.Connection:
        """The thread's connection, made if there is none."""
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def mapped(self, error: Exception) -> Exception:
        """The error as its caller should see it; a mistake in what the caller gave stays itself."""
        if isinstance(error, Failure):
            return store_error(error, self.path)
        return error

    def recover(self) -> None:
        """Make the connection usable again: end its transaction, or let go of it."""
        if self._connection is None:
            return
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            if self._reconnects:
                self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _note_end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)


class Reader(DatabaseThread):
    """Reads, one job at a time, over a connection that cannot write."""
