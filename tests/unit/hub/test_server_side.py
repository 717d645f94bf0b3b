"""Subscriptions that the server makes: by token, for a user, and by the API (protocol 3.6)."""

import pytest

from realtime.protocol.calls import DisconnectCall, SubscribeCall, UnsubscribeCall
from realtime.settings.schema import ChannelOptions, ClientSettings
from tests.support.hub import ALL_HISTORY, NAMESPACES, Node, make_settings, running, settled
from tests.support.memory_store import EPOCH
from tests.support.peer import error, offsets

SHUT = ChannelOptions(history_size=-1, presence=True)
"""Nobody may subscribe by themselves."""

PERSONAL = make_settings(namespaces={"own": SHUT}, personal_channels=True, personal_namespace="own")


WITH_SHUT = make_settings(namespaces={**NAMESPACES, "shut": SHUT})


async def publish(node: Node, channel: str, *data: int) -> None:
    """Have an admin publish."""
    admin = await node.connected("admin", role="admin")
    for item in data:
        await admin.publish(channel, item)
    admin.leave()


async def test_a_token_subscribes_to_its_channels_whatever_the_permissions() -> None:
    async with running(WITH_SHUT) as node:
        await publish(node, "shut:1", 1, 2)
        alice = node.peer()
        token = node.token("alice", channels=["shut:1"], subs={"live:1": {"data": {"a": 1}}})
        reply = await alice.connect(token)
        assert reply["subs"] == {
            "shut:1": {"recoverable": True, "positioned": True, "epoch": EPOCH, "offset": 2},
            "live:1": {"data": {"a": 1}},
        }
        await publish(node, "shut:1", 3)
        await publish(node, "live:1", 4)
        await alice.received("shut:1", 1)
        await alice.received("live:1", 1)


async def test_private_and_user_limited_channels_are_for_the_token_to_give() -> None:
    settings = make_settings(namespaces={"chat": ALL_HISTORY})
    async with running(settings) as node:
        alice = node.peer()
        channels = ["$chat:secret", "chat:dialog#7,8"]
        reply = await alice.connect(node.token("alice", channels=channels))
        assert list(reply["subs"]) == channels


async def test_what_the_token_says_of_a_subscription_is_seen_by_others() -> None:
    async with running(WITH_SHUT) as node:
        alice = node.peer()
        token = node.token("alice", info={"n": "A"}, subs={"shut:1": {"info": {"role": "host"}}})
        await alice.connect(token)
        admin = await node.connected("admin", role="admin")
        reply = await admin.command("presence", channel="shut:1")
        assert reply["presence"]["presence"][alice.id] == {
            "user": "alice",
            "client": alice.id,
            "conn_info": {"n": "A"},
            "chan_info": {"role": "host"},
        }


@pytest.mark.parametrize(
    ("namespace", "channel"), [("own", "own:#alice"), ("", "#alice")], ids=["named", "unnamed"]
)
async def test_every_user_has_a_personal_channel(namespace: str, channel: str) -> None:
    settings = make_settings(
        namespaces={"own": SHUT},
        anonymous=True,
        personal_channels=True,
        personal_namespace=namespace,
    )
    async with running(settings) as node:
        alice, guest = node.peer(), node.peer()
        reply = await alice.connect(node.token("alice"))
        assert list(reply["subs"]) == [channel]
        assert "subs" not in await guest.connect()


@pytest.mark.parametrize("user", ["a,b", "a#b", "a*b"])
async def test_a_user_whose_personal_channel_would_be_anothers_cannot_connect(user: str) -> None:
    async with running(PERSONAL) as node:
        assert error(await node.peer().command("connect", token=node.token(user))) == 107


async def test_a_personal_channel_is_recovered_through_connect() -> None:
    async with running(PERSONAL) as node:
        await publish(node, "own:#alice", 1, 2, 3)
        alice = node.peer()
        subs = {"own:#alice": {"recover": True, "epoch": EPOCH, "offset": 1}}
        reply = await alice.connect(node.token("alice"), subs=subs)
        recovered = reply["subs"]["own:#alice"]
        assert recovered["recovered"] is True
        assert recovered["was_recovering"] is True
        assert recovered["offset"] == 1
        assert offsets(recovered["publications"]) == [2, 3]


async def test_what_is_missed_while_a_connect_recovers_comes_once_and_in_order() -> None:
    async with running(WITH_SHUT) as node:
        await publish(node, "shut:1", 1, 2)
        await publish(node, "shut:2", 1)
        admin = await node.connected("admin", role="admin")
        hold = node.store.hold("read")
        alice = node.peer()
        position = {"recover": True, "epoch": EPOCH, "offset": 1}
        number = alice.send(
            "connect",
            token=node.token("alice", channels=["shut:1", "shut:2"]),
            subs={"shut:1": position, "shut:2": {**position, "offset": 0}},
        )
        await hold.begun()
        await admin.publish("shut:1", 3)
        await admin.publish("shut:2", 2)
        hold.release()
        reply = (await alice.reply(number))["connect"]["subs"]
        await admin.publish("shut:1", 4)
        await admin.publish("shut:2", 3)
        await settled()
        seen = offsets(reply["shut:1"]["publications"]) + alice.offsets("shut:1")
        assert seen == [2, 3, 4]
        seen = offsets(reply["shut:2"]["publications"]) + alice.offsets("shut:2")
        assert seen == [1, 2, 3]


async def test_a_position_that_cannot_be_recovered_does_not_refuse_the_connect() -> None:
    async with running(WITH_SHUT) as node:
        await publish(node, "shut:1", 1)
        alice = node.peer()
        subs = {"shut:1": {"recover": True, "epoch": "another", "offset": 1, "flag": 2}}
        reply = await alice.connect(node.token("alice", channels=["shut:1"]), subs=subs)
        assert "recovered" not in reply["subs"]["shut:1"]
        assert reply["subs"]["shut:1"]["was_recovering"] is True


