"""What a backend has done to connections on other nodes than the one it asked (protocol 5.2)."""

import pytest

from realtime.brokers.base import BUS_VERSION, ControlMessage
from realtime.errors import CommandRefused
from realtime.hub.revoking import LogGrew, load_revocations
from realtime.model import Revocation
from realtime.protocol.calls import (
    DisconnectCall,
    DisconnectCode,
    HistoryRemoveCall,
    RefreshCall,
    RevokeCall,
    SubscribeCall,
    UnsubscribeCall,
)
from tests.support.hub import running, settled, until
from tests.support.memory_store import EPOCH
from tests.unit.hub.pair import two_nodes


async def test_a_backend_subscribes_connections_on_every_node() -> None:
    async with two_nodes() as pair:
        here, there = await pair.here.connected("alice"), await pair.there.connected("alice")
        await pair.publish("before")
        await pair.there.api.subscribe(SubscribeCall(user="alice", channel="chat:1"))
        for alice in (here, there):
            assert (await alice.push("subscribe", "chat:1"))["offset"] == 1
        await pair.publish("after")
        await here.received("chat:1", 1)
        assert here.data("chat:1") == ["after"]


async def test_a_backend_narrows_an_order_to_one_connection_wherever_it_is() -> None:
    async with two_nodes() as pair:
        one, two = await pair.here.connected("alice"), await pair.here.connected("alice")
        call = SubscribeCall(user="alice", channel="chat:1", client=two.client.id)
        await pair.there.api.subscribe(call)
        await two.push("subscribe", "chat:1")
        assert not one.client.subscriptions
        await pair.there.api.unsubscribe(UnsubscribeCall(client=two.client.id))
        await two.push("unsubscribe", "chat:1")


async def test_what_is_given_last_holds_though_what_was_taken_before_is_read_later() -> None:
    async with two_nodes() as pair:
        alice = await pair.here.connected("alice")
        pair.lose()
        await pair.there.api.unsubscribe(UnsubscribeCall(user="alice", channel="chat:1"))
        pair.lose(False)
        await pair.there.api.subscribe(SubscribeCall(user="alice", channel="chat:1"))
        await alice.push("subscribe", "chat:1")
        await pair.here.hub.revoking.follow()
        await settled()
        assert list(alice.client.subscriptions) == ["chat:1"]


async def test_an_order_is_not_hidden_by_a_clock_that_is_ahead() -> None:
    async with two_nodes() as pair:
        alice = await pair.here.connected("alice")
        pair.lose()
        pair.here.clock.move(3600)
        await pair.there.api.disconnect(DisconnectCall(user="alice"))
        await pair.here.hub.revoking.follow()
        assert await alice.closed() == 3503


async def test_a_burst_of_orders_costs_the_other_node_few_reads() -> None:
    async with two_nodes() as pair:
        await pair.here.connected("alice")
        asked = pair.here.store.calls["revocations"]
        before = pair.there.hub.revoking.seq
        for number in range(100):
            await pair.there.hub.revoking._log.revoke(Revocation(act="ban", user=f"u{number}"))
        for number in range(100):
            pair.there.hub.peers.tell("log", LogGrew(before + number + 1))
        await until(lambda: pair.here.hub.revoking.seq == before + 100)
        await settled()
        assert pair.here.store.calls["revocations"] - asked <= 6


async def test_an_order_of_one_user_does_not_reach_anothers_connection() -> None:
    async with two_nodes() as pair:
        bob = await pair.here.connected("bob")
        await pair.there.api.disconnect(DisconnectCall(user="alice", client=bob.client.id))
        await pair.there.api.subscribe(
            SubscribeCall(user="alice", channel="chat:1", client=bob.client.id)
        )
        await pair.here.hub.revoking.follow()
        await settled()
        assert bob.code is None
        assert not bob.client.subscriptions


async def test_a_refresh_moves_the_expiry_on_every_node() -> None:
    async with two_nodes() as pair:
        alice = await pair.here.connected("alice")
        expire_at = int(pair.here.clock.wall()) + 100
        await pair.there.api.refresh(RefreshCall(user="alice", expire_at=expire_at))
        assert 99 <= (await alice.push("refresh"))["ttl"] <= 100


