"""Large channels are walked beside what is done for all others."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import pytest

import workers.dispatching as dispatching
from realtime.chat.calls.presence import DeviceState
from realtime.push.jobs import Jobs
from realtime.settings.push_schema import PushSettings
from tests.support.chat import ManualClock
from tests.unit.workers.worker_house import jobs_of, make_room, opened, options, say, waiting
from workers.dispatching import Dispatcher, Whereabouts

WALKED = 4
"""Members of a page of a large room."""


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatching, "WALK_PAGE", WALKED)


def make(store: Any, whereabouts: Whereabouts) -> Dispatcher:
    return Dispatcher(
        store,
        Jobs(store),
        options=options,
        whereabouts=whereabouts,
        settings=PushSettings(small_max=3),
        clock=ManualClock(),
    )


class Slow:
    """Whereabouts that are asked for by a walk, and found out when the test says so."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.told = asyncio.Event()

    async def states(self, users: Collection[str]) -> Mapping[str, DeviceState]:
        if "u00000" in users:
            self.asked.set()
            await self.told.wait()
        return {}


class Behind:
    """A store that takes its time to answer what waits; `read` once it has looked."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.read = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def notifiable(self, **asked: Any) -> Any:
        page = await self._store.notifiable(**asked)
        if not self.answers.is_set():
            self.read.set()
            await self.answers.wait()
        return page


async def test_a_small_room_does_not_wait_for_the_page_that_is_under_way(
    small_pages: None,
) -> None:
    async with opened() as store, asyncio.timeout(5):
        await make_room(store, "room:large", *[f"u{number:05}" for number in range(WALKED)])
        await make_room(store, "room:small", "bob")
        await say(store, "room:large")
        slow = Slow()
        dispatcher = make(store, slow)
        assert not await dispatcher.round()
        assert dispatcher.is_walking
        async with asyncio.TaskGroup() as tasks:
            walking = tasks.create_task(dispatcher.walk())
            await slow.asked.wait()
            await say(store, "room:small")
            assert not await dispatcher.round()
            assert list(await jobs_of(store)) == [("bob", "room:small")]
            slow.told.set()
        assert walking.result()
        assert not await dispatcher.walk()
        assert not dispatcher.is_walking
        assert dispatcher.raised == WALKED + 1


async def test_what_was_read_before_its_walk_ended_is_not_walked_again(
    small_pages: None,
) -> None:
    async with opened() as store, asyncio.timeout(5):
        await make_room(store, "room:large", *[f"u{number:05}" for number in range(WALKED + 1)])
        await say(store, "room:large")
        slow = Slow()
        slow.told.set()
        behind = Behind(store)
        dispatcher = make(behind, slow)
        await dispatcher.round()
        behind.answers.clear()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(dispatcher.round())
            await behind.read.wait()
            while await dispatcher.walk():
                pass
            behind.answers.set()
        assert not dispatcher.is_walking
        assert await waiting(store) == []
