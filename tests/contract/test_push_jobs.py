"""The queue of push over every driver: at most one job per user and channel, once, never lost."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import pytest

from realtime.push.jobs import (
    LARGE,
    Backlog,
    Jobs,
    Postponed,
    Raise,
    Settled,
)
from realtime.push.looking_again import cancel, clear_due
from realtime.push.rows import JOBS, JobRow
from realtime.stores.base import WRITES_MAX, Write
from tests.support.counted_tables import CountedTables
from tests.support.push_world import next_due
from tests.support.table_store import TabledStore, every, one

ROOM: Final = "room"
ANN: Final = ("ann", ROOM)


def told(user: str = "ann", offset: int = 1, **fields: Any) -> Raise:
    """That a user is to be told."""
    times = {"at": 100, "due_at": 100, **fields}
    return Raise(user, ROOM, offset, **times)


async def take(
    jobs: Jobs, now_ms: int = 200, lease: str = "mine", **fields: Any
) -> Sequence[JobRow]:
    """Claim what is due."""
    arguments = {"until_ms": now_ms + 50, "limit": 10, **fields}
    return await jobs.claim(now_ms, lease=lease, **arguments)


async def take_one(jobs: Jobs, now_ms: int = 200, lease: str = "mine") -> JobRow:
    """Claim the one job that is due."""
    (job,) = await take(jobs, now_ms, lease)
    return job


async def ann(store: TabledStore) -> JobRow:
    """Ann's row."""
    row = await one(store, JOBS, *ANN)
    assert row is not None
    return row


# Raising


async def test_who_is_to_be_told_has_a_job_when_it_is_due(store: TabledStore) -> None:
    jobs = Jobs(store)
    await jobs.raise_all([told(offset=3, at=90, due_at=150)])
    assert await take(jobs, 149) == ()
    job = await take_one(jobs, 150)
    assert (job.offset, job.pushed, job.first_at, job.tries) == (3, 0, 90, 0)


async def test_a_second_message_raises_the_job_and_does_not_move_it(store: TabledStore) -> None:
    jobs = Jobs(store)
    await jobs.raise_all([told(offset=3, at=90, due_at=150)])
    await jobs.raise_all([told(offset=4, at=140, due_at=190)])
    assert await next_due(store) == 150
    job = await take_one(jobs, 150)
    assert (job.offset, job.first_at) == (4, 90)
    assert job.wait_until == 190, "the newest has its own time to be seen"


async def test_entries_that_come_together_are_one_job(store: TabledStore) -> None:
    jobs = Jobs(store)
    raises = [told(offset=2, at=20), told(offset=4, at=40), told(offset=3, at=30)]
    await jobs.raise_all([*raises, told("bob")])
    job = await ann(store)
    assert (job.offset, job.first_at) == (4, 20)
    assert len(await every(store, JOBS)) == 2


async def test_the_newest_mention_is_known_whoever_says_so_and_in_whichever_order(
    store: TabledStore,
) -> None:
    jobs = Jobs(store)
    await jobs.raise_all([told(offset=9), told(offset=4, named=4), told(offset=3, named=2)])
    assert ((await ann(store)).offset, (await ann(store)).named) == (9, 4)
    await jobs.raise_all([told(offset=8, named=7)])
    await jobs.raise_all([told(offset=6, named=6), told(offset=10)])
    assert ((await ann(store)).offset, (await ann(store)).named) == (10, 7)


async def test_raising_again_changes_nothing(store: TabledStore) -> None:
    """As after a crash between the jobs and the mark that they are made."""
    jobs = Jobs(store)
    raises = [told(offset=2), told(offset=4)]
    await jobs.raise_all(raises)
    before = await ann(store)
    await jobs.raise_all(raises[:1])
    await jobs.raise_all(raises)
    assert await ann(store) == before
    await jobs.settle([Settled(await take_one(jobs), showing=4)], 210)
    before = await ann(store)
    await jobs.raise_all(raises)
    assert await ann(store) == before
    assert await take(jobs, 10_000) == ()