@pytest.mark.parametrize("bus_is_dead", [False, True])
async def test_what_takes_away_reaches_every_node_also_without_the_bus(bus_is_dead: bool) -> None:
    async with two_nodes() as pair:
        alice, bob = await pair.here.subscribed("chat:1"), await pair.here.connected("bob")
        carol, dave = await pair.here.connected("carol"), await pair.here.connected("dave")
        if bus_is_dead:
            pair.lose()
        api = pair.there.api
        await api.unsubscribe(UnsubscribeCall(user="alice", channel="chat:1"))
        await api.disconnect(DisconnectCall(user="bob", disconnect=DisconnectCode(4321, "go away")))
        await api.refresh(RefreshCall(user="carol", expired=True))
        pair.there.clock.move(2)
        await api.revoke(RevokeCall(user="dave"))
        assert (await alice.push("unsubscribe", "chat:1"))["code"] == 2000
        assert await bob.closed() == 4321
        assert await carol.closed() == 3005
        assert await dave.closed() == 3500


async def test_a_whitelisted_connection_is_spared_on_every_node() -> None:
    async with two_nodes() as pair:
        one, two = await pair.here.connected("alice"), await pair.here.connected("alice")
        await pair.there.api.disconnect(DisconnectCall(user="alice", whitelist=[two.client.id]))
        assert await one.closed() == 3503
        assert two.code is None


async def test_a_removed_history_is_shown_from_no_nodes_memory() -> None:
    async with two_nodes() as pair:
        await pair.here.subscribed("chat:1")
        await pair.publish("a", "b")
        late = await pair.here.connected("bob")
        await pair.there.api.history_remove(HistoryRemoveCall(channel="chat:1"))
        await pair.here.hub.revoking.follow()
        reply = await late.command("subscribe", channel="chat:1", recover=True, offset=0, epoch="")
        assert "publications" not in reply["subscribe"]
        assert "recovered" not in reply["subscribe"]


async def test_a_one_time_order_says_nothing_to_a_node_that_starts_later() -> None:
    async with running() as node:
        await node.api.disconnect(DisconnectCall(user="alice"))
        revocations = await load_revocations(node.store, node.clock)
        async with running(store=node.store, revocations=revocations) as later:
            alice = await later.connected("alice")
            await later.hub.revoking.follow()
            assert alice.code is None


async def test_an_order_that_could_not_be_stored_is_not_acknowledged() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        node.store.fail("revoke")
        with pytest.raises(CommandRefused) as refusal:
            await node.api.disconnect(DisconnectCall(user="alice"))
        assert refusal.value.error.code == 100
        assert alice.code is None


@pytest.mark.parametrize(
    "message",
    [
        ControlMessage("other", "log", b'{"seq": "one"}', epoch=EPOCH),
        ControlMessage("other", "log", b"\xff", epoch=EPOCH),
        ControlMessage(
            "other", "subscribe", b'{"call":{"user":"alice","channel":"no:1"}}', epoch=EPOCH
        ),
        ControlMessage("other", "a newer node's word", epoch=EPOCH),
        ControlMessage("other", "log", b'{"seq": 9}', BUS_VERSION + 1, EPOCH),
        ControlMessage("other", "log", b'{"seq": 9}', epoch="another store's"),
    ],
)
async def test_a_word_that_cannot_be_heeded_harms_nobody(message: ControlMessage) -> None:
    async with running() as node:
        alice = await node.subscribed("chat:1")
        asked = node.store.calls["revocations"]
        node.hub.peers.received(message)
        await settled()
        assert node.store.calls["revocations"] == asked
        assert "error" not in await alice.command("publish", channel="chat:1", data=1)


async def test_a_word_from_a_newer_node_is_read_as_far_as_it_is_known() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        body = b'{"call":{"user":"alice","channel":"chat:1","later":{"x":1}},"later":2}'
        node.hub.peers.received(ControlMessage("other", "subscribe", body, epoch=EPOCH))
        await alice.push("subscribe", "chat:1")


async def test_a_nodes_own_word_that_comes_back_is_not_heeded() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        body = b'{"call":{"user":"alice","channel":"chat:1"}}'
        own = ControlMessage(node.hub.node, "subscribe", body, epoch=EPOCH)
        node.hub.peers.received(own)
        await settled()
        assert not alice.client.subscriptions
