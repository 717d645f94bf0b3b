"""How whoever tells people of messages is woken: at once, seldom, and from afar."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from realtime.brokers.base import BUS_VERSION, ControlMessage
from realtime.brokers.memory import MemoryBroker
from realtime.push import waking
from realtime.push.waking import PUSH_WAKE, PushWake, Waking, hear, word_to
from workers.words import WorkerWords


class Calls:
    """Counts calls, and lets a test wait for them."""

    def __init__(self) -> None:
        self.count = 0
        self._called = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._called.set()

    async def another(self) -> None:
        """Wait for the next."""
        self._called.clear()
        async with asyncio.timeout(5):
            await self._called.wait()


class Words:
    """Words that were told, and who would hear them."""

    def __init__(self) -> None:
        self.told: list[tuple[str, msgspec.Struct]] = []
        self.handlers: dict[str, Callable[[Any], Awaitable[None]]] = {}

    def on(self, kind: str, body: type[Any], handler: Callable[[Any], Awaitable[None]]) -> None:
        """See `realtime.push.waking.Words`."""
        self.handlers[kind] = handler

    def tell(self, kind: str, body: msgspec.Struct) -> None:
        """See `realtime.push.waking.Words`."""
        self.told.append((kind, body))


async def test_the_first_call_wakes_at_once_and_more_are_merged_into_one() -> None:
    here, there = Calls(), Calls()
    made = Waking(here, there)
    loop = asyncio.get_running_loop()
    began = loop.time()
    made.called()
    assert (here.count, there.count) == (1, 1)
    for _ in range(100):
        made.called()
    assert here.count == 1
    await here.another()
    assert loop.time() - began >= waking.INTERVAL_S - 0.01
    assert (here.count, there.count) == (2, 2)


async def test_after_an_interval_in_which_nobody_calls_a_call_wakes_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waking, "INTERVAL_S", 0.01)
    here = Calls()
    made = Waking(here)
    made.called()
    rested = asyncio.Event()
    # Due no earlier than the interval's own end, which therefore comes first.
    asyncio.get_running_loop().call_later(waking.INTERVAL_S, rested.set)
    async with asyncio.timeout(5):
        await rested.wait()
    assert here.count == 1
    made.called()
    assert here.count == 2


async def test_where_there_is_nobody_to_wake_nothing_is_done() -> None:
    made = Waking()
    made.called()
    assert made._resting is None


async def test_other_nodes_are_told_in_a_word_and_heed_it() -> None:
    words, here = Words(), Calls()
    word_to(words)()
    assert words.told == [(PUSH_WAKE, PushWake())]
    hear(words, here)
    await words.handlers[PUSH_WAKE](PushWake())
    assert here.count == 1


def test_a_process_without_clients_hears_the_word_and_no_other() -> None:
    heard: list[None] = []
    ear = WorkerWords(MemoryBroker(), node="worker", epoch="epoch", wake=lambda: heard.append(None))
    ear.receive(ControlMessage("hub", PUSH_WAKE, epoch="epoch"))
    assert len(heard) == 1
    for other in (
        ControlMessage("hub", "device", epoch="epoch"),
        ControlMessage("hub", PUSH_WAKE, epoch="another"),
        ControlMessage("hub", PUSH_WAKE, epoch="epoch", version=BUS_VERSION + 1),
    ):
        ear.receive(other)
    assert len(heard) == 1


async def test_a_call_is_wanted_where_it_would_change_something() -> None:
    called = Calls()
    made = Waking(called)
    wanted = [made.is_open]
    for _ in range(2):
        made.called()
        wanted.append(made.is_open)
    await called.another()
    assert [*wanted, made.is_open] == [True, True, False, True]
    assert not Waking().is_open
