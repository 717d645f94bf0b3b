"""Notifications of large channels are begun evenly, and leave time for what is urgent."""

import asyncio
import time
from collections.abc import Awaitable

import pytest

import workers.pace as pace_module
from workers.pace import EACH_MAX, PATIENCE_S, Pace


async def ticks(pace: Pace, turns: int) -> list[int]:
    """How many had a turn at each time, of so many who ask for one."""
    given: list[float] = []
    loop = asyncio.get_running_loop()

    async def one() -> None:
        await pace.turn()
        given.append(loop.time() // 0.001)

    asked: list[int] = []
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        for _ in range(turns):
            tasks.create_task(one())
        while len(given) < turns:
            before = len(given)
            await asyncio.sleep(0)
            if len(given) > before:
                asked.append(len(given) - before)
    return asked


@pytest.fixture(autouse=True)
def never_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace_module, "LATE_S", 60)


async def test_some_are_begun_at_a_time_in_the_order_in_which_they_asked() -> None:
    pace = Pace()
    assert await ticks(pace, 2 * EACH_MAX + 1) == [EACH_MAX, EACH_MAX, 1]
    # And once more, after nobody has asked for a while.
    assert await ticks(pace, 1) == [1]


async def test_none_is_begun_while_something_urgent_is_under_way() -> None:
    pace = Pace()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        with pace.urgently():
            turns = [tasks.create_task(pace.turn()) for _ in range(EACH_MAX)]
            await asyncio.sleep(PATIENCE_S / 4)
            assert not any(turn.done() for turn in turns)
            since = asyncio.get_running_loop().time()
        await asyncio.gather(*turns)
        assert asyncio.get_running_loop().time() - since < PATIENCE_S / 2


async def test_one_is_begun_at_a_time_beside_what_is_urgent_for_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace_module, "PATIENCE_S", 0.02)
    pace = Pace()
    with pace.urgently():
        assert await ticks(pace, 3) == [1, 1, 1]


async def test_one_is_begun_at_a_time_while_the_loop_is_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace_module, "LATE_S", 0.001)
    pace = Pace()
    done: list[int] = []

    async def one(number: int) -> None:
        await pace.turn()
        done.append(number)

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        for number in range(3):
            tasks.create_task(one(number))
        for count in (1, 2, 3):
            while len(done) < count:
                time.sleep(0.01)  # noqa: ASYNC251 - what makes the loop late
                await asyncio.sleep(0)
            assert done == list(range(count))


async def test_who_gives_up_takes_nobodys_turn() -> None:
    pace = Pace()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(pace.turn()) for _ in range(EACH_MAX + 1)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await waiting[1]
        await asyncio.sleep(0)
        assert waiting[EACH_MAX].done()


async def test_one_is_begun_at_a_time_after_small_channels_were_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pace = Pace()
    pace.told()
    assert await ticks(pace, 3) == [1, 1, 1]
    monkeypatch.setattr(pace_module, "FLOW_S", 0)
    assert await ticks(pace, EACH_MAX) == [EACH_MAX]


async def is_done_at_once(waiting: Awaitable[None], tasks: asyncio.TaskGroup) -> bool:
    """Whether nothing but a turn of the loop is waited for; it is given up otherwise."""

    async def wait() -> None:
        await waiting

    task = tasks.create_task(wait())
    for _ in range(3):
        await asyncio.sleep(0)
    is_done = task.done()
    task.cancel()
    return is_done


async def test_work_in_slices_waits_for_the_end_of_what_is_urgent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace_module, "CALM_MAX_S", 60)
    pace = Pace()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        assert await is_done_at_once(pace.calm(), tasks)
        with pace.urgently():
            slice_ = tasks.create_task(pace.calm())
            await asyncio.sleep(0)
            with pace.urgently():
                pass
            assert not await is_done_at_once(pace.calm(), tasks)
            assert not slice_.done()
        await slice_
        assert await is_done_at_once(pace.calm(), tasks)


async def test_work_in_slices_has_half_of_the_time_whatever_is_urgent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace_module, "CALM_MAX_S", 0.3)
    pace = Pace()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        with pace.urgently():
            assert not await is_done_at_once(pace.calm(), tasks)
            await pace.calm()
            assert await is_done_at_once(pace.calm(), tasks)
            assert await is_done_at_once(pace.calm(), tasks)
            await asyncio.sleep(0.35)
            assert not await is_done_at_once(pace.calm(), tasks)


async def test_work_in_slices_leaves_time_to_others_after_small_channels_were_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace_module, "REST_S", 60)
    pace = Pace()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        pace.told()
        assert not await is_done_at_once(pace.calm(), tasks)
        monkeypatch.setattr(pace_module, "FLOW_S", 0)
        assert await is_done_at_once(pace.calm(), tasks)
