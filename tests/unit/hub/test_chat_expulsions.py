"""Who is taken out of a room gets nothing that follows, whatever was going on at that moment."""

from typing import Final

import pytest

from realtime.hub import positions as positions_module
from realtime.hub import watching as watching_module
from realtime.settings.schema import ChannelOptions
from tests.support.chat_hub import ROOM, ChatNode, chat_node, chat_settings, two_chat_nodes
from tests.support.hub import settled, until
from tests.support.peer import Peer

OUT: Final = [{"code": 2000, "reason": "server unsubscribe"}]
AGAIN: Final = [{"code": 2500, "reason": "insufficient state"}]

OPEN: Final = ChannelOptions(
    history_size=-1, chat="room", subscribe=("user",), read_history=("user",)
)

ENDINGS: Final = ("leave", "kick", "ban")


async def subscribed(chat: ChatNode, user: str, **fields: object) -> Peer:
    return await chat.node.subscribed("room:1", user, **fields)


def was_put_out(peer: Peer) -> bool:
    return peer.pushes("unsubscribe", "room:1") == OUT


@pytest.mark.parametrize("act", ENDINGS)
async def test_who_is_out_hears_of_it_and_nothing_more(act: str) -> None:
    async with chat_node() as chat:
        await chat.join("alice", "bob")
        alice, bob = await subscribed(chat, "alice"), await subscribed(chat, "bob")
        await chat.say("before")
        await chat.act(act, "bob")
        await chat.say("after")
        await alice.received("room:1", 3)
        await settled()
        assert bob.data("room:1")[0] == "before"
        assert bob.data("room:1")[1]["act"] == act  # who put them out, and how
        assert len(bob.data("room:1")) == 2
        assert was_put_out(bob)
        for method in ("subscribe", "history", "presence", "presence_stats"):
            assert await bob.refused(method, channel="room:1") == 103
        assert alice.pushes("unsubscribe", "room:1") == []


async def test_what_comes_in_one_go_is_carried_out_one_by_one() -> None:
    """Entries that waited above a gap are let through together."""
    async with chat_node() as chat:
        await chat.join("alice", "bob")
        alice, bob = await subscribed(chat, "alice"), await subscribed(chat, "bob")
        live = chat.node.hub.delivery.find("room:1")
        assert live is not None and live.cursor is not None
        live.cursor.position -= 1  # as if the last entry had not come
        live.cursor.known = live.cursor.position
        live.cursor.forget_tail()
        hold = chat.node.store.hold("missed")
        await chat.act("kick", "bob")
        await chat.say("after")
        await settled()
        assert bob.offsets("room:1") == []
        hold.release()
        await alice.received("room:1", 3)
        assert bob.offsets("room:1") == [2, 3]
        # What bob was is not at hand any more since the node heard of more than it could carry out.
        assert was_put_out(bob) or bob.pushes("unsubscribe", "room:1") == AGAIN
        assert await bob.refused("subscribe", channel="room:1") == 103


async def test_those_who_come_in_or_are_made_less_stay() -> None:
    async with chat_node() as chat:
        await chat.join("alice", "bob")
        bob = await subscribed(chat, "bob")
        await chat.act("role", "bob", role="reader")
        await chat.act("mute", "bob", until=-1)
        await chat.act("unban", "bob")
        await chat.join("carol")
        await chat.say("after")
        await bob.received("room:1", 5)
        assert bob.pushes("unsubscribe", "room:1") == []


async def test_every_connection_of_the_user_goes_and_nobody_elses() -> None:
    async with chat_node() as chat:
        await chat.join("alice", "bob")
        bobs = [await subscribed(chat, "bob") for _ in range(3)]
        alice = await subscribed(chat, "alice")
        await chat.act("kick", "bob")
        await settled()
        assert [was_put_out(bob) for bob in bobs] == [True] * 3
        assert list(alice.client.subscriptions) == ["#alice", "room:1"]


