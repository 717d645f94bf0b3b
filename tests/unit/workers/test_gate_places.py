"""How many requests one provider has under way, and whose."""

import asyncio

import pytest

import workers.gate as gate_module
from realtime.push.jobs import LARGE, SMALL
from tests.support.apns import SetClock
from tests.unit.workers.test_gate import NOTICE, TARGET, Scripted, held, make
from workers.gate import BUSY, RATE, Gate
from workers.providers.base import Delivered, Notice, Outcome, Target


class Held(Scripted):
    """Answers when the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()

    async def send(self, target: Target, notice: Notice) -> Outcome:
        outcome = await super().send(target, notice)
        await self.go_on.wait()
        return outcome


async def _all_wait() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_large_channels_leave_some_places_to_the_others() -> None:
    provider = Held()
    gate = Gate(provider, per_s=0, pause_s=60, places=8, clock=SetClock(), random=lambda: 1.0)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        for _ in range(10):
            tasks.create_task(gate.send(TARGET, NOTICE, LARGE))
        await _all_wait()
        assert (provider.calls, gate.in_flight) == (6, 6)
        for _ in range(10):
            tasks.create_task(gate.send(TARGET, NOTICE, SMALL))
        await _all_wait()
        assert gate.in_flight == 8
        provider.go_on.set()
    assert gate.outcomes == {"delivered": 20}


async def test_who_gets_no_place_goes_back_and_that_is_no_fault_of_the_providers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate_module, "PLACE_MAX_S", 0)
    provider = Held()
    gate = Gate(provider, per_s=0, pause_s=60, places=1, clock=SetClock(), random=lambda: 1.0)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(gate.send(TARGET, NOTICE, LARGE))
        await _all_wait()
        for _ in range(9):
            assert await gate.send(TARGET, NOTICE) == held(1.0, BUSY)
        assert not gate.is_resting
        provider.go_on.set()


async def test_what_waited_for_its_turn_is_not_sent_to_a_provider_that_rests_by_then() -> None:
    provider = Scripted()
    clock = SetClock()
    gate = make(provider, clock, per_s=100)
    for _ in range(100):
        await gate.send(TARGET, NOTICE)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(gate.send(TARGET, NOTICE))
        await _all_wait()
        gate.rest(30, "429")
    assert waiting.result() == held(30.0)
    assert provider.calls == 100


async def test_a_large_channel_waits_less_for_its_turn_than_others_do() -> None:
    gate = make(Scripted(), SetClock(), per_s=0.3)
    assert await gate.send(TARGET, NOTICE, LARGE) == Delivered()
    assert await gate.send(TARGET, NOTICE, LARGE) == held(2.0, RATE)
