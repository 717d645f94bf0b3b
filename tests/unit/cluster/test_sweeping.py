"""Healing after a dead node: what it left goes, and each leave is announced once."""

import asyncio
from collections import Counter

import pytest

from realtime.cluster import sweeping
from realtime.cluster.sweeping import PAGE, Sweeper
from realtime.stores.base import PresenceEntry
from tests.support.memory_nodes import NodeMethod
from tests.unit.cluster.processes import Process, Processes, entry, put, settled


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "PAUSE_S", 0.0)


class Survivor:
    """A process and its sweeper, and what it announced."""

    def __init__(self, process: Process, announced: list[PresenceEntry]) -> None:
        self.process = process
        self.spared: set[str] = set()
        self.sweeper = Sweeper(
            process.store,
            process.store,
            lease=process.lease,
            tasks=process.tasks,
            announce=announced.append,
            spared=lambda: self.spared,
        )


class Scene:
    """A dead node that left entries, and survivors that have called it dead."""

    def __init__(self) -> None:
        self.processes = Processes()
        self.cluster = self.processes.cluster
        self.announced: list[PresenceEntry] = []
        self.survivors: list[Survivor] = []

    async def begin(self, entries: int, *, survivors: int = 1) -> None:
        """Have the node die."""
        dead = self.processes.add("dead")
        living = [self.processes.add(f"n{number}") for number in range(survivors)]
        await self.processes.live(dead, *living)
        put(
            self.cluster,
            (entry("dead", f"r{number % 3}", f"c{number}") for number in range(entries)),
        )
        await self.processes.bury(dead, *living)
        self.survivors = [Survivor(process, self.announced) for process in living]

    def repeated(self) -> list[tuple[str, str]]:
        """Leaves that were announced more than once."""
        counts = Counter((item.channel, item.info.client) for item in self.announced)
        return [key for key, count in counts.items() if count > 1]


async def test_a_dead_node_s_entries_go_and_those_announced_are_announced_again() -> None:
    scene = Scene()
    await scene.begin(0)
    left = put(
        scene.cluster,
        [
            entry("dead", "room", "ann", announced=True),
            entry("dead", "room", "bob", announced=False),
            entry("dead", "other", "ann", announced=True, hidden=True),
        ],
    )
    put(scene.cluster, [entry("n0", "room", "cid")])
    (survivor,) = scene.survivors
    await survivor.sweeper.sweep_all()
    assert list(scene.cluster.entries) == [("room", "cid")]
    assert scene.announced == [left[0], left[2]]
    assert list(scene.cluster.leases) == ["n0"]
    assert scene.cluster.tasks == {}
    assert survivor.process.lease.dead == []
    assert (survivor.sweeper.swept_nodes, survivor.sweeper.swept_entries) == (1, 3)


async def test_of_many_survivors_exactly_one_announces_each_leave() -> None:
    scene = Scene()
    await scene.begin(3 * PAGE + 7, survivors=5)
    for number, survivor in enumerate(scene.survivors):
        survivor.process.store.turns = lambda number=number: number % 3  # type: ignore[misc]
    await asyncio.gather(*(survivor.sweeper.sweep_all() for survivor in scene.survivors))
    assert len(scene.announced) == 3 * PAGE + 7
    assert scene.repeated() == []
    assert scene.cluster.entries == {}
    assert "dead" not in scene.cluster.leases


async def test_killed_anywhere_another_survivor_goes_on() -> None:
    """A survivor that dies takes at most the leaves of the page in its hands along."""
    finished_at = None
    for turn in range(0, 300, 3):
        scene = Scene()
        await scene.begin(3 * PAGE, survivors=2)
        first, second = scene.survivors
        first.process.store.turns = lambda: 2
        sweeping = asyncio.get_running_loop().create_task(first.sweeper.sweep_all())
        await settled(turn)
        done = sweeping.done()
        sweeping.cancel()
        await asyncio.wait([sweeping])
        if done:
            finished_at = turn
            break
        await scene.processes.bury(first.process, second.process)
        await second.sweeper.sweep_all()
        await second.sweeper.sweep_all()
        assert scene.cluster.entries == {}
        assert list(scene.cluster.leases) == ["n1"]
        assert scene.repeated() == []
        assert len(scene.announced) >= 2 * PAGE
        assert scene.cluster.tasks in ({}, {"sweep:dead": "n0"})
    assert finished_at is not None, "the sweep should end within so many turns"


