"""What may happen while a subscribe waits for the store: others ask too, change their minds, go."""

import asyncio

import pytest

from realtime.model import NewEntry
from realtime.protocol.calls import (
    DisconnectCall,
    HistoryRemoveCall,
    SubscribeCall,
    UnsubscribeCall,
)
from tests.support.hub import Node, running, settled, until
from tests.support.memory_store import EPOCH
from tests.support.peer import LINES, OTHER_LINES, Peer, error, offsets, result


async def stored(node: Node, channel: str, count: int) -> None:
    """Have so many entries in the log, and nobody subscribed."""
    writer = await node.connected("writer")
    for number in range(1, count + 1):
        await writer.publish(channel, number)
    writer.leave()


def recover(peer: Peer, channel: str, offset: int) -> int:
    """Begin a subscribe with recovery; its id."""
    return peer.send("subscribe", channel=channel, recover=True, epoch=EPOCH, offset=offset)


@pytest.mark.parametrize("count", [2, 50])
async def test_a_storm_on_one_channel_costs_two_reads_and_the_head(count: int) -> None:
    """The first read began before the others asked, so those share a second one."""
    async with running() as node:
        await stored(node, "chat:1", 9)
        peers = [await node.connected(f"user{number}") for number in range(count)]
        node.store.calls.clear()
        numbers = [recover(peer, "chat:1", 4) for peer in peers]
        for peer, number in zip(peers, numbers, strict=True):
            reply = result(await peer.reply(number), "subscribe")
            assert offsets(reply["publications"]) == [5, 6, 7, 8, 9]
        assert node.store.calls["read"] <= 1 + 2


async def test_who_comes_back_after_others_costs_no_read() -> None:
    async with running() as node:
        await stored(node, "chat:1", 9)
        await node.subscribed("chat:1", "first")
        node.store.calls.clear()
        for user, since in (("ann", 6), ("bob", 7), ("eve", 6), ("joe", 9)):
            peer = await node.connected(user)
            reply = result(await peer.reply(recover(peer, "chat:1", since)), "subscribe")
            assert offsets(reply.get("publications", [])) == list(range(since + 1, 10))
            assert reply["recovered"] is True
        assert node.store.calls["read"] == 1
        peer = await node.connected("dan")
        reply = result(await peer.reply(recover(peer, "chat:1", 2)), "subscribe")
        assert offsets(reply["publications"]) == [3, 4, 5, 6, 7, 8, 9]
        assert node.store.calls["read"] == 2


async def test_what_was_read_before_the_history_was_removed_is_not_kept() -> None:
    async with running() as node:
        await stored(node, "chat:1", 5)
        await node.subscribed("chat:1", "somebody")
        hold = node.store.hold("read")
        first = await node.connected("first")
        number = recover(first, "chat:1", 3)
        await hold.begun()  # the answer is there: 4 and 5
        await node.api.history_remove(HistoryRemoveCall(channel="chat:1"))
        hold.release()
        await first.reply(number)
        second = await node.connected("second")
        reply = result(await second.reply(recover(second, "chat:1", 3)), "subscribe")
        assert (reply.get("recovered"), reply.get("publications")) == (None, None)


async def test_what_was_missed_before_the_history_was_removed_is_not_kept() -> None:
    async with running() as node:
        await stored(node, "chat:1", 2)
        await node.subscribed("chat:1", "somebody")
        # On another node, and the bus has lost it.
        made = NewEntry("chat:1", "u:eve", "lost", b'"gone"', node.clock.wall_ms())
        await node.store.inner.append([made])
        hold = node.store.hold("missed")
        checking = asyncio.create_task(node.hub.delivery.check_positions())
        await hold.begun()  # the answer is there
        await node.api.history_remove(HistoryRemoveCall(channel="chat:1"))
        hold.release()
        await checking
        peer = await node.connected("bob")
        reply = result(await peer.reply(recover(peer, "chat:1", 2)), "subscribe")
        assert (reply.get("recovered"), reply.get("publications")) == (None, None)


async def test_a_storm_in_every_format_that_the_server_subscribes_costs_the_same_reads() -> None:
    """As thousands do that a network's outage cut off."""
    async with running() as node:
        await stored(node, "chat:1", 9)
        peers = [node.peer(wire=wire) for wire in (LINES, OTHER_LINES) for _ in range(50)]
        node.store.calls.clear()
        subs = {"chat:1": {"recover": True, "epoch": EPOCH, "offset": 4}}
        for number, peer in enumerate(peers):
            token = node.token(f"user{number}", channels=["chat:1"], device_id="phone")
            peer.send("connect", token=token, subs=subs)
        for peer in peers:
            found = result(await peer.reply(1), "connect")["subs"]["chat:1"]
            assert found["recovered"] is True
            assert offsets(found["publications"]) == [5, 6, 7, 8, 9]
        assert node.store.calls["read"] <= 1 + 2


