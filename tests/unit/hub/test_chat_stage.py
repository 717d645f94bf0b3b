"""What chat brings before those who are there, on this node and on the others."""

import json
from typing import Final

import pytest

from realtime.errors import CommandRefused
from realtime.hub import audiences as audiences_module
from realtime.hub import hints as hints_module
from realtime.model import NewEntry
from realtime.protocol.calls import BanCall
from realtime.settings.schema import ChannelOptions
from realtime.stores.base import Appended, Conflict
from tests.support.chat_hub import ROOM, ChatNode, chat_node, chat_settings, two_chat_nodes
from tests.support.hub import settled, until
from tests.support.peer import Peer

OPEN: Final = ChannelOptions(history_size=-1, chat="room", subscribe=("user",))

SETTINGS: Final = chat_settings({"open": OPEN})

NEWS: Final = b'{"type": "channel", "channel": "open:1"}'


def entry(client_id: str, data: bytes = b'"hi"', digest: bytes = b"digest") -> NewEntry:
    return NewEntry("open:1", "u:alice", client_id, data, 1, digest=digest, counts=True)


async def listener(chat: ChatNode, user: str = "bob") -> Peer:
    return await chat.node.subscribed("open:1", user)


# Entries


async def test_an_entry_is_stored_delivered_everywhere_and_told_of_once() -> None:
    async with two_chat_nodes(SETTINGS) as pair:
        here, there = await listener(pair.here), await listener(pair.there)
        assert await pair.there.chat.stage.append(entry("1")) == Appended(1, 1, n=1)
        again = await pair.there.chat.stage.append(entry("1"))
        assert again == Appended(1, 1, duplicate=True, n=1)
        conflict = await pair.there.chat.stage.append(entry("1", b"2", b"other"))
        assert conflict == Conflict(1)
        for peer in (here, there):
            assert (await peer.received("open:1", 1))[0]["data"] == "hi"
        (told,) = pair.there.chat.entries
        assert (told.offset, told.n, told.counts, told.sender) == (1, 1, True, "u:alice")
        assert pair.here.chat.entries == []


async def test_events_are_publications_like_any_other() -> None:
    async with chat_node(SETTINGS) as chat:
        bob = await listener(chat)
        tags = {"kind": "reaction", "ref": "1"}
        event = NewEntry(
            "open:1", "u:alice", "r", b'{"emoji":"+1"}', 1, "reaction", ref=1, tags=tags
        )
        await chat.chat.stage.append(entry("1"))
        await chat.chat.stage.append(event)
        told = (await bob.received("open:1", 2))[1]
        assert told == {"data": {"emoji": "+1"}, "offset": 2, "tags": tags}


async def test_a_store_that_is_away_is_a_reason_to_try_again() -> None:
    async with chat_node(SETTINGS) as chat:
        chat.node.store.fail("append")
        with pytest.raises(CommandRefused, match="100"):
            await chat.chat.stage.append(entry("1"))
        assert chat.chat.entries == []


async def test_what_was_edited_is_recovered_as_it_is_now_without_the_store() -> None:
    async with chat_node(SETTINGS) as chat:
        await listener(chat)
        await chat.say("first", "second", channel="open:1")
        await chat.append("edit", b'"better"', channel="open:1", ref=1)
        await chat.append("delete", b"{}", channel="open:1", ref=2)
        reads = chat.node.store.calls["read"]
        late = await chat.node.connected("late")
        result = await late.subscribe("open:1", recover=True, offset=0)
        assert chat.node.store.calls["read"] == reads
        assert [item["data"] for item in result["publications"]] == ["better", {}, "better", {}]


# Signals


async def test_a_signal_reaches_every_subscriber_and_is_kept_nowhere() -> None:
    async with two_chat_nodes(SETTINGS) as pair:
        peers = [await listener(pair.here), await listener(pair.there)]
        pair.there.chat.stage.signal("open:1", "typing", b'{"user":\n"alice"}')
        for peer in peers:
            (told,) = await peer.received("open:1", 1)
            assert told == {"data": {"user": "alice"}, "tags": {"kind": "typing"}}
        late = await pair.here.node.connected("late")
        result = await late.subscribe("open:1", recover=True, offset=0)
        assert "publications" not in result


