"""Whom the app bans from a channel has no part in it, by any path: the revocations log's bans."""

from collections.abc import Awaitable
from typing import Any

import msgspec
import pytest

from realtime.chat.calls.channels import CreateChannel
from realtime.chat.calls.feeds import ReactToPost
from realtime.chat.calls.members import JoinChannel
from realtime.errors import CallRefused
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import ManualClock, caller
from tests.support.chat_messages import ROOM, message_parts
from tests.support.chat_rooms import rooms_of
from tests.support.feeds import NAMESPACE, feed_node
from tests.support.inboxes import chat_node, created, message, running


async def refused_as_banned(call: Awaitable[Any]) -> None:
    with pytest.raises(CallRefused) as refused:
        await call
    assert (refused.value.error.code, refused.value.why) == (103, "banned")


@pytest.mark.parametrize("role", ["user", "admin"])
@pytest.mark.parametrize("is_known", [True, False], ids=["known", "looked up"])
async def test_who_is_banned_reads_and_writes_nothing_in_a_room(role: Any, is_known: bool) -> None:
    async with message_parts() as parts:
        bob = caller("bob", role)
        sent = await parts.send("bob")
        parts.parts.stage.bans.add(("bob", ROOM))
        if is_known:
            parts.parts.memberships.opened(ROOM)
            await parts.parts.memberships.look_up(ROOM, "bob")
        await refused_as_banned(parts.publish(bob))
        for name, fields in (
            ("chat.send", {"data": "hi"}),
            ("chat.history", {}),
            ("chat.message", {"offset": sent.offset}),
            ("chat.edit", {"offset": sent.offset, "data": "better"}),
            ("chat.delete", {"offset": sent.offset}),
            ("chat.react", {"offset": sent.offset, "emoji": "+1"}),
            ("chat.pins", {}),
        ):
            await refused_as_banned(parts.call(name, bob, **fields))
        assert len(await parts.log()) == 1


async def test_a_retry_of_what_was_sent_before_the_ban_is_answered_the_same() -> None:
    async with message_parts() as parts:
        sent = await parts.send("bob", client_id="once")
        parts.parts.stage.bans.add(("bob", ROOM))
        again = await parts.send("bob", client_id="once")
        assert (again.offset, again.duplicate) == (sent.offset, True)


async def test_who_is_banned_cannot_join_and_others_can() -> None:
    async with rooms_of() as rooms:
        made = await rooms.call("ann", "chat.create", CreateChannel("room", "c"))
        rooms.parts.stage.bans.add(("bob", made.channel))
        await refused_as_banned(rooms.call("bob", "chat.join", JoinChannel(made.channel, "1")))
        await rooms.call("cid", "chat.join", JoinChannel(made.channel, "1"))
        rooms.parts.stage.bans.clear()
        await rooms.call("bob", "chat.join", JoinChannel(made.channel, "1"))
        assert set(await rooms.roles(made.channel)) == {"ann", "bob", "cid"}


async def test_sync_and_badge_leave_out_what_one_is_banned_from() -> None:
    store, clock = SQLiteStore(":memory:"), ManualClock()
    await store.open()
    try:
        node = chat_node(store, clock)
        async with running(node):
            for channel in ("room:a", "room:b", "room:c"):
                people = {"ann": "owner", "bob": "member"}
                await node.write(created(channel, people, clock.now_ms))
                await node.write(message("ann", channel, clock.now_ms, "secret"))
            assert (await node.sync("bob")).badge == 3
            # The last one of a page, too: the next page begins after it.
            node.stage.bans |= {("bob", "room:b"), ("bob", "room:c")}
            synced = await node.sync("bob", limit=2)
            assert [channel.channel for channel in synced.channels] == ["room:a"]
            synced = await node.sync("bob")
            assert [channel.channel for channel in synced.channels] == ["room:a"]
            assert synced.badge == (await node.call("bob", "chat.badge")).badge == 1
            assert len((await node.sync("ann")).channels) == 3
            node.stage.bans.clear()
            assert len((await node.sync("bob")).channels) == 3
    finally:
        await store.close()


async def test_who_is_banned_from_a_feed_sees_nothing_of_it() -> None:
    async with feed_node() as (node, parts):
        posted = await node.post("ann", "1")
        other = await node.post("cid", "1")
        await node.follow("bob", "ann")
        await node.follow("bob", "cid")
        await node.settle()
        parts.stage.bans.add(("bob", posted.channel))
        await refused_as_banned(node.posts("bob", "ann"))
        await refused_as_banned(node.follow("bob", "ann"))
        react = ReactToPost(NAMESPACE, "ann", posted.offset, "+1", "r")
        await refused_as_banned(node.perform("feed.react", "bob", react))
        assert await node.whole_timeline("bob") == [other.place]
        assert (await node.timeline("bob")).unseen == 1
        await node.settle()
        parts.stage.bans.clear()
        assert set(await node.whole_timeline("bob")) == {posted.place, other.place}


async def test_an_author_who_is_banned_from_their_feed_posts_nothing() -> None:
    async with feed_node() as (node, parts):
        posted = await node.post("ann", "1")
        parts.stage.bans.add(("ann", posted.channel))
        await refused_as_banned(node.post("ann", "2"))
        await refused_as_banned(node.delete("ann", posted.offset, "3"))
        assert msgspec.structs.asdict(await node.post("ann", "1"))["duplicate"]