async def test_a_failing_store_refuses_the_connect_and_nothing_is_left_of_it() -> None:
    async with running() as node:
        alice = node.peer()
        await node.subscribed("chat:1", "somebody")
        node.store.fail("read")
        token = node.token("alice", channels=["chat:1", "chat:2"])
        assert error(await alice.command("connect", token=token)) == 100
        assert [live.name for live in node.hub.delivery] == ["chat:1"]
        (live,) = node.hub.delivery
        assert (live.count(), live.joiners) == (1, 0)


async def test_a_subscription_that_the_api_ended_during_the_connect_is_not_made() -> None:
    async with running() as node:
        await node.subscribed("chat:1", "somebody")
        alice = node.peer()
        hold = node.store.hold("read")
        number = alice.send(
            "connect", token=node.token("alice", channels=["chat:1", "chat:2", "live:1"])
        )
        await hold.begun()
        await node.api.unsubscribe(UnsubscribeCall(user="alice", channel="chat:1"))
        hold.release()
        reply = (await alice.reply(number))["connect"]
        assert list(reply["subs"]) == ["chat:2", "live:1"]
        assert list(alice.client.subscriptions) == ["chat:2", "live:1"]
        await publish(node, "chat:1", 1)
        await settled()
        assert alice.publications("chat:1") == []


async def test_a_client_that_the_api_disconnects_during_its_connect_is_gone() -> None:
    async with running() as node:
        alice = node.peer()
        hold = node.store.hold("read")
        alice.send("connect", token=node.token("alice", channels=["chat:1"]))
        await hold.begun()
        await node.api.disconnect(DisconnectCall(user="alice"))
        assert alice.code == 3503
        hold.release()
        await settled()
        assert node.leaks() == []


async def test_a_token_with_too_many_channels_is_refused_with_3505() -> None:
    settings = make_settings(client=ClientSettings(channels_max=3))
    async with running(settings) as node:
        names = [f"chat:{number}" for number in range(4)]
        alice, bob = node.peer(), node.peer()
        alice.send("connect", token=node.token("alice", channels=names))
        assert await alice.closed() == 3505
        assert len((await bob.connect(node.token("bob", channels=names[:3])))["subs"]) == 3


async def test_a_client_that_asks_for_too_many_channels_gets_106() -> None:
    settings = make_settings(client=ClientSettings(channels_max=3))
    async with running(settings) as node:
        alice = await node.connected("alice", channels=["chat:0"])
        await alice.subscribe("chat:1")
        await alice.subscribe("chat:2")
        assert await alice.refused("subscribe", channel="chat:3") == 106
        await alice.command("unsubscribe", channel="chat:1")
        await alice.subscribe("chat:3")


async def test_the_api_may_not_give_too_many_channels_either() -> None:
    settings = make_settings(client=ClientSettings(channels_max=2))
    async with running(settings) as node:
        alice = await node.connected("alice")
        for number in range(2):
            await node.api.subscribe(SubscribeCall(user="alice", channel=f"chat:{number}"))
        assert alice.code is None
        await node.api.subscribe(SubscribeCall(user="alice", channel="chat:2"))
        assert await alice.closed() == 3505


async def test_subscribing_twice_is_105_whoever_was_first() -> None:
    async with running() as node:
        alice = await node.connected("alice", channels=["chat:1"])
        assert await alice.refused("subscribe", channel="chat:1") == 105
        await alice.subscribe("chat:2")
        assert await alice.refused("subscribe", channel="chat:2") == 105
        await node.api.subscribe(SubscribeCall(user="alice", channel="chat:3"))
        assert await alice.refused("subscribe", channel="chat:3") == 105


async def test_positions_for_channels_that_nobody_grants_give_nothing() -> None:
    async with running(WITH_SHUT) as node:
        alice = node.peer()
        subs = {"shut:1": {"recover": True}, "$chat:1": {"recover": True}, "nowhere:1": {}}
        reply = await alice.connect(node.token("alice"), subs=subs)
        assert "subs" not in reply
        assert not list(node.hub.delivery)


async def test_a_client_may_leave_what_the_server_gave_it() -> None:
    async with running() as node:
        alice = await node.connected("alice", channels=["chat:1"])
        assert await alice.command("unsubscribe", channel="chat:1") == {"id": 2, "unsubscribe": {}}
        assert not list(node.hub.delivery)


async def test_unsubscribing_from_what_one_has_not_is_answered_all_the_same() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        for channel in ("chat:1", "nowhere:1"):
            assert "unsubscribe" in await alice.command("unsubscribe", channel=channel)


async def test_what_came_to_the_first_channel_while_the_second_was_read_is_not_missed() -> None:
    """The first is answered from memory at once, and the reply waits for the second."""
    async with running(WITH_SHUT) as node:
        await node.connected("somebody", channels=["shut:1"])
        await publish(node, "shut:1", 1, 2)
        admin = await node.connected("admin", role="admin")
        hold = node.store.hold("read")
        alice = node.peer()
        number = alice.send(
            "connect",
            token=node.token("alice", channels=["shut:1", "shut:2"]),
            subs={"shut:1": {"recover": True, "epoch": EPOCH, "offset": 1}},
        )
        await hold.begun()
        await admin.publish("shut:1", 3)
        await admin.publish("shut:1", 4)
        hold.release()
        recovered = (await alice.reply(number))["connect"]["subs"]["shut:1"]["publications"]
        await admin.publish("shut:1", 5)
        await settled()
        assert offsets(recovered) + alice.offsets("shut:1") == [2, 3, 4, 5]
        assert alice.code is None
