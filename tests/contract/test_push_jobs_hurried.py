"""What is visible is taken away at once, whatever waits beside it, over every driver."""

from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from realtime.push.jobs import Jobs, Postponed, Raise, Settled
from realtime.push.looking_again import clear_due, clear_early
from realtime.push.rows import JobRow
from tests.support.push_world import next_due
from tests.support.table_store import TabledStore

ROOM: Final = "room"
QUIET_UNTIL: Final = 9_000
"""Until when message 6 waits, in milliseconds."""

Act = Callable[[TabledStore, int, int], Awaitable[None]]


async def take(jobs: Jobs, now_ms: int, lease: str = "mine") -> JobRow | None:
    """Claim Ann's job, if it is due."""
    found = await jobs.claim(now_ms, lease=lease, until_ms=now_ms + 50, limit=10)
    return found[0] if found else None


async def take_one(jobs: Jobs, now_ms: int, lease: str = "mine") -> JobRow:
    """Claim Ann's job."""
    job = await take(jobs, now_ms, lease)
    assert job is not None
    return job


async def begun(store: TabledStore) -> tuple[Jobs, JobRow]:
    """Ann's phone shows message 5, and of message 6 it is being decided."""
    jobs = Jobs(store)
    await jobs.raise_all([Raise("ann", ROOM, 5, 100, 100)])
    await jobs.settle([Settled(await take_one(jobs, 100), showing=5)], 110)
    await jobs.raise_all([Raise("ann", ROOM, 6, 200, 200)])
    return jobs, await take_one(jobs, 200)


async def read(store: TabledStore, offset: int, now_ms: int) -> None:
    """Ann has read up to there."""
    writes = [clear("ann", ROOM, offset, now_ms) for clear in (clear_due, clear_early)]
    await store.write(writes)


async def delete(store: TabledStore, offset: int, now_ms: int) -> None:
    """A message is deleted."""
    assert await Jobs(store).retract(ROOM, offset, now_ms) == ""


@pytest.mark.parametrize("act", [read, delete])
async def test_a_job_that_waits_beside_it_is_due_at_once(store: TabledStore, act: Act) -> None:
    jobs, job = await begun(store)
    await jobs.later([Postponed(job, QUIET_UNTIL, tried=False)], 210)
    await act(store, 4, 300)
    assert await next_due(store) == QUIET_UNTIL, "that is not visible"
    await act(store, 5, 300)
    job = await take_one(jobs, 300)
    assert (job.offset, job.pushed, job.shown) == (6, 5, 5)
    # It is taken away, and the other one waits on.
    await jobs.later([Postponed(job, QUIET_UNTIL, tried=False, showing=0)], 310)
    assert await next_due(store) == QUIET_UNTIL
    await act(store, 5, 320)
    assert await next_due(store) == QUIET_UNTIL, "nothing is visible any more"
    last = await take_one(jobs, QUIET_UNTIL)
    assert (last.offset, last.pushed, last.shown) == (6, 5, 0)


@pytest.mark.parametrize("act", [read, delete])
async def test_what_happens_while_it_is_decided_is_decided_again(
    store: TabledStore, act: Act
) -> None:
    jobs, job = await begun(store)
    await act(store, 5, 205)
    assert await take(jobs, 206, "another") is None, "the lease stands"
    await jobs.later([Postponed(job, QUIET_UNTIL, tried=False)], 210)
    again = await take_one(jobs, 210, "another")
    await jobs.later([Postponed(again, QUIET_UNTIL, tried=False)], 220)
    assert await next_due(store) == QUIET_UNTIL, "once is enough"


async def test_a_device_that_was_told_need_not_wait_for_the_others(store: TabledStore) -> None:
    """One device shows 6, another could not be told of it."""
    jobs, job = await begun(store)
    await jobs.later([Postponed(job, QUIET_UNTIL, showing=6)], 210)
    await read(store, 5, 300)
    assert await next_due(store) == QUIET_UNTIL, "what is visible is not read"
    await delete(store, 6, 300)
    job = await take_one(jobs, 300)
    assert (job.offset, job.pushed, job.shown, job.tries) == (6, 5, 6, 1)


@pytest.mark.parametrize("act", [read, delete])
async def test_where_nothing_is_visible_nothing_is_hurried(store: TabledStore, act: Act) -> None:
    jobs = Jobs(store)
    await jobs.raise_all([Raise("ann", ROOM, 6, 200, QUIET_UNTIL)])
    await act(store, 6, 300)
    assert await next_due(store) == QUIET_UNTIL
