"""Long work on many rows leaves the event loop to others now and then."""

import asyncio

import pytest

from realtime.push.slices import PATIENT_SLICE, SLICE, TURN_S, in_slices, in_turns, patiently


@pytest.mark.parametrize("many", [0, 1, SLICE, SLICE + 1, 3 * SLICE])
async def test_all_are_made_in_their_order(many: int) -> None:
    assert await in_slices(lambda number: -number, range(many)) == [-n for n in range(many)]


async def test_others_have_a_turn_between_slices() -> None:
    made: list[int] = []
    seen: list[int] = []

    async def look() -> None:
        while len(made) < 3 * SLICE:
            seen.append(len(made))
            await asyncio.sleep(0)

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(look())
        await asyncio.sleep(0)
        await in_slices(made.append, range(3 * SLICE))
    assert seen == [0, SLICE, 2 * SLICE]


async def test_others_have_a_turn_after_some_time_where_a_row_may_take_long() -> None:
    made: list[int] = []
    seen: list[int] = []
    now_s = 0.0

    def make(long: int) -> int:
        nonlocal now_s
        now_s += TURN_S / 2 if not long else 3 * TURN_S
        made.append(long)
        return -long

    async def look() -> None:
        while len(made) < 7:
            seen.append(len(made))
            await asyncio.sleep(0)

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(look())
        await asyncio.sleep(0)
        answer = await in_turns(make, [0, 0, 0, 1, 1, 0, 0], now=lambda: now_s)
    assert answer == [0, 0, 0, -1, -1, 0, 0]
    assert seen == [0, 2, 4, 5]


@pytest.mark.parametrize("many", [0, 1, PATIENT_SLICE, 3 * PATIENT_SLICE + 1])
async def test_work_that_has_time_is_done_in_smaller_slices_each_when_it_may_be(many: int) -> None:
    made: list[int] = []
    seen: list[int] = []

    async def between() -> None:
        seen.append(len(made))
        await asyncio.sleep(0)

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        with patiently(between):
            # What it begins has time, too.
            task = tasks.create_task(in_slices(made.append, range(many)))
        await task
    assert seen == list(range(0, many, PATIENT_SLICE))
    seen.clear()
    await in_slices(made.append, range(many))
    assert not seen
