"""A lease that is kept: registered, beaten, lost, come back with, and given up."""

import asyncio
import logging

import pytest

from realtime.cluster import lease as lease_module
from realtime.cluster import membership as membership_module
from realtime.cluster.lease import RETRY_S, SURE_S
from realtime.cluster.membership import BEAT_S, LEASE_S
from realtime.errors import StoreReplaced, StoreUnavailable
from tests.support.memory_nodes import NodeMethod
from tests.unit.cluster.processes import Process, Processes, settled


async def test_the_first_round_registers_and_later_ones_beat() -> None:
    processes = Processes()
    ann = processes.add("ann")
    assert not ann.lease.is_sure
    assert ann.lease.living == frozenset()
    await ann.lease.round()
    assert processes.cluster.leases["ann"].beat == 1
    assert ann.lease.is_sure
    assert ann.lease.living == ann.lease.known == {"ann"}
    await processes.live(ann, seconds=2 * BEAT_S)
    assert processes.cluster.leases["ann"].beat == 3


async def test_a_round_before_it_is_time_reads_and_does_not_beat() -> None:
    processes = Processes()
    ann = processes.add("ann")
    await ann.lease.round()
    processes.clock.seconds += BEAT_S - 0.1
    await ann.lease.round()
    assert (ann.store.calls["nodes"], ann.store.calls["beat"]) == (2, 0)


async def test_all_see_each_other_and_what_each_says() -> None:
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob", role="worker")
    await processes.live(ann, bob, seconds=BEAT_S)
    for process in (ann, bob):
        assert process.lease.living == {"ann", "bob"}
        assert process.lease.infos == {"ann": ann.info(), "bob": bob.info()}


async def test_a_dead_node_is_condemned_once_and_no_longer_lives() -> None:
    processes = Processes()
    ann, bob, cid = (processes.add(name) for name in ("ann", "bob", "cid"))
    await processes.live(ann, bob, cid)
    await processes.live(ann, bob, seconds=LEASE_S - 0.5)
    assert "cid" in ann.lease.living
    await processes.bury(cid, ann, bob)
    assert ann.lease.living == bob.lease.living == {"ann", "bob"}
    assert processes.cluster.leases["cid"].condemned
    assert ann.store.calls["condemn"] + bob.store.calls["condemn"] == 1
    assert "cid" in ann.lease.known


async def test_a_node_that_beats_between_the_read_and_the_verdict_lives() -> None:
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob")
    await processes.live(ann, bob)
    await processes.live(ann, seconds=3 * BEAT_S)
    held = ann.store.hold("condemn", asked=False)
    processes.clock.seconds += LEASE_S - 3 * BEAT_S + 0.1
    round_task = asyncio.get_running_loop().create_task(ann.lease.round())
    await held.begun()
    await bob.lease.round()
    held.release()
    await round_task
    assert not processes.cluster.leases["bob"].condemned
    await processes.live(ann, bob)
    assert ann.lease.living == {"ann", "bob"}


async def test_nobody_is_condemned_because_the_store_was_away() -> None:
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob")
    await processes.live(ann, bob)
    for process in (ann, bob):
        process.store.is_away = True
    await processes.live(ann, bob, seconds=60)
    assert ann.lease.is_failing
    assert ann.lease.living == {"ann", "bob"}, "as last known"
    ann.store.is_away = False
    await processes.live(ann, seconds=BEAT_S * 2)
    bob.store.is_away = False
    await processes.live(ann, bob, seconds=60)
    assert ann.store.calls["condemn"] == bob.store.calls["condemn"] == 0
    assert not ann.lease.is_failing


async def test_after_one_failed_round_a_whole_lease_must_pass_again() -> None:
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob")
    await processes.live(ann, bob)
    await ann.lease.round()
    ann.store.fail("nodes")
    processes.clock.seconds += BEAT_S
    await ann.lease.round()
    processes.clock.seconds += RETRY_S
    await processes.live(ann, seconds=LEASE_S - 0.1)
    await ann.lease.round()
    assert not processes.cluster.leases["bob"].condemned
    processes.clock.seconds += 0.1
    await ann.lease.round()
    assert processes.cluster.leases["bob"].condemned


