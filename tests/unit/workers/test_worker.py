"""A worker of a cluster: whose messages it takes, and what it waits for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

import workers.push as push_module
import workers.worker as worker_module
from realtime.brokers.memory import MemoryBroker, MemoryBus
from realtime.cluster import retention
from realtime.cluster.lease import LeaseKeeper
from realtime.cluster.membership import BEAT_S
from realtime.model import Entry, Retention
from realtime.rows import HERE
from realtime.settings.schema import ChannelOptions, Settings
from realtime.stores.base import NodeInfo, NodeLease
from realtime.stores.sqlite import SQLiteStore
from tests.support.memory_nodes import MemoryCluster, MemorySharedStore
from tests.unit.cluster.processes import FakeClock, settled
from tests.unit.workers.sending_house import until
from tests.unit.workers.worker_house import ROOM, jobs_of, make_room, opened, put, say
from workers.worker import LEFT_MS, Worker, make_inside


class Whole:
    """A store that has rows and logs here, and leases there, which can be held back."""

    def __init__(self, tables: SQLiteStore, nodes: MemorySharedStore) -> None:
        self._tables = tables
        self._nodes = nodes
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def nodes(self) -> Sequence[NodeLease]:
        await self.go_on.wait()
        return await self._nodes.nodes()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables if hasattr(self._tables, name) else self._nodes, name)


class Scene:
    """Workers of one cluster."""

    def __init__(self, tables: SQLiteStore) -> None:
        self.tables = tables
        self.cluster = MemoryCluster()
        self.clock = FakeClock()
        self.clock.seconds = 1_700_000_000
        self.bus = MemoryBus()

    def store(self) -> Whole:
        return Whole(self.tables, self.cluster.store())

    def worker(self, node: str, store: Any = None) -> Worker:
        return Worker(
            Settings(),
            store or self.store(),
            MemoryBroker(self.bus, node),
            options=options,
            retention=retention.unchanging(lambda channel: Retention(-1, 0)),
            clock=self.clock,
            name=node,
            version="1",
            node=node,
        )


def options(channel: str) -> ChannelOptions:
    return ROOM


@contextlib.asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    async with opened() as store:
        yield Scene(store)


async def beat(*workers: Worker) -> None:
    """Let each know of all others."""
    for _ in range(2):
        for worker in workers:
            await worker.upkeep.upkeep.lease.round()


def message(channel: str, at: int) -> Entry:
    return Entry(channel, 1, b"", at)


async def test_workers_share_out_the_channels_and_take_what_is_left_over() -> None:
    async with scene() as at:
        workers = [at.worker(f"w{number}") for number in range(3)]
        await beat(*workers)
        now_ms = at.clock.wall_ms()
        for number in range(50):
            young = message(f"room:{number}", now_ms - LEFT_MS)
            assert [worker._is_mine(young) for worker in workers].count(True) == 1
            assert all(w._is_mine(message(f"room:{number}", now_ms - LEFT_MS - 1)) for w in workers)
        first = [workers[0]._is_mine(message(f"room:{n}", now_ms)) for n in range(50)]
        assert 5 < sum(first) < 30
        assert workers[0]._is_mine(message("\ud800", now_ms)) in (True, False)


async def test_hubs_do_not_count_as_workers_and_who_is_alone_takes_all() -> None:
    async with scene() as at:
        worker = at.worker("w1")
        hub = at.cluster.store()
        await hub.register("hub", NodeInfo("hub", "1", "hub"))
        await beat(worker)
        now_ms = at.clock.wall_ms()
        assert all(worker._is_mine(message(f"room:{number}", now_ms)) for number in range(20))
        assert worker._workers() == ["w1"]


async def test_nobody_is_told_before_it_is_known_which_nodes_live(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(push_module, "POLL_S", 0.01)
    monkeypatch.setattr(worker_module, "RETRY_S", 0.01)
    async with scene() as at:
        await make_room(at.tables, "room:a", "bob")
        await put(at.tables, HERE, "bob", "hub", state="active", since=1)
        await at.cluster.store().register("hub", NodeInfo("hub", "1", "hub"))
        now_ms = at.clock.wall_ms()
        await say(at.tables, "room:a", at=now_ms)
        store = at.store()
        store.go_on.clear()
        look, asked = LeaseKeeper.look, list[LeaseKeeper]()

        async def looked(self: LeaseKeeper) -> None:
            asked.append(self)
            await look(self)

        monkeypatch.setattr(LeaseKeeper, "look", looked)

        async def asks_or_has_job() -> bool:
            return bool(asked) or await has_job(at)

        worker = at.worker("w1", store)
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(worker.run())
            await until(asks_or_has_job)
            store.go_on.set()
            await until(lambda: has_job(at))
            running.cancel()
        (job,) = (await jobs_of(at.tables)).values()
        assert job.due_at == now_ms + 5_000


async def has_job(at: Scene) -> bool:
    await settled()
    return bool(await jobs_of(at.tables))


async def test_in_one_process_all_messages_are_this_ones() -> None:
    async with opened() as store:

        async def here(users: Any) -> Any:
            return {}

        clock = FakeClock()
        clock.seconds = 1_700_000_000
        worker = make_inside(Settings(), store, options=options, here=here, clock=clock)
        assert repr(worker) == "<PushWorker without providers>"
        await make_room(store, "room:a", "bob")
        await say(store, "room:a", at=clock.wall_ms())
        await worker.dispatcher.round()
        assert list(await jobs_of(store)) == [("bob", "room:a")]


def test_beats_are_no_slower_than_what_is_left_over_is_taken() -> None:
    assert LEFT_MS >= 1_000 * BEAT_S
