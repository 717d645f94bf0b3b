"""Stopping: everything acknowledged, everyone told to come back, in bounded time (issue: run)."""

import asyncio

import pytest

from realtime.hub import hub as hub_module
from tests.support.hub import Node, running, settled
from tests.support.peer import Peer


async def drained(node: Node, seconds: float = 0.0) -> None:
    """Drain, at most so long as any test may take."""
    async with asyncio.timeout(5):
        await node.hub.drain(seconds)


async def test_everyone_is_told_to_come_back() -> None:
    async with running() as node:
        peers = [await node.subscribed("chat:1", f"user{number}") for number in range(120)]
        await drained(node)
        assert {peer.code for peer in peers} == {3001}
        assert len(node.hub.clients) == 0
        assert node.hub.draining


async def test_who_has_not_connected_yet_is_told_too() -> None:
    async with running() as node:
        peer = node.peer()
        await drained(node)
        assert peer.code == 3001


async def test_what_was_published_is_acknowledged_before_the_close() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        hold = node.store.hold("append")
        numbers = [alice.send("publish", channel="chat:1", data=number) for number in range(3)]
        await hold.begun()
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(drained(node))
            await settled()
            assert not draining.done()
            assert alice.code is None
            hold.release()
        assert all(alice.replied(number) for number in numbers)
        assert alice.code == 3001


async def test_what_was_published_while_others_were_closed_is_acknowledged_too() -> None:
    async with running() as node:
        peers = [await node.connected(f"user{number}") for number in range(4)]
        numbers: dict[Peer, list[int]] = {peer: [] for peer in peers}
        node.store.turns = lambda: 1
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(drained(node, 0.2))
            while not draining.done():
                for peer in peers:
                    if peer.code is None and peer.transport.reading:
                        numbers[peer].append(peer.send("publish", channel="chat:1", data=1))
                await asyncio.sleep(0)
        assert {peer.code for peer in peers} == {3001}
        assert sum(len(sent) for sent in numbers.values()) > 20
        for peer, sent in numbers.items():
            assert all(peer.replied(number) for number in sent)


async def test_closes_are_spread_over_the_time_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "DRAIN_RATE", 1)
    async with running() as node:
        peers = [await node.connected(f"user{number}") for number in range(10)]
        begun = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(drained(node, 0.2))
            await asyncio.sleep(0.1)
            closed = sum(peer.code is not None for peer in peers)
            assert 0 < closed < 10
        assert 0.1 < asyncio.get_running_loop().time() - begun < 2


async def test_few_clients_are_closed_at_once() -> None:
    async with running() as node:
        await node.connected()
        begun = asyncio.get_running_loop().time()
        await drained(node, 3600)
        assert asyncio.get_running_loop().time() - begun < 2


async def test_a_drain_without_clients_is_over_at_once() -> None:
    async with running() as node:
        await drained(node, 3600)


async def test_a_store_that_does_not_answer_does_not_keep_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub_module, "FLUSH_S", 0.05)
    async with running() as node:
        alice = await node.connected("alice")
        hold = node.store.hold("append")
        number = alice.send("publish", channel="chat:1", data=1)
        await hold.begun()
        await drained(node)
        assert alice.code == 3001
        assert not alice.replied(number)
        hold.release()


async def test_one_who_goes_on_talking_does_not_keep_the_process() -> None:
    async with running() as node:
        alice, bob = await node.connected("alice"), await node.connected("bob")
        node.store.turns = lambda: 3
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(drained(node))
            while not draining.done():
                for peer in (alice, bob):
                    if peer.code is None:
                        peer.send("publish", channel="chat:1", data=1)
                await asyncio.sleep(0)
        assert (alice.code, bob.code) == (3001, 3001)


async def test_a_connect_during_the_drain_is_closed_by_it() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        late = node.peer()
        hold = node.store.hold("append")
        alice.send("publish", channel="chat:1", data=1)
        await hold.begun()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(drained(node))
            await settled()
            late.send("connect", token=node.token("late"))
            hold.release()
        assert (alice.code, late.code) == (3001, 3001)


async def test_who_left_meanwhile_is_not_closed() -> None:
    async with running() as node:
        alice, bob = await node.connected("alice"), await node.connected("bob")
        hold = node.store.hold("append")
        bob.send("publish", channel="chat:1", data=1)
        await hold.begun()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(drained(node))
            await settled()
            alice.leave()
            hold.release()
        assert alice.code is None
        assert bob.code == 3001
