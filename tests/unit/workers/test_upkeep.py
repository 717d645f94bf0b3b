"""A worker heals after hubs, frees space, and leaves without a trace."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from realtime.brokers.base import BusMessage, ControlMessage, ControlReceiver, ignore
from realtime.brokers.memory import MemoryBroker, MemoryBus
from realtime.cluster import retention, sweeping
from realtime.cluster.membership import BEAT_S, LEASE_S
from realtime.model import Retention
from realtime.stores.base import DEDUPE_TTL_MS, NodeInfo
from tests.support.log_entries import NOW, new_entries
from tests.support.memory_nodes import MemoryCluster, MemorySharedStore
from tests.unit.cluster.processes import FakeClock, Process, entry, put, settled
from workers.upkeep import UpkeepWorker


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "PAUSE_S", 0.0)
    monkeypatch.setattr(retention, "PAUSE_S", 0.0)
    monkeypatch.setattr(retention, "ROUND_S", 0.0)


class Scene:
    """One worker, and a bus with a hub's ear on it."""

    def __init__(self, control: ControlReceiver = ignore) -> None:
        self.cluster = MemoryCluster()
        self.clock = FakeClock()
        self.clock.seconds = (NOW + DEDUPE_TTL_MS) / 1000 + 60
        self.bus = MemoryBus()
        self.ear = MemoryBroker(self.bus, "hub")
        self.heard: list[BusMessage] = []
        self.store: MemorySharedStore = self.cluster.store()
        self.broker = MemoryBroker(self.bus, "w1")
        self.worker = UpkeepWorker(
            self.store,
            self.broker,
            retention=retention.unchanging(lambda channel: Retention(3, 0)),
            clock=self.clock,
            name="worker-1",
            version="1.2.3",
            node="w1",
            control=control,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        """The worker runs, and is cancelled at the end."""
        loop = asyncio.get_running_loop()
        hearing = loop.create_task(self.ear.run(self.heard.append))
        task = loop.create_task(self.worker.run())
        await settled()
        try:
            yield task
        finally:
            task.cancel()
            async with asyncio.timeout(5):
                await asyncio.wait([task])
            await self.ear.close()
            await hearing

    async def live(self, seconds: float, *others: Process) -> None:
        """Let time pass for the worker and these."""
        for _ in range(round(seconds / BEAT_S)):
            self.clock.seconds += BEAT_S
            for other in others:
                await other.lease.round()
            await self.worker.upkeep.lease.round()
            await settled()


async def test_a_worker_says_what_it_is_and_departs_when_it_is_stopped() -> None:
    scene = Scene()
    began = scene.clock.wall_ms()
    async with scene.running():
        await scene.live(BEAT_S)
        assert scene.cluster.leases["w1"].info == NodeInfo(
            "worker-1", "1.2.3", "worker", started_ms=began, uptime=3
        )
        assert scene.cluster.tasks == {"retention": "w1"}
    assert scene.cluster.leases == {}
    assert scene.cluster.tasks == {}
    assert scene.bus.brokers == {}


async def test_leaves_of_a_dead_hub_are_announced_over_the_bus() -> None:
    scene = Scene()
    scene.ear.subscribe("room")
    hub = Process(scene.cluster, scene.clock, "hub")
    await hub.lease.round()
    put(scene.cluster, [entry("hub", "room", "ann"), entry("hub", "room", "b", announced=False)])
    async with scene.running():
        await scene.live(LEASE_S + 2 * BEAT_S)
        assert scene.cluster.entries == {}
        assert list(scene.cluster.leases) == ["w1"]
        (message,) = scene.heard
        leave = message.entry
        assert (leave.channel, leave.offset, leave.kind) == ("room", 0, "leave")
        assert leave.info is not None
        assert leave.info.client == "ann"
        assert (message.node, message.epoch) == ("w1", scene.store.epoch)


async def test_a_worker_frees_what_retention_hides() -> None:
    scene = Scene()
    await scene.store.append(new_entries("room", 10))
    async with scene.running():
        await settled(200)
        assert [item.offset for item in scene.cluster.logs.entries("room")] == [8, 9, 10]


async def test_a_worker_whose_part_dies_says_farewell_and_ends() -> None:
    scene = Scene()
    async with scene.running() as task:
        await scene.broker.close()
        assert list(scene.cluster.leases) == ["w1"]

        def broken() -> float:
            raise ZeroDivisionError

        scene.worker.upkeep.lease._now = broken
        scene.worker.upkeep.lease._wanted.set()
        with pytest.raises(ExceptionGroup):
            async with asyncio.timeout(5):
                await task
    assert scene.cluster.leases == {}


async def test_a_farewell_while_the_store_and_the_bus_hang_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("cluster.lease.DEPART_TIMEOUT_S", "cluster.upkeep.RELEASE_TIMEOUT_S"):
        monkeypatch.setattr(f"realtime.{name}", 0.01)
    monkeypatch.setattr("workers.upkeep.CLOSE_TIMEOUT_S", 0.01)
    scene = Scene()
    held = asyncio.Event()

    async def hang() -> None:
        await held.wait()

    async with scene.running():
        await scene.live(BEAT_S)
        scene.store.hold("release")
        scene.store.hold("of_node")
        monkeypatch.setattr(scene.broker, "close", hang)
    assert list(scene.cluster.leases) == ["w1"], "survivors will find it dead"


async def test_what_hubs_say_to_all_is_heard() -> None:
    heard: list[ControlMessage] = []
    scene = Scene(heard.append)
    async with scene.running():
        word = ControlMessage("hub", "push_wake")
        scene.ear.control(word)
        assert heard == [word]