async def test_a_stopped_sweep_is_gone_on_with_by_the_same_node() -> None:
    scene = Scene()
    await scene.begin(2 * PAGE)
    (survivor,) = scene.survivors
    held = survivor.process.store.hold("of_node", asked=False)
    sweeping = asyncio.get_running_loop().create_task(survivor.sweeper.sweep_all())
    await held.begun()
    sweeping.cancel()
    await asyncio.wait([sweeping])
    held.release()
    await survivor.sweeper.sweep_all()
    assert len(scene.announced) == 2 * PAGE
    assert scene.cluster.tasks == {}


@pytest.mark.parametrize("method", ["take", "of_node", "take_away", "release", "depart"])
async def test_a_failing_store_is_asked_again_with_the_next_reading(method: NodeMethod) -> None:
    scene = Scene()
    await scene.begin(PAGE + 1)
    (survivor,) = scene.survivors
    survivor.process.store.fail(method)
    await survivor.sweeper.sweep_all()
    assert "dead" in scene.cluster.leases
    await scene.processes.live(survivor.process)
    await survivor.sweeper.sweep_all()
    assert scene.cluster.entries == {}
    assert list(scene.cluster.leases) == ["n0"]
    assert len(scene.announced) == PAGE + 1


async def test_one_that_is_itself_called_dead_leaves_it_to_the_others() -> None:
    scene = Scene()
    await scene.begin(3 * PAGE, survivors=2)
    first, second = scene.survivors
    held = first.process.store.hold("take_away", asked=True)
    sweeping = asyncio.get_running_loop().create_task(first.sweeper.sweep("dead"))
    await held.begun()
    await scene.processes.bury(first.process, second.process)
    held.release()
    assert not await sweeping
    await second.sweeper.sweep_all()
    assert scene.cluster.entries == {}
    assert len(scene.announced) == 3 * PAGE
    assert scene.repeated() == []


async def test_one_that_came_back_under_a_new_id_stops_and_begins_anew() -> None:
    scene = Scene()
    await scene.begin(3 * PAGE, survivors=2)
    first, second = scene.survivors
    held = first.process.store.hold("take_away", asked=True)
    sweeping = asyncio.get_running_loop().create_task(first.sweeper.sweep("dead"))
    await held.begun()
    await scene.processes.bury(first.process, second.process)
    await scene.processes.live(first.process, second.process)
    assert first.process.lease.node != "n0"
    held.release()
    assert not await sweeping
    await first.sweeper.sweep_all()
    assert scene.cluster.entries == {}
    assert scene.repeated() == []


async def test_an_entry_that_came_back_elsewhere_is_neither_removed_nor_announced() -> None:
    scene = Scene()
    await scene.begin(1, survivors=2)
    first, _ = scene.survivors
    held = first.process.store.hold("take_away", asked=False)
    sweeping = asyncio.get_running_loop().create_task(first.sweeper.sweep_all())
    await held.begun()
    put(scene.cluster, [entry("n1", "r0", "c0")])
    held.release()
    await sweeping
    assert scene.cluster.entries_of("n1") == [("r0", "c0")]
    assert scene.announced == []
    assert "dead" not in scene.cluster.leases


async def test_ids_that_this_node_is_putting_anew_are_spared() -> None:
    scene = Scene()
    await scene.begin(1)
    (survivor,) = scene.survivors
    survivor.spared.add("dead")
    await survivor.sweeper.sweep_all()
    assert scene.announced == []
    assert "dead" in scene.cluster.leases
    survivor.spared.clear()
    await survivor.sweeper.sweep_all()
    assert len(scene.announced) == 1


async def test_many_dead_nodes_are_swept_a_few_at_once() -> None:
    scene = Scene()
    await scene.begin(0)
    (survivor,) = scene.survivors
    for number in range(10):
        put(scene.cluster, [entry(f"orphan{number}", "room", f"c{number}")])
        survivor.process.lease.orphaned(f"orphan{number}")
    held = survivor.process.store.hold("take_away")
    sweeping = asyncio.get_running_loop().create_task(survivor.sweeper.sweep_all())
    await held.begun()
    await settled()
    assert held.waiting <= 4
    held.release()
    await sweeping
    assert scene.cluster.entries == {}
    assert survivor.process.lease.dead == []


async def test_a_run_sweeps_whoever_is_found_dead() -> None:
    scene = Scene()
    await scene.begin(5)
    (survivor,) = scene.survivors
    running = asyncio.get_running_loop().create_task(survivor.sweeper.run())
    await settled()
    assert len(scene.announced) == 5
    put(scene.cluster, [entry("ghost", "room", "late")])
    survivor.process.lease.orphaned("ghost")
    await settled()
    assert scene.announced[-1].info.client == "late"
    running.cancel()
    await asyncio.wait([running])
