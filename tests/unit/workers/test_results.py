"""What became of jobs is written soon, for many at once, and whatever the store does meanwhile."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

import workers.results as results_module
from realtime.errors import StoreError
from realtime.push.jobs import Jobs, Postponed, Raise, Settled
from realtime.push.rows import DEAD, DEVICES, JOBS, TRAIL, DeadRow, DeviceRow, JobRow, TrailRow
from realtime.push.trail import Trail
from realtime.stores.base import Removal, Span
from tests.support.chat import ManualClock
from tests.unit.workers.worker_house import (
    AWAY,
    LEASE_MS,
    NOW,
    Failing,
    add_device,
    claim,
    jobs_of,
    opened,
    trail_of,
)
from workers.cases import TRYING
from workers.results import WAITING_MAX, Result, Results


def make(store: Any) -> Results:
    return Results(store, Jobs(store), ManualClock())


async def claimed(store: Any, *users: str) -> Sequence[JobRow]:
    """Jobs of these users, in their order, that are somebody's, who is telling their phones."""
    await Jobs(store).raise_all([Raise(user, "room:a", 7, NOW, NOW) for user in users])
    jobs = sorted(await claim(store, NOW), key=lambda job: users.index(job.user))
    await Trail(store).record([row(job, "waiting", detail=TRYING) for job in jobs])
    return jobs


def row(job: JobRow, reason: str = "sent", device: str = "phone", detail: str = "") -> TrailRow:
    return TrailRow(job.user, job.channel, job.offset, device, reason, detail, tries=1, at=NOW)


def device(user: str, registered_at: int = NOW - 5_000) -> DeviceRow:
    return DeviceRow(user, "phone", registered_at=registered_at)


@contextlib.asynccontextmanager
async def running(results: Results) -> AsyncIterator[None]:
    """As the worker runs it."""
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(results.run())
        yield
        task.cancel()


async def test_jobs_are_settled_or_put_off_and_it_is_said_why() -> None:
    async with opened() as store:
        bob, eve = await claimed(store, "bob", "eve")
        results = make(store)
        results.add(Result(Settled(bob, 7), (row(bob),)))
        results.add(Result(Postponed(eve, NOW + 9_000, showing=7), (row(eve, "waiting"),)))
        assert len(results) == 2
        await results.write()
        assert len(results) == 0
        jobs = await jobs_of(store)
        settled, later = jobs["bob", "room:a"], jobs["eve", "room:a"]
        assert (settled.state, settled.pushed, settled.shown, settled.lease) == ("done", 7, 7, "")
        assert (later.state, later.due_at, later.tries) == ("due", NOW + 9_000, 1)
        assert (later.shown, later.visible, later.lease) == (7, 1, "")
        assert [(row.user, row.reason) for row in await trail_of(store)] == [
            ("bob", "sent"),
            ("eve", "waiting"),
        ]
        assert results.decided == {"sent": 1, "waiting": 1}


async def test_devices_are_forgotten_parked_or_known_better_unless_they_came_back() -> None:
    async with opened() as store:
        jobs = await claimed(store, "bob", "eve", "joe", "kim")
        for user in ("bob", "eve", "joe", "kim"):
            await add_device(store, user, "phone")
        late = device("kim", registered_at=NOW - 9_000)
        results = make(store)
        results.add(Result(Settled(jobs[0]), gone=(device("bob"),)))
        eve, joe = device("eve"), device("joe")
        results.add(Result(Settled(jobs[1]), parked={("eve", "phone"): (eve, "another project")}))
        results.add(Result(Settled(jobs[2]), found={("joe", "phone"): (joe, "sandbox")}))
        results.add(Result(Settled(jobs[3]), gone=(late,), parked={("kim", "phone"): (late, "x")}))
        await results.write()
        rows = {row.user: row for row in await store.find(DEVICES, Span(), limit=9)}
        assert sorted(rows) == ["eve", "joe", "kim"]
        assert rows["eve"].parked == "another project"
        assert rows["joe"].environment == "sandbox"
        assert rows["kim"].parked == ""


