"""The writer's group commit; when a commit fails there is no answer and no hole."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from realtime.errors import StoreError, StoreFull, StoreReadOnly, StoreUnavailable
from realtime.model import NewEntry
from realtime.stores.base import Appended, Conflict
from realtime.stores.sqlite.database import Database
from realtime.stores.sqlite.jobs import Append, JobQueue, Read, Write
from realtime.stores.sqlite.writer import GROUP_ROWS_MAX, Writer
from tests.support.log_entries import NOW, new_entries, new_entry


@dataclass
class Bench:
    """A writer at work on a file, whose thread a test can hold up."""

    path: str
    jobs: JobQueue
    writer: Writer
    commits: list[int] = field(default_factory=list)

    def append(self, *entries: NewEntry) -> asyncio.Future[Any]:
        return self.jobs.submit(Append(entries), rows=len(entries))

    async def execute(self, sql: str) -> Any:
        """Run a statement by itself on the writer's own connection; answers its first value."""
        return await self.jobs.submit(Read(lambda c: (c.execute(sql).fetchone() or [None])[0]))

    def hold(self) -> threading.Event:
        """Keep the writer busy, so that what is queued meanwhile is one group; set to let go."""
        release = threading.Event()
        self.jobs.submit(Read(lambda connection: release.wait(10)))
        return release

    async def offsets(self, channel: str) -> list[int]:
        """The stored offsets, seen over another connection."""
        other = sqlite3.connect(self.path)
        try:
            rows = other.execute(
                "SELECT e.offset FROM entries e JOIN channels c ON c.id = e.channel_id"
                " WHERE c.name = ? ORDER BY e.offset",
                (channel,),
            ).fetchall()
        finally:
            other.close()
        return [offset for (offset,) in rows]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    path = str(tmp_path / "store.db")
    database = Database(path, busy_timeout_s=0.05)
    jobs = JobQueue("writer", asyncio.get_running_loop(), rows_max=100_000, bytes_max=100_000_000)
    commits: list[int] = []
    writer = Writer(
        jobs,
        database.writer,
        path=path,
        reconnects=True,
        on_end=database.release,
        on_commit=lambda rows, seconds: commits.append(rows),
    )
    writer.start()
    bench = Bench(path, jobs, writer, commits)
    await bench.execute("SELECT 1")
    yield bench
    jobs.close()
    assert await writer.wait_ended(10)


# Group commit


async def test_calls_that_wait_together_share_one_commit(bench: Bench) -> None:
    release = bench.hold()
    waiting = [bench.append(new_entry("a", str(number))) for number in range(10)]
    release.set()
    answers = await asyncio.gather(*waiting)
    assert answers == [[Appended(offset, NOW)] for offset in range(1, 11)]
    assert bench.commits == [10]
    assert bench.writer.commits.commits == 1
    assert bench.writer.commits.rows == 10
    assert bench.writer.commits.last_s > 0


async def test_a_group_is_no_larger_than_its_limit(bench: Bench) -> None:
    release = bench.hold()
    waiting = [bench.append(*new_entries("a", 100, first=i)) for i in range(1, 1001, 100)]
    release.set()
    await asyncio.gather(*waiting)
    assert sum(bench.commits) == 1000
    assert max(bench.commits) < GROUP_ROWS_MAX + 100
    assert len(bench.commits) == 2


async def test_duplicates_across_calls_of_one_group_are_recognised(bench: Bench) -> None:
    release = bench.hold()
    waiting = [
        bench.append(new_entry("a", "1")),
        bench.append(new_entry("a", "2"), new_entry("a", "1")),
        bench.append(new_entry("a", "1", digest=b"other")),
    ]
    release.set()
    assert await asyncio.gather(*waiting) == [
        [Appended(1, NOW)],
        [Appended(2, NOW), Appended(1, NOW, duplicate=True)],
        [Conflict(1)],
    ]


async def test_appends_and_other_writes_share_a_commit_in_order(bench: Bench) -> None:
    def count(connection: sqlite3.Connection) -> int:
        (rows,) = connection.execute("SELECT count(*) FROM entries").fetchone()
        return int(rows)

    release = bench.hold()
    waiting = [
        bench.append(new_entry("a", "1")),
        bench.jobs.submit(Write(count)),
        bench.append(new_entry("a", "2"), new_entry("b", "1")),
        bench.jobs.submit(Write(count)),
        bench.append(new_entry("a", "1"), new_entry("a", "3")),
    ]
    release.set()
    assert await asyncio.gather(*waiting) == [
        [Appended(1, NOW)],
        1,
        [Appended(2, NOW), Appended(1, NOW)],
        3,
        [Appended(1, NOW, duplicate=True), Appended(3, NOW)],
    ]
    assert bench.commits == [5]


async def test_a_read_in_between_sees_what_was_queued_before_it(bench: Bench) -> None:
    release = bench.hold()
    first = bench.append(new_entry("a", "1"))
    count = asyncio.ensure_future(bench.execute("SELECT count(*) FROM entries"))
    await asyncio.sleep(0)
    bench.append(new_entry("a", "2"))
    release.set()
    await first
    assert await count == 1


# Failures: nothing is answered, nothing is lost, the next call works


