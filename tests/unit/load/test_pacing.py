"""An open loop keeps its times, and counts every wait from them."""

import asyncio
import itertools
import random
import statistics
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.alarm import Alarm
from load.measured import LATE_MS
from load.pacing import BURST_MAX, Schedule, count_lateness, paced
from load.recording import Recorder

MS = 1_000_000
S = 1_000_000_000


def test_messages_are_due_at_even_times() -> None:
    schedule = Schedule(rate=100, count=5, start_ns=7 * S)
    assert schedule.due(7 * S - 1) == []
    assert schedule.due(7 * S) == [7 * S]
    assert schedule.next_ns == 7 * S + 10 * MS
    assert schedule.due(7 * S + 35 * MS) == [7 * S + wait * MS for wait in (10, 20, 30)]
    assert schedule.due(9 * S) == [7 * S + 40 * MS]
    assert schedule.next_ns is None
    assert schedule.due(99 * S) == []


def test_a_pause_of_the_hub_is_in_the_waits_of_all_that_should_have_been_sent_in_it() -> None:
    """No coordinated omission: 100 a second, answered in 1 ms, but for one pause of a second."""
    schedule = Schedule(rate=100, count=300, start_ns=0)
    waits_ms = []
    now_ns = 0
    while (next_ns := schedule.next_ns) is not None:
        now_ns = max(now_ns, next_ns)
        for due_ns in schedule.due(now_ns):
            # Whoever sends can only send when the one before was answered: the worst case.
            now_ns = 2 * S if S <= now_ns < 2 * S else now_ns + MS
            waits_ms.append((now_ns - due_ns) // MS)
    assert len(waits_ms) == 300
    held_up = [wait for wait in waits_ms if wait > 10]
    # A closed loop would have found one long wait in 200; here they fall from a second to nothing.
    assert len(held_up) > 100
    assert held_up[0] == 1_000
    assert held_up == sorted(held_up, reverse=True)
    assert statistics.median(waits_ms) == 1 and max(waits_ms) == 1_000


@given(st.floats(0.5, 100_000), st.integers(0, 500), st.lists(st.integers(0, 2 * S), max_size=20))
def test_each_message_is_due_once_and_none_before_its_time(
    rate: float, count: int, looks_ns: list[int]
) -> None:
    schedule = Schedule(rate, count, 0)
    times = []
    for now_ns in [*sorted(looks_ns), 10_000 * S]:
        found = schedule.due(now_ns, count_max=1_000)
        assert all(due_ns <= now_ns for due_ns in found)
        times += found
    assert times == [int(number * S / rate) for number in range(count)]


def test_what_is_overdue_comes_in_bursts_of_a_bounded_size() -> None:
    schedule = Schedule(rate=1_000_000, count=BURST_MAX + 1, start_ns=0)
    assert len(schedule.due(S)) == BURST_MAX
    assert len(schedule.due(S)) == 1


def test_times_by_chance_keep_the_rate_and_follow_the_seed() -> None:
    first, second, other = (
        Schedule(1_000, 20_000, 0, random.Random(seed)).due(10_000 * S, 20_000)  # noqa: S311 - no secret
        for seed in (1, 1, 2)
    )
    assert first == second != other
    assert first[-1] / S == pytest.approx(20, rel=0.05)
    gaps = [after - before for before, after in itertools.pairwise(first)]
    assert statistics.stdev(gaps) == pytest.approx(statistics.mean(gaps), rel=0.05)


@pytest.mark.parametrize(("rate", "count"), [(0, 1), (-1, 1), (1, -1)])
def test_a_rate_is_above_zero(rate: float, count: int) -> None:
    with pytest.raises(ValueError, match="rate"):
        Schedule(rate, count, 0)


def test_what_leaves_late_is_counted() -> None:
    recorder = Recorder("steady")
    late_ns = int(LATE_MS * MS)
    for now_ns in (0, late_ns, late_ns + 1):
        count_lateness(0, now_ns, recorder)
    assert (recorder.sends, recorder.late) == (3, 1)


async def test_pacing_gives_every_time_and_never_early() -> None:
    recorder = Recorder("steady")
    began_ns = time.monotonic_ns()
    times = []
    async for due_ns in paced(recorder, rate=1_000, count=200, delay_s=0.01):
        assert time.monotonic_ns() >= due_ns
        times.append(due_ns)
    assert len(times) == recorder.sends == 200
    assert times[0] - began_ns >= 10 * MS
    assert times[-1] - times[0] == 199 * MS


async def test_a_load_that_is_held_up_says_so() -> None:
    recorder = Recorder("steady")
    number = 0
    async for _ in paced(recorder, rate=1_000, count=100):
        number += 1
        if number == 10:
            time.sleep(0.06)  # noqa: ASYNC251 - the loop is to be blocked
    assert recorder.sends == 100
    assert 40 <= recorder.late < 100


async def test_pacing_leaves_the_loop_its_turn() -> None:
    recorder = Recorder("steady")
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(others())
        async for _ in paced(recorder, rate=10_000_000, count=BURST_MAX * 20):
            pass
        task.cancel()
    assert turns >= 20


async def test_an_alarm_rings_at_its_time_and_not_before() -> None:
    with Alarm() as alarm:
        await alarm.at(time.monotonic_ns() - S)
        early = []
        for _ in range(5):
            at_ns = time.monotonic_ns() + 3 * MS
            await alarm.at(at_ns)
            early.append(time.monotonic_ns() < at_ns)
    assert early == [False] * 5