async def test_what_fails_half_way_is_written_again_and_changes_nothing_twice() -> None:
    async with opened() as store:
        bob, eve = await claimed(store, "bob", "eve")
        failing = Failing(store)
        results = make(failing)
        letter = DeadRow("1", user="bob", channel="room:a", offset=7, why="too large")
        results.add(Result(Settled(bob, 7), (row(bob),), (letter,)))
        results.add(Result(Postponed(eve, NOW + 9_000), (row(eve, "waiting"),)))
        for writes in range(1, 6):
            left = [writes]

            def fail(name: str, _: Any, left: list[int] = left) -> Exception | None:
                left[0] -= name == "write"
                return AWAY if name == "write" and not left[0] else None

            failing.fail = fail
            with pytest.raises(StoreError):
                await results.write()
            assert len(results) == 2
        failing.fail = lambda *_: None
        await results.write()
        jobs = await jobs_of(store)
        assert (jobs["bob", "room:a"].state, jobs["bob", "room:a"].pushed) == ("done", 7)
        assert (jobs["eve", "room:a"].state, jobs["eve", "room:a"].tries) == ("due", 1)
        assert len(await store.find(DEAD, Span(), limit=9)) == 1
        assert len(await trail_of(store)) == 2


async def test_a_decision_is_counted_once_on_however_many_devices() -> None:
    """And not for the entry before the newest, where that was told of."""
    async with opened() as store:
        (bob,) = await claimed(store, "bob")
        results = make(store)
        told = [row(bob), row(bob, device="tablet"), row(bob, "deleted", device="")]
        told += [msgspec.structs.replace(each, offset=6) for each in told[:2]]
        results.add(Result(Settled(bob, 6), tuple(told)))
        assert results.decided == {"sent": 1, "deleted": 1}


async def test_the_trail_is_written_before_a_job_is_over() -> None:
    async with opened() as store:
        (bob,) = await claimed(store, "bob")
        failing = Failing(store)
        results = make(failing)
        letter = DeadRow("1", user="bob", channel="room:a", offset=7, why="too large")
        results.add(Result(Settled(bob, 7), (row(bob),), (letter,), gone=(device("bob"),)))
        await results.write()
        tables = [args[0][0].table.name for name, args in failing.calls if name == "write"]
        assert tables == ["push_trail", "push_dead", "push_devices", "push_jobs", "push_jobs"]


async def test_of_who_was_erased_while_they_were_told_nothing_is_written_anew() -> None:
    """Nor where that is tried again, long after all that there was of them is gone."""
    async with opened() as store:
        bob, eve, joe, kim = await claimed(store, "bob", "eve", "joe", "kim")
        results = make(store)
        letter = DeadRow("1", user="bob", channel="room:a", offset=7, why="too large")
        results.add(Result(Settled(bob, 7), (row(bob, "refused"),), (letter,)))
        results.add(Result(Settled(eve), (row(eve, "muted", device=""),)))
        results.add(Result(Postponed(joe, NOW + 9_000), (row(joe, "waiting"),)))
        results.add(Result(Settled(kim), (row(kim, "muted", device=""),)))
        for user in ("bob", "eve", "joe"):
            await store.write([Removal(JOBS, (user, "room:a"))])
            await store.write([Removal(TRAIL, (user, "room:a", 7, "phone"))])
        await results.write()
        assert {row.user for row in await trail_of(store)} == {"kim"}
        assert await store.find(DEAD, Span(), limit=9) == []
        assert [user for user, _ in await jobs_of(store)] == ["kim"]


async def test_who_comes_too_late_ends_nothing() -> None:
    async with opened() as store:
        (bob,) = await claimed(store, "bob")
        await claim(store, NOW + LEASE_MS)
        results = make(store)
        results.add(Result(Settled(bob, 7)))
        await results.write()
        job = (await jobs_of(store))["bob", "room:a"]
        assert (job.state, job.lease != "") == ("due", True)


async def test_two_that_write_at_once_lose_nothing_that_comes_meanwhile() -> None:
    async with opened() as store:
        bob, eve = await claimed(store, "bob", "eve")
        failing = Failing(store)
        results = make(failing)
        results.add(Result(Settled(bob, 7), (row(bob),)))
        later = [Result(Settled(eve, 7), (row(eve),))]

        async def before(name: str) -> None:
            # Three writes of one, and the last one of another who would do the same.
            if len(failing.calls) == 6:
                while len(results):  # noqa: ASYNC110 - the other one is about to come back
                    await asyncio.sleep(0)
                results.add(later.pop())

        failing.before = before
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            for _ in range(2):
                tasks.create_task(results.write())
        failing.before = None
        for result in later:
            results.add(result)
        await results.write()
        assert {job.state for job in (await jobs_of(store)).values()} == {"done"}
        assert len(await trail_of(store)) == 2