async def test_a_signal_to_nobody_is_none() -> None:
    async with chat_node(SETTINGS) as chat:
        chat.chat.stage.signal("open:1", "typing", b"{}")
        assert len(chat.node.hub.delivery) == 0


# Hints


async def test_a_hint_reaches_the_users_wherever_they_are_connected() -> None:
    async with two_chat_nodes(SETTINGS) as pair:
        peers = [
            await pair.here.node.connected("bob"),
            await pair.there.node.connected("bob"),
            await pair.there.node.connected("carol"),
        ]
        other = await pair.here.node.connected("dave")
        pair.here.chat.stage.hint(["bob", "carol", "nobody"], NEWS, about="open:1")
        for peer in peers:
            channel = f"#{peer.client.user}"
            assert await peer.received(channel, 1) == [{"data": json.loads(NEWS)}]
        assert other.publications("#dave") == []


async def test_who_is_subscribed_to_the_channel_itself_needs_no_hint() -> None:
    async with chat_node(SETTINGS) as chat:
        inside, outside = await listener(chat), await chat.node.connected("bob")
        chat.chat.stage.hint(["bob"], NEWS, about="open:1")
        await outside.received("#bob", 1)
        assert inside.publications("#bob") == []
        chat.chat.stage.hint(["bob"], NEWS)
        await inside.received("#bob", 1)


async def test_who_is_banned_by_the_app_is_known_on_every_node_and_gets_no_hints() -> None:
    async with two_chat_nodes(SETTINGS) as pair:
        peers = [await pair.here.node.connected("bob"), await pair.there.node.connected("bob")]
        await pair.there.node.api.ban(BanCall(user="bob", channel="open:1"))
        stages = pair.here.chat.stage, pair.there.chat.stage
        await until(lambda: all(stage.banned("bob", "open:1") for stage in stages))
        for user, channel in (("bob", "open:2"), ("carol", "open:1"), ("", "open:1")):
            assert not any(stage.banned(user, channel) for stage in stages)
        pair.here.chat.stage.hint(["bob"], NEWS, about="open:1")
        pair.here.chat.stage.hint(["bob"], b'"last"', about="open:2")
        for peer in peers:
            assert await peer.received("#bob", 1) == [{"data": "last"}]
        await pair.there.node.api.ban(BanCall(user="bob"))
        assert pair.there.chat.stage.banned("bob", "open:2")


async def test_nothing_is_hinted_before_the_connect_is_answered() -> None:
    async with chat_node(SETTINGS) as chat:
        peer = chat.node.peer()
        hold = chat.node.store.hold("read")
        number = peer.send("connect", token=chat.node.token("bob"), subs={"open:1": {}})
        await hold.begun()
        chat.chat.stage.hint(["bob"], NEWS)
        hold.release()
        await peer.reply(number)
        assert peer.transport.documents[0]["id"] == number
        assert peer.publications("#bob") == []


async def test_hints_are_the_first_to_be_dropped() -> None:
    async with chat_node(SETTINGS) as chat:
        peer = await chat.node.connected("bob")
        peer.hub.paused(peer.client)
        chat.chat.stage.hint(["bob"], NEWS)
        assert peer.client.outbox.backlog is not None
        assert peer.client.outbox.backlog.waited(1e9) == 0.0
        peer.hub.resumed(peer.client)
        await peer.received("#bob", 1)


async def test_a_hint_for_many_is_told_in_several_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints_module, "WORD_USERS_MAX", 2)
    async with two_chat_nodes(SETTINGS) as pair:
        users = [f"user{number}" for number in range(5)]
        peers = [await pair.here.node.connected(user) for user in users]
        pair.there.chat.stage.hint(users, NEWS)
        for peer in peers:
            await peer.received(f"#{peer.client.user}", 1)