async def test_a_storm_from_different_positions_shares_its_reads() -> None:
    async with running() as node:
        await stored(node, "chat:1", 20)
        peers = [await node.connected(f"user{number}") for number in range(20)]
        hold = node.store.hold("read")
        node.store.calls.clear()
        numbers = [recover(peer, "chat:1", at) for at, peer in enumerate(peers)]
        await hold.begun()
        hold.release()
        for at, (peer, number) in enumerate(zip(peers, numbers, strict=True)):
            reply = result(await peer.reply(number), "subscribe")
            assert reply.get("offset", 0) == at
            assert offsets(reply["publications"]) == list(range(at + 1, 21))
        assert node.store.calls["read"] <= 1 + 2


async def test_who_asks_while_a_read_is_under_way_is_not_answered_by_it() -> None:
    """It may know of more than that read saw."""
    async with running() as node:
        await stored(node, "chat:1", 5)
        early, late = await node.connected("early"), await node.connected("late")
        await node.subscribed("chat:1", "somebody")
        hold = node.store.hold("read")
        first = recover(early, "chat:1", 1)
        await hold.begun()
        second = recover(late, "chat:1", 2)
        await settled()
        assert node.store.calls["read"] == 3  # the head, and one for each
        hold.release()
        assert offsets((await early.reply(first))["subscribe"]["publications"]) == [2, 3, 4, 5]
        assert offsets((await late.reply(second))["subscribe"]["publications"]) == [3, 4, 5]


async def test_what_is_published_while_the_store_is_read_comes_once_and_in_order() -> None:
    async with running() as node:
        await stored(node, "chat:1", 5)
        writer = await node.connected("writer")
        await node.subscribed("chat:1", "somebody")
        hold = node.store.hold("read")
        alice = await node.connected()
        number = recover(alice, "chat:1", 3)
        await hold.begun()  # the answer is there: 4 and 5
        for data in (6, 7):
            await writer.publish("chat:1", data)
        assert not alice.replied(number)
        hold.release()
        reply = result(await alice.reply(number), "subscribe")
        await writer.publish("chat:1", 8)
        await alice.received("chat:1", 1)
        seen = offsets(reply["publications"]) + alice.offsets("chat:1")
        assert seen == [4, 5, 6, 7, 8]


async def test_what_is_published_while_the_head_is_read_comes_once_and_in_order() -> None:
    async with running() as node:
        await stored(node, "chat:1", 2)
        writer = await node.connected("writer")
        hold = node.store.hold("read")
        alice = await node.connected()
        number = alice.send("subscribe", channel="chat:1")
        await hold.begun()  # the answer is there: head 2
        await writer.publish("chat:1", 3)
        hold.release()
        reply = result(await alice.reply(number), "subscribe")
        if reply["offset"] < 3:  # then it comes by itself, without another to remind the node
            await alice.received("chat:1", 1)
        await writer.publish("chat:1", 4)
        await until(lambda: 4 in alice.offsets("chat:1"))
        assert alice.offsets("chat:1") == list(range(reply["offset"] + 1, 5))


async def test_an_unsubscribe_behind_a_waiting_subscribe_is_done_after_it() -> None:
    async with running() as node:
        alice = await node.connected()
        hold = node.store.hold("read")
        subscribe = alice.send("subscribe", channel="chat:1")
        unsubscribe = alice.send("unsubscribe", channel="chat:1")
        await hold.begun()
        await settled()
        assert not alice.replied(subscribe)
        hold.release()
        assert await alice.reply(unsubscribe) == {"id": unsubscribe, "unsubscribe": {}}
        assert alice.replied(subscribe)
        assert not list(node.hub.delivery)


async def test_who_leaves_while_its_subscribe_waits_leaves_nothing() -> None:
    async with running() as node:
        alice = await node.connected()
        hold = node.store.hold("read")
        alice.send("subscribe", channel="chat:1")
        await hold.begun()
        (live,) = node.hub.delivery
        assert live.joiners == 1
        alice.leave()
        hold.release()
        await settled()
        assert live.joiners == 0
        assert not list(node.hub.delivery)


async def test_who_leaves_while_its_recovery_is_read_leaves_nothing() -> None:
    async with running() as node:
        await stored(node, "chat:1", 3)
        somebody = await node.subscribed("chat:1", "somebody")
        alice, bob = await node.connected(), await node.connected("bob")
        hold = node.store.hold("read")
        recover(alice, "chat:1", 1)
        await hold.begun()
        waiting = recover(bob, "chat:1", 1)
        alice.leave()
        somebody.leave()
        hold.release()
        assert offsets((await bob.reply(waiting))["subscribe"]["publications"]) == [2, 3]
        (live,) = node.hub.delivery
        assert (live.joiners, live.count()) == (0, 1)