async def test_a_store_that_is_slow_gets_less_at_once_until_it_is_not() -> None:
    async with opened() as store:
        jobs = await claimed(store, *[f"u{number:02}" for number in range(8)])
        failing = Failing(store)
        failing.fail = lambda name, args: AWAY if name == "write" and len(args[0]) > 2 else None
        results = make(failing)
        results._batch = 8
        for job in jobs:
            results.add(Result(Settled(job, 7), (row(job),)))
        for _ in range(2):
            with pytest.raises(StoreError):
                await results.write()
        with pytest.raises(StoreError):
            await results.write()
        assert len(results) == 6, "two were written, and then four were tried"
        failing.fail = lambda *_: None
        await results.write()
        assert {job.state for job in (await jobs_of(store)).values()} == {"done"}


async def test_a_row_that_no_store_takes_stops_no_other_and_is_not_tried_for_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opened() as store:
        bob, eve, joe = await claimed(store, "bob", "eve", "joe")
        results = make(store)
        results.add(Result(Settled(bob, 7), (row(bob),)))
        results.add(Result(Settled(eve, 7), (row(eve, detail="\ud800"),)))
        results.add(Result(Postponed(joe, NOW + 9_000), (row(joe, "waiting"),)))
        await results.write()
        assert len(results) == 0
        jobs = await jobs_of(store)
        assert {user: job.state for (user, _), job in jobs.items()} == {
            "bob": "done",
            "eve": "done",
            "joe": "due",
        }
        assert jobs["joe", "room:a"].due_at == NOW + 9_000
        said = [(row.user, row.reason, row.detail) for row in await trail_of(store)]
        assert said == [("bob", "sent", ""), ("eve", "waiting", TRYING), ("joe", "waiting", "")]
        assert "cannot be written" in caplog.text


async def test_it_is_written_without_being_asked_and_again_after_an_outage(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(results_module, "ROUND_S", 0)
    monkeypatch.setattr(results_module, "RETRY_S", 0)
    async with opened() as store:
        bob, eve = await claimed(store, "bob", "eve")
        failing = Failing(store)
        settled = asyncio.Event()
        fails = 3

        def fail(name: str, args: Any) -> Exception | None:
            nonlocal fails
            if name != "write":
                return None
            fails -= 1
            if fails <= -3:
                settled.set()
            return AWAY if fails >= 0 else None

        failing.fail = fail
        results = make(failing)
        async with running(results):
            results.add(Result(Settled(bob, 7), (row(bob),)))
            results.add(Result(Settled(eve, 7), (row(eve),)))
            await settled.wait()
            await results.write()
        assert {job.state for job in (await jobs_of(store)).values()} == {"done"}
        assert [record.levelname for record in caplog.records][:1] == ["WARNING"]


async def test_above_a_number_nothing_more_is_to_be_begun() -> None:
    async with opened() as store:
        (bob,) = await claimed(store, "bob")
        results = make(store)
        for _ in range(WAITING_MAX - 1):
            results.add(Result(Settled(bob)))
        assert not results.is_full
        results.add(Result(Settled(bob)))
        assert results.is_full


async def test_while_more_are_coming_full_batches_are_written_and_the_rest_is_gathered_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(results_module, "BATCH", 2)
    monkeypatch.setattr(results_module, "ROUND_S", 0)
    async with opened() as store:
        *jobs, last = await claimed(store, *[f"u{number}" for number in range(6)])
        failing = Failing(store)
        results = make(failing)
        results._batch = 2
        for job in jobs:
            results.add(Result(Settled(job, 7)))

        async def one_more(name: str) -> None:
            if len(results) == 3 and len(failing.calls) == 3:
                results.add(Result(Settled(last, 7)))

        failing.before = one_more
        async with running(results):
            while len(results):  # noqa: ASYNC110 - bounded by `running`
                await asyncio.sleep(0)
        assert {job.state for job in (await jobs_of(store)).values()} == {"done"}
        # Two writes settle a batch.
        assert len(failing.calls) == 2 * 3
