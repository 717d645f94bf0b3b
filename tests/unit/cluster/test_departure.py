"""A node that leaves on purpose takes what is its own along, in bounded time."""

import asyncio

import pytest

from realtime.cluster import lease as lease_module
from realtime.cluster.membership import BEAT_S
from realtime.errors import StoreUnavailable
from tests.support.memory_nodes import NodeMethod
from tests.unit.cluster.processes import Processes, entry, put, settled


async def test_who_departs_takes_its_presence_along_and_beats_no_more() -> None:
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob")
    await processes.live(ann, bob)
    put(processes.cluster, (entry("ann", "room", f"c{number}") for number in range(1200)))
    put(processes.cluster, [entry("bob", "room", "his")])
    await ann.lease.depart()
    assert [item.node for item in processes.cluster.entries.values()] == ["bob"]
    assert list(processes.cluster.leases) == ["bob"]
    assert not ann.lease.is_sure
    await ann.lease.depart()
    await processes.live(ann, bob, seconds=2 * BEAT_S)
    assert list(processes.cluster.leases) == ["bob"]
    assert bob.lease.living == {"bob"}
    assert ann.store.calls["depart"] == 1


async def test_a_departure_ends_the_run() -> None:
    processes = Processes()
    ann = processes.add("ann")
    running = asyncio.get_running_loop().create_task(ann.lease.run())
    await settled()
    await ann.lease.depart()
    async with asyncio.timeout(5):
        await running


async def test_a_departure_waits_for_the_round_under_way() -> None:
    processes = Processes()
    ann = processes.add("ann")
    await ann.lease.round()
    processes.clock.seconds += BEAT_S
    held = ann.store.hold("beat", asked=False)
    loop = asyncio.get_running_loop()
    round_task = loop.create_task(ann.lease.round())
    await held.begun()
    departing = loop.create_task(ann.lease.depart())
    await settled()
    assert "ann" in processes.cluster.leases
    held.release()
    await asyncio.gather(round_task, departing)
    assert processes.cluster.leases == {}
    assert ann.store.calls["register"] == 1


@pytest.mark.parametrize("method", ["of_node", "change", "depart"])
async def test_a_departure_that_fails_leaves_the_rest_to_the_survivors(method: NodeMethod) -> None:
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob")
    await processes.live(ann, bob)
    put(processes.cluster, [entry("ann", "room", "c1")])
    ann.store.fail(method)
    await ann.lease.depart()
    assert "ann" in processes.cluster.leases
    await processes.bury(ann, bob)


async def test_a_departure_while_the_store_hangs_takes_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lease_module, "DEPART_TIMEOUT_S", 0.01)
    processes = Processes()
    ann = processes.add("ann")
    await ann.lease.round()
    ann.store.hold("of_node")
    async with asyncio.timeout(5):
        await ann.lease.depart()


async def test_who_looks_while_the_node_leaves_is_told_so() -> None:
    processes = Processes()
    ann = processes.add("ann")
    await ann.lease.round()
    looking = asyncio.get_running_loop().create_task(ann.lease.look())
    await settled()
    await ann.lease.depart()
    for asked in (looking, ann.lease.look()):
        with pytest.raises(StoreUnavailable, match="leaving"):
            await asked
