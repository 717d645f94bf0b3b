"""What a node tells the others of its own: the latest of each, for ever, within a bound."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest

from realtime.cluster import presence_writer
from realtime.cluster.membership import BEAT_S, LEASE_S
from realtime.cluster.presence_writer import PresenceWriter
from realtime.stores.base import PRESENCE_CHANGES_MAX, PresenceEntry
from tests.unit.cluster.processes import Process, Processes, entry, put, settled


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GATHER_S", "RETRY_MIN_S", "RETRY_MAX_S"):
        monkeypatch.setattr(presence_writer, name, 0.0)


class Node:
    """A process, its writer, and what is really present on it."""

    def __init__(self, processes: Processes, name: str) -> None:
        self.here: dict[tuple[str, str], PresenceEntry] = {}
        self.process: Process = processes.add(name, reborn=lambda lost: self.writer.reborn(lost))
        self.writer = PresenceWriter(
            self.process.store, lease=self.process.lease, present=self.here.values
        )

    def comes(self, channel: str, client: str, *, hidden: bool = False) -> None:
        """A subscription begins."""
        item = entry("", channel, client, hidden=hidden)
        self.here[channel, client] = item
        self.writer.appeared(item)

    def goes(self, channel: str, client: str) -> None:
        """A subscription is over."""
        self.writer.vanished(self.here.pop((channel, client)))

    async def flushed(self) -> None:
        """Wait until everything is written, in bounded time."""
        async with asyncio.timeout(5):
            await self.writer.flushed()


@contextlib.asynccontextmanager
async def running(*nodes: Node) -> AsyncIterator[None]:
    """Their writers run."""
    tasks = [asyncio.get_running_loop().create_task(node.writer.run()) for node in nodes]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_who_comes_is_written_under_the_lease_s_id_and_who_goes_is_removed() -> None:
    processes = Processes()
    node = Node(processes, "n1")
    await processes.live(node.process)
    async with running(node):
        node.comes("room", "ann")
        node.comes("room", "bob", hidden=True)
        assert len(node.writer) == 2
        await node.flushed()
        assert processes.cluster.entries["room", "bob"] == entry("n1", "room", "bob", hidden=True)
        node.goes("room", "ann")
        await node.flushed()
        assert processes.cluster.entries_of("n1") == [("room", "bob")]
        assert len(node.writer) == 0


async def test_the_latest_state_of_a_subscription_wins() -> None:
    processes = Processes()
    node = Node(processes, "n1")
    await processes.live(node.process)
    async with running(node):
        for _ in range(3):
            node.comes("room", "ann")
            node.goes("room", "ann")
        await node.flushed()
        assert node.process.store.calls["change"] == 0, "it was never there"
        node.comes("room", "ann")
        await node.flushed()
        node.goes("room", "ann")
        node.comes("room", "ann", hidden=True)
        await node.flushed()
        assert processes.cluster.entries["room", "ann"].hidden
        node.goes("room", "ann")
        node.comes("room", "ann")
        node.goes("room", "ann")
        await node.flushed()
        assert processes.cluster.entries == {}


async def test_one_call_is_under_way_while_the_next_fills() -> None:
    processes = Processes()
    node = Node(processes, "n1")
    await processes.live(node.process)
    async with running(node):
        held = node.process.store.hold("change", asked=False)
        node.comes("room", "first")
        await held.begun()
        for number in range(50):
            node.comes("room", f"c{number}")
        node.goes("room", "first")
        await settled()
        assert held.waiting == 1
        held.release()
        await node.flushed()
        assert node.process.store.calls["change"] == 2
        assert len(processes.cluster.entries_of("n1")) == 50


async def test_a_call_carries_no_more_than_the_contract_allows() -> None:
    processes = Processes()
    node = Node(processes, "n1")
    await processes.live(node.process)
    async with running(node):
        for number in range(2 * PRESENCE_CHANGES_MAX + 1):
            node.comes("room", f"c{number}")
        await node.flushed()
        assert node.process.store.calls["change"] == 3
        assert len(processes.cluster.entries) == 2 * PRESENCE_CHANGES_MAX + 1


@pytest.mark.parametrize("acted", [False, True])
async def test_a_failed_call_is_repeated_for_as_long_as_it_takes(acted: bool) -> None:
    processes = Processes()
    node = Node(processes, "n1")
    await processes.live(node.process)
    node.process.store.fail("change", 500, acted=acted)
    async with running(node):
        node.comes("room", "ann")
        await settled(200)
        assert node.process.store.calls["change"] > 5
        node.goes("room", "ann")
        node.comes("room", "bob")
        await node.flushed()
        assert list(processes.cluster.entries) == [("room", "bob")]


async def test_what_waits_is_bounded_however_long_the_store_is_away() -> None:
    """Connections that come and go meanwhile leave nothing to be written."""
    processes = Processes()
    node = Node(processes, "n1")
    await processes.live(node.process)
    async with running(node):
        for number in range(100):
            node.comes("room", f"before{number}")
        await node.flushed()
        node.process.store.is_away = True
        for number in range(3000):
            node.comes("room", f"c{number}")
            if number >= 10:
                node.goes("room", f"c{number - 10}")
            if number % 100 == 0:
                await settled(10)
        for number in range(100):
            node.goes("room", f"before{number}")
        # Those that were there before, those that are there now, and one call in doubt.
        assert len(node.writer) <= 100 + 10 + PRESENCE_CHANGES_MAX
        assert len(node.writer) <= 100 + 10 + 2 * 11
        node.process.store.is_away = False
        await node.flushed()
        assert processes.cluster.entries_of("n1") == sorted(node.here)


async def test_nothing_is_written_by_a_node_that_cannot_be_sure_of_its_lease() -> None:
    processes = Processes()
    node = Node(processes, "n1")
    await processes.live(node.process)
    async with running(node):
        processes.clock.seconds += LEASE_S
        node.comes("room", "ann")
        await settled()
        assert node.process.store.calls["change"] == 0
        await processes.live(node.process)
        await node.flushed()
        assert processes.cluster.entries_of("n1") == [("room", "ann")]


async def test_flushed_waits_while_the_store_is_away() -> None:
    processes = Processes()
    node = Node(processes, "n1")
    await processes.live(node.process)
    async with running(node):
        await node.flushed()
        node.process.store.is_away = True
        node.comes("room", "ann")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await node.writer.flushed()


# Coming back


async def test_a_reborn_node_puts_everything_anew_and_leaves_nothing_behind() -> None:
    processes = Processes()
    node, other = Node(processes, "n1"), Node(processes, "n2")
    await processes.live(node.process, other.process)
    async with running(node):
        for number in range(10):
            node.comes("room", f"c{number}")
        await node.flushed()
        await processes.bury(node.process, other.process)
        node.goes("room", "c0")
        node.comes("room", "new")
        held = node.process.store.hold("change", asked=False)
        await node.process.lease.round()
        await processes.live(node.process, other.process)
        await held.begun()
        assert set(node.writer.former) == {"n1"}
        held.release()
        await node.flushed()
        assert set(node.writer.former) == set()
        assert processes.cluster.entries_of("n1") == []
        assert processes.cluster.entries_of(node.process.lease.node) == sorted(node.here)


async def test_what_was_written_too_late_under_the_former_id_is_cleared() -> None:
    """The node was stopped between making sure of its lease and writing."""
    processes = Processes()
    node, other = Node(processes, "n1"), Node(processes, "n2")
    await processes.live(node.process, other.process)
    async with running(node):
        held = node.process.store.hold("change", asked=False)
        node.comes("room", "gone")
        node.comes("room", "here")
        await held.begun()
        await processes.bury(node.process, other.process)
        processes.cluster.leases.pop("n1")
        node.goes("room", "gone")
        await node.process.lease.round()
        await processes.live(node.process, other.process)
        held.release()
        await node.flushed()
        assert processes.cluster.entries_of("n1") == []
        assert processes.cluster.entries_of(node.process.lease.node) == [("room", "here")]


async def test_an_entry_that_moved_to_another_node_is_left_alone_by_the_reborn() -> None:
    processes = Processes()
    node, other = Node(processes, "n1"), Node(processes, "n2")
    await processes.live(node.process, other.process)
    async with running(node):
        node.comes("room", "ann")
        await node.flushed()
        await processes.bury(node.process, other.process)
        node.goes("room", "ann")
        put(processes.cluster, [entry("n2", "room", "ann")])
        await node.process.lease.round()
        await processes.live(node.process, other.process)
        await node.flushed()
        assert processes.cluster.entries_of("n2") == [("room", "ann")]


async def test_rebirth_survives_a_stop_at_every_turn_of_the_loop() -> None:
    """The writer is killed and begun again; in the end what is there is what is written."""
    for turn in range(60):
        processes = Processes()
        node, other = Node(processes, "n1"), Node(processes, "n2")
        await processes.live(node.process, other.process)
        async with running(node):
            for number in range(5):
                node.comes("room", f"c{number}")
            await node.flushed()
        await processes.bury(node.process, other.process)
        node.goes("room", "c0")
        node.process.store.turns = lambda: 2
        await node.process.lease.round()
        await processes.live(node.process)
        async with running(node):
            await settled(turn)
        node.goes("room", "c1")
        async with running(node):
            await node.flushed()
        assert processes.cluster.entries_of("n1") == []
        assert processes.cluster.entries_of(node.process.lease.node) == sorted(node.here)


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_happens_the_store_ends_up_with_what_is_present(seed: int) -> None:
    """Coming, going, failures of every kind and rebirths, in an order made from the seed."""
    plan = random.Random(seed)  # noqa: S311 - a plan of a test, not a secret
    processes = Processes()
    node, other = Node(processes, "n1"), Node(processes, "n2")
    node.process.store.turns = lambda: plan.randint(0, 2)
    await processes.live(node.process, other.process)
    async with running(node):
        for _ in range(400):
            client = f"c{plan.randint(0, 15)}"
            match plan.randint(0, 20):
                case 0:
                    node.process.store.fail("change", acted=plan.random() < 0.5)
                case 1:
                    node.process.store.fail("of_node")
                case 2:
                    await processes.live(node.process, other.process, seconds=BEAT_S)
                case 3 if plan.random() < 0.2:
                    await processes.live(other.process, seconds=LEASE_S + 2 * BEAT_S)
                    await other.process.lease.round()
                    await node.process.lease.round()
                case 4:
                    await settled(plan.randint(1, 10))
                case _ if ("room", client) in node.here:
                    node.goes("room", client)
                case _:
                    node.comes("room", client)
        await processes.live(node.process, other.process, seconds=3 * BEAT_S)
        await node.flushed()
    assert processes.cluster.entries_of(node.process.lease.node) == sorted(node.here)
    assert len(processes.cluster.entries) == len(node.here)