async def test_what_is_newer_than_what_was_settled_is_due_anew(store: TabledStore) -> None:
    jobs = Jobs(store)
    await jobs.raise_all([told(offset=2)])
    await jobs.settle([Settled(await take_one(jobs), showing=2)], 210)
    await jobs.raise_all([told(offset=5, at=300, due_at=320, lane=LARGE)])
    (job,) = await take(jobs, 320, lane=LARGE)
    assert (job.offset, job.pushed, job.shown) == (5, 2, 2)
    assert (job.first_at, job.tries) == (300, 0)


# Claiming


async def test_the_longest_due_come_first_and_each_lane_by_itself(store: TabledStore) -> None:
    jobs = Jobs(store)
    due = {"a": 30, "b": 10, "c": 20, "d": 10}
    await jobs.raise_all([told(user, due_at=at) for user, at in due.items()])
    await jobs.raise_all([told("e", due_at=1, lane=LARGE)])
    assert [job.user for job in await take(jobs, limit=2)] == ["b", "d"]
    assert [job.user for job in await take(jobs, lease="next")] == ["c", "a"]
    assert [job.user for job in await take(jobs, lease="large", lane=LARGE)] == ["e"]


async def test_of_two_who_claim_at_once_each_job_is_one_claimers(store: TabledStore) -> None:
    jobs = Jobs(store)
    users = {f"{number:03}" for number in range(200)}
    await jobs.raise_all([told(user) for user in users])
    claims = [
        Jobs(store).claim(200, lease=f"{claimer}", until_ms=300, limit=100) for claimer in range(6)
    ]
    found = Counter(job.user for claimed in await asyncio.gather(*claims) for job in claimed)
    assert max(found.values()) == 1
    for lease in ("more", "still more"):
        found += Counter(job.user for job in await take(jobs, lease=lease, limit=200))
    assert found == Counter(users)


async def test_a_lease_that_runs_out_is_anybodys_again(store: TabledStore) -> None:
    jobs = Jobs(store)
    await jobs.raise_all([told(offset=2)])
    first = await take_one(jobs, 200, "first")
    assert await take(jobs, 249, "second") == ()
    second = await take_one(jobs, 250, "second")
    assert second.tries == 1, "it was attempted, for all that anybody knows"
    assert (second.offset, second.shown) == (2, 2), "and may be visible"
    await jobs.settle([Settled(first, showing=2)], 260)
    await jobs.later([Postponed(first, 900)], 260)
    assert (await ann(store)).lease == "second", "who comes too late writes nothing"
    await jobs.settle([Settled(second, showing=2)], 260)
    assert (await ann(store)).state == "done"


@pytest.mark.parametrize("wrong", [{"lease": ""}, {"limit": 0}, {"limit": WRITES_MAX + 1}])
async def test_a_claim_has_a_name_and_a_bound(store: TabledStore, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="1 to"):
        await take(Jobs(store), **wrong)


# Settling


async def test_what_was_settled_is_over(store: TabledStore) -> None:
    jobs = Jobs(store)
    await jobs.raise_all([told(offset=2)])
    await jobs.settle([Settled(await take_one(jobs))], 210)
    job = await ann(store)
    assert (job.state, job.pushed, job.shown, job.visible, job.at) == ("done", 2, 0, 0, 210)
    assert await next_due(store) is None
    assert await jobs.backlog(10_000) == Backlog(0, 0)


async def test_what_was_raised_while_it_was_leased_is_due_at_once(store: TabledStore) -> None:
    jobs = Jobs(store)
    await jobs.raise_all([told(offset=2)])
    job = await take_one(jobs)
    await jobs.raise_all([told(offset=3, at=205, due_at=205)])
    assert await take(jobs, 206, "another") == (), "it is leased still"
    await jobs.settle([Settled(job, showing=2)], 210)
    again = await take_one(jobs, 210, "another")
    assert (again.offset, again.pushed, again.shown, again.tries) == (3, 2, 2, 0)
    assert again.first_at == 210


