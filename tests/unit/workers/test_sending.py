"""What is due is claimed, done and settled; nothing is lost, whatever fails or ends meanwhile."""

import asyncio
from typing import Any

import pytest

import workers.pace as pace_module
import workers.results as results_module
import workers.sending as sending
from realtime.push.jobs import LARGE, SMALL
from realtime.settings.durations import Duration
from realtime.settings.push_schema import PushSettings
from tests.unit.workers.sending_house import Desk, desk, until
from tests.unit.workers.worker_house import AWAY, add_device, trail_of


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for more results, or for the store to come back."""
    monkeypatch.setattr(results_module, "ROUND_S", 0)
    monkeypatch.setattr(results_module, "RETRY_S", 0)
    monkeypatch.setattr(sending, "RETRY_S", 0)
    monkeypatch.setattr(sending, "POLL_S", 0.01)


async def all_done(at: Desk) -> bool:
    return set((await at.states()).values()) == {"done"}


@pytest.mark.parametrize("lane", [SMALL, LARGE])
async def test_what_is_due_is_sent_settled_and_explained(lane: int) -> None:
    async with desk() as at:
        users = [f"u{number}" for number in range(5)]
        await at.room("room:a", *users)
        offset = await at.due("room:a", *users, lane=lane)
        async with at.working():
            await until(lambda: all_done(at))
        assert at.phones.addresses() == [f"{user}-phone" for user in users]
        job = (await at.jobs())["u0", "room:a"]
        assert (job.pushed, job.shown, job.lease) == (offset, offset, "")
        assert [(row.user, row.reason) for row in await trail_of(at.store)] == [
            (user, "sent") for user in users
        ]


async def test_one_claim_after_another_is_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "CLAIMED_MAX", {SMALL: 2, LARGE: 2})
    monkeypatch.setattr(sending, "POLL_S", 60)
    async with desk() as at:
        users = [f"u{number}" for number in range(7)]
        await at.room("room:a", *users)
        await at.due("room:a", *users)
        async with at.working():
            await until(lambda: all_done(at))
        assert len(at.phones.sent) == 7


async def test_who_is_woken_does_not_wait_for_the_next_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "POLL_S", 60)
    async with desk() as at:
        await at.room("room:a", "bob")
        async with at.working():
            await until(lambda: finds(at, 2))
            await at.due("room:a", "bob")
            at.sender.wake()
            await until(lambda: all_done(at))


async def finds(at: Desk, count: int) -> bool:
    return len([name for name, _ in at.failing.calls if name == "find"]) >= count


async def test_what_is_begun_is_finished_before_the_end_and_nothing_more_is_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "IN_FLIGHT_MAX", {SMALL: 1, LARGE: 1})
    async with desk() as at:
        await at.room("room:a", "bob", "eve")
        await at.due("room:a", "bob", "eve")
        at.phones.hold = asyncio.Event()
        async with at.working() as tasks:
            await at.phones.came.wait()
            draining = tasks.create_task(at.sender.drain())
            await until(lambda: given_back(at))
            assert not draining.done()
            at.phones.hold.set()
            await draining
            assert sorted((await at.states()).values()) == ["done", "due"]
        assert len(at.phones.sent) == 1
        waiting = [row for row in await trail_of(at.store) if row.reason == "waiting"]
        assert [row.detail for row in waiting] == [""], "nobody says that it is being sent"


async def given_back(at: Desk) -> bool:
    await at.results.write()
    return sorted((await at.states()).values()) == ["due", "leased"]


async def test_what_is_being_claimed_when_it_ends_is_given_back() -> None:
    async with desk() as at:
        await at.room("room:a", "bob")
        await at.due("room:a", "bob")
        claiming, go_on = asyncio.Event(), asyncio.Event()

        async def before(name: str) -> None:
            if name == "write" and not claiming.is_set():
                claiming.set()
                await go_on.wait()

        at.failing.before = before
        async with at.working() as tasks:
            await claiming.wait()
            draining = tasks.create_task(at.sender.drain())
            await asyncio.sleep(0)
            assert not draining.done()
            go_on.set()
            await draining
            assert await at.states() == {"bob": "due"}
        assert at.phones.sent == []
        job = (await at.jobs())["bob", "room:a"]
        assert (job.due_at, job.tries) == (at.clock.now_ms, 0)


async def test_while_it_ends_nobody_who_waited_for_a_place_claims_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "CLAIMED_MAX", {SMALL: 1, LARGE: 1})
    monkeypatch.setattr(sending, "BATCHES_MAX", {SMALL: 1, LARGE: 1})
    async with desk() as at:
        await at.room("room:a", "bob", "eve")
        await at.due("room:a", "bob", "eve")
        at.phones.hold = asyncio.Event()
        async with at.working() as tasks:
            await at.phones.came.wait()
            draining = tasks.create_task(at.sender.drain())
            await asyncio.sleep(0)
            at.phones.hold.set()
            await draining
            assert sorted((await at.states()).values()) == ["done", "due"]


async def test_what_cannot_be_read_is_tried_again_a_moment_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "RETRY_S", 1)
    async with desk() as at:
        await at.room("room:a", "bob")
        await at.due("room:a", "bob")
        at.failing.fail = lambda name, _: AWAY if name == "fetch" else None
        async with at.working():
            await until(lambda: is_due_in(at, 1_000))
            at.failing.fail = lambda *_: None
            at.clock.now_ms += 999
            at.failing.calls.clear()
            await until(lambda: finds(at, 4))
            assert at.phones.sent == []
            at.clock.now_ms += 1
            await until(lambda: all_done(at))
        assert (await at.jobs())["bob", "room:a"].tries == 0


async def is_due_in(at: Desk, wait_ms: int) -> bool:
    job = (await at.jobs())["bob", "room:a"]
    return not job.lease and job.due_at == at.clock.now_ms + wait_ms


async def test_a_claim_that_fails_is_made_again() -> None:
    async with desk() as at:
        await at.room("room:a", "bob")
        await at.due("room:a", "bob")
        left = 3

        def fail(name: str, _: Any) -> Exception | None:
            nonlocal left
            left -= 1
            return AWAY if left >= 0 else None

        at.failing.fail = fail
        async with at.working():
            await until(lambda: all_done(at))


async def test_a_job_that_cannot_be_decided_stops_no_other_and_is_a_dead_letter_in_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with desk() as at:
        users = [f"u{number}" for number in range(5)]
        await at.room("room:a", *users)
        await at.due("room:a", *users)
        of = at.cases.of

        async def stumbling(jobs: Any, now_ms: int) -> Any:
            if any(job.user == "u3" for job in jobs):
                raise ZeroDivisionError("a bug")
            return await of(jobs, now_ms)

        monkeypatch.setattr(at.cases, "of", stumbling)
        async with at.working():
            await until(lambda: others_done(at))
            job = (await at.jobs())["u3", "room:a"]
            assert (job.tries, job.due_at) == (1, at.clock.now_ms + 7_500)
            for _ in range(9):
                at.clock.now_ms += 600_000
                await until(lambda: is_given_back(at, at.clock.now_ms))
            assert (await at.jobs())["u3", "room:a"].state == "done"
        assert len(at.phones.sent) == 4
        assert "a bug" in caplog.text
        letters = await at.results._dead.page(limit=9)
        assert [(one.user, one.why) for one in letters] == [("u3", "a fault of ours")]
        last = (await trail_of(at.store))[-2]
        assert (last.user, last.reason, last.tries) == ("u3", "refused", 10)


async def others_done(at: Desk) -> bool:
    states = await at.states()
    return states.pop("u3") == "due" and set(states.values()) == {"done"}


async def is_given_back(at: Desk, now_ms: int) -> bool:
    job = (await at.jobs())["u3", "room:a"]
    return not job.lease and (job.due_at > now_ms or job.state == "done")


async def test_a_provider_that_stumbles_over_one_device_serves_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with desk() as at:
        await at.room("room:a", "bob", "eve")
        await add_device(at.store, "bob", "tablet")
        offset = await at.due("room:a", "bob", "eve")
        at.phones.answers["bob-phone"] = ZeroDivisionError("a bug")
        async with at.working():
            await until(lambda: eve_done(at))
        job = (await at.jobs())["bob", "room:a"]
        assert (job.state, job.tries, job.shown, job.due_at > at.clock.now_ms) == (
            "due",
            1,
            offset,
            True,
        )
        assert "bob-phone" not in caplog.text


async def eve_done(at: Desk) -> bool:
    return await at.states() == {"bob": "due", "eve": "done"}


async def test_what_would_outlast_its_lease_is_given_back_and_sent_in_the_next() -> None:
    async with desk(settings=PushSettings(lease=Duration(8_000))) as at:
        await at.room("room:a", "bob")
        await at.due("room:a", "bob")
        slow = True

        async def before(name: str) -> None:
            nonlocal slow
            if name == "fetch" and slow:
                slow = False
                at.clock.now_ms += 4_001

        at.failing.before = before
        async with at.working():
            await until(lambda: all_done(at))
        assert len(at.phones.sent) == 1
        assert [row.reason for row in await trail_of(at.store)] == ["sent"]
        assert len([name for name, _ in at.failing.calls if name == "fetch"]) == 2


async def test_nothing_is_claimed_while_too_much_waits_to_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with desk() as at:
        await at.room("room:a", "bob")
        await at.due("room:a", "bob")
        monkeypatch.setattr(results_module, "WAITING_MAX", 0)
        async with at.working():
            for _ in range(20):
                at.sender.wake()
                await asyncio.sleep(0)
            assert at.failing.calls == []
            monkeypatch.setattr(results_module, "WAITING_MAX", 1)
            await until(lambda: all_done(at))


async def test_small_channels_do_not_wait_for_large_ones() -> None:
    async with desk(places=4) as at:
        large = [f"u{number}" for number in range(20)]
        await at.room("room:large", *large)
        await at.room("room:small", "bob")
        await at.due("room:large", *large, lane=LARGE)
        at.phones.hold = asyncio.Event()
        async with at.working():
            await until(lambda: sends(at, 3))
            await at.due("room:small", "bob")
            await until(lambda: sends(at, 4))
            assert at.phones.sent[-1][0] == "bob-phone"
            at.phones.hold.set()
            await until(lambda: all_done(at))
        assert len(at.phones.sent) == 21


async def test_large_channels_are_prepared_when_nothing_urgent_is_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace_module, "CALM_MAX_S", 60)
    async with desk() as at:
        await at.room("room:large", "bob")
        await at.room("room:small", "eve")
        async with at.working():
            with at.sender.pace.urgently():
                await at.due("room:large", "bob", lane=LARGE)
                await at.due("room:small", "eve")
                at.sender.wake()
                await until(lambda: sends(at, 1))
                for _ in range(50):  # what had not waited would have been claimed by now
                    states = await at.states()
                assert states["bob"] == "due"
            await until(lambda: all_done(at))
        assert at.phones.addresses() == ["bob-phone", "eve-phone"]


async def test_more_of_small_channels_is_expected_after_they_were_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace_module, "REST_S", 60)
    async with desk() as at:
        await at.room("room:small", "eve")
        await at.sender.pace.calm()
        await at.due("room:small", "eve")
        async with at.working():
            await until(lambda: all_done(at))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await at.sender.pace.calm()


async def test_large_channels_are_left_while_they_are_filled_until_it_is_said_that_there_are_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "FILL_S", 60)
    async with desk() as at:
        await at.room("room:large", "bob")
        await at.room("room:small", "eve")
        at.sender.is_filling = True
        async with at.working():
            await until(lambda: finds(at, 2))
            await at.due("room:large", "bob", lane=LARGE)
            await at.due("room:small", "eve")
            await until(lambda: sends(at, 1))
            assert at.phones.addresses() == ["eve-phone"]
            at.sender.wake((LARGE,))
            await until(lambda: all_done(at))
        assert len(at.phones.sent) == 2


async def sends(at: Desk, count: int) -> bool:
    return len(at.phones.sent) == count
