"""The bounded queue between the event loop and a thread, and the answers on their way back."""

import asyncio
import queue
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from realtime.errors import StoreUnavailable
from realtime.model import NewEntry


@dataclass(frozen=True, slots=True)
class Append:
    """Append these entries; may share a transaction with others. Answers entry by entry."""

    entries: Sequence[NewEntry]


@dataclass(frozen=True, slots=True)
class Write:
    """Run this in the transaction that the writer has begun; may share it with others."""

    run: Callable[[sqlite3.Connection], object]


@dataclass(frozen=True, slots=True)
class Read:
    """Run this by itself, with no transaction open. It must not write."""

    run: Callable[[sqlite3.Connection], object]


@dataclass(slots=True, eq=False)
class Job:
    """An order, what it weighs, and the future that its caller waits for.

    `settled`: it was answered and weighs nothing any more. It belongs to the loop's thread. The
    future cannot tell, since a caller that gives up ends it too.
    """

    order: Append | Write | Read
    rows: int
    size: int
    future: asyncio.Future[Any]
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: a result, or an error."""

    job: Job
    result: object = None
    error: BaseException | None = None


class JobQueue:
    """Jobs in the order they came, at most `rows_max` rows and `bytes_max` bytes of them.

    `submit` and `close` belong to the loop's thread, `take`, `answer` and `abandon` to the threads
    that do the jobs. What waits is counted on the loop's side only, so nothing needs a lock.
    """

    def __init__(
        self,
        name: str,
        loop: asyncio.AbstractEventLoop,
        *,
        rows_max: int,
        bytes_max: int,
    ) -> None:
        self._name = name
        self._loop = loop
        self._rows_max = rows_max
        self._bytes_max = bytes_max
        self._rows = 0
        self._bytes = 0
        self._closed = False
        # Not bounded itself: `submit` refuses before it would grow too long.
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()

    @property
    def rows(self) -> int:
        """Rows that were submitted and not answered yet."""
        return self._rows

    @property
    def size(self) -> int:
        """Bytes of data that were submitted and not answered yet."""
        return self._bytes

    # On the loop

    def submit(
        self, order: Append | Write | Read, *, rows: int = 1, size: int = 0
    ) -> asyncio.Future[Any]:
        """Queue an order; the future gets its result. To cancel the future does not undo it.

        Raises StoreUnavailable at once when the queue is closed or full. A single order larger
        than the whole queue is taken when nothing else waits, or it could never be done.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._rows and (
            self._rows + rows > self._rows_max or self._bytes + size > self._bytes_max
        ):
            raise StoreUnavailable(
                f"the store's {self._name} has too much to do: {self._rows} rows of"
                f" {self._rows_max}, {self._bytes} bytes of {self._bytes_max} are waiting"
            )
        job = Job(order, rows, size, self._loop.create_future())
        self._rows += rows
        self._bytes += size
        self._waiting.put(job)
        return job.future

    def close(self) -> None:
        """Take no more; every thread ends after what is queued. Idempotent."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)

    def _settle(self, outcomes: Sequence[Outcome], then: Callable[[], None] | None) -> None:
        for outcome in outcomes:
            job = outcome.job
            if job.settled:
                continue
            job.settled = True
            self._rows -= job.rows
            self._bytes -= job.size
            if job.future.done():
                continue
            if outcome.error is not None:
                job.future.set_exception(outcome.error)
            else:
                job.future.set_result(outcome.result)
        if then is not None:
            then()

    def _refuse_all(self, reason: str, taken: Sequence[Job]) -> None:
        self._closed = True
        refused = list(taken)
        while True:
            try:
                job = self._waiting.get_nowait()
            except queue.Empty:
                break
            if job is not None:
                refused.append(job)
        # Other threads of this queue may be waiting for a job: they end too.
        self._waiting.put(None)
        self._settle([Outcome(job, error=StoreUnavailable(reason)) for job in refused], None)

    # On the threads

    def take(self, *, rows_max: int, bytes_max: int) -> list[Job]:
        """Wait for a job; answer it and what waits behind it, until either limit is reached.

        Empty when the queue is closed and done.
        """
        job = self._waiting.get()
        taken: list[Job] = []
        rows = size = 0
        while job is not None:
            taken.append(job)
            rows += job.rows
            size += job.size
            if rows >= rows_max or size >= bytes_max:
                return taken
            try:
                job = self._waiting.get_nowait()
            except queue.Empty:
                return taken
        # The mark of the end stays, for the next call and for the other threads.
        self._waiting.put(None)
        return taken

    def answer(self, outcomes: Sequence[Outcome], then: Callable[[], None] | None = None) -> None:
        """Hand outcomes to the loop, all in one call; `then` is called there after them."""
        self.call_on_loop(self._settle, outcomes, then)

    def abandon(self, reason: str, taken: Sequence[Job]) -> None:
        """The thread dies: refuse what it had taken, what is queued and whatever comes.

        Those of `taken` that were answered before keep their answers. The others may have been done
        or not, as base has it for a call that raises.
        """
        self.call_on_loop(self._refuse_all, reason, taken)

    def call_on_loop(self, function: Callable[..., object], *arguments: object) -> None:
        """Call it on the loop soon, or not at all if the loop is closed."""
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            # The loop was closed over our head: nobody is left who could hear the answer.
            if not self._loop.is_closed():
                raise