async def test_a_hint_that_is_too_long_is_dropped_and_counted() -> None:
    async with chat_node(SETTINGS) as chat:
        peer = await chat.node.connected("bob")
        chat.chat.stage.hint(["bob"], b'"' + b"x" * hints_module.DATA_MAX_BYTES + b'"')
        await settled()
        assert peer.publications("#bob") == []
        assert chat.node.hub.statistics.words_refused == 1


async def test_personal_channels_may_have_a_namespace() -> None:
    own = ChannelOptions()
    settings = chat_settings({"own": own}, personal_namespace="own")
    async with chat_node(settings) as chat:
        peer = await chat.node.connected("bob")
        assert list(peer.client.subscriptions) == ["own:#bob"]
        chat.chat.stage.hint(["bob"], NEWS)
        await peer.received("own:#bob", 1)


async def test_a_guest_has_no_personal_channel() -> None:
    async with chat_node(chat_settings(anonymous=True)) as chat:
        peer = chat.node.peer()
        assert "subs" not in await peer.connect()


# Cutting, forgetting, asking


async def test_a_cut_ends_the_users_subscriptions_on_every_node_whatever_the_bus_does() -> None:
    async with two_chat_nodes(SETTINGS) as pair:
        peers = [await listener(pair.here), await listener(pair.there)]
        other = await listener(pair.here, "carol")
        pair.lose()
        await pair.there.chat.stage.cut("bob", "open:1")
        for peer in peers:
            await until(lambda: peer.pushes("unsubscribe", "open:1"), within_s=2.0)  # noqa: B023 - waited for at once
        assert "open:1" in other.client.subscriptions
        assert pair.here.memberships.known("open:1", "bob") is None
        assert pair.here.memberships.known("open:1", "carol") is not None


async def test_what_is_forgotten_is_recovered_from_the_store() -> None:
    async with two_chat_nodes(SETTINGS) as pair:
        await listener(pair.here)
        await pair.here.say("secret", channel="open:1")
        await pair.here.node.store.inner.truncate("open:1")
        await pair.there.chat.stage.forget("open:1")
        await settled()
        late = await pair.here.node.connected("late")
        result = await late.subscribe("open:1", recover=True, offset=0)
        assert result.get("recovered", False) is False
        assert "publications" not in result


async def test_the_options_are_those_of_the_namespace() -> None:
    async with chat_node(SETTINGS) as chat:
        assert chat.chat.stage.options("room:1") is SETTINGS.namespaces["room"]
        assert chat.chat.stage.options("plain") is SETTINGS.channels
        with pytest.raises(CommandRefused, match="102"):
            chat.chat.stage.options("none:1")
        assert ROOM.chat == "room"


async def test_audiences_are_counted_on_all_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audiences_module, "TOLD_FROM", 2)
    monkeypatch.setattr(audiences_module, "WORD_CHANNELS_MAX", 1)
    async with two_chat_nodes(SETTINGS) as pair:
        here, there = pair.here.chat.stage, pair.there.chat.stage
        peers = [await listener(pair.there, f"user{number}") for number in range(3)]
        for peer in peers:
            await peer.subscribe("open:2")
        await listener(pair.there, "alone")
        await listener(pair.here)
        assert (here.subscribers("open:1"), there.subscribers("open:1")) == (1, 4)
        pair.there.node.hub._audiences.tell()
        await settled()
        assert (here.subscribers("open:1"), here.subscribers("open:2")) == (5, 3)
        for peer in peers:
            peer.leave()
        pair.there.node.hub._audiences.tell()
        await settled()
        assert (here.subscribers("open:1"), here.subscribers("open:2")) == (1, 0)


async def test_what_a_node_said_is_over_when_it_says_nothing_more() -> None:
    async with two_chat_nodes(SETTINGS) as pair:
        for number in range(audiences_module.TOLD_FROM):
            await listener(pair.there, f"user{number}")
        pair.there.node.hub._audiences.tell()
        await settled()
        stage = pair.here.chat.stage
        assert stage.subscribers("open:1") == audiences_module.TOLD_FROM
        pair.here.node.clock.move(audiences_module.EXPIRES_S + 1)
        assert stage.subscribers("open:1") == 0
        pair.here.node.hub._audiences.tell()
        assert pair.here.node.hub._audiences._others == {}
