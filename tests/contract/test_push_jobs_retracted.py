"""Taking back what jobs have shown, and forgetting them, over every driver."""

from collections.abc import Collection

from realtime.push.jobs import Jobs, Settled
from realtime.push.rows import JOBS, JobRow
from tests.contract.test_push_jobs import ROOM, shown, take, take_one, told
from tests.support.table_store import TabledStore, every, keep


async def test_a_deleted_message_is_taken_away_where_it_is_visible(store: TabledStore) -> None:
    jobs = await shown(store)
    await jobs.raise_all([told("bob", 6)])
    sending = await take_one(jobs, 220, "bob's")
    await jobs.raise_all([told("cleo", 6)])
    for offset in (3, 6):
        assert await jobs.retract(ROOM, offset, 300) == ""
    assert [job.user for job in await take(jobs, 240, "a")] == ["cleo"], "where it was due anyway"
    assert await jobs.retract(ROOM, 5, 242) == ""
    assert [job.user for job in await take(jobs, 242, "b", limit=1)] == ["ann"]
    await jobs.settle([Settled(sending, showing=6)], 245)
    assert "bob" in [job.user for job in await take(jobs, 245, "c")]


async def test_retracting_goes_on_page_by_page(store: TabledStore) -> None:
    rows = [
        JobRow(user, ROOM, state="done", offset=5, pushed=5, shown=5, visible=1) for user in "abc"
    ]
    await keep(store, JOBS, *rows)
    jobs = Jobs(store)
    after = await jobs.retract(ROOM, 5, 10, limit=2)
    assert after == "b"
    assert await jobs.retract(ROOM, 5, 10, after=after, limit=2) == ""
    assert len(await take(jobs)) == 3


async def test_what_is_gone_is_taken_away_and_what_is_being_sent_is_looked_at_again(
    store: TabledStore,
) -> None:
    shows = {"a": 5, "b": 6, "c": 0, "d": 5, "e": 7}
    rows = [
        JobRow(user, ROOM, state="done", offset=9, pushed=9, shown=at, visible=int(at > 0))
        for user, at in shows.items()
    ]
    await keep(store, JOBS, *rows)
    jobs = Jobs(store)
    await jobs.raise_all([told("f", 8)])
    sending = await take_one(jobs, 220, "f's")
    asked: list[set[int]] = []

    async def gone(offsets: Collection[int]) -> Collection[int]:
        asked.append(set(offsets))
        return {5}

    after = await jobs.retract_gone(ROOM, gone, 300, limit=4)
    assert after == "d"
    assert await jobs.retract_gone(ROOM, gone, 300, after=after, limit=4) == ""
    assert asked == [{5, 6}, {7}], "nothing is asked about who shows nothing"
    await jobs.settle([Settled(sending, showing=8)], 310)
    assert [job.user for job in await take(jobs, 310, "b")] == ["a", "d", "f"]


async def test_of_whom_nothing_is_kept_a_job_leaves_nothing_but_what_came_meanwhile(
    store: TabledStore,
) -> None:
    jobs = Jobs(store)
    await jobs.raise_all([told(offset=5), told("bob", 5)])
    mine = await take(jobs)
    await jobs.raise_all([told("bob", 6)])
    await jobs.settle([Settled(job, forgets=True) for job in mine], 210)
    assert [(row.user, row.offset, row.pushed) for row in await every(store, JOBS)] == [
        ("bob", 6, 5)
    ]
    assert (await take_one(jobs, 210, "another")).user == "bob"
