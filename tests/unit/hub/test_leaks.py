"""After everyone has left, the hub is as it was (targets: F). Every other test's node is looked at
too, by `Node.close`; here are the ways to leave, and the objects behind them."""

import gc
import random
import weakref

import pytest

from realtime.brokers.memory import MemoryBroker, MemoryBus
from realtime.protocol.calls import DisconnectCall, RefreshCall, RevokeCall
from tests.support.faulty_store import FaultyStore
from tests.support.hub import Node, make_settings, running, settled
from tests.support.memory_store import MemoryStore
from tests.support.peer import FakeTransport, Peer

WAYS = ["lost", "malformed", "disconnect", "revoked", "expired", "slow", "drain", "stale"]


async def busy(node: Node, user: str) -> Peer:
    """A client that uses everything."""
    peer = node.peer()
    await peer.connect(node.token(user, channels=["chat:2", "live:2"], jti=user))
    await peer.subscribe("chat:1", join_leave=True)
    await peer.subscribe("live:1")
    await peer.subscribe("$chat:1", token=node.token(user, channel="$chat:1"))
    await peer.publish("chat:1", 1)
    await peer.publish("live:1", 1)
    await peer.command("history", channel="chat:1", limit=1)
    await peer.command("presence", channel="chat:1")
    return peer


async def leave(node: Node, peer: Peer, way: str) -> None:
    """Have the connection end in that way."""
    user = peer.client.user
    match way:
        case "lost":
            peer.leave()
        case "malformed":
            peer.send_bytes(b"nonsense")
        case "disconnect":
            await node.api.disconnect(DisconnectCall(user=user))
        case "revoked":
            await node.api.revoke(RevokeCall(jti=user))
        case "expired":
            await node.api.refresh(RefreshCall(user=user, expired=True))
        case "slow":
            node.hub.paused(peer.client)
            for _ in range(3):
                await node.connected("filler")
                node.peers[-1].send("publish", channel="chat:1", data="x" * 600_000)
                await node.peers[-1].reply(2)
            assert await peer.closed() == 3008
        case "drain":
            await node.hub.drain(0)
        case "stale":
            await node.advance(40)


@pytest.mark.parametrize("way", WAYS)
async def test_however_clients_leave_nothing_is_left(way: str) -> None:
    bus = MemoryBus()
    async with running(broker=MemoryBroker(bus)) as node:
        peers = [await busy(node, f"user{number}") for number in range(3)]
        assert node.leaks() != []
        for peer in peers:
            await leave(node, peer, way)
        for peer in node.peers:
            peer.leave()
        await settled()
        assert node.leaks() == []
        assert not bus.topics


async def test_leaving_twice_is_leaving_once() -> None:
    async with running() as node:
        watcher = await node.connected("watcher")
        await watcher.subscribe("chat:1", join_leave=True)
        alice = await node.subscribed("chat:1")
        alice.leave()
        alice.leave()
        node.hub.paused(alice.client)
        node.hub.resumed(alice.client)
        alice.send_bytes(b'{"id":9,"publish":{"channel":"chat:1","data":1}}')
        await settled()
        assert len(watcher.pushes("leave", "chat:1")) == 1
        assert not node.store.calls["append"]


@pytest.mark.parametrize("way", ["lost", "malformed", "disconnect"])
async def test_what_a_connection_held_is_freed_without_the_collector(way: str) -> None:
    async with running() as node:
        peer = await busy(node, "alice")
        held: weakref.ref[FakeTransport] = weakref.ref(peer.transport)
        await settled()
        gc.collect()
        gc.disable()
        try:
            await leave(node, peer, way)
            peer.leave()
            # What the harness itself ties together.
            peer.transport.on_full = peer.transport.on_room = lambda: None
            node.peers.clear()
            del peer
            await settled()
            freed = held() is None
        finally:
            gc.enable()
        assert freed


async def test_a_storm_of_everything_leaves_nothing() -> None:
    """Clients that come and go at random, over a store that is slow and fails now and then."""
    plan = random.Random(7)  # noqa: S311 - a plan of faults, not a secret
    bus, store = MemoryBus(), FaultyStore(MemoryStore())
    store.turns = lambda: plan.choice((0, 0, 1, 3, 9))
    settings = make_settings(anonymous=True)
    async with (
        running(settings, store=store, broker=MemoryBroker(bus)) as here,
        running(settings, store=store, broker=MemoryBroker(bus)) as there,
    ):
        for step in range(1500):
            node = plan.choice((here, there))
            alive = [peer for peer in node.peers if peer.code is None and not peer.transport.gone]
            if len(alive) < 5 or plan.random() < 0.1:
                channels = plan.sample(["chat:1", "chat:2", "live:1", "short:1"], 2)
                token = node.token(f"u{step % 7}", channels=channels)
                node.peer().send("connect", token=token, subs={"chat:3": {"recover": True}})
            else:
                act(plan, plan.choice(alive), node)
            if plan.random() < 0.05:
                store.fail(plan.choice(("read", "append")))
            if plan.random() < 0.05:
                await node.api.disconnect(DisconnectCall(user=f"u{step % 7}"))
            await settled(plan.choice((0, 0, 1, 4)))
    assert not bus.topics


def act(plan: random.Random, peer: Peer, node: Node) -> None:
    """One client does one thing."""
    channel = f"{plan.choice(('chat', 'live', 'short', 'nowhere'))}:{plan.randint(1, 3)}"
    match plan.randint(0, 9):
        case 0:
            peer.leave()
        case 1 | 2:
            peer.send("subscribe", channel=channel, recover=True, offset=plan.randint(0, 9))
        case 3:
            peer.send("unsubscribe", channel=channel)
        case 4 | 5:
            peer.send("publish", channel=channel, data=1)
        case 6:
            peer.send("history", channel=channel, limit=2)
        case 7:
            node.hub.paused(peer.client)
        case 8:
            node.hub.resumed(peer.client)
        case 9:
            peer.send_bytes(b"{" if plan.random() < 0.1 else b"{}")
