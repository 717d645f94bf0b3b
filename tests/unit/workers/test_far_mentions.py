"""A mention from long ago, of whoever wants mentions only and was to be left alone since."""

import asyncio
from collections.abc import Collection, Mapping

import pytest

import realtime.push.decision as decision_module
import workers.cases as cases_module
from realtime.chat.calls.presence import DeviceState
from realtime.push import slices
from realtime.push.decision import Decision, Drop, Facts, Send, decide
from realtime.push.jobs import Jobs
from realtime.push.rows import DEVICES
from realtime.settings.push_schema import PushSettings
from tests.unit.workers.sending_house import desk
from tests.unit.workers.worker_house import options, put, say
from workers.dispatching import Dispatcher


class Nobody:
    """Nobody is connected."""

    async def states(self, users: Collection[str]) -> Mapping[str, DeviceState]:
        return {}


@pytest.mark.parametrize("deleted", [False, True])
async def test_it_is_told_of_though_two_workers_have_made_a_job_of_what_came_since(
    monkeypatch: pytest.MonkeyPatch, deleted: bool
) -> None:
    monkeypatch.setattr(decision_module, "LOOKED_BACK_MAX", 3)
    async with desk() as at:
        await at.room("room:a", "bob")
        await put(at.store, DEVICES, "bob", "", level="mentions")
        first, second = (
            Dispatcher(
                at.store,
                Jobs(at.store),
                options=options,
                whereabouts=Nobody(),
                settings=PushSettings(),
                clock=at.clock,
            )
            for _ in range(2)
        )
        named = await say(at.store, "room:a", tags={"mentions": '["bob"]'})
        await first.round()
        if deleted:
            await at.store.disown("room:a", [named])
        for _ in range(9):
            newest = await say(at.store, "room:a")
        await second.round()
        (case,) = await at.cases.of(await at.claim(), at.clock.now_ms)
        assert (case.job.offset, case.job.named) == (newest, named)
        if deleted:
            assert case.decision == Drop("never_recipient")
        else:
            assert isinstance(case.decision, Send)
            assert case.decision.entry.offset == named


async def test_who_looks_back_leaves_the_event_loop_to_others_after_each_who_takes_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slices, "TURN_S", 0.0)
    users = [f"u{number:03}" for number in range(200)]
    async with desk() as at:
        await at.room("room:a", *users)
        for user in users:
            await put(at.store, DEVICES, user, "", level="mentions")
        for _ in range(3):
            newest = await say(at.store, "room:a")
        await at.raise_("room:a", newest, *users)
        jobs = await at.claim()
        turns, decided_in = 0, list[int]()

        def counted(facts: Facts, now_ms: int) -> Decision:
            decided_in.append(turns)
            return decide(facts, now_ms)

        monkeypatch.setattr(cases_module, "decide", counted)

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            counting = tasks.create_task(count())
            cases = await at.cases.of(jobs, at.clock.now_ms)
            counting.cancel()
        assert {type(case.decision) for case in cases} == {Drop}
        assert len(decided_in) == 2 * len(users)
        assert len(set(decided_in[len(users) :])) == len(users)