async def test_what_is_put_off_waits_and_counts_how_often(store: TabledStore) -> None:
    jobs = Jobs(store)
    await jobs.raise_all([told(offset=2)])
    await jobs.later([Postponed(await take_one(jobs), 500, showing=2)], 210)
    assert await take(jobs, 499) == ()
    job = await take_one(jobs, 500, "another")
    assert (job.tries, job.shown, job.pushed) == (1, 2, 0)
    await jobs.later([Postponed(job, 700, tried=False)], 510)
    await jobs.raise_all([told(offset=3, at=520, due_at=520)])
    assert await take(jobs, 699) == (), "what is newer does not hurry it"
    assert (await take_one(jobs, 700, "third")).tries == 1


async def test_what_the_user_has_seen_meanwhile_is_settled_by_putting_off_the_rest(
    store: TabledStore,
) -> None:
    jobs = Jobs(store)
    await jobs.raise_all([told(offset=2), told(offset=5)])
    await jobs.later([Postponed(await take_one(jobs), 500, tried=False, settled=3)], 210)
    job = await take_one(jobs, 500, "another")
    assert (job.pushed, job.offset, job.first_at, job.tries) == (3, 5, 210, 0)


async def test_what_is_given_back_may_be_claimed_at_once(store: TabledStore) -> None:
    jobs = Jobs(store)
    await jobs.raise_all([told(offset=2)])
    await jobs.later([Postponed(await take_one(jobs), 210, tried=False)], 210)
    job = await take_one(jobs, 210, "another")
    assert (job.tries, job.shown) == (0, 0)


# Clearing and cancelling


async def shown(store: TabledStore, offset: int = 5) -> Jobs:
    """Jobs of which Ann's is settled, and something is visible."""
    jobs = Jobs(store)
    await jobs.raise_all([told(offset=offset)])
    await jobs.settle([Settled(await take_one(jobs), showing=offset)], 210)
    return jobs


async def test_a_read_past_what_is_visible_makes_the_job_due_for_a_clear(
    store: TabledStore,
) -> None:
    jobs = await shown(store)
    await store.write([clear_due(*ANN, 4, 300)])
    assert await take(jobs, 300) == (), "it is not read yet"
    await store.write([clear_due(*ANN, 5, 300)])
    job = await take_one(jobs, 300)
    assert (job.offset, job.pushed, job.shown, job.read) == (5, 5, 5, 5)
    await jobs.settle([Settled(job, showing=0)], 310)
    await store.write([clear_due(*ANN, 9, 320)])
    assert await take(jobs, 320) == (), "nothing is visible any more"


async def test_a_read_where_nothing_is_visible_makes_no_job(store: TabledStore) -> None:
    jobs = Jobs(store)
    await store.write([clear_due(*ANN, 5, 100)])
    assert await one(store, JOBS, *ANN) is None
    await jobs.raise_all([told(offset=2)])
    await jobs.settle([Settled(await take_one(jobs))], 210)
    before = await ann(store)
    await store.write([clear_due(*ANN, 5, 300)])
    assert await ann(store) == before


async def test_a_read_while_it_is_being_sent_clears_it_afterwards(store: TabledStore) -> None:
    jobs = Jobs(store)
    await jobs.raise_all([told(offset=5)])
    job = await take_one(jobs)
    await store.write([clear_due(*ANN, 5, 205)])
    assert await take(jobs, 206, "another") == (), "the lease stands"
    await jobs.settle([Settled(job, showing=5)], 210)
    again = await take_one(jobs, 210, "another")
    assert (again.offset, again.pushed, again.shown, again.read) == (5, 5, 5, 5)


async def test_what_was_seen_in_time_is_no_job_any_more(store: TabledStore) -> None:
    jobs = Jobs(store)
    await jobs.raise_all([told(offset=5, due_at=5_000)])
    await store.write([cancel(*ANN, 4, 300)])
    assert await next_due(store) == 5_000, "there is something newer"
    await store.write([cancel(*ANN, 5, 300)])
    assert await next_due(store) is None
    await jobs.raise_all([told(offset=5)])
    assert await next_due(store) is None, "nor after it was dispatched again"
    await jobs.raise_all([told(offset=6)])
    assert (await take_one(jobs)).pushed == 5


