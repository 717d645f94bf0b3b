"""Who is asked whether they have a message, and who is not."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from realtime.channels.live import LiveChannel, Subscription, Wire
from realtime.protocol.unidirectional import UnidirectionalJsonCodec
from tests.support.chat_hub import ChatNode, chat_node
from tests.support.hub import settled, until
from tests.unit.hub.asked import answer, loud_settings, pings, reader, tick


@pytest.fixture
async def chat() -> AsyncIterator[ChatNode]:
    async with chat_node(loud_settings()) as made:
        await made.join("alice", "bob", channel="loud:1")
        yield made


async def test_nobody_is_asked_in_rooms_without_push(chat: ChatNode) -> None:
    await chat.join("alice")
    peer = await chat.node.subscribed("room:1")
    await chat.say("hello")
    await peer.received("room:1", 1)
    await tick(chat, 2)
    assert pings(peer) == 0
    assert len(chat.node.hub._timers._proofs) == 0


async def test_nobody_is_asked_about_what_is_no_message(chat: ChatNode) -> None:
    peer = await reader(chat)
    await chat.append("edit", b'{"offset":1}', channel="loud:1", ref=1)
    await peer.received("loud:1", 1)
    await tick(chat, 2)
    assert pings(peer) == 0


async def test_a_sender_is_not_asked_about_their_own_messages(chat: ChatNode) -> None:
    sender, other = await reader(chat, "alice"), await reader(chat, "bob")
    chat.chat.entry = {"sender": "u:alice"}
    await sender.publish("loud:1", "mine")
    await settled()
    assert (pings(sender), pings(other)) == (0, 1)
    chat.chat.entry = {"sender": "u:bob"}
    await other.publish("loud:1", "bob's")
    await tick(chat, 1.25)
    assert pings(sender) == 1


async def test_of_several_senders_at_once_each_is_asked_about_the_others(chat: ChatNode) -> None:
    alice, bob = await reader(chat, "alice"), await reader(chat, "bob")
    for peer in (alice, bob):
        chat.chat.entry = {"sender": f"u:{peer.client.user}"}
        peer.send("publish", channel="loud:1", data="hello")
    await alice.received("loud:1", 2)
    await tick(chat, 1.25)
    assert (pings(alice), pings(bob)) == (1, 1)


async def test_a_device_in_the_background_is_not_asked(chat: ChatNode) -> None:
    peer = await reader(chat)
    chat.chat.background.add(peer.id)
    await chat.say("hello", channel="loud:1")
    await tick(chat, 2)
    assert pings(peer) == 0


async def test_a_device_that_goes_to_the_background_before_it_answers_shows_nothing(
    chat: ChatNode,
) -> None:
    peer = await reader(chat)
    await chat.say("hello", channel="loud:1")
    await settled()
    chat.chat.background.add(peer.id)
    answer(peer)
    await tick(chat)
    assert chat.chat.seen == []


@pytest.mark.parametrize("transport", [{"frame_pings": True}, {"pongs": False}])
async def test_a_client_whose_pongs_say_nothing_is_not_asked(
    chat: ChatNode, transport: dict[str, Any]
) -> None:
    peer = await reader(chat, **transport)
    await chat.say("hello", channel="loud:1")
    await tick(chat, 2)
    assert (pings(peer), peer.transport.pings) == (0, 0)
    assert len(chat.node.hub._timers._proofs) == 0
    peer.client.session.pong()
    await tick(chat)
    assert chat.chat.seen == []


async def test_a_client_that_only_listens_is_not_asked(chat: ChatNode) -> None:
    """What answers for it are the pongs of the websocket itself."""
    bare = Wire("bare", UnidirectionalJsonCodec(), lambda document: document + b"\n")
    peer = chat.node.peer(wire=bare)
    request = {"token": chat.node.token("alice"), "subs": {"loud:1": {}}}
    peer.send_bytes(json.dumps(request).encode())
    await until(lambda: peer.transport.documents)
    await chat.say("hello", channel="loud:1")
    await tick(chat, 2)
    assert peer.transport.documents[-1]["channel"] == "loud:1"
    peer.client.session.pong()
    await tick(chat)
    assert chat.chat.seen == []


async def test_a_client_that_answers_in_requests_is_asked_less_often(chat: ChatNode) -> None:
    peer = await reader(chat, is_emulated=True)
    for _ in range(20):  # in five seconds
        await chat.say("hello", channel="loud:1")
        await tick(chat)
        answer(peer)
    assert pings(peer) == 3
    assert chat.chat.seen[0] == ("alice", peer.id, "loud:1", 3)


async def test_a_client_that_takes_nothing_is_asked_when_it_does_again(chat: ChatNode) -> None:
    peer = await reader(chat)
    chat.node.hub.paused(peer.client)
    await chat.say("hello", channel="loud:1")
    await tick(chat, 1)
    assert pings(peer) == 0
    chat.node.hub.resumed(peer.client)
    await tick(chat)
    assert peer.offsets("loud:1") == [3]
    assert pings(peer) == 1


async def test_who_has_come_after_a_message_is_not_asked_about_it(chat: ChatNode) -> None:
    """Though the room is gone through later, since it was just now."""
    first = await reader(chat)
    await chat.say("hello", "there", channel="loud:1")
    second = await reader(chat, "bob")
    await tick(chat, 0.5)
    answer(first)
    await tick(chat, 2)
    assert (pings(first), pings(second)) == (2, 0)


async def test_a_busy_room_is_gone_through_once_a_second(
    chat: ChatNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = LiveChannel.served
    looks: list[LiveChannel] = []

    def looked(live: LiveChannel) -> Iterator[Subscription]:
        looks.append(live)
        return served(live)

    monkeypatch.setattr(LiveChannel, "served", looked)
    peer = await reader(chat)
    for _ in range(8):  # in two seconds
        await chat.say("hello", "there", "again", channel="loud:1")
        await tick(chat)
        answer(peer)
    assert 2 <= len(looks) <= 3
