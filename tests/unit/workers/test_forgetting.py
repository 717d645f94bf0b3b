"""What push does not need any more goes, and nothing that it does."""

import asyncio
from typing import Any

import pytest

import workers.forgetting as forgetting_module
from realtime.push.dead_letters import DeadLetters, place_of
from realtime.push.jobs import Jobs
from realtime.push.rows import DEAD, DEVICES, JOBS, TRAIL, DeadRow
from realtime.push.trail import Trail
from realtime.settings.durations import Duration
from realtime.settings.push_schema import PushSettings
from realtime.stores.base import Span, Table
from tests.support.chat import ManualClock
from tests.unit.workers.worker_house import AWAY, NOW, Failing, add_device, opened, put
from workers.forgetting import DEAD_KEPT_MS, Forgetting

DAY_MS = 86_400_000
SETTINGS = PushSettings(
    ttl=Duration(2 * DAY_MS), trail_ttl=Duration(DAY_MS), device_ttl=Duration(30 * DAY_MS)
)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting_module, "PAUSE_S", 0)
    monkeypatch.setattr(forgetting_module, "ROUND_S", 0)


def make(store: Any) -> Forgetting:
    return Forgetting(store, Jobs(store), Trail(store), settings=SETTINGS, clock=ManualClock())


async def count(store: Any, table: Table[Any]) -> int:
    return len(await store.find(table, Span(), limit=10_000))


async def test_what_is_past_its_time_is_forgotten_and_nothing_else() -> None:
    async with opened() as store:
        for age_ms, name in ((DAY_MS, "kept"), (DAY_MS + 1, "old")):
            await put(store, TRAIL, "bob", name, 1, "", reason="sent", at=NOW - age_ms)
        for age_ms, name, state in (
            (2 * DAY_MS, "kept", "done"),
            (2 * DAY_MS + 1, "old", "done"),
            (9 * DAY_MS, "due", "due"),
        ):
            times = {"due_at": NOW - age_ms, "at": NOW - age_ms}
            await put(store, JOBS, "bob", name, state=state, offset=1, pushed=1, **times)
        for age_ms, name in ((30 * DAY_MS, "kept"), (30 * DAY_MS + 1, "old")):
            await add_device(store, "bob", name, registered_at=NOW - age_ms)
        # What a user has set stays, whenever that was.
        await put(store, DEVICES, "bob", "", level="none", registered_at=1)
        letters = [
            DeadRow(place_of(NOW - age_ms, "bob", name, 1, "phone"), "bob", name)
            for age_ms, name in ((DEAD_KEPT_MS, "kept"), (DEAD_KEPT_MS + 1, "old"))
        ]
        await DeadLetters(store).bury(letters)
        await make(store).round()
        trail = await store.find(TRAIL, Span(), limit=9)
        assert [row.channel for row in trail] == ["kept"]
        assert [row.channel for row in await store.find(JOBS, Span(), limit=9)] == ["due", "kept"]
        devices = await store.find(DEVICES, Span(), limit=9)
        assert [row.device for row in devices] == ["", "kept"]
        assert [row.channel for row in await store.find(DEAD, Span(), limit=9)] == ["kept"]


async def test_much_of_it_goes_in_slices_and_what_is_left_by_one_round_in_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forgetting_module, "SLICE", 3)
    monkeypatch.setattr(forgetting_module, "SLICES_MAX", 2)
    async with opened() as store:
        for number in range(8):
            await put(store, TRAIL, "bob", "old", number, "", at=1)
        await add_device(store, "bob", "old", registered_at=1)
        forgetting = make(store)
        await forgetting.round()
        assert (await count(store, TRAIL), await count(store, DEVICES)) == (2, 0)
        await forgetting.round()
        assert await count(store, TRAIL) == 0


async def test_a_device_that_comes_back_meanwhile_stays() -> None:
    async with opened() as store:
        await add_device(store, "bob", "phone", registered_at=1)
        failing = Failing(store)

        async def before(name: str) -> None:
            if name == "write" and any(write.table is DEVICES for write in failing.calls[-1][1][0]):
                await add_device(store, "bob", "phone", registered_at=NOW)

        failing.before = before
        await make(failing).round()
        assert await count(store, DEVICES) == 1


async def test_it_goes_on_after_an_outage() -> None:
    async with opened() as store:
        failing = Failing(store)
        await put(store, TRAIL, "bob", "old", 1, "", at=1)
        swept, left = asyncio.Event(), 3

        def fail(name: str, _: Any) -> Exception | None:
            nonlocal left
            left -= 1
            if left < -8:
                swept.set()
            return AWAY if left >= 0 else None

        failing.fail = fail
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(make(failing).run())
            await swept.wait()
            running.cancel()
        assert await count(store, TRAIL) == 0
