"""The server API's operations on live clients (protocol 5.2)."""

import asyncio
import base64

import msgspec
import pytest

from realtime.auth.claims import YEAR_10000
from realtime.errors import CommandRefused
from realtime.protocol.calls import (
    Call,
    ChannelsCall,
    DisconnectCall,
    DisconnectCode,
    InfoCall,
    OverrideCall,
    PresenceCall,
    PresenceStatsCall,
    RefreshCall,
    RevokeCall,
    RpcCall,
    SubscribeCall,
    Switch,
    UnsubscribeCall,
)
from realtime.protocol.commands import Since
from tests.support.hub import Node, running, settled
from tests.support.memory_store import EPOCH


async def refused(node: Node, call: Call) -> int:
    """The code that an operation is refused with."""
    operation = getattr(node.api, call.method)
    with pytest.raises(CommandRefused) as refusal:
        await operation(call)
    return refusal.value.error.code


# subscribe


async def test_subscribe_is_pushed_and_served() -> None:
    async with running() as node:
        alice, other = await node.connected("alice"), await node.connected("alice")
        bob = await node.connected("bob")
        await bob.publish("chat:1", 1)
        call = SubscribeCall(user="alice", channel="chat:1", data=msgspec.Raw(b'{"d":1}'))
        assert msgspec.json.encode(await node.api.subscribe(call)) == b"{}"
        await bob.publish("chat:1", 2)
        for peer in (alice, other):
            assert await peer.push("subscribe", "chat:1") == {
                "recoverable": True,
                "positioned": True,
                "epoch": EPOCH,
                "offset": 1,
                "data": {"d": 1},
            }
            await peer.received("chat:1", 1)
            assert peer.offsets("chat:1") == [2]
        assert not bob.pushes("subscribe", "chat:1")


async def test_subscribe_may_name_one_connection() -> None:
    async with running() as node:
        alice, other = await node.connected("alice"), await node.connected("alice")
        await node.api.subscribe(SubscribeCall(user="alice", channel="chat:1", client=other.id))
        assert "chat:1" in other.client.subscriptions
        assert "chat:1" not in alice.client.subscriptions


async def test_subscribe_with_a_position_sends_what_followed_it_as_publications() -> None:
    async with running() as node:
        alice, bob = await node.connected("alice"), await node.connected("bob")
        for number in (1, 2, 3):
            await bob.publish("chat:1", number)
        since = Since(offset=1, epoch=EPOCH)
        await node.api.subscribe(SubscribeCall(user="alice", channel="chat:1", recover_since=since))
        assert (await alice.push("subscribe", "chat:1"))["offset"] == 1
        await alice.received("chat:1", 2)
        assert alice.offsets("chat:1") == [2, 3]


async def test_subscribe_of_nobody_is_done() -> None:
    async with running() as node:
        answer = await node.api.subscribe(SubscribeCall(user="nobody", channel="chat:1"))
        assert msgspec.json.encode(answer) == b"{}"
        assert not list(node.hub.delivery)


async def test_subscribe_with_a_failing_store_leaves_nothing() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        node.store.fail("read")
        await node.api.subscribe(SubscribeCall(user="alice", channel="chat:1"))
        assert not list(node.hub.delivery)
        assert not alice.client.subscriptions


async def test_who_leaves_while_it_is_subscribed_leaves_nothing() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        hold = node.store.hold("read")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(node.api.subscribe(SubscribeCall(user="alice", channel="chat:1")))
            await hold.begun()
            alice.leave()
            hold.release()
        assert node.leaks() == []


async def test_two_subscribes_at_once_make_one_subscription() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        call = SubscribeCall(user="alice", channel="chat:1")
        await asyncio.gather(node.api.subscribe(call), node.api.subscribe(call))
        await settled()
        assert len(alice.pushes("subscribe", "chat:1")) == 1
        (live,) = node.hub.delivery
        assert live.count() == 1


# unsubscribe


async def test_unsubscribe_ends_one_or_all_channels_of_a_user() -> None:
    async with running() as node:
        alice, other, bob = [await node.connected(user) for user in ("alice", "alice", "bob")]
        for peer in (alice, other, bob):
            for channel in ("chat:1", "chat:2", "live:1"):
                await peer.subscribe(channel)
        await node.api.unsubscribe(UnsubscribeCall(user="alice", channel="chat:1"))
        for peer in (alice, other):
            pushed = await peer.push("unsubscribe", "chat:1")
            assert pushed == {"code": 2000, "reason": "server unsubscribe"}
        await node.api.unsubscribe(UnsubscribeCall(user="alice", client=alice.id))
        assert not alice.client.subscriptions
        assert list(other.client.subscriptions) == ["chat:2", "live:1"]
        assert list(bob.client.subscriptions) == ["chat:1", "chat:2", "live:1"]