async def test_what_is_being_sent_is_not_cancelled(store: TabledStore) -> None:
    jobs = Jobs(store)
    await jobs.raise_all([told(offset=5)])
    job = await take_one(jobs)
    await store.write([cancel(*ANN, 5, 300)])
    assert (await ann(store)).lease == job.lease


# Looking after it


async def test_the_backlog_says_how_many_wait_and_since_when(store: TabledStore) -> None:
    jobs = Jobs(store)
    assert await next_due(store) is None
    await jobs.raise_all([told("a", due_at=30), told("b", due_at=50), told("c", due_at=70)])
    await jobs.raise_all([told("d", due_at=20, lane=LARGE)])
    assert await next_due(store) == 20
    assert await jobs.backlog(50) == Backlog(3, 20)
    await take(jobs, 50, lane=LARGE)
    assert await jobs.backlog(50) == Backlog(2, 30)
    assert await jobs.backlog(100) == Backlog(4, 30), "the lease has run out"


async def test_what_was_settled_long_ago_is_forgotten(store: TabledStore) -> None:
    jobs = await shown(store)
    await jobs.raise_all([told("bob", due_at=10)])
    assert await jobs.sweep(210) == 0
    assert await jobs.sweep(211) == 1
    assert [row.user for row in await every(store, JOBS)] == ["bob"]


async def test_a_job_that_is_raised_while_it_is_swept_is_not_lost(store: TabledStore) -> None:
    """The dispatcher has raised the offset and not come to the state yet."""
    jobs = await shown(store)
    await store.write([Write(JOBS, ANN, highest={"offset": 7})])
    await jobs.sweep(1_000)
    assert (await take_one(jobs, 1_000)).offset == 7


# Several devices


async def test_what_waits_for_one_device_is_due_for_what_is_newer(store: TabledStore) -> None:
    jobs = Jobs(store)
    await jobs.raise_all([told(offset=3)])
    await jobs.later([Postponed(await take_one(jobs), 90_000, showing=3)], 210)
    await jobs.raise_all([told(offset=3, due_at=220)])
    assert await next_due(store) == 90_000, "the same again is not newer"
    await jobs.raise_all([told(offset=4, at=250, due_at=300)])
    job = await take_one(jobs, 300)
    assert (job.offset, job.tries, job.shown) == (4, 1, 3)
    await jobs.raise_all([told(offset=5, due_at=310)])
    assert (await ann(store)).due_at == job.due_at, "a lease is not ended by it"


async def test_what_waits_for_other_reasons_waits_on(store: TabledStore) -> None:
    jobs = Jobs(store)
    await jobs.raise_all([told(offset=3)])
    await jobs.later([Postponed(await take_one(jobs), 900, tried=False)], 210)
    await jobs.raise_all([told(offset=4, due_at=300)])
    assert await next_due(store) == 900


# How much is asked of the store


async def test_a_call_full_of_jobs_of_a_large_channel_costs_seven_calls(store: TabledStore) -> None:
    counted = CountedTables(store)
    jobs = Jobs(counted)
    await jobs.raise_all([told(f"{number:04}", lane=LARGE) for number in range(WRITES_MAX)])
    assert counted.calls == {"write": 2}
    claimed = await take(jobs, limit=WRITES_MAX, lane=LARGE)
    assert len(claimed) == WRITES_MAX
    assert counted.calls == {"write": 3, "find": 2}
    await jobs.settle([Settled(job) for job in claimed], 210)
    assert counted.calls == {"write": 5, "find": 2}
    assert await take(jobs, lane=LARGE) == ()
    assert counted.calls == {"write": 5, "find": 3}
    await jobs.raise_all([told("bob")])
    assert counted.calls == {"write": 8, "find": 3}


async def test_more_jobs_than_one_write_takes_are_several_writes(store: TabledStore) -> None:
    jobs = Jobs(store)
    await jobs.raise_all(told(f"{number:04}") for number in range(WRITES_MAX + 1))
    assert len(await every(store, JOBS)) == WRITES_MAX + 1