async def test_nobody_is_condemned_by_one_who_cannot_beat_itself() -> None:
    """A store that answers and takes nothing keeps everybody's beat as it was."""
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob")
    await processes.live(ann, bob)
    ann.store.fail("beat", 1000)
    await processes.live(ann, seconds=60)
    assert ann.store.calls["condemn"] == 0


async def test_an_outage_is_logged_when_it_begins_and_when_it_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    processes = Processes()
    ann = processes.add("ann")
    ann.store.is_away = True
    with caplog.at_level(logging.INFO):
        await processes.live(ann, seconds=10 * BEAT_S)
        ann.store.is_away = False
        await processes.live(ann, seconds=2 * BEAT_S)
    assert [record.getMessage() for record in caplog.records] == [
        "the node's lease has to wait: away, says a test",
        "the node's lease goes on",
    ]


async def test_a_failed_round_is_repeated_soon() -> None:
    processes = Processes()
    ann = processes.add("ann")
    await ann.lease.round()
    processes.clock.seconds += BEAT_S
    ann.store.fail("beat")
    await ann.lease.round()
    processes.clock.seconds += RETRY_S
    await ann.lease.round()
    assert processes.cluster.leases["ann"].beat == 2


async def test_a_call_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "ROUND_TIMEOUT_S", 0.01)
    processes = Processes()
    ann = processes.add("ann")
    ann.store.hold("nodes")
    async with asyncio.timeout(5):
        await ann.lease.round()
    assert ann.lease.is_failing


async def test_nothing_is_sure_a_while_before_others_may_call_the_node_dead() -> None:
    processes = Processes()
    ann = processes.add("ann")
    await ann.lease.round()
    processes.clock.seconds += SURE_S - 0.1
    assert ann.lease.is_sure
    processes.clock.seconds += 0.1
    assert not ann.lease.is_sure
    assert SURE_S < LEASE_S
    await ann.lease.round()
    assert ann.lease.is_sure


async def test_a_registration_whose_answer_was_lost_is_found_out() -> None:
    processes = Processes()
    ann = processes.add("ann")
    ann.store.fail("register", acted=True)
    await ann.lease.round()
    assert not ann.lease.is_sure
    processes.clock.seconds += RETRY_S
    await ann.lease.round()
    assert ann.lease.is_sure
    assert list(processes.cluster.leases) == ["ann"]
    assert processes.cluster.leases["ann"].beat == 2


async def test_a_registration_that_never_arrived_is_made_under_another_id() -> None:
    lost: list[str] = []
    processes = Processes()
    ann = processes.add("ann", reborn=lost.append)
    ann.store.fail("register")
    await processes.live(ann, seconds=3 * BEAT_S)
    (node,) = processes.cluster.leases
    assert ann.lease.node == node != "ann"
    assert ann.lease.is_sure
    assert lost == [], "nothing hung on the first id"


# Coming back


async def test_a_node_that_was_called_dead_comes_back_under_a_new_id() -> None:
    lost: list[tuple[str, str]] = []
    processes = Processes()
    ann = processes.add("ann")
    bob = processes.add("bob", reborn=lambda former: lost.append((former, bob.lease.node)))
    await processes.live(ann, bob)
    await processes.bury(bob, ann)
    assert not bob.lease.is_sure
    await bob.lease.round()
    assert not bob.lease.is_sure
    await bob.lease.round()
    assert bob.lease.is_sure
    assert bob.lease.node != "bob"
    assert lost == [("bob", bob.lease.node)]
    assert "bob" not in bob.lease.living
    await processes.live(ann, bob)
    assert ann.lease.living == {"ann", bob.lease.node}


@pytest.mark.parametrize("method", ["beat", "nodes", "register"])
@pytest.mark.parametrize("acted", [False, True])
async def test_coming_back_survives_a_failure_of_each_call(method: NodeMethod, acted: bool) -> None:
    lost: list[str] = []
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob", reborn=lost.append)
    await processes.live(ann, bob)
    await processes.bury(bob, ann)
    bob.store.fail(method, acted=acted)
    await processes.live(ann, bob, seconds=4 * BEAT_S)
    assert lost == ["bob"]
    assert bob.lease.is_sure
    mine = [node for node, lease in processes.cluster.leases.items() if not lease.condemned]
    assert sorted(mine) == sorted(["ann", bob.lease.node])


