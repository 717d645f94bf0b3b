"""Threads answer every job and end when they are told to, whatever happens to their connection."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable

import pytest

from realtime.errors import StoreCorrupt, StoreError, StoreUnavailable
from realtime.stores.sqlite.jobs import JobQueue, Read
from realtime.stores.sqlite.threads import Reader


def memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def reader(
    connect: Callable[[], sqlite3.Connection] = memory,
    on_end: Callable[[], None] = lambda: None,
) -> tuple[JobQueue, Reader]:
    jobs = JobQueue("readers", asyncio.get_running_loop(), rows_max=100, bytes_max=1)
    thread = Reader("reader", jobs, connect, path="x", reconnects=True, on_end=on_end)
    thread.start()
    return jobs, thread


async def test_a_job_is_answered_and_the_thread_ends_on_close() -> None:
    ended: list[str] = []
    jobs, thread = reader(on_end=lambda: ended.append("end"))
    answer = await jobs.submit(Read(lambda c: c.execute("SELECT 1").fetchone()))
    assert answer == (1,)
    jobs.close()
    assert await thread.wait_ended(5)
    assert ended == ["end"]
    assert not thread.is_alive()


async def test_a_connection_that_cannot_be_made_is_an_error_and_tried_again() -> None:
    tries: list[int] = []

    def connect() -> sqlite3.Connection:
        tries.append(1)
        if len(tries) == 1:
            raise FileNotFoundError(2, "No such file or directory")
        return memory()

    jobs, thread = reader(connect)
    with pytest.raises(StoreUnavailable, match="does not exist"):
        await jobs.submit(Read(lambda c: 1))
    assert await jobs.submit(Read(lambda c: 1)) == 1
    jobs.close()
    assert await thread.wait_ended(5)


async def test_an_error_of_the_database_is_mapped_and_the_next_job_works() -> None:
    def corrupt(connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN")
        raise StoreCorrupt("damaged")

    jobs, thread = reader()
    with pytest.raises(StoreCorrupt, match="damaged"):
        await jobs.submit(Read(corrupt))
    with pytest.raises(StoreError, match="no such table"):
        await jobs.submit(Read(lambda c: c.execute("SELECT * FROM absent")))
    assert await jobs.submit(Read(lambda c: c.in_transaction)) is False
    jobs.close()
    assert await thread.wait_ended(5)


async def test_a_mistake_in_a_job_is_told_to_its_caller() -> None:
    jobs, thread = reader()
    with pytest.raises(ZeroDivisionError):
        await jobs.submit(Read(lambda c: 1 // 0))
    jobs.close()
    assert await thread.wait_ended(5)


async def test_a_thread_that_is_busy_does_not_end_in_time() -> None:
    jobs, thread = reader()
    release = threading.Event()
    waiting = jobs.submit(Read(lambda c: release.wait(10)))
    jobs.close()
    assert not await thread.wait_ended(0.01)
    release.set()
    assert await waiting
    assert await thread.wait_ended(5)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_when_a_thread_dies_its_callers_do_not_wait_for_ever() -> None:
    jobs, thread = reader()

    def die(connection: sqlite3.Connection) -> None:
        raise SystemExit

    release = threading.Event()
    held = jobs.submit(Read(lambda c: release.wait(10)))
    in_flight = jobs.submit(Read(die))
    behind = jobs.submit(Read(lambda c: 1))
    release.set()
    assert await held
    for refused in (in_flight, behind):
        with pytest.raises(StoreUnavailable, match="has died"):
            await asyncio.wait_for(refused, 5)
    assert jobs.rows == 0
    with pytest.raises(StoreUnavailable):
        jobs.submit(Read(lambda c: 1))
    assert await thread.wait_ended(5)
