"""The queue to a thread: bounded, in order, and it never keeps a caller waiting for nothing."""

import asyncio
import threading

import pytest

from realtime.errors import StoreUnavailable
from realtime.stores.sqlite.jobs import Append, Job, JobQueue, Outcome, Read

ORDER = Append(())


def queue(*, rows_max: int = 10, bytes_max: int = 1000) -> JobQueue:
    return JobQueue("writer", asyncio.get_running_loop(), rows_max=rows_max, bytes_max=bytes_max)


def take(jobs: JobQueue, *, rows_max: int = 100, bytes_max: int = 10_000) -> list[Job]:
    return jobs.take(rows_max=rows_max, bytes_max=bytes_max)


async def test_jobs_are_taken_in_order_all_at_once() -> None:
    jobs = queue()
    futures = [jobs.submit(ORDER) for _ in range(3)]
    assert [job.future for job in take(jobs)] == futures


async def test_taking_stops_at_either_limit() -> None:
    jobs = queue(rows_max=100)
    for _ in range(5):
        jobs.submit(ORDER, rows=2, size=10)
    assert len(take(jobs, rows_max=3)) == 2
    assert len(take(jobs, bytes_max=20)) == 2
    assert len(take(jobs)) == 1


async def test_more_rows_than_the_limit_are_refused_at_once() -> None:
    jobs = queue(rows_max=10)
    jobs.submit(ORDER, rows=8)
    with pytest.raises(StoreUnavailable, match="8 rows of 10, 0 bytes of 1000 are waiting"):
        jobs.submit(ORDER, rows=3)
    jobs.submit(ORDER, rows=2)
    assert jobs.rows == 10


async def test_more_bytes_than_the_limit_are_refused_at_once() -> None:
    jobs = queue(bytes_max=100)
    jobs.submit(ORDER, size=60)
    with pytest.raises(StoreUnavailable):
        jobs.submit(ORDER, size=41)
    assert jobs.size == 60


async def test_an_order_larger_than_the_queue_is_taken_when_nothing_else_waits() -> None:
    jobs = queue(rows_max=10)
    jobs.submit(ORDER, rows=50)
    with pytest.raises(StoreUnavailable):
        jobs.submit(ORDER)


async def test_an_answer_makes_room_again_even_if_nobody_waits_for_it() -> None:
    jobs = queue(rows_max=2)
    kept, given_up = jobs.submit(ORDER, size=5), jobs.submit(ORDER, size=5)
    given_up.cancel()
    jobs.answer([Outcome(job, result="done") for job in take(jobs)])
    assert await kept == "done"
    assert (jobs.rows, jobs.size) == (0, 0)


async def test_all_outcomes_arrive_before_what_follows_them() -> None:
    jobs = queue()
    futures = [jobs.submit(ORDER) for _ in range(3)]
    seen: list[bool] = []
    jobs.answer(
        [Outcome(job) for job in take(jobs)], lambda: seen.extend(f.done() for f in futures)
    )
    await asyncio.gather(*futures)
    assert seen == [True, True, True]


async def test_an_error_reaches_its_caller() -> None:
    jobs = queue()
    future = jobs.submit(ORDER)
    jobs.answer([Outcome(take(jobs)[0], error=StoreUnavailable("away"))])
    with pytest.raises(StoreUnavailable, match="away"):
        await future


async def test_closing_lets_queued_jobs_be_taken_and_each_thread_end() -> None:
    jobs = queue()
    jobs.submit(ORDER)
    jobs.close()
    jobs.close()
    assert len(take(jobs)) == 1
    assert take(jobs) == []
    assert take(jobs) == []


async def test_nothing_is_taken_in_after_closing() -> None:
    jobs = queue()
    jobs.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        jobs.submit(Read(lambda connection: None))


async def test_taking_waits_for_a_job() -> None:
    jobs = queue()
    taken: list[Job] = []
    thread = threading.Thread(target=lambda: taken.extend(take(jobs)))
    thread.start()
    future = jobs.submit(ORDER)
    thread.join(5)
    assert [job.future for job in taken] == [future]


async def test_a_dead_threads_callers_are_told_now_and_later() -> None:
    jobs = queue()
    waiting = [jobs.submit(ORDER) for _ in range(2)]
    jobs.abandon("the thread has died", [])
    for future in waiting:
        with pytest.raises(StoreUnavailable, match="died"):
            await asyncio.wait_for(future, 5)
    with pytest.raises(StoreUnavailable):
        jobs.submit(ORDER)
    assert jobs.rows == 0


async def test_a_dead_threads_jobs_in_flight_are_answered_and_weigh_nothing_once() -> None:
    """One was answered before, one was given up by its caller, one nobody would ever answer."""
    jobs = queue()
    answered, given_up, in_flight = [jobs.submit(ORDER, rows=2, size=5) for _ in range(3)]
    taken = take(jobs)
    jobs.answer([Outcome(taken[0], result="done")])
    given_up.cancel()
    jobs.abandon("the thread has died", taken)
    with pytest.raises(StoreUnavailable, match="died"):
        await asyncio.wait_for(in_flight, 5)
    assert await answered == "done"
    assert (jobs.rows, jobs.size) == (0, 0)


async def test_an_answer_after_the_refusal_changes_nothing() -> None:
    jobs = queue()
    future = jobs.submit(ORDER, rows=2, size=5)
    taken = take(jobs)
    jobs.abandon("the thread has died", taken)
    jobs.answer([Outcome(taken[0], result="late")])
    with pytest.raises(StoreUnavailable, match="died"):
        await asyncio.wait_for(future, 5)
    await asyncio.sleep(0)
    assert (jobs.rows, jobs.size) == (0, 0)


async def test_when_one_thread_dies_the_others_of_its_queue_end() -> None:
    jobs = queue()
    given_up = jobs.submit(ORDER)
    jobs.abandon("the thread has died", take(jobs))
    with pytest.raises(StoreUnavailable, match="died"):
        await asyncio.wait_for(given_up, 5)
    jobs.close()
    others = [threading.Thread(target=take, args=(jobs,), daemon=True) for _ in range(2)]
    for other in others:
        other.start()
    for other in others:
        other.join(5)
    assert not any(other.is_alive() for other in others)


def test_an_answer_to_a_closed_loop_is_dropped() -> None:
    loop = asyncio.new_event_loop()
    jobs = JobQueue("writer", loop, rows_max=1, bytes_max=1)
    job = Job(ORDER, 1, 0, loop.create_future())
    loop.close()
    jobs.answer([Outcome(job)])
