"""Who is present on the other nodes: the living alone, and many askers with one read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from realtime.cluster.presence_reader import Elsewhere, PresenceReader
from realtime.errors import StoreUnavailable
from tests.unit.cluster.processes import Process, Processes, entry, put, settled


@contextlib.asynccontextmanager
async def reading(process: Process) -> AsyncIterator[PresenceReader]:
    """A reader whose reads are hosted."""
    async with asyncio.TaskGroup() as group:
        yield PresenceReader(process.store, lease=process.lease, spawn=group.create_task)


async def test_others_who_live_and_are_not_hidden_are_present() -> None:
    processes = Processes()
    ann, bob, cid, dan = (processes.add(name) for name in ("ann", "bob", "cid", "dan"))
    await processes.live(ann, bob, cid, dan)
    await processes.bury(dan, ann, bob, cid)
    shown = put(processes.cluster, [entry("bob", "room", "b1"), entry("cid", "room", "c1")])
    put(
        processes.cluster,
        [
            entry("ann", "room", "own"),
            entry("bob", "room", "hidden", hidden=True),
            entry("dan", "room", "dead"),
            entry("bob", "other", "elsewhere"),
        ],
    )
    async with reading(ann) as reader:
        assert await reader.elsewhere("room", 10) == Elsewhere(shown, is_complete=True)
        assert await reader.elsewhere("empty", 10) == Elsewhere([], is_complete=True)


@pytest.mark.parametrize(("limit", "is_complete"), [(4, False), (5, True), (6, True)])
async def test_it_is_said_when_there_are_more_than_were_to_be_read(
    limit: int, is_complete: bool
) -> None:
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob")
    await processes.live(ann, bob)
    await ann.lease.round()
    put(processes.cluster, (entry("bob", "room", f"c{number}") for number in range(5)))
    async with reading(ann) as reader:
        found = await reader.elsewhere("room", limit)
    assert found.is_complete is is_complete
    assert len(found.entries) == min(limit, 5)


async def test_a_storm_on_one_channel_costs_two_reads() -> None:
    processes = Processes()
    ann = processes.add("ann")
    await processes.live(ann)
    held = ann.store.hold("present", asked=False)
    async with reading(ann) as reader, asyncio.TaskGroup() as askers:
        askers.create_task(reader.elsewhere("room", 10))
        await held.begun()
        for _ in range(50):
            askers.create_task(reader.elsewhere("room", 10))
        await settled()
        held.release()
    assert ann.store.calls["present"] == 2
    assert len(reader) == 0


async def test_one_who_registered_just_now_is_present() -> None:
    processes = Processes()
    ann, bob = processes.add("ann"), processes.add("bob")
    await processes.live(ann)
    await bob.lease.round()
    put(processes.cluster, [entry("bob", "room", "b1")])
    async with reading(ann) as reader, asyncio.TaskGroup() as askers:
        asking = askers.create_task(reader.elsewhere("room", 10))
        await settled()
        assert not asking.done()
        await ann.lease.round()
    assert [item.info.client for item in asking.result().entries] == ["b1"]
    assert list(ann.lease.dead) == []


async def test_entries_of_one_without_a_lease_are_left_out_and_swept() -> None:
    processes = Processes()
    ann = processes.add("ann")
    await processes.live(ann)
    put(processes.cluster, [entry("ghost", "room", "g1")])
    async with reading(ann) as reader, asyncio.TaskGroup() as askers:
        asking = askers.create_task(reader.elsewhere("room", 10))
        await settled()
        await ann.lease.round()
    assert asking.result() == Elsewhere([], is_complete=True)
    assert list(ann.lease.dead) == ["ghost"]


async def test_every_asker_is_told_that_the_store_is_away() -> None:
    processes = Processes()
    ann = processes.add("ann")
    await processes.live(ann)
    ann.store.is_away = True
    async with reading(ann) as reader:
        answers = await asyncio.gather(
            *(reader.elsewhere("room", 10) for _ in range(3)), return_exceptions=True
        )
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 3
