"""A provider behind its rate and its breaker, with a provider that answers what it is told."""

import asyncio
from collections.abc import Sequence
from typing import Literal

from tests.support.apns import SetClock
from workers.gate import RATE, SPARED, Gate
from workers.providers.base import (
    Delivered,
    Failed,
    Later,
    Misconfigured,
    Notice,
    Outcome,
    ProviderName,
    Rejected,
    Target,
)

TARGET = Target("fcm", "token", "t")
NOTICE = Notice("show", "id", "c" * 32, "Title", "Body", -1, {}, 0)


def held(
    after_s: float, why: str = "429", scope: Literal["device", "provider"] = "provider"
) -> Later:
    """What is answered where the service was not asked."""
    return Later(why, after_s, scope, asked=False)


class Scripted:
    """Answers these outcomes, then that it has delivered."""

    name: ProviderName = "fcm"

    def __init__(self, outcomes: Sequence[Outcome] = ()) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def send(self, target: Target, notice: Notice) -> Outcome:
        self.calls += 1
        return self.outcomes.pop(0) if self.outcomes else Delivered()

    async def close(self) -> None:
        """Nothing is open."""


def make(
    provider: Scripted,
    clock: SetClock,
    *,
    per_s: float = 0,
    told: list[tuple[str, float, str]] | None = None,
) -> Gate:
    news = [] if told is None else told
    return Gate(
        provider,
        per_s=per_s,
        pause_s=60,
        clock=clock,
        random=lambda: 1.0,
        tell=lambda *what: news.append(what),
    )


async def test_credentials_that_are_refused_pause_the_provider_and_are_told() -> None:
    clock, told = SetClock(), list[tuple[str, float, str]]()
    provider = Scripted([Misconfigured("InvalidProviderToken")])
    gate = make(provider, clock, told=told)
    assert await gate.send(TARGET, NOTICE) == Misconfigured("InvalidProviderToken")
    assert await gate.send(TARGET, NOTICE) == held(60.0, "InvalidProviderToken")
    assert provider.calls == 1
    assert told == [("fcm", 60, "InvalidProviderToken")]
    clock.advance(60)
    assert await gate.send(TARGET, NOTICE) == Delivered()
    assert await gate.send(TARGET, NOTICE) == Delivered()


async def test_a_provider_that_says_how_long_is_left_alone_for_so_long() -> None:
    clock = SetClock()
    provider = Scripted([Later("429", 30.0)])
    gate = make(provider, clock)
    await gate.send(TARGET, NOTICE)
    clock.advance(29)
    assert await gate.send(TARGET, NOTICE) == held(1.0)
    clock.advance(1)
    assert await gate.send(TARGET, NOTICE) == Delivered()


async def test_what_concerns_one_device_does_not_hold_up_the_others() -> None:
    answers: list[Outcome] = [
        Later("429", 30.0, "device"),
        Rejected("gone"),
        Failed("too large"),
        Later("503"),
    ]
    provider = Scripted(answers)
    gate = make(provider, SetClock())
    for number, answer in enumerate(answers):
        assert await gate.send(Target("fcm", "token", f"t{number}"), NOTICE) == answer
    assert await gate.send(TARGET, NOTICE) == Delivered()
    assert gate.outcomes == {"later": 2, "rejected": 1, "failed": 1, "delivered": 1}


async def test_a_burst_of_failures_opens_the_breaker_for_all_workers() -> None:
    clock, told = SetClock(), list[tuple[str, float, str]]()
    provider = Scripted([Later("503")] * 9)
    gate = make(provider, clock, told=told)
    for _ in range(9):
        await gate.send(TARGET, NOTICE)
    assert provider.calls == 5
    assert told == [("fcm", 1.0, "503")]
    assert gate.is_resting


async def test_another_worker_may_say_that_it_rests() -> None:
    clock = SetClock()
    provider = Scripted()
    gate = make(provider, clock)
    gate.rest(10, "429")
    assert await gate.send(TARGET, NOTICE) == held(10.0)
    assert provider.calls == 0


async def test_above_the_rate_a_notice_waits_for_its_turn_or_goes_back() -> None:
    clock = SetClock()
    provider = Scripted()
    gate = make(provider, clock, per_s=100)
    outcomes = [await gate.send(TARGET, NOTICE) for _ in range(100)]
    assert outcomes == [Delivered()] * 100
    async with asyncio.timeout(5):
        assert await gate.send(TARGET, NOTICE) == Delivered()
    slow = make(Scripted(), clock, per_s=0.1)
    assert await slow.send(TARGET, NOTICE) == Delivered()
    assert await slow.send(TARGET, NOTICE) == held(5.0, RATE)


async def test_a_device_that_was_told_too_much_is_left_alone_for_as_long_as_is_asked() -> None:
    clock = SetClock()
    provider = Scripted([Later("429", 30.0, "device")])
    gate = make(provider, clock)
    assert await gate.send(TARGET, NOTICE) == Later("429", 30.0, "device")
    clock.advance(10)
    assert await gate.send(TARGET, NOTICE) == held(20.0, SPARED, "device")
    assert await gate.send(Target("fcm", "token", "other"), NOTICE) == Delivered()
    assert provider.calls == 2
    clock.advance(20)
    assert await gate.send(TARGET, NOTICE) == Delivered()
