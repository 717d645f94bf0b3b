"""Retention in slices, by the one process that may."""

import asyncio

import pytest

from realtime.cluster import retention as retention_module
from realtime.cluster.retention import RetentionRounds, shared_by, unchanging
from realtime.cluster.tasks import RETENTION
from realtime.errors import StoreUnavailable
from realtime.model import Retention
from tests.support.faulty_store import FaultyStore
from tests.support.log_entries import KEEP_ALL, new_entries
from tests.support.memory_store import MemoryStore
from tests.unit.cluster.processes import FakeClock, Process, Processes, settled


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_module, "PAUSE_S", 0.0)


def rules(channel: str) -> Retention:
    """Channels that begin with "short" keep three entries."""
    return Retention(3, 0) if channel.startswith("short") else KEEP_ALL


def late() -> FakeClock:
    """When everything is old enough to be forgotten."""
    clock = FakeClock()
    clock.seconds = 1_700_000_000.0 + 3600
    return clock


async def filled(channels: int = 3) -> FaultyStore:
    """A store with six entries in each of some channels."""
    store = FaultyStore(MemoryStore())
    for number in range(channels):
        await store.append(new_entries(f"short:{number}", 6))
        await store.append(new_entries(f"long:{number}", 6))
    return store


async def test_a_round_goes_through_all_channels_and_keeps_what_retention_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention_module, "SLICE_ROWS", 2)
    store = await filled()
    rounds = RetentionRounds(store, retention=unchanging(rules), clock=late())
    assert await rounds.sweep() == 9
    assert await rounds.sweep() == 0


async def test_a_round_ends_where_another_has_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_module, "ASK_SLICES", 2)
    answers = iter([True, True, False])

    async def may() -> bool:
        return next(answers)

    store = await filled(10)
    rounds = RetentionRounds(store, retention=unchanging(rules), clock=late(), may=may)
    await rounds.sweep()
    assert store.calls["sweep"] == 4


async def test_a_round_that_is_another_s_does_nothing() -> None:
    async def may() -> bool:
        return False

    store = await filled()
    assert (
        await RetentionRounds(store, retention=unchanging(rules), clock=late(), may=may).sweep()
        == 0
    )
    assert store.calls["sweep"] == 0


async def test_a_failing_store_is_swept_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_module, "ROUND_S", 0.0)
    store = await filled()
    store.fail("sweep", 2)
    rounds = RetentionRounds(store, retention=unchanging(rules), clock=late())
    with pytest.raises(StoreUnavailable):
        await rounds.sweep()
    running = asyncio.get_running_loop().create_task(rounds.run())
    await settled(100)
    assert store.calls["sweep"] >= 4
    running.cancel()
    await asyncio.wait([running])


async def test_a_slice_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_module, "SLICE_TIMEOUT_S", 0.01)
    store = await filled()
    store.hold("sweep")
    with pytest.raises(TimeoutError):
        await RetentionRounds(store, retention=unchanging(rules), clock=late()).sweep()


def rounds_of(process: Process, store: FaultyStore) -> RetentionRounds:
    """One process's rounds in a cluster."""
    may = shared_by(process.tasks, is_worker=process.role == "worker")
    return RetentionRounds(store, retention=unchanging(rules), clock=late(), may=may)


async def test_in_a_cluster_one_hub_does_it_until_there_is_a_worker() -> None:
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob")
    worker = processes.add("worker", role="worker")
    store = await filled()
    await processes.live(ann, bob)
    assert await rounds_of(ann, store).sweep() == 9
    before = store.calls["sweep"]
    await rounds_of(bob, store).sweep()
    assert store.calls["sweep"] == before
    await processes.live(ann, bob, worker)
    await rounds_of(worker, store).sweep()
    await rounds_of(bob, store).sweep()
    await rounds_of(ann, store).sweep()
    assert store.calls["sweep"] == before, "ann held it, and has let go"
    await rounds_of(worker, store).sweep()
    assert store.calls["sweep"] > before
    assert processes.cluster.tasks == {RETENTION: "worker"}
    await processes.bury(worker, ann, bob)
    before = store.calls["sweep"]
    await rounds_of(bob, store).sweep()
    assert store.calls["sweep"] > before
    assert processes.cluster.tasks == {RETENTION: "bob"}
