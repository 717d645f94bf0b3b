"""Calls by name and plain publishes into rooms: what the hub hands to chat, and answers."""

import asyncio
import dataclasses
import json
from typing import Final

import msgspec
import pytest

from realtime.errors import LOCKED, CallRefused, CommandRefused
from realtime.hub.client import UNANSWERED_MAX
from realtime.protocol.calls import BroadcastCall, HistoryRemoveCall, PublishCall, RpcCall
from realtime.settings.schema import ChannelOptions
from tests.support.chat_hub import ROOM, chat_node, chat_settings
from tests.support.hub import ALL_HISTORY, running, settled
from tests.support.peer import MESSAGES

RAW = msgspec.Raw

LOG: Final = {"log": ALL_HISTORY}

SLOW: Final = CallRefused(LOCKED, why="slow_mode", retry_after_s=2.5)


# Calls


async def test_a_call_is_answered_with_what_chat_says() -> None:
    async with chat_node() as chat:
        chat.chat.answers["chat.sync"] = b'{"channels":\n[]}'
        peer = await chat.node.connected("alice", info={"name": "A"})
        reply = await peer.command("rpc", method="chat.sync", data={"since": ""})
        assert reply["rpc"] == {"data": {"channels": []}}
        caller, method, data = chat.chat.calls[0]
        assert (caller.user, caller.role, caller.client) == ("alice", "user", peer.id)
        assert caller.info is not None
        assert json.loads(caller.info.conn_info) == {"name": "A"}
        assert (method, json.loads(data)) == ("chat.sync", {"since": ""})


async def test_a_call_may_bring_nothing() -> None:
    async with chat_node() as chat:
        chat.chat.answers["chat.badge"] = b"{}"
        peer = await chat.node.connected("alice")
        assert (await peer.command("rpc", method="chat.badge"))["rpc"] == {"data": {}}
        assert chat.chat.calls[0][2] == b""


async def test_a_protobuf_client_calls_in_json_too() -> None:
    async with chat_node() as chat:
        chat.chat.answers["chat.sync"] = b'{"channels":[]}'
        peer = chat.node.peer(wire=MESSAGES)
        await peer.connect(chat.node.token("alice"))
        reply = await peer.command("rpc", method="chat.sync", data=b'{"since":""}')
        assert reply["rpc"] == {"data": b'{"channels":[]}'}


async def test_a_refusal_says_why_in_its_message() -> None:
    async with chat_node() as chat:
        peer = await chat.node.connected("alice")
        chat.chat.refusal = SLOW
        reply = await peer.command("rpc", method="chat.send", data={})
        assert reply["error"] == {
            "code": 423,
            "message": "locked; why=slow_mode; retry_after=3",
        }


async def test_an_unknown_method_is_104_and_without_chat_nothing_is_available() -> None:
    async with chat_node() as chat:
        peer = await chat.node.connected("alice")
        assert await peer.refused("rpc", method="chat.nothing", data={}) == 104
    async with running() as node:
        peer = await node.connected("alice")
        assert await peer.refused("rpc", method="chat.sync", data={}) == 108


async def test_what_follows_a_call_waits_for_it() -> None:
    async with chat_node(chat_settings(LOG)) as chat:
        chat.chat.held = asyncio.Event()
        chat.chat.answers["chat.sync"] = b"{}"
        peer = await chat.node.connected("alice")
        numbers = peer.send_batch(
            ("rpc", {"method": "chat.sync"}), ("publish", {"channel": "log:1", "data": 1})
        )
        await settled()
        assert not peer.replied(numbers[1])
        chat.chat.held.set()
        await peer.reply(numbers[1])
        ids = [document["id"] for document in peer.transport.documents if "id" in document]
        assert ids[-2:] == numbers


async def test_the_backend_calls_as_an_admin_for_a_user() -> None:
    async with chat_node() as chat:
        chat.chat.answers["chat.send"] = b'{"offset":1}'
        answer = await chat.node.api.rpc(RpcCall("chat.send", RAW(b'{"a":1}'), "alice"))
        assert bytes(answer.data) == b'{"offset":1}'
        caller, _, data = chat.chat.calls[0]
        assert (caller.user, caller.is_admin, caller.sender) == ("alice", True, "u:alice")
        assert data == b'{"a":1}'
        with pytest.raises(CommandRefused, match="104"):
            await chat.node.api.rpc(RpcCall("chat.nothing"))
    async with running() as node:
        with pytest.raises(CommandRefused, match="104"):
            await node.api.rpc(RpcCall("chat.send"))