async def test_unsubscribe_by_a_client_id_alone_is_for_that_client() -> None:
    async with running() as node:
        alice, other = await node.subscribed("chat:1"), await node.subscribed("chat:1")
        await node.api.unsubscribe(UnsubscribeCall(client=alice.id, channel="chat:1"))
        await alice.push("unsubscribe", "chat:1")
        assert not alice.client.subscriptions
        assert "chat:1" in other.client.subscriptions


async def test_unsubscribe_from_what_nobody_has_is_done() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        await node.api.unsubscribe(UnsubscribeCall(user="alice", channel="chat:1"))
        assert not alice.pushes("unsubscribe", "chat:1")


async def test_nothing_is_delivered_after_an_unsubscribe() -> None:
    async with running() as node:
        alice = await node.subscribed("chat:1")
        bob = await node.connected("bob")
        await bob.publish("chat:1", 1)
        await node.api.unsubscribe(UnsubscribeCall(user="alice", channel="chat:1"))
        await bob.publish("chat:1", 2)
        await settled()
        documents = [
            document["push"] for document in alice.transport.documents if "push" in document
        ]
        kinds = [next(kind for kind in push if kind != "channel") for push in documents]
        assert kinds[-2:] == ["pub", "unsubscribe"]


# disconnect


async def test_disconnect_closes_a_users_connections_but_those_listed() -> None:
    async with running() as node:
        one, two, three = [await node.connected("alice") for _ in range(3)]
        bob = await node.connected("bob")
        await node.api.disconnect(DisconnectCall(user="alice", client=one.id))
        assert (one.code, two.code) == (3503, None)
        await node.api.disconnect(DisconnectCall(user="alice", whitelist=[three.id]))
        assert (two.code, three.code, bob.code) == (3503, None, None)


async def test_disconnect_takes_a_code_and_a_reason() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        code = DisconnectCode(code=4321, reason="go away")
        await node.api.disconnect(DisconnectCall(user="alice", disconnect=code))
        assert alice.transport.disconnect is not None
        assert (alice.transport.disconnect.code, alice.transport.disconnect.reason) == (
            4321,
            "go away",
        )


@pytest.mark.parametrize(
    "code",
    [
        DisconnectCode(code=1000, reason="x"),
        DisconnectCode(code=2999, reason="x"),
        DisconnectCode(code=5000, reason="x"),
        DisconnectCode(code=-1, reason="x"),
        DisconnectCode(code=4000, reason="x" * 124),
        DisconnectCode(code=4000, reason="\u20ac" * 42),
        DisconnectCode(code=4000, reason='{"a":1}'),
        DisconnectCode(code=4000, reason="1"),
    ],
)
async def test_a_close_that_cannot_be_sent_is_refused(code: DisconnectCode) -> None:
    async with running() as node:
        alice = await node.connected("alice")
        assert await refused(node, DisconnectCall(user="alice", disconnect=code)) == 107
        assert alice.code is None


# refresh


async def test_refresh_replaces_what_others_see() -> None:
    async with running() as node:
        alice = await node.connected("alice", info={"n": 1})
        call = RefreshCall(user="alice", info=msgspec.Raw(b'{"n": 2}'))
        await node.api.refresh(call)
        assert await alice.push("refresh") == {}
        await alice.subscribe("chat:1")
        reply = await alice.command("presence", channel="chat:1")
        assert reply["presence"]["presence"][alice.id]["conn_info"] == {"n": 2}


@pytest.mark.parametrize("encoded", [False, True])
async def test_line_breaks_of_the_api_reach_nobody(encoded: bool) -> None:
    """The transport of these tests fails on a document of two lines."""
    text = b'{\r\n"n":\n1}'
    async with running() as node:
        alice = await node.connected("alice")
        if encoded:
            twin = base64.b64encode(text).decode()
            call = SubscribeCall(user="alice", channel="chat:1", b64info=twin, b64data=twin)
        else:
            raw = msgspec.Raw(text)
            call = SubscribeCall(user="alice", channel="chat:1", info=raw, data=raw)
        await node.api.subscribe(call)
        assert (await alice.push("subscribe", "chat:1"))["data"] == {"n": 1}
        reply = await alice.command("presence", channel="chat:1")
        assert reply["presence"]["presence"][alice.id]["chan_info"] == {"n": 1}
        await node.api.refresh(RefreshCall(user="alice", info=msgspec.Raw(text)))
        await alice.subscribe("chat:2")
        reply = await alice.command("presence", channel="chat:2")
        assert reply["presence"]["presence"][alice.id]["conn_info"] == {"n": 1}


# What is seen


async def test_channels_are_those_with_subscribers_by_pattern() -> None:
    async with running() as node:
        await node.subscribed("chat:1")
        await node.subscribed("chat:1", "bob")
        await node.subscribed("live:[x]", "carol")

        async def channels(pattern: str = "") -> object:
            return msgspec.to_builtins(await node.api.channels(ChannelsCall(pattern=pattern)))

        everything = {"chat:1": {"num_clients": 2}, "live:[x]": {"num_clients": 1}}
        assert await channels() == {"channels": everything}
        assert await channels("chat:*") == {"channels": {"chat:1": {"num_clients": 2}}}
        assert await channels("Chat:*") == {"channels": {}}


