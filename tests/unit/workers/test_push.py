"""The push worker as a whole: from a message in the store to a phone, and its end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

import pytest

import workers.pace as pace_module
import workers.push as push_module
import workers.results as results_module
import workers.sending as sending_module
from realtime.chat.calls.presence import DeviceState
from realtime.errors import UNKNOWN_CHANNEL, CommandRefused
from realtime.push.looking_again import clear_due
from realtime.settings.push_schema import PushSettings
from realtime.settings.schema import ChannelOptions
from tests.support.chat import ManualClock
from tests.unit.workers.sending_house import Phones, until
from tests.unit.workers.worker_house import (
    AWAY,
    ROOM,
    Failing,
    add_device,
    jobs_of,
    make_room,
    opened,
    say,
    waiting,
)
from workers.gate import Gate
from workers.push import PushWorker


class Nobody:
    """Nobody is connected."""

    async def states(self, users: Collection[str]) -> Mapping[str, DeviceState]:
        return {}


def options(channel: str) -> ChannelOptions:
    if channel.startswith("gone:"):
        raise CommandRefused(UNKNOWN_CHANNEL)
    return ROOM


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks for anything of their own accord, so what happens was asked for."""
    monkeypatch.setattr(push_module, "POLL_S", 60)
    monkeypatch.setattr(sending_module, "POLL_S", 60)
    monkeypatch.setattr(results_module, "ROUND_S", 0)


class At:
    """A worker over a store."""

    def __init__(self, store: Any, settings: PushSettings) -> None:
        self.store = store
        self.failing = Failing(store)
        self.clock = ManualClock()
        self.phones = Phones()
        gate = Gate(self.phones, per_s=0, pause_s=60, clock=self.clock, random=lambda: 0.5)
        self.worker = PushWorker(
            self.failing,
            {"fcm": gate},
            options=options,
            whereabouts=Nobody(),
            settings=settings,
            clock=self.clock,
        )

    async def is_done(self) -> bool:
        jobs = await jobs_of(self.store)
        return bool(jobs) and all(job.state == "done" for job in jobs.values())

    async def has_looked(self) -> bool:
        return any(name == "notifiable" for name, _ in self.failing.calls)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.worker.run())
            yield task
            task.cancel()


@contextlib.asynccontextmanager
async def at(settings: PushSettings | None = None) -> AsyncIterator[At]:
    async with opened() as store:
        await make_room(store, "room:a", "bob")
        await add_device(store, "bob", "phone")
        yield At(store, settings or PushSettings())


async def test_a_message_is_told_of_when_the_worker_is_woken_and_cleared_when_it_is_read() -> None:
    async with at() as here:
        async with here.running():
            await until(here.has_looked)
            offset = await say(here.store, "room:a")
            here.worker.wake()
            await until(here.is_done)
            await here.store.write([clear_due("bob", "room:a", offset, here.clock.now_ms)])
            here.worker.wake()
            await until(lambda: cleared(here))
        assert [notice.act for _, notice in here.phones.sent] == ["show", "clear"]
        assert await waiting(here.store) == []


async def cleared(here: At) -> bool:
    return len(here.phones.sent) == 2 and await here.is_done()


async def test_what_comes_while_the_last_one_is_told_of_need_not_wait_for_a_look() -> None:
    async with at() as here:
        here.phones.hold = asyncio.Event()
        async with here.running():
            await until(here.has_looked)
            first = await say(here.store, "room:a")
            here.worker.wake()
            await here.phones.came.wait()
            second = await say(here.store, "room:a")
            here.worker.wake()
            await until(lambda: is_settled(here))
            here.phones.hold.set()
            await until(lambda: cleared(here))
        told = [notice.data["offset"] for _, notice in here.phones.sent]
        assert told == [str(first), str(second)]


async def test_large_channels_and_results_wait_for_what_is_urgent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace_module, "CALM_MAX_S", 60)
    async with at(PushSettings(small_max=1)) as here:
        await make_room(here.store, "room:large", "dan", "eve")
        async with here.running():
            with here.worker.sender.pace.urgently():
                await say(here.store, "room:large")
                await say(here.store, "room:a")
                here.worker.wake()
                await here.phones.came.wait()
                for _ in range(50):  # what had not waited would have been written by now
                    jobs = await jobs_of(here.store)
                assert {key: job.state for key, job in jobs.items()} == {("bob", "room:a"): "due"}
            await until(lambda: are_done(here, 3))


async def are_done(here: At, count: int) -> bool:
    return len(await jobs_of(here.store)) == count and await here.is_done()


async def test_how_long_the_first_message_waits_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_module, "LOOK_S", 0.01)
    async with at() as here:
        here.failing.fail = lambda name, _: AWAY if name == "get" else None
        await say(here.store, "room:a", at=here.clock.now_ms - 9_000)

        async def is_shown() -> bool:
            return any(
                sample.value == 9
                for metric in here.worker.metrics()
                for sample in metric.samples
                if sample.name == "realtime_push_oldest_entry_seconds"
            )

        async with here.running():
            await until(is_shown)


async def test_what_is_begun_when_it_is_to_end_is_finished_and_written() -> None:
    async with at() as here:
        await say(here.store, "room:a")
        here.phones.hold = asyncio.Event()
        async with here.running() as task:
            await here.phones.came.wait()
            task.cancel()
            await asyncio.sleep(0)
            assert not task.done()
            here.phones.hold.set()
            await asyncio.wait({task})
        assert await here.is_done()


async def test_what_takes_too_long_then_is_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_module, "DRAIN_S", 0.01)
    async with at() as here:
        await say(here.store, "room:a")
        here.phones.hold = asyncio.Event()
        async with here.running():
            await here.phones.came.wait()
        (job,) = (await jobs_of(here.store)).values()
        assert (job.state, job.lease != "") == ("due", True)


async def test_after_an_outage_it_looks_again_however_often_it_is_woken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with at() as here:
        here.failing.fail = lambda name, _: AWAY if name == "notifiable" else None
        async with here.running():
            await until(here.has_looked)
            for _ in range(50):
                here.worker.wake()
                await asyncio.sleep(0)
            looks = [name for name, _ in here.failing.calls if name == "notifiable"]
            assert len(looks) == 1


async def test_a_message_in_a_namespace_that_is_configured_no_more_is_no_error() -> None:
    async with at() as here:
        await say(here.store, "gone:a")
        async with here.running():
            await until(lambda: is_settled(here))


async def is_settled(here: At) -> bool:
    return await waiting(here.store) == []


async def test_what_a_part_dies_of_the_worker_dies_of(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at() as here:

        async def dying() -> None:
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr(here.phones, "run", dying)
        with pytest.raises(BaseExceptionGroup) as caught:
            async with asyncio.timeout(5):
                await here.worker.run()
        assert caught.group_contains(ZeroDivisionError)