async def test_a_hub_without_chat_has_no_personal_channels_unless_it_is_told_to() -> None:
    async with running() as node:
        assert (await node.connected("alice")).client.subscriptions == {}


# Presence of users


async def test_chat_hears_of_every_connection_of_a_user_once() -> None:
    async with chat_node(chat_settings(anonymous=True)) as chat:
        assert chat.chat.running
        alice, guest = await chat.node.connected("alice"), chat.node.peer()
        await guest.connect()
        unconnected = chat.node.peer()
        refused = chat.node.peer()
        refused.send("connect", token="none")
        await settled()
        assert chat.chat.here == ["alice"]
        for peer in (alice, alice, guest, unconnected, refused):
            peer.leave()
        assert chat.chat.gone == ["alice"]


async def test_who_is_closed_by_the_server_has_departed_too() -> None:
    async with chat_node() as chat:
        first = await chat.node.connected("alice", device_id="phone")
        await chat.node.connected("alice", device_id="phone")
        assert await first.closed() == 3510
        assert (chat.chat.here, chat.chat.gone) == (["alice", "alice"], ["alice"])


# Plain publishes


async def test_a_publish_into_a_room_appends_what_chat_has_made_of_it() -> None:
    async with chat_node() as chat:
        await chat.join("alice")
        alice = await chat.node.subscribed("room:1")
        chat.chat.entry = {"data": b'"checked"', "client_id": "mine", "tags": {"a": "b"}}
        await alice.publish("room:1", "raw")
        (told,) = await alice.received("room:1", 1)
        assert (told["data"], told["tags"]) == ("checked", {"a": "b"})
        assert told["info"]["user"] == "alice"
        entry = chat.chat.entries[-1]
        assert (entry.client_id, entry.counts, entry.n) == ("mine", True, 1)


async def test_a_retry_is_acknowledged_and_told_to_nobody_again() -> None:
    async with chat_node() as chat:
        await chat.join("alice")
        alice = await chat.node.subscribed("room:1")
        chat.chat.entry = {"client_id": "mine", "digest": b"digest"}
        for _ in range(2):
            await alice.publish("room:1", 1)
        await settled()
        assert alice.offsets("room:1") == [2]
        assert [entry.kind for entry in chat.chat.entries] == ["member", "message"]
        chat.chat.entry |= {"digest": b"other"}
        assert await alice.refused("publish", channel="room:1", data=2) == 409


async def test_a_refused_publish_is_answered_at_once_or_later() -> None:
    async with chat_node() as chat:
        alice = await chat.node.connected("alice")
        chat.chat.refusal = SLOW
        assert await alice.refused("publish", channel="room:1", data=1) == 423
        chat.chat.held = asyncio.Event()
        number = alice.send("publish", channel="room:1", data=1)
        await settled()
        assert not alice.replied(number)
        chat.chat.held.set()
        assert (await alice.reply(number))["error"]["code"] == 423


async def test_publishes_keep_their_order_where_one_of_them_waits() -> None:
    async with chat_node() as chat:
        await chat.join("alice", "bob")
        bob = await chat.node.subscribed("room:1", "bob")
        alice = await chat.node.connected("alice")
        chat.chat.held = asyncio.Event()
        first = alice.send("publish", channel="room:1", data=1)
        await settled()
        held, chat.chat.held = chat.chat.held, None
        for data in (2, 3):
            alice.send("publish", channel="room:1", data=data)
        await settled()
        assert not alice.replied(first)
        held.set()
        await bob.received("room:1", 3)
        assert bob.data("room:1") == [1, 2, 3]


async def test_a_publish_that_was_begun_is_stored_though_its_client_is_gone() -> None:
    async with chat_node() as chat:
        await chat.join("alice", "bob")
        bob = await chat.node.subscribed("room:1", "bob")
        alice = await chat.node.connected("alice")
        chat.chat.held = asyncio.Event()
        alice.send("publish", channel="room:1", data=1)
        await settled()
        alice.leave()
        chat.chat.held.set()
        await bob.received("room:1", 1)