async def test_coming_back_survives_being_stopped_at_every_turn_of_the_loop() -> None:
    """A round that is cancelled anywhere is made up for by the next ones."""
    for turn in range(40):
        lost: list[str] = []
        processes = Processes()
        ann, bob = processes.add("ann"), processes.add("bob", reborn=lost.append)
        await processes.live(ann, bob)
        await processes.bury(bob, ann)
        bob.store.turns = lambda: 2

        async def two_rounds(keeper: object = bob) -> None:
            await bob.lease.round()  # noqa: B023 - runs within this iteration
            await bob.lease.round()  # noqa: B023

        task = asyncio.get_running_loop().create_task(two_rounds())
        await settled(turn)
        task.cancel()
        await asyncio.wait([task])
        await processes.live(ann, bob, seconds=5 * BEAT_S)
        assert lost == ["bob"]
        assert bob.lease.is_sure


# The store's epoch


async def test_another_store_under_a_running_node_ends_it() -> None:
    epoch = ["first"]

    async def read() -> str:
        return epoch[0]

    processes = Processes()
    ann = processes.add("ann", epoch="first", read_epoch=read)
    await processes.live(ann, seconds=10 * BEAT_S)
    epoch[0] = "second"
    with pytest.raises(StoreReplaced, match="its epoch changed"):
        await processes.live(ann, seconds=10 * BEAT_S)


async def test_a_lease_that_is_gone_has_the_epoch_looked_at_at_once() -> None:
    epoch = ["first"]

    async def read() -> str:
        return epoch[0]

    processes = Processes()
    ann = processes.add("ann", epoch="first", read_epoch=read)
    await ann.lease.round()
    processes.cluster.leases.clear()
    epoch[0] = "second"
    processes.clock.seconds += BEAT_S
    with pytest.raises(StoreReplaced):
        await ann.lease.round()


# Looking


async def test_those_who_look_share_one_read_that_begins_after_they_asked() -> None:
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob")
    loop = asyncio.get_running_loop()
    running = loop.create_task(ann.lease.run())
    await settled()
    assert ann.store.calls["nodes"] == 1
    held = ann.store.hold("nodes", asked=True)
    early = loop.create_task(ann.lease.look())
    await held.begun()
    await bob.lease.round()
    late = [loop.create_task(ann.lease.look()) for _ in range(10)]
    await settled()
    held.release()
    await asyncio.gather(early, *late)
    assert "bob" in ann.lease.living
    assert ann.store.calls["nodes"] == 3
    running.cancel()
    await asyncio.wait([running])


async def test_who_looks_is_told_that_the_store_is_away() -> None:
    processes = Processes()
    ann = processes.add("ann")
    looking = asyncio.get_running_loop().create_task(ann.lease.look())
    await settled()
    ann.store.is_away = True
    await ann.lease.round()
    with pytest.raises(StoreUnavailable):
        await looking


# In real time


async def in_real_time(
    monkeypatch: pytest.MonkeyPatch, *, beat_s: float, lease_s: float
) -> tuple[Processes, Process]:
    """A process that lives by the machine's clock, and saw another one that is silent."""
    monkeypatch.setattr(lease_module, "BEAT_S", beat_s)
    monkeypatch.setattr(membership_module, "LEASE_S", lease_s)
    processes = Processes()
    ann = processes.add("ann")
    now = asyncio.get_running_loop().time
    monkeypatch.setattr(ann.lease, "_now", now)
    ann.lease._beat_at = now()
    await processes.add("bob").lease.round()
    return processes, ann


async def test_a_run_beats_and_finds_the_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    processes, ann = await in_real_time(monkeypatch, beat_s=0.03, lease_s=0.2)
    running = asyncio.get_running_loop().create_task(ann.lease.run())
    async with asyncio.timeout(10):
        await ann.lease.until_dead()
    assert list(ann.lease.dead) == ["bob"]
    assert processes.cluster.leases["ann"].beat > 3
    await ann.lease.depart()
    await running


async def test_a_run_looks_again_at_the_moment_when_a_node_may_be_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And not only with the next beat, which is far off here."""
    processes, ann = await in_real_time(monkeypatch, beat_s=3600.0, lease_s=0.05)
    running = asyncio.get_running_loop().create_task(ann.lease.run())
    async with asyncio.timeout(10):
        await ann.lease.until_dead()
    assert processes.cluster.leases["ann"].beat == 1
    assert ann.store.calls["nodes"] == 2
    await ann.lease.depart()
    await running
