"""A hub among others, put together: presence seen, healed after, and taken along."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import pytest

from realtime.cluster import hub_member, presence_writer, sweeping, upkeep
from realtime.cluster.hub_member import HubMember
from realtime.cluster.membership import BEAT_S, LEASE_S
from realtime.cluster.presence_reader import Elsewhere
from realtime.cluster.retention import unchanging
from realtime.errors import StoreReplaced
from realtime.model import Retention
from realtime.stores.base import NodeInfo, PresenceEntry
from tests.support.memory_nodes import MemoryCluster
from tests.unit.cluster.processes import FakeClock, entry, settled


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence_writer, "GATHER_S", 0.0)
    monkeypatch.setattr(sweeping, "PAUSE_S", 0.0)


class Node:
    """A hub's part, and what the hub would be told."""

    def __init__(self, cluster: MemoryCluster, clock: FakeClock, name: str) -> None:
        self.name = name
        self.store = cluster.store()
        self.here: list[PresenceEntry] = []
        self.announced: list[PresenceEntry] = []
        self.lost: list[str] = []
        self.epoch = self.store.epoch
        self.reads = asyncio.TaskGroup()
        self.member = HubMember(
            self.store,
            self.tell,
            node=name,
            info=lambda: NodeInfo(name, "1"),
            clock=clock,
            retention=unchanging(lambda channel: Retention(-1, 0)),
            present=lambda: self.here,
            announce=self.announced.append,
            spawn=lambda work: self.reads.create_task(work),
            reborn=self.lost.append,
            read_epoch=self._read_epoch,
        )

    def tell(self, kind: str, body: msgspec.Struct, *, to: str | None = None) -> None:
        """Nobody is asked anything here."""

    async def _read_epoch(self) -> str:
        return self.epoch

    def comes(self, channel: str, client: str) -> None:
        """A subscription begins."""
        self.here.append(entry("", channel, client))
        self.member.presence.appeared(self.here[-1])

    async def others(self, channel: str) -> Elsewhere:
        """Who is on other nodes."""
        async with self.reads:
            return await self.member.others.elsewhere(channel, 10)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """It runs."""
        task = asyncio.get_running_loop().create_task(self.member.run())
        await settled()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


async def rounds(clock: FakeClock, *nodes: Node, seconds: float) -> None:
    """Let time pass for these nodes."""
    for _ in range(round(seconds / BEAT_S)):
        clock.seconds += BEAT_S
        for node in nodes:
            await node.member.lease.round()
        await settled()


async def test_others_see_who_is_here_and_a_departure_takes_them_along() -> None:
    cluster, clock = MemoryCluster(), FakeClock()
    ann, bob = Node(cluster, clock, "ann"), Node(cluster, clock, "bob")
    async with ann.running(), bob.running():
        ann.comes("room", "a1")
        await settled()
        await bob.member.lease.round()
        found = await bob.others("room")
        assert [item.info.client for item in found.entries] == ["a1"]
        ann.here.clear()
        await ann.member.depart()
        assert cluster.entries == {}
        assert list(cluster.leases) == ["bob"]
    assert bob.announced == [], "its hub has announced the leaves itself"


async def test_a_dead_hub_s_clients_leave_once_and_a_living_one_s_come_back() -> None:
    cluster, clock = MemoryCluster(), FakeClock()
    nodes = [Node(cluster, clock, name) for name in ("ann", "bob", "cid")]
    ann, bob, cid = nodes
    async with bob.running(), cid.running():
        async with ann.running():
            ann.comes("room", "a1")
            await settled()
        await rounds(clock, bob, cid, seconds=LEASE_S + 2 * BEAT_S)
        assert [item.info.client for item in bob.announced + cid.announced] == ["a1"]
        assert cluster.entries == {}
        # It was only stopped.
        async with ann.running():
            await rounds(clock, *nodes, seconds=2 * BEAT_S)
            assert ann.lost == ["ann"]
            assert [item.node for item in cluster.entries.values()] == [ann.member.lease.node]
            assert ann.member.lease.node in bob.member.lease.living
        assert len(bob.announced + cid.announced) == 1


async def test_a_hub_alone_that_was_called_dead_puts_its_own_house_in_order() -> None:
    cluster, clock = MemoryCluster(), FakeClock()
    ann = Node(cluster, clock, "ann")
    async with ann.running():
        ann.comes("room", "a1")
        await settled()
        await cluster.node().condemn("ann", cluster.leases["ann"].beat)
        await rounds(clock, ann, seconds=3 * BEAT_S)
        assert [item.node for item in cluster.entries.values()] == [ann.member.lease.node]
        assert list(cluster.leases) == [ann.member.lease.node]
        assert ann.announced == []
        assert cluster.tasks == {}


async def test_another_store_ends_the_run() -> None:
    cluster, clock = MemoryCluster(), FakeClock()
    ann = Node(cluster, clock, "ann")
    task = asyncio.get_running_loop().create_task(ann.member.run())
    await settled()
    ann.epoch = "another"
    cluster.leases.clear()
    clock.seconds += BEAT_S
    ann.member.lease._wanted.set()
    with pytest.raises(ExceptionGroup) as died:
        await task
    assert died.value.subgroup(StoreReplaced) is not None


async def test_a_departure_while_the_store_is_away_is_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hub_member, "FLUSH_TIMEOUT_S", 0.01)
    monkeypatch.setattr(upkeep, "RELEASE_TIMEOUT_S", 0.01)
    cluster, clock = MemoryCluster(), FakeClock()
    ann = Node(cluster, clock, "ann")
    async with ann.running():
        assert await ann.member.upkeep.tasks.mine("retention")
        ann.store.is_away = True
        ann.comes("room", "a1")
        async with asyncio.timeout(5):
            await ann.member.depart()
    assert "1 changes of presence are not written" in caplog.text
    assert "tasks are left to the survivors" in caplog.text
    assert "the node's lease is left to end by itself" in caplog.text