async def test_a_last_subscriber_who_is_put_out_closes_the_channel() -> None:
    async with chat_node() as chat:
        await chat.join("bob")
        bob = await subscribed(chat, "bob")
        await chat.act("kick", "bob")
        await settled()
        assert was_put_out(bob)
        assert chat.node.hub.delivery.find("room:1") is None


@pytest.mark.parametrize(("act", "stays"), [("leave", True), ("kick", True), ("ban", False)])
async def test_who_is_subscribed_by_other_means_stays_unless_banned(act: str, stays: bool) -> None:
    async with chat_node(chat_settings({"open": OPEN})) as chat:
        await chat.join("bob")
        await chat.join("bob", channel="open:1")
        by_list = await chat.node.subscribed("open:1", "bob")
        token = chat.node.token("bob", channel="room:1")
        by_token = await subscribed(chat, "bob", token=token)
        by_server = chat.node.peer()
        await by_server.connect(chat.node.token("bob", channels=["room:1"]))
        for channel in ("room:1", "open:1"):
            await chat.act(act, "bob", channel, until=-1)
        await settled()
        assert ("open:1" in by_list.client.subscriptions) is stays
        for peer in (by_token, by_server):
            assert ("room:1" in peer.client.subscriptions) is stays
            assert was_put_out(peer) is not stays


async def test_an_admin_stays_whatever_becomes_of_their_membership() -> None:
    async with chat_node() as chat:
        await chat.join("root")
        root = await chat.node.connected("root", role="admin")
        await root.subscribe("room:1")
        await chat.act("ban", "root", until=-1)
        await settled()
        assert "room:1" in root.client.subscriptions
        await root.command("history", channel="room:1")


async def test_a_subscriber_of_whom_nothing_is_at_hand_comes_again_and_is_looked_up() -> None:
    async with chat_node() as chat:
        await chat.join("alice", "bob")
        alice, bob = await subscribed(chat, "alice"), await subscribed(chat, "bob")
        chat.memberships.forget("room:1")
        await chat.act("kick", "bob")
        await chat.say("after")
        await alice.received("room:1", 2)
        assert bob.pushes("unsubscribe", "room:1") == AGAIN
        assert bob.offsets("room:1") == [3]
        assert await bob.refused("subscribe", channel="room:1") == 103


async def test_an_entry_that_cannot_be_read_any_more_has_everyone_looked_up() -> None:
    """Erased since: it may have been about anybody."""
    async with chat_node() as chat:
        await chat.join("alice", "bob")
        alice = await subscribed(chat, "alice")
        await chat.append("member", b"[]")
        await settled()
        assert alice.pushes("unsubscribe", "room:1") == AGAIN
        await alice.subscribe("room:1", recover=True, offset=2)


async def test_a_gap_that_retention_has_eaten_may_have_held_anything() -> None:
    async with two_chat_nodes() as pair:
        await pair.there.join("alice", "bob")
        alice, bob = await subscribed(pair.here, "alice"), await subscribed(pair.here, "bob")
        delivery = pair.here.node.hub.delivery
        live, _ = delivery.attach(pair.here.node.hub.rules.resolve("room:1"))  # stays open
        pair.lose()
        await pair.there.act("kick", "bob")
        await pair.there.node.store.inner.truncate("room:1")
        await pair.there.say("after")
        await delivery.check_positions()
        await settled()
        for peer in (alice, bob):
            assert peer.pushes("unsubscribe", "room:1") == AGAIN
        await alice.subscribe("room:1")
        assert await bob.refused("subscribe", channel="room:1") == 103
        delivery.detach(live)


# Subscribes under way


async def test_who_is_put_out_while_the_channel_is_opened_is_not_let_in() -> None:
    async with chat_node() as chat:
        await chat.join("bob")
        bob = await chat.node.connected("bob")
        hold = chat.node.store.hold("read", asked=True)
        number = bob.send("subscribe", channel="room:1")
        await hold.begun()
        await chat.act("kick", "bob")
        hold.release()
        assert (await bob.reply(number))["error"]["code"] == 103
        assert "room:1" not in bob.client.subscriptions


