"""A task is held by one living node, and falls with its lease."""

import asyncio

import pytest

from realtime.cluster.membership import LEASE_S
from realtime.cluster.tasks import RETENTION
from realtime.errors import StoreUnavailable
from tests.support.memory_nodes import NodeMethod
from tests.unit.cluster.processes import Processes, settled


async def test_a_free_task_goes_to_one_who_keeps_it() -> None:
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob")
    await processes.live(ann, bob)
    assert await ann.tasks.mine(RETENTION)
    assert not await bob.tasks.mine(RETENTION)
    assert await ann.tasks.mine(RETENTION)
    assert processes.cluster.tasks == {RETENTION: "ann"}


async def test_of_ten_who_ask_at_once_one_has_it() -> None:
    processes = Processes()
    several = [processes.add(f"n{number}") for number in range(10)]
    await processes.live(*several)
    await processes.live(*several)
    for process in several:
        process.store.turns = lambda: 1
    answers = await asyncio.gather(*(process.tasks.mine(RETENTION) for process in several))
    assert sum(answers) == 1


async def test_nobody_takes_from_one_who_is_silent_but_not_called_dead() -> None:
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob")
    await processes.live(ann, bob)
    await ann.tasks.mine(RETENTION)
    await processes.live(bob, seconds=LEASE_S - 2)
    assert not await bob.tasks.mine(RETENTION)


async def test_a_survivor_takes_over_from_the_dead() -> None:
    processes = Processes()
    ann, bob, cid = (processes.add(name) for name in ("ann", "bob", "cid"))
    await processes.live(ann, bob, cid)
    await ann.tasks.mine(RETENTION)
    await processes.bury(ann, bob, cid)
    answers = await asyncio.gather(bob.tasks.mine(RETENTION), cid.tasks.mine(RETENTION))
    assert sum(answers) == 1
    assert not await ann.tasks.mine(RETENTION), "it cannot be sure of its lease"


async def test_a_survivor_takes_over_from_one_whose_lease_is_gone() -> None:
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob")
    await processes.live(ann, bob)
    await ann.tasks.mine(RETENTION)
    await ann.lease.depart()
    await processes.live(bob)
    asking = asyncio.get_running_loop().create_task(bob.tasks.mine(RETENTION))
    await settled()
    assert not asking.done(), "that the holder has no lease is looked up"
    await bob.lease.round()
    assert await asking


async def test_one_who_registered_just_now_is_not_taken_for_gone() -> None:
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob")
    await processes.live(ann)
    await bob.lease.round()
    await bob.tasks.mine(RETENTION)
    asking = asyncio.get_running_loop().create_task(ann.tasks.mine(RETENTION))
    await settled()
    await ann.lease.round()
    assert not await asking
    assert processes.cluster.tasks == {RETENTION: "bob"}


async def test_nothing_is_anybody_s_who_cannot_be_sure_of_its_lease() -> None:
    processes = Processes()
    ann = processes.add("ann")
    assert not await ann.tasks.mine(RETENTION)
    assert processes.cluster.tasks == {}
    await processes.live(ann)
    assert await ann.tasks.mine(RETENTION)
    processes.clock.seconds += LEASE_S
    assert not await ann.tasks.mine(RETENTION)


async def test_a_reborn_node_takes_over_from_its_former_self() -> None:
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob")
    await processes.live(ann, bob)
    await ann.tasks.mine(RETENTION)
    await processes.bury(ann, bob)
    await ann.lease.round()
    await processes.live(ann, bob)
    assert await ann.tasks.mine(RETENTION)
    assert processes.cluster.tasks == {RETENTION: ann.lease.node}
    assert not await bob.tasks.mine(RETENTION)


async def test_what_is_released_is_free_for_the_next() -> None:
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob")
    await processes.live(ann, bob)
    await ann.tasks.mine("a")
    await ann.tasks.mine("b")
    await bob.tasks.release("a")
    assert processes.cluster.tasks == {"a": "ann", "b": "ann"}
    await ann.tasks.release_all()
    assert processes.cluster.tasks == {}
    assert await bob.tasks.mine("a")


async def test_hubs_leave_a_task_to_a_living_worker() -> None:
    processes = Processes()
    hub, worker = processes.add("hub"), processes.add("worker", role="worker")
    await processes.live(hub)
    assert not await hub.tasks.leave_to_worker(RETENTION)
    assert await hub.tasks.mine(RETENTION)
    await processes.live(hub, worker)
    assert not await worker.tasks.mine(RETENTION)
    assert await hub.tasks.leave_to_worker(RETENTION)
    assert await worker.tasks.mine(RETENTION)
    await processes.bury(worker, hub)
    assert not await hub.tasks.leave_to_worker(RETENTION)
    assert await hub.tasks.mine(RETENTION)


@pytest.mark.parametrize("method", ["take", "holder"])
async def test_a_store_that_is_away_is_said_to_be(method: NodeMethod) -> None:
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob")
    await processes.live(ann, bob)
    await bob.tasks.mine(RETENTION)
    ann.store.fail(method)
    with pytest.raises(StoreUnavailable):
        await ann.tasks.mine(RETENTION)