async def test_when_a_commit_fails_nobody_in_its_group_is_acknowledged(bench: Bench) -> None:
    await bench.append(new_entry("a", "0"))
    await bench.execute("PRAGMA query_only = ON")
    release = bench.hold()
    waiting = [bench.append(new_entry("a", str(number))) for number in range(1, 4)]
    release.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreReadOnly] * 3
    assert await bench.offsets("a") == [1]
    await bench.execute("PRAGMA query_only = OFF")
    again = [await bench.append(new_entry("a", str(number))) for number in range(4)]
    assert again == [
        [Appended(1, NOW, duplicate=True)],
        [Appended(2, NOW)],
        [Appended(3, NOW)],
        [Appended(4, NOW)],
    ]


async def test_a_full_database_is_an_error_until_there_is_space(bench: Bench) -> None:
    await bench.append(new_entry("a", "0"))
    pages = await bench.execute("PRAGMA page_count")
    await bench.execute(f"PRAGMA max_page_count = {pages + 4}")
    large = [new_entry("a", str(number), data=b"x" * 60_000) for number in range(1, 3)]
    for _ in range(2):
        with pytest.raises(StoreFull, match="no space is left"):
            await bench.append(*large)
    assert await bench.offsets("a") == [1]
    await bench.execute("PRAGMA max_page_count = 1000000")
    assert await bench.append(*large) == [Appended(2, NOW), Appended(3, NOW)]
    assert await bench.offsets("a") == [1, 2, 3]


async def test_a_group_of_many_statements_fails_as_a_whole(bench: Bench) -> None:
    """The first chunks fit, a later one does not: none of them may stay."""
    pages = await bench.execute("PRAGMA page_count")
    await bench.execute(f"PRAGMA max_page_count = {pages + 40}")
    batch = [*new_entries("a", 300), new_entry("a", "large", data=b"x" * 200_000)]
    with pytest.raises(StoreFull):
        await bench.append(*batch)
    assert await bench.offsets("a") == []
    await bench.execute("PRAGMA max_page_count = 1000000")
    assert [answer.offset for answer in await bench.append(*batch)] == list(range(1, 302))


async def test_another_process_that_keeps_it_locked_is_an_error_for_now(bench: Bench) -> None:
    await bench.append(new_entry("a", "0"))
    other = sqlite3.connect(bench.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StoreUnavailable, match="another process holds it locked"):
            await bench.append(new_entry("a", "1"))
        with pytest.raises(StoreUnavailable):
            await bench.append(*new_entries("a", 100))
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert await bench.append(new_entry("a", "1")) == [Appended(2, NOW)]


async def test_heads_in_memory_are_not_believed_against_the_unique_index(bench: Bench) -> None:
    """Somebody wrote with another tool: the offset is taken, so the head is read again."""
    await bench.append(new_entry("a", "0"))
    other = sqlite3.connect(bench.path)
    other.execute(
        "INSERT INTO entries (channel_id, offset, sender, client_id, kind, digest, at, ref, data)"
        " VALUES (1, 2, 'x', 'x', 'message', x'', 0, 0, x'')"
    )
    other.commit()
    other.close()
    assert await bench.append(new_entry("a", "1")) == [Appended(3, NOW)]


async def test_one_callers_impossible_values_do_not_fail_the_others(bench: Bench) -> None:
    release = bench.hold()
    waiting = [
        bench.append(new_entry("a", "1")),
        bench.append(new_entry("a", "2", at=2**64)),
        bench.append(new_entry("a", "3", sender="\ud800")),
        bench.append(new_entry("a", "4", data=None)),  # type: ignore[arg-type] # what it is about
        bench.append(new_entry("a", "5")),
    ]
    release.set()
    first, large, surrogate, missing, last = await asyncio.gather(*waiting, return_exceptions=True)
    assert (first, last) == ([Appended(1, NOW)], [Appended(2, NOW)])
    assert isinstance(large, OverflowError)
    assert isinstance(surrogate, UnicodeEncodeError)
    assert isinstance(missing, StoreError)
    assert await bench.offsets("a") == [1, 2]


async def test_a_write_that_raises_is_rolled_back_and_told_to_its_caller(bench: Bench) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM entries")
        raise ZeroDivisionError

    await bench.append(new_entry("a", "1"))
    release = bench.hold()
    failing = bench.jobs.submit(Write(fail))
    appending = bench.append(new_entry("a", "2"))
    release.set()
    with pytest.raises(ZeroDivisionError):
        await failing
    assert await appending == [Appended(2, NOW)]
    assert await bench.offsets("a") == [1, 2]


async def test_a_connection_that_breaks_is_replaced(bench: Bench) -> None:
    await bench.append(new_entry("a", "1"))

    def break_it(connection: sqlite3.Connection) -> None:
        connection.close()
        connection.execute("SELECT 1")

    with pytest.raises(StoreError):
        await bench.jobs.submit(Write(break_it))
    assert await bench.append(new_entry("a", "2")) == [Appended(2, NOW)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_when_the_writer_dies_the_append_in_flight_is_refused_too(bench: Bench) -> None:
    """The append before it was committed and answered; it weighs nothing a second time."""

    def die(connection: sqlite3.Connection) -> None:
        raise SystemExit

    release = bench.hold()
    before = bench.append(new_entry("a", "1"))
    bench.jobs.submit(Read(lambda connection: None))
    in_flight = bench.append(*new_entries("a", 3, first=2))
    dying = bench.jobs.submit(Write(die))
    release.set()
    assert await asyncio.wait_for(before, 5) == [Appended(1, NOW)]
    for refused in (in_flight, dying):
        with pytest.raises(StoreUnavailable, match="sqlite-writer has died"):
            await asyncio.wait_for(refused, 5)
    assert (bench.jobs.rows, bench.jobs.size) == (0, 0)
    assert await bench.offsets("a") == [1]