async def test_a_connection_that_publishes_without_end_is_read_no_further() -> None:
    async with chat_node() as chat:
        await chat.join("alice")
        alice = await chat.node.connected("alice")
        hold = chat.node.store.hold("append")
        for number in range(UNANSWERED_MAX):
            alice.send("publish", channel="room:1", data=number)
        assert not alice.transport.reading
        hold.release()
        await settled()
        async with asyncio.timeout(5):
            while not alice.transport.reading:
                await alice.transport.changed.wait()


async def test_what_chat_does_not_survive_is_stored_and_answered_all_the_same() -> None:
    async with chat_node() as chat:
        await chat.join("alice")
        alice = await chat.node.subscribed("room:1")
        chat.chat.failing = True
        await alice.publish("room:1", 1)
        await alice.received("room:1", 1)


async def test_other_channels_are_none_of_chats_business() -> None:
    async with chat_node(chat_settings(LOG)) as chat:
        alice = await chat.node.connected("alice")
        await alice.publish("log:1", 1)
        await chat.node.api.publish(PublishCall(channel="log:1", data=RAW(b"2")))
        assert chat.chat.prepared == []
        assert chat.chat.entries == []


# The server API


async def test_what_the_backend_publishes_into_a_room_counts() -> None:
    async with chat_node(chat_settings(LOG)) as chat:
        await chat.node.api.publish(PublishCall(channel="room:1", data=RAW(b"1")))
        await chat.node.api.broadcast(BroadcastCall(channels=["room:1", "log:1"], data=RAW(b"2")))
        assert [(entry.channel, entry.n) for entry in chat.chat.entries] == [
            ("room:1", 1),
            ("room:1", 2),
        ]
        assert chat.chat.prepared == []
        assert ChannelOptions().chat == ""


async def test_what_the_backend_mentions_waits_to_be_written_down() -> None:
    async with chat_node(chat_settings(LOG)) as chat:
        several: tuple[dict[str, str] | None, ...] = (
            {"mentions": '["bob"]'},
            {"mentions": "[]"},
            None,
        )
        for tags in several:
            call = PublishCall(channel="room:1", data=RAW(b"1"), tags=tags)
            await chat.node.api.publish(call)
        await chat.node.api.publish(
            PublishCall(channel="log:1", data=RAW(b"1"), tags={"mentions": "anything"})
        )
        assert [entry.pending for entry in chat.chat.entries] == [True, False, False]
        many = json.dumps([f"u{number}" for number in range(51)])
        for mentions in ("anything", '"bob"', '[""]', "[1]", many):
            with pytest.raises(CommandRefused, match="107"):
                await chat.node.api.publish(
                    PublishCall(channel="room:1", data=RAW(b"1"), tags={"mentions": mentions})
                )
        assert len(chat.chat.entries) == 3


async def test_the_backend_makes_no_posts_by_publishing() -> None:
    feed = ChannelOptions(history_size=-1, chat="feed")
    async with chat_node(chat_settings({"feed": feed})) as chat:
        call = PublishCall(channel="feed:1", data=RAW(b"1"))
        with pytest.raises(CommandRefused, match="108"):
            await chat.node.api.publish(call)
        answer = await chat.node.api.broadcast(BroadcastCall(channels=["feed:1"], data=RAW(b"2")))
        assert answer.responses[0].error is not None
        assert chat.chat.entries == []


async def test_chat_is_told_where_a_history_is_removed_from_its_channels() -> None:
    async with chat_node(chat_settings(LOG)) as chat:
        for channel in ("room:1", "log:1"):
            await chat.node.api.history_remove(HistoryRemoveCall(channel=channel))
        assert chat.chat.truncations == ["room:1"]


async def test_what_the_backend_publishes_into_rooms_with_push_is_marked_for_it() -> None:
    loud = dataclasses.replace(ROOM, push="mentions")
    async with chat_node(chat_settings({"loud": loud})) as chat:
        for channel in ("room:1", "loud:1"):
            await chat.node.api.publish(PublishCall(channel=channel, data=RAW(b'"hi"')))
        entries = await chat.node.store.missed({"loud:1": 0, "room:1": 0}, limit=10)
        assert [(entry.channel, entry.notify) for entry in entries] == [
            ("loud:1", True),
            ("room:1", False),
        ]