async def test_info_counts() -> None:
    async with running() as node:
        alice = await node.subscribed("chat:1")
        await alice.subscribe("live:1")
        await node.subscribed("chat:1", "bob")
        (found,) = (await node.api.info(InfoCall())).nodes
        assert (found.num_clients, found.num_users, found.num_channels, found.num_subs) == (
            2,
            2,
            2,
            3,
        )
        assert found.uid == node.hub.node
        assert found.version == node.hub.version
        node.clock.move(90)
        assert (await node.api.info(InfoCall())).nodes[0].uptime in (90, 91)


async def test_rpc_has_no_methods() -> None:
    async with running() as node:
        assert await refused(node, RpcCall()) == 104


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (SubscribeCall(channel="chat:1"), 107),
        (SubscribeCall(user="alice"), 107),
        (SubscribeCall(user="alice", channel="nowhere:1"), 102),
        (SubscribeCall(user="alice", channel="chat:1", b64info="!"), 107),
        (UnsubscribeCall(), 107),
        (UnsubscribeCall(channel="chat:1"), 107),
        (UnsubscribeCall(user="alice", channel="nowhere:1"), 102),
        (DisconnectCall(), 107),
        (RefreshCall(), 107),
        (RevokeCall(), 107),
        (RevokeCall(user="alice", jti="one"), 107),
        (RevokeCall(user="a" * 256), 107),
        (RevokeCall(user="alice", expire_at=-5), 107),
        (RevokeCall(user="alice", expire_at=1), 107),
        (RevokeCall(user="alice", expire_at=YEAR_10000 + 1), 107),
        (RevokeCall(user="alice", expire_at=2**63 - 1), 107),
        (SubscribeCall(user="alice", channel="chat:2", expire_at=-1), 107),
        (SubscribeCall(user="alice", channel="chat:2", expire_at=2**63 - 1), 107),
        (RefreshCall(user="alice", expire_at=-1), 107),
        (RefreshCall(user="alice", expire_at=2**63 - 1), 107),
        (PresenceCall(), 107),
        (PresenceCall(channel="nowhere:1"), 102),
        (PresenceCall(channel="live:1"), 108),
        (PresenceStatsCall(channel="live:1"), 108),
        (ChannelsCall(pattern="*" * 256), 107),
    ],
)
async def test_what_makes_no_sense_is_refused(call: Call, code: int) -> None:
    async with running() as node:
        alice = await node.subscribed("chat:1")
        assert await refused(node, call) == code
        assert alice.code is None
        assert list(alice.client.subscriptions) == ["chat:1"]


@pytest.mark.parametrize(
    "call",
    [
        SubscribeCall(user="alice", channel="chat:1", session="s"),
        UnsubscribeCall(user="alice", channel="chat:2", session="s"),
        DisconnectCall(user="alice", session="s"),
        RefreshCall(user="alice", expired=True, session="s"),
    ],
)
async def test_a_session_that_is_none_is_nobodys(call: Call) -> None:
    async with running() as node:
        alice = await node.subscribed("chat:2")
        await getattr(node.api, call.method)(call)
        await settled()
        assert alice.code is None
        assert list(alice.client.subscriptions) == ["chat:2"]


async def test_a_client_id_of_another_user_is_not_touched() -> None:
    async with running() as node:
        bob = await node.connected("bob")
        await node.api.disconnect(DisconnectCall(user="alice", client=bob.id))
        await node.api.subscribe(SubscribeCall(user="alice", channel="chat:1", client=bob.id))
        assert bob.code is None
        assert not bob.client.subscriptions


async def test_overrides_of_the_api_apply_to_its_subscription() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        override = OverrideCall(presence=Switch(value=False), force_recovery=Switch(value=False))
        await node.api.subscribe(SubscribeCall(user="alice", channel="chat:1", override=override))
        pushed = await alice.push("subscribe", "chat:1")
        assert "recoverable" not in pushed
        answer = await node.api.presence(PresenceCall(channel="chat:1"))
        assert answer.presence == {}


async def test_a_client_that_is_still_connecting_is_not_subscribed_by_the_api() -> None:
    async with running() as node:
        peer = node.peer()
        hold = node.store.hold("read")
        number = peer.send("connect", token=node.token("alice", channels=["chat:1"]))
        await hold.begun()
        await node.api.subscribe(SubscribeCall(user="alice", channel="chat:2"))
        hold.release()
        reply = await peer.reply(number)
        assert list(reply["connect"]["subs"]) == ["chat:1"]
        assert not peer.pushes("subscribe", "chat:2")
