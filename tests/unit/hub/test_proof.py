"""When clients are asked whether they have a message, and what their pongs show."""

from collections.abc import AsyncIterator

import pytest

from tests.support.chat_hub import ChatNode, chat_node, two_chat_nodes
from tests.support.hub import settled
from tests.support.peer import Peer
from tests.unit.hub.asked import PING, YOUNG_S, answer, loud_settings, pings, reader, tick


@pytest.fixture
async def chat() -> AsyncIterator[ChatNode]:
    async with chat_node(loud_settings()) as made:
        await made.join("alice", "bob", channel="loud:1")
        yield made


# What is asked, and when.


async def test_who_is_given_a_message_is_asked_at_once_behind_it(chat: ChatNode) -> None:
    peer = await reader(chat)
    writes = peer.transport.writes
    await chat.say("hello", channel="loud:1")
    await peer.received("loud:1", 1)
    await settled()
    assert peer.transport.writes == writes + 1
    assert [
        ("push" in document, document == PING) for document in peer.transport.documents[-2:]
    ] == [
        (True, False),
        (False, True),
    ]


async def test_the_pong_shows_that_they_have_it(chat: ChatNode) -> None:
    peer = await reader(chat)
    await chat.say("hello", channel="loud:1")
    await tick(chat)
    assert chat.chat.seen == []
    answer(peer)
    await tick(chat)
    assert chat.chat.seen == [("alice", peer.id, "loud:1", 3)]


async def test_a_pong_from_before_the_message_shows_nothing(chat: ChatNode) -> None:
    """It answers a ping that was on its way before the message was written."""
    peer = await reader(chat)
    await tick(chat, 13)  # the first regular ping is due
    while not pings(peer):
        await tick(chat, 1)
    await chat.say("hello", channel="loud:1")
    await settled()
    assert pings(peer) == 1
    answer(peer)
    await tick(chat)
    assert chat.chat.seen == []
    assert pings(peer) == 2
    answer(peer)
    await tick(chat)
    assert chat.chat.seen == [("alice", peer.id, "loud:1", 3)]


async def test_what_comes_while_a_ping_is_on_its_way_is_not_shown_by_its_pong(
    chat: ChatNode,
) -> None:
    peer = await reader(chat)
    await chat.say("first", channel="loud:1")
    await settled()
    await chat.say("second", channel="loud:1")
    await settled()
    answer(peer)
    await tick(chat)
    assert chat.chat.seen == [("alice", peer.id, "loud:1", 3)]
    await tick(chat, 1.25)
    answer(peer)
    await tick(chat)
    assert chat.chat.seen[1:] == [("alice", peer.id, "loud:1", 4)]


async def test_a_client_is_asked_about_once_a_second_however_much_it_is_given(
    chat: ChatNode,
) -> None:
    peer = await reader(chat)
    for number in range(40):  # in ten seconds
        await chat.say(number, channel="loud:1")
        await tick(chat)
        answer(peer)
    assert 8 <= pings(peer) <= 11
    await tick(chat, 1.5)
    answer(peer)
    await tick(chat)
    assert chat.chat.seen[-1] == ("alice", peer.id, "loud:1", 42)


async def test_who_does_not_answer_shows_nothing_and_is_closed_as_ever(chat: ChatNode) -> None:
    peer = await reader(chat)
    await chat.say("hello", channel="loud:1")
    await tick(chat, 7.5)
    assert peer.code is None
    await tick(chat, 1)
    assert peer.code == 3012
    assert chat.chat.seen == []
    assert pings(peer) == 1


async def test_regular_pings_go_on_where_nothing_is_said(chat: ChatNode) -> None:
    peer = await reader(chat)
    await chat.say("hello", channel="loud:1")
    await settled()
    answer(peer)
    waited_s = 0
    while pings(peer) == 1:
        await tick(chat, 1)
        waited_s += 1
    assert 16 <= waited_s <= 26  # by where the first regular ping was to be
    answer(peer)
    await tick(chat, 20)
    assert peer.code is None


async def test_what_was_shown_just_before_the_end_counts(chat: ChatNode) -> None:
    peer = await reader(chat)
    await chat.say("hello", channel="loud:1")
    await settled()
    answer(peer)
    peer.leave()
    assert chat.chat.seen == [("alice", peer.id, "loud:1", 3)]
    assert chat.chat.gone == ["alice"]


async def test_who_leaves_without_an_answer_has_shown_nothing(chat: ChatNode) -> None:
    peer = await reader(chat)
    await chat.say("hello", channel="loud:1")
    await settled()
    peer.leave()
    assert chat.chat.seen == []


# What is recovered.


async def recovered(chat: ChatNode, age_s: float) -> Peer:
    """A client that comes back to a message of that age."""
    first = await reader(chat)
    reply = await first.command("history", channel="loud:1")
    position = {"recover": True, "epoch": reply["history"]["epoch"], "offset": 2}
    first.leave()
    await chat.say("hello", channel="loud:1")
    chat.node.clock.move(age_s)
    peer = await chat.node.connected("alice")
    reply = await peer.subscribe("loud:1", **position)
    assert [publication["offset"] for publication in reply["publications"]] == [3]
    return peer


async def test_who_recovers_a_message_is_asked_behind_the_reply(chat: ChatNode) -> None:
    peer = await recovered(chat, 1)
    await tick(chat)
    assert pings(peer) == 1
    assert peer.transport.documents[-1] == PING
    answer(peer)
    await tick(chat)
    assert chat.chat.seen == [("alice", peer.id, "loud:1", 3)]


async def test_who_recovers_an_old_message_is_not_asked(chat: ChatNode) -> None:
    peer = await recovered(chat, YOUNG_S + 1)
    await tick(chat, 2)
    assert pings(peer) == 0


async def test_who_subscribes_without_recovery_was_given_nothing(chat: ChatNode) -> None:
    await chat.say("hello", channel="loud:1")
    peer = await reader(chat)
    await tick(chat, 2)
    assert pings(peer) == 0


# What is kept.


async def test_who_owes_nothing_costs_nothing(chat: ChatNode) -> None:
    proofs = chat.node.hub._timers._proofs
    peers = [await reader(chat) for _ in range(3)]
    assert len(proofs) == 0
    await chat.say("hello", channel="loud:1")
    await settled()
    assert len(proofs) == 3
    for peer in peers:
        answer(peer)
    await tick(chat, 1.25)
    assert len(proofs) == 0
    assert not proofs._cooling
    assert not proofs._later


async def test_what_is_not_asked_about_in_time_is_let_go(chat: ChatNode) -> None:
    peer = await reader(chat)
    chat.node.hub.paused(peer.client)
    await chat.say("hello", channel="loud:1")
    await tick(chat, 1)
    proofs = chat.node.hub._timers._proofs
    assert len(proofs) == 1
    chat.node.clock.move(YOUNG_S)
    proofs.advance(chat.node.clock.monotonic())
    assert len(proofs) == 0


# On several nodes.


async def test_a_message_of_another_node_is_asked_about_like_one_s_own() -> None:
    async with two_chat_nodes(loud_settings()) as pair:
        await pair.there.join("alice", channel="loud:1")
        peer = await reader(pair.here)
        await pair.there.say("hello", channel="loud:1")
        await peer.received("loud:1", 1)
        await tick(pair.here)
        answer(peer)
        await tick(pair.here)
        assert pair.here.chat.seen == [("alice", peer.id, "loud:1", 2)]
        assert pair.there.chat.seen == []
