"""Identical reads become one, and one asker's fate is its own."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from realtime.cluster.shared_reads import SharedReads
from realtime.errors import StoreError, StoreUnavailable
from tests.unit.cluster.processes import settled


def reads_of(
    group: asyncio.TaskGroup, *, reads_max: int = 10, timeout_s: float = 5.0
) -> SharedReads[int]:
    """Reads that a test's task group hosts."""
    return SharedReads("numbers", spawn=group.create_task, reads_max=reads_max, timeout_s=timeout_s)


def counting(released: asyncio.Event) -> Callable[[], Awaitable[int]]:
    """A read that waits and answers how many were begun before it."""
    begun = 0

    async def read() -> int:
        nonlocal begun
        begun += 1
        number = begun
        await released.wait()
        return number

    return read


async def test_askers_join_the_read_that_is_queued_never_the_one_under_way() -> None:
    released = asyncio.Event()
    read = counting(released)
    async with asyncio.TaskGroup() as group:
        reads = reads_of(group)
        first = group.create_task(reads.read("a", read))
        await settled()
        later = [group.create_task(reads.read("a", read)) for _ in range(5)]
        await settled(1)
        assert len(reads) == 1
        released.set()
    assert first.result() == 1
    assert {task.result() for task in later} == {2}
    assert len(reads) == 0


async def test_an_asker_that_leaves_takes_the_answer_from_nobody() -> None:
    released = asyncio.Event()
    read = counting(released)
    async with asyncio.TaskGroup() as group:
        reads = reads_of(group)
        leaving = group.create_task(reads.read("a", read))
        staying = group.create_task(reads.read("a", read))
        await settled(2)
        leaving.cancel()
        await settled()
        released.set()
    assert staying.result() == 1


async def test_too_many_different_reads_are_refused() -> None:
    released = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        reads = reads_of(group, reads_max=2)
        asked = [group.create_task(reads.read(key, counting(released))) for key in ("a", "b")]
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="too many reads of numbers"):
            await reads.read("c", counting(released))
        released.set()
    assert [task.result() for task in asked] == [1, 1]


async def test_a_read_that_hangs_is_given_up() -> None:
    async with asyncio.TaskGroup() as group:
        reads = reads_of(group, timeout_s=0.01)
        with pytest.raises(StoreUnavailable, match="took too long"):
            await reads.read("a", counting(asyncio.Event()))


async def test_a_defect_is_logged_and_told_as_a_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken() -> int:
        raise ZeroDivisionError

    async with asyncio.TaskGroup() as group:
        reads = reads_of(group)
        with pytest.raises(StoreError, match="the read failed"):
            await reads.read("a", broken)
    assert "numbers could not be read" in caplog.text


async def test_askers_end_with_the_process_that_hosts_the_read() -> None:
    loop = asyncio.get_running_loop()
    hosted: list[asyncio.Task[None]] = []
    reads: SharedReads[int] = SharedReads(
        "numbers",
        spawn=lambda work: hosted.append(loop.create_task(work)),
        reads_max=10,
        timeout_s=5.0,
    )
    asking = loop.create_task(reads.read("a", counting(asyncio.Event())))
    await settled()
    hosted[0].cancel()
    await asyncio.wait([*hosted, asking])
    assert asking.cancelled()