async def test_who_is_put_out_while_the_head_is_read_elsewhere_is_not_let_in() -> None:
    """The entry is below the head that is read, and never passes this node."""
    async with two_chat_nodes() as pair:
        await pair.there.join("bob")
        bob = await pair.here.node.connected("bob")
        await bob.command("history", channel="room:1")  # known for a second
        pair.lose()
        hold = pair.here.node.store.hold("read", asked=False)
        number = bob.send("subscribe", channel="room:1")
        await hold.begun()
        await pair.there.act("kick", "bob")
        hold.release()
        assert (await bob.reply(number))["error"]["code"] == 103


async def test_who_is_put_out_while_their_recovery_is_read_gets_none_of_it() -> None:
    async with chat_node() as chat:
        await chat.join("alice", "bob")
        await chat.say(*range(3))
        await subscribed(chat, "alice")
        bob = await chat.node.connected("bob")
        hold = chat.node.store.hold("read", asked=True)
        number = bob.send("subscribe", channel="room:1", recover=True, offset=0)
        await hold.begun()
        await chat.act("kick", "bob")
        await chat.say("after")
        hold.release()
        reply = await bob.reply(number)
        assert reply["error"]["code"] == 103
        assert bob.offsets("room:1") == []


async def test_who_is_put_out_while_the_rest_of_the_connect_is_read_is_not_in_its_reply() -> None:
    async with chat_node() as chat:
        await chat.join("bob")
        await chat.join("bob", channel="room:2")
        await subscribed(chat, "bob")
        late = chat.node.peer()
        hold = chat.node.store.hold("read")
        number = late.send(
            "connect", token=chat.node.token("bob"), subs={"room:1": {}, "room:2": {}}
        )
        await hold.begun()
        await until(lambda: "room:1" in late.client.subscriptions)
        await chat.act("kick", "bob")
        hold.release()
        reply = await late.reply(number)
        assert set(reply["connect"]["subs"]) == {"#bob", "room:2"}


async def test_a_recovery_from_beyond_this_nodes_position_waits_until_it_has_come_there() -> None:
    """What was read from the store may follow what has put the user out, unknown to the node."""
    async with two_chat_nodes() as pair:
        await pair.there.join("alice", "bob")
        await subscribed(pair.here, "alice")
        await subscribed(pair.here, "bob")
        pair.lose()
        kicked_at = await pair.there.act("kick", "bob")
        await pair.there.say("after")
        late = await pair.here.node.connected("bob")
        reply = await late.command("subscribe", channel="room:1", recover=True, offset=kicked_at)
        assert reply["error"]["code"] == 103


async def test_history_that_goes_beyond_this_nodes_position_is_for_who_is_in_by_then() -> None:
    async with two_chat_nodes() as pair:
        await pair.there.join("alice", "bob")
        await subscribed(pair.here, "alice")
        bob = await pair.here.node.connected("bob")
        assert "error" not in await bob.command("history", channel="room:1", limit=9)
        pair.lose()
        await pair.there.act("kick", "bob")
        await pair.there.say("after")
        assert await bob.refused("history", channel="room:1", limit=9) == 103


async def test_who_waits_for_the_node_to_come_up_to_their_reply_is_put_out_too() -> None:
    async with chat_node() as chat:
        await chat.join("alice", "bob")
        bob = await subscribed(chat, "bob")
        subscription = bob.client.subscriptions["room:1"]
        live = subscription.channel
        live.leave(subscription, chat.node.hub.fanout)
        subscription.after = 9  # as if the store had told of more than has come here
        live.join(subscription, chat.node.hub.fanout)
        await chat.act("kick", "bob")
        await chat.say(*range(9))
        await settled()
        assert bob.offsets("room:1") == []
        assert was_put_out(bob)


# Without the bus


