"""What a room is set to keep is what a hub shows of its log, by history and by recovery."""

import asyncio
from typing import Any

import msgspec
import pytest

from realtime.errors import StoreUnavailable
from realtime.model import EVERYTHING
from realtime.rows import CHANNELS
from realtime.stores.base import Value, Write
from tests.support.chat_hub import ChatNode, chat_node, two_chat_nodes
from tests.support.hub import settled, until
from tests.support.peer import Peer, offsets


async def set_to(chat: ChatNode, **settings: Any) -> int:
    """Have a node append what sets the room so; the entry's offset."""
    data = msgspec.json.encode({"act": "update", "settings": settings})
    return await chat.append("channel", data)


async def history(peer: Peer) -> list[int]:
    """What history shows."""
    reply = await peer.command("history", channel="room:1", limit=100)
    return offsets(reply["history"].get("publications", []))


async def recovery(chat: ChatNode, user: str, offset: int) -> list[int] | None:
    """What somebody who comes back is shown; None if that is denied."""
    peer = await chat.node.connected(user)
    reply = await peer.subscribe("room:1", recover=True, offset=offset)
    return offsets(reply.get("publications", [])) if reply.get("recovered") else None


async def away(*_: object) -> None:
    raise StoreUnavailable("away")


async def test_history_and_recovery_show_no_more_as_soon_as_the_entry_is_there() -> None:
    async with two_chat_nodes() as pair:
        await pair.here.join("alice", "bob")
        here = await pair.here.node.subscribed("room:1", "alice")
        there = await pair.there.node.subscribed("room:1", "bob")
        await pair.here.say(1, 2, 3)
        await there.received("room:1", 3)
        for chat, peer in ((pair.here, here), (pair.there, there)):
            assert await history(peer) == [1, 2, 3, 4, 5]
            assert await recovery(chat, "bob", 2) == [3, 4, 5]
        set_at = await set_to(pair.here, history_size=2)
        assert await history(here) == [5, 6]
        assert await recovery(pair.here, "bob", 2) is None
        await there.received("room:1", 4)
        assert there.offsets("room:1")[-1] == set_at
        assert await history(there) == [5, 6]
        assert await recovery(pair.there, "bob", 2) is None
        assert await recovery(pair.there, "bob", 4) == [5, 6]


async def test_what_is_kept_for_a_time_goes_with_it() -> None:
    async with chat_node() as chat:
        await chat.join("alice", "bob")
        alice = await chat.node.subscribed("room:1", "alice")
        await chat.say("old")
        await set_to(chat, history_ttl_s=60)
        chat.node.clock.move(60.0)
        assert await history(alice) == []
        await chat.say("new")
        assert await history(alice) == [5]
        assert await recovery(chat, "bob", 3) is None
        assert await recovery(chat, "bob", 4) == [5]


async def test_while_it_cannot_be_looked_up_nothing_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with chat_node() as chat:
        await chat.join("alice")
        alice = await chat.node.subscribed("room:1", "alice")
        await chat.say(1, 2)
        await set_to(chat, history_size=1)
        monkeypatch.setattr(chat.memberships.retentions._store, "get", away)
        assert await alice.refused("history", channel="room:1", limit=9) == 100
        late = await chat.node.connected("alice")
        refused = await late.refused("subscribe", channel="room:1", recover=True, offset=1)
        assert refused == 100
        monkeypatch.undo()
        assert await history(alice) == [4]


async def test_a_bus_that_has_died_unnoticed_keeps_nothing_shown() -> None:
    """Nothing is in doubt, so positions are compared only now and then."""
    async with two_chat_nodes() as pair:
        await pair.there.join("alice")
        alice = await pair.here.node.subscribed("room:1", "alice")
        await pair.there.say(1, 2, 3)
        await alice.received("room:1", 3)
        await set_to(pair.there, history_size=4)
        await alice.received("room:1", 4)
        assert await history(alice) == [2, 3, 4, 5]
        pair.lose()
        await set_to(pair.there, history_size=2)
        await until(lambda: alice.offsets("room:1")[-1] == 6, within_s=2.0)
        assert await history(alice) == [5, 6]


async def test_a_read_that_was_begun_before_is_no_answer_to_who_asks_after() -> None:
    async with chat_node() as chat:
        await chat.join("alice", "bob")
        alice = await chat.node.subscribed("room:1", "alice")
        bob = await chat.node.subscribed("room:1", "bob")
        await chat.say(1, 2, 3)
        await history(alice)
        hold = chat.node.store.hold("read")
        async with asyncio.TaskGroup() as group:
            before = group.create_task(history(alice))
            await settled()
            await set_to(chat, history_size=2)
            after = group.create_task(history(bob))
            await settled()
            hold.release()
        assert before.result() in ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6])
        assert after.result() == [5, 6]


async def test_a_hub_that_sweeps_takes_what_rooms_are_set_to_hide() -> None:
    async with chat_node() as chat:
        await chat.say(1, 2, 3)
        await chat.say(1, 2, 3, channel="room:2")
        store = chat.memberships.retentions._store
        row: dict[str, Value] = {"keeps_less": 1, "settings": b'{"history_size":1}'}
        await store.write([Write(CHANNELS, ("room:1",), set=row)])
        assert await chat.node.hub._retention.sweep() == 2
        left = [
            await store.read(name, limit=9, retention=EVERYTHING, now_ms=0)
            for name in ("room:1", "room:2")
        ]
        assert [len(page.entries) for page in left] == [1, 3]


async def test_what_was_swept_is_not_shown_from_memory_once_the_room_keeps_more_again() -> None:
    async with chat_node() as chat:
        await chat.join("alice", "bob")
        alice = await chat.node.subscribed("room:1", "alice")
        await chat.say(1, 2, 3)
        assert await recovery(chat, "bob", 2) == [3, 4, 5]
        await set_to(chat, history_size=1)
        await chat.say(4, 5)
        row: dict[str, Value] = {"keeps_less": 1, "settings": b'{"history_size":1}'}
        await chat.memberships.retentions._store.write([Write(CHANNELS, ("room:1",), set=row)])
        assert await chat.node.hub._retention.sweep() == 4
        await set_to(chat, history_size=100)
        await chat.say(6)
        kept = [1, 2, 6]  # what is not folded yet
        assert await history(alice) == [*kept, 8, 9, 10]
        assert await recovery(chat, "bob", 2) is None
        assert await recovery(chat, "bob", 6) is None
        assert await recovery(chat, "bob", 7) == [8, 9, 10]
