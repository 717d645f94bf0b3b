"""What happens when a provider's rest is over, and many wait for it."""

import asyncio
from collections.abc import Sequence

from tests.support.apns import SetClock
from workers.gate import Gate
from workers.providers.base import Delivered, Later, Notice, Outcome, ProviderName, Target

TARGET = Target("fcm", "token", "t")
NOTICE = Notice("show", "id", "c" * 32, "Title", "Body", -1, {}, 0)


class Held:
    """A provider that answers these outcomes, then that it has delivered, when it is let."""

    name: ProviderName = "fcm"

    def __init__(self, outcomes: Sequence[Outcome] = ()) -> None:
        self.outcomes = list(outcomes)
        self.let = asyncio.Event()
        self.calls = 0

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def send(self, target: Target, notice: Notice) -> Outcome:
        self.calls += 1
        await self.let.wait()
        return self.outcomes.pop(0) if self.outcomes else Delivered()

    async def close(self) -> None:
        """Nothing is open."""


async def after_a_rest(provider: Held) -> list[Outcome]:
    """What becomes of five notices that come together then."""
    clock = SetClock()
    gate = Gate(provider, per_s=0, pause_s=60, clock=clock, random=lambda: 1.0)
    gate.rest(10, "429")
    clock.advance(10)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        sending = [tasks.create_task(gate.send(TARGET, NOTICE)) for _ in range(5)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert provider.calls == 1
        provider.let.set()
    return [task.result() for task in sending]


async def test_the_others_wait_for_what_one_finds_out_and_go_on_at_once() -> None:
    provider = Held()
    assert await after_a_rest(provider) == [Delivered()] * 5
    assert provider.calls == 5


async def test_where_one_finds_that_it_is_not_over_nobody_else_asks() -> None:
    provider = Held([Later("503", 20.0)])
    rested = Later("503", 20.0, asked=False)
    assert await after_a_rest(provider) == [Later("503", 20.0), *[rested] * 4]
    assert provider.calls == 1
