"""Reactions in a big room go out together; everything else, and every promise, is as it was."""

import asyncio

import pytest

from realtime.hub import holding as holding_module
from realtime.hub.holding import INTERVAL_S
from tests.support.chat_hub import ChatNode, chat_node, two_chat_nodes
from tests.support.hub import settled, until
from tests.support.peer import Peer, offsets

ROOM_1 = "room:1"


@pytest.fixture
def _long(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interval that ends when a test says so."""
    monkeypatch.setattr(holding_module, "INTERVAL_S", 3_600.0)


async def crowd(chat: ChatNode, *users: str) -> list[Peer]:
    """Subscribers of a room that counts as big from now on."""
    await chat.join(*users)
    chat.chat.crowded.add(ROOM_1)
    peers = [await chat.node.subscribed(ROOM_1, user) for user in users]
    await settled()
    return peers


async def react(chat: ChatNode, times: int = 1) -> None:
    for _ in range(times):
        await chat.append("reaction", b'{"emoji":"x","shown":true}', channel=ROOM_1, ref=1)
    await settled()


def end_interval(chat: ChatNode) -> None:
    """As if it were over."""
    holding = chat.node.hub.delivery.holding
    for live, timer in list(holding._intervals.items()):
        timer.cancel()
        holding._end(live)


async def test_reactions_come_a_few_times_a_second_all_of_them_in_order() -> None:
    async with chat_node() as chat:
        (alice,) = await crowd(chat, "alice")
        writes = alice.transport.writes
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(40):
            await react(chat, 10)
        took_s = loop.time() - began
        await alice.received(ROOM_1, 400)
        assert alice.offsets(ROOM_1) == list(range(2, 402))
        assert alice.transport.writes - writes <= 2 + took_s / INTERVAL_S
        await until(lambda: not len(chat.node.hub.delivery.holding))


@pytest.mark.usefixtures("_long")
async def test_the_first_is_told_at_once_and_those_that_follow_together() -> None:
    async with chat_node() as chat:
        alice, bob = await crowd(chat, "alice", "bob")
        await react(chat)
        assert alice.offsets(ROOM_1)[-1] == 3
        writes = alice.transport.writes
        await react(chat, 5)
        assert alice.offsets(ROOM_1)[-1] == 3
        end_interval(chat)
        await settled()
        for peer in (alice, bob):
            assert peer.offsets(ROOM_1)[-6:] == [3, 4, 5, 6, 7, 8]
        assert alice.transport.writes == writes + 1
        await react(chat)  # the next interval has begun
        assert alice.offsets(ROOM_1)[-1] == 8


@pytest.mark.usefixtures("_long")
async def test_nothing_else_waits_and_what_does_goes_before_it() -> None:
    async with chat_node() as chat:
        (alice,) = await crowd(chat, "alice")
        await react(chat, 3)
        assert alice.offsets(ROOM_1) == [2]
        writes = alice.transport.writes
        await chat.say("now")
        await settled()
        assert alice.offsets(ROOM_1) == [2, 3, 4, 5]
        assert alice.data(ROOM_1)[-1] == "now"
        assert alice.transport.writes == writes + 1
        for kind in ("edit", "delete", "pin"):
            await react(chat)
            await chat.append(kind, b"{}", ref=1)
            await settled()
        assert alice.offsets(ROOM_1) == list(range(2, 12))


@pytest.mark.usefixtures("_long")
async def test_a_room_that_is_not_or_no_longer_big_has_none_wait() -> None:
    async with chat_node() as chat:
        (alice,) = await crowd(chat, "alice")
        chat.chat.crowded.clear()
        await react(chat, 2)
        assert alice.offsets(ROOM_1) == [2, 3]
        chat.chat.crowded.add(ROOM_1)
        await react(chat, 3)
        assert alice.offsets(ROOM_1) == [2, 3, 4]
        chat.chat.crowded.clear()
        await react(chat)
        assert alice.offsets(ROOM_1) == [2, 3, 4, 5, 6, 7]


@pytest.mark.usefixtures("_long")
async def test_who_subscribes_or_recovers_meanwhile_gets_each_entry_once() -> None:
    async with chat_node() as chat:
        alice, bob = await crowd(chat, "alice", "bob")
        await react(chat, 2)  # the second waits
        position = alice.offsets(ROOM_1)[-1]
        bob.leave()
        new = await chat.node.subscribed(ROOM_1, "alice")
        again = await chat.node.connected("bob")
        epoch = chat.node.hub.delivery._store.epoch
        reply = await again.subscribe(ROOM_1, recover=True, epoch=epoch, offset=position)
        assert reply["recovered"]
        assert offsets(reply["publications"]) == [position + 1]
        await react(chat, 2)
        end_interval(chat)
        await settled()
        for peer in (new, again):
            assert peer.offsets(ROOM_1) == [position + 2, position + 3]
        assert alice.offsets(ROOM_1)[-3:] == [position + 1, position + 2, position + 3]


@pytest.mark.parametrize("act", ["leave", "kick", "ban"])
@pytest.mark.usefixtures("_long")
async def test_who_is_put_out_hears_all_up_to_that_and_nothing_more(act: str) -> None:
    async with chat_node() as chat:
        alice, bob = await crowd(chat, "alice", "bob")
        await react(chat, 3)
        await chat.act(act, "bob")
        await react(chat, 2)
        await chat.say("after")
        await settled()
        last = alice.offsets(ROOM_1)[-1]
        assert alice.offsets(ROOM_1)[-7:] == list(range(last - 6, last + 1))
        assert bob.offsets(ROOM_1)[-1] == last - 3
        assert bob.data(ROOM_1)[-1]["act"] == act
        assert bob.pushes("unsubscribe", ROOM_1)


@pytest.mark.usefixtures("_long")
async def test_what_waits_in_a_room_that_everyone_leaves_is_forgotten_and_recovered() -> None:
    async with chat_node() as chat:
        (alice,) = await crowd(chat, "alice")
        await react(chat, 3)
        position = alice.offsets(ROOM_1)[-1]
        await alice.command("unsubscribe", channel=ROOM_1)
        assert len(chat.node.hub.delivery.holding) == 0
        epoch = (await alice.subscribe(ROOM_1))["epoch"]
        await alice.command("unsubscribe", channel=ROOM_1)
        reply = await alice.subscribe(ROOM_1, recover=True, epoch=epoch, offset=position)
        assert offsets(reply["publications"]) == [position + 1, position + 2]
        await react(chat)
        assert alice.offsets(ROOM_1)[-1] == position + 3


@pytest.mark.usefixtures("_long")
async def test_what_waits_is_told_before_the_history_is_removed() -> None:
    async with chat_node() as chat:
        (alice,) = await crowd(chat, "alice")
        await react(chat, 3)
        chat.node.hub.delivery.truncated(ROOM_1)
        await settled()
        assert alice.offsets(ROOM_1) == [2, 3, 4]


@pytest.mark.usefixtures("_long")
async def test_a_gap_is_admitted_behind_what_waits() -> None:
    async with two_chat_nodes() as pair:
        await pair.there.join("alice")
        pair.here.chat.crowded.add(ROOM_1)
        alice = await pair.here.node.subscribed(ROOM_1, "alice")
        await react(pair.there, 2)
        await until(lambda: alice.offsets(ROOM_1))
        delivery = pair.here.node.hub.delivery
        live, _ = delivery.attach(pair.here.node.hub.rules.resolve(ROOM_1))  # stays open
        await until(lambda: live.held is not None and live.held.entries)
        pair.lose()
        await react(pair.there, 2)
        await pair.there.node.store.inner.truncate(ROOM_1)
        await pair.there.say("after")
        await delivery.check_positions()
        await settled()
        assert alice.offsets(ROOM_1) == [2, 3]
        assert [push["code"] for push in alice.pushes("unsubscribe", ROOM_1)] == [2500]
        head = (await alice.subscribe(ROOM_1))["offset"]
        pair.lose(everything=False)
        await pair.there.say("on")
        await alice.received(ROOM_1, 3)
        assert alice.offsets(ROOM_1) == [2, 3, head + 1]
        delivery.detach(live)


@pytest.mark.usefixtures("_long")
async def test_no_more_waits_than_fits_in_a_frame() -> None:
    async with chat_node() as chat:
        (alice,) = await crowd(chat, "alice")
        await react(chat)
        large = b'{"emoji":"%b","shown":true}' % (b"x" * 40_000)
        for _ in range(4):
            await chat.append("reaction", large, ref=1)
        await settled()
        assert alice.offsets(ROOM_1) == [2, 3, 4, 5, 6]