async def test_who_was_let_in_elsewhere_may_come_here_at_once() -> None:
    async with two_chat_nodes() as pair:
        await pair.there.join("alice")
        await subscribed(pair.here, "alice")
        bob = await pair.here.node.connected("bob")
        assert await bob.refused("subscribe", channel="room:1") == 103
        pair.lose()
        await pair.there.join("bob")
        await bob.subscribe("room:1")
        pair.here.node.store.fail("missed")
        stranger = await pair.here.node.connected("stranger")
        assert await stranger.refused("subscribe", channel="room:1") == 100
        assert await stranger.refused("subscribe", channel="room:1") == 103


@pytest.mark.parametrize("act", ENDINGS)
async def test_a_bus_that_has_died_unnoticed_keeps_nobody_in(act: str) -> None:
    """Nothing is in doubt, so positions are compared only now and then."""
    async with two_chat_nodes() as pair:
        await pair.there.join("alice", "bob")
        alice, bob = await subscribed(pair.here, "alice"), await subscribed(pair.here, "bob")
        pair.lose()
        await pair.there.act(act, "bob")
        await pair.there.say("after")
        await until(lambda: was_put_out(bob), within_s=2.0)
        await alice.received("room:1", 2)
        assert bob.offsets("room:1") == [3]
        for method in ("subscribe", "history", "presence"):
            assert await bob.refused(method, channel="room:1") == 103


async def test_what_a_user_may_less_is_known_without_the_bus_too() -> None:
    async with two_chat_nodes() as pair:
        await pair.there.join("bob")
        await subscribed(pair.here, "bob")
        pair.lose()
        for act, role in (("role", "reader"), ("mute", "")):
            await pair.there.act(act, "bob", role=role, until=-1)
        known = pair.here.memberships.known

        def is_less() -> bool:
            standing = known("room:1", "bob")
            return standing is not None and standing.role == "reader" and standing.is_muted(0)

        await until(is_less, within_s=2.0)


async def test_a_store_that_is_away_when_it_is_read_on_is_asked_until_it_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(positions_module, "SUSPECT_RETRY_S", 0.01)
    async with two_chat_nodes() as pair:
        await pair.there.join("bob")
        bob = await subscribed(pair.here, "bob")
        pair.lose()
        pair.here.node.store.fail("missed", 3)
        await pair.there.act("kick", "bob")
        await until(lambda: was_put_out(bob), within_s=2.0)


async def test_the_log_is_told_of_an_act_when_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.hub.stage.TELL_RETRY_S", 0.01)
    async with two_chat_nodes() as pair:
        await pair.there.join("bob")
        bob = await subscribed(pair.here, "bob")
        pair.lose()
        pair.there.node.store.fail("revoke", 2)
        await pair.there.act("kick", "bob")
        await until(lambda: was_put_out(bob), within_s=2.0)


async def test_a_channel_that_is_being_opened_reads_on_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row came while the head was being read, and the head may be from before."""
    monkeypatch.setattr(watching_module, "FOLLOW_S", 0.01)
    async with two_chat_nodes() as pair:
        await pair.there.join("bob", "alice")
        pair.lose()
        alice = await pair.here.node.connected("alice")
        bob = await pair.here.node.connected("bob")
        hold = pair.here.node.store.hold("read", asked=True)
        numbers = [peer.send("subscribe", channel="room:1") for peer in (alice, bob)]
        await hold.begun()
        seq = pair.here.node.hub.revoking.seq
        await pair.there.act("kick", "bob")
        await until(lambda: pair.here.node.hub.revoking.seq > seq)
        hold.release()
        assert (await bob.reply(numbers[1]))["error"]["code"] == 103
        assert "error" not in await alice.reply(numbers[0])
        live = pair.here.node.hub.delivery.find("room:1")
        assert live is not None
        await until(lambda: live.cursor is not None and live.cursor.position == 3)


def test_a_room_of_these_tests_keeps_everything() -> None:
    assert ROOM.history_size == -1