async def test_the_server_api_ends_a_subscription_that_is_being_made() -> None:
    async with running() as node:
        alice = await node.connected()
        hold = node.store.hold("read")
        number = alice.send("subscribe", channel="chat:1")
        await hold.begun()
        await node.api.unsubscribe(UnsubscribeCall(user="alice", channel="chat:1"))
        hold.release()
        assert error(await alice.reply(number)) == 103
        assert not list(node.hub.delivery)
        assert "chat:1" not in alice.client.subscriptions


async def test_the_server_api_disconnects_a_client_whose_subscribe_waits() -> None:
    async with running() as node:
        alice = await node.connected()
        hold = node.store.hold("read")
        alice.send("subscribe", channel="chat:1")
        await hold.begun()
        await node.api.disconnect(DisconnectCall(user="alice"))
        assert alice.code == 3503
        hold.release()
        await settled()
        assert not list(node.hub.delivery)


async def test_one_channel_is_joined_once_by_whoever_is_first() -> None:
    """The server API and the client ask for the same channel at the same time."""
    async with running() as node:
        alice = await node.connected()
        hold = node.store.hold("read")
        number = alice.send("subscribe", channel="chat:1")
        await hold.begun()
        await node.api.subscribe(SubscribeCall(user="alice", channel="chat:1"))
        hold.release()
        assert "subscribe" in await alice.reply(number)
        (live,) = node.hub.delivery
        assert live.count() == 1
        assert not alice.pushes("subscribe", "chat:1")


@pytest.mark.parametrize("at", ["head", "recovery"])
async def test_a_store_that_fails_is_a_temporary_error_and_the_next_try_works(at: str) -> None:
    async with running() as node:
        await stored(node, "chat:1", 2)
        if at == "recovery":
            await node.subscribed("chat:1", "somebody")
        alice = await node.connected()
        node.store.fail("read")
        reply = await alice.reply(recover(alice, "chat:1", 0))
        assert reply["error"] == {
            "code": 100,
            "message": "internal server error",
            "temporary": True,
        }
        assert "chat:1" not in alice.client.subscriptions
        reply = await alice.reply(recover(alice, "chat:1", 0))
        assert offsets(reply["subscribe"]["publications"]) == [1, 2]


async def test_a_failed_head_fails_all_who_waited_for_it_and_nobody_after() -> None:
    async with running() as node:
        peers = [await node.connected(f"user{number}") for number in range(3)]
        node.store.fail("read")
        numbers = [peer.send("subscribe", channel="chat:1") for peer in peers]
        for peer, number in zip(peers, numbers, strict=True):
            assert error(await peer.reply(number)) == 100
        assert not list(node.hub.delivery)
        assert "epoch" in await peers[0].subscribe("chat:1")


async def test_commands_behind_a_waiting_one_keep_their_order() -> None:
    async with running() as node:
        alice = await node.connected()
        hold = node.store.hold("read")
        numbers = alice.send_batch(
            ("subscribe", {"channel": "chat:1"}),
            ("presence_stats", {"channel": "chat:1"}),
            ("publish", {"channel": "chat:1", "data": 1}),
            ("unsubscribe", {"channel": "chat:1"}),
        )
        await hold.begun()
        later = alice.send("presence_stats", channel="chat:1")
        await settled()
        assert not any(alice.replied(number) for number in numbers)
        hold.release()
        await alice.reply(later)
        answered = [document["id"] for document in alice.transport.documents if "id" in document]
        # The publish is answered by its commit and holds nothing up.
        assert [number for number in answered if number != numbers[2]] == [
            1,
            numbers[0],
            numbers[1],
            numbers[3],
            later,
        ]


async def test_a_connection_that_asks_while_it_waits_is_read_no_more_at_some_point() -> None:
    async with running() as node:
        alice = await node.connected()
        hold = node.store.hold("read")
        alice.send("subscribe", channel="chat:1")
        await hold.begun()
        for _ in range(300):
            alice.send("presence_stats", channel="chat:1")
        assert not alice.transport.reading
        hold.release()
        await alice.reply(302)
        assert alice.transport.reading


async def test_two_channels_of_one_connection_do_not_share_their_failure() -> None:
    async with running() as node:
        alice = await node.connected()
        node.store.fail("read")
        first, second = alice.send_batch(
            ("subscribe", {"channel": "chat:1"}), ("subscribe", {"channel": "chat:2"})
        )
        assert error(await alice.reply(first)) == 100
        assert "subscribe" in await alice.reply(second)
        assert list(alice.client.subscriptions) == ["chat:2"]
