"""Posts and timelines: who may do what, and what a caller is told."""

import asyncio
import re
from dataclasses import replace

import msgspec
import pytest

from realtime.chat.calls.feeds import (
    OPERATIONS,
    EditPost,
    ListPosts,
    ReactToPost,
    ReadTimeline,
    Seen,
    View,
)
from realtime.chat.operations import Written
from realtime.chat.parameters import Parameters
from realtime.chat.places import feed_of
from realtime.errors import CallRefused, CommandRefused
from realtime.rows import CHANNELS, POSTS
from realtime.settings.durations import Duration
from realtime.settings.schema import ChannelOptions
from realtime.stores.base import Span, Write
from tests.support.chat import FEED, ROOM, caller
from tests.support.feeds import NAMESPACE, FeedNode, feed_node

PRIVATE = ChannelOptions(
    history_size=-1, chat="feed", create=("user",), subscribe=("member",), read_history=("member",)
)


async def react(node: FeedNode, user: str, author: str, offset: int, emoji: str = "+1") -> Written:
    """React to a post."""
    params = ReactToPost(NAMESPACE, author, offset, emoji, f"{user}-{offset}-{emoji}")
    written: Written = await node.perform("feed.react", user, params)
    return written


# Posting.


async def test_a_post_is_in_the_timelines_of_followers_at_once() -> None:
    async with feed_node() as (node, _):
        await node.follow("bob", "ann")
        posted = await node.post("ann", "1", b'{"text": "hi" }')
        (post,) = (await node.timeline("bob")).posts
        assert (post.author, post.offset, post.at) == ("ann", 1, posted.at)
        assert (post.channel, post.place) == (posted.channel, posted.place)
        assert bytes(post.data) == b'{"text": "hi" }'
        assert post.client_id == "1"
        assert not (await node.timeline("cyn")).posts


async def test_a_channels_name_does_not_say_whose_feed_it_is() -> None:
    async with feed_node() as (node, parts):
        posted = await node.post("ann-the-author", "1")
        assert "ann" not in posted.channel
        assert parts.stage.options(posted.channel).chat == "feed"


async def test_a_retry_is_the_same_post_also_when_posting_is_not_allowed_any_more() -> None:
    async with feed_node() as (node, parts):
        first = await node.post("ann", "1")
        parts.clock.now_ms += 5_000
        parts.stage.namespaces[NAMESPACE] = replace(FEED, create=("admin",))
        again = await node.post("ann", "1")
        assert again == msgspec.structs.replace(first, duplicate=True)
        with pytest.raises(CallRefused, match="409"):
            await node.post("ann", "1", b'{"other":1}')
        with pytest.raises(CallRefused, match="103"):
            await node.post("ann", "2")
        assert len(parts.stage.entries) == 1
        assert len((await node.posts("ann", "ann")).posts) == 1


async def test_an_admin_may_post_where_nobody_else_may() -> None:
    async with feed_node(feed=replace(FEED, create=())) as (node, _):
        with pytest.raises(CallRefused, match="103"):
            await node.post("ann", "1")
        params = OPERATIONS[0].params(NAMESPACE, "1", msgspec.Raw(b"{}"))
        await node.perform("feed.post", caller("news", "admin"), params)
        assert len((await node.posts("ann", "news")).posts) == 1


async def test_other_namespaces_have_no_feeds() -> None:
    async with feed_node(feed=FEED, room=ROOM) as (node, _):
        for namespace, code in (("room", 404), ("nowhere", 102)):
            with pytest.raises(CommandRefused) as refused:
                await node.perform("feed.timeline", "ann", ReadTimeline(namespace))
            assert refused.value.error.code == code


@pytest.mark.parametrize("namespace", ["", "feed:x", "$feed", ":", "feed#x"])
def test_a_namespace_is_a_namespace(namespace: str) -> None:
    operation = next(operation for operation in OPERATIONS if operation.name == "feed.posts")
    params = msgspec.json.encode({"namespace": namespace, "author": "ann"})
    with pytest.raises(CallRefused, match="field=namespace"):
        Parameters(operation).read(params)


async def test_what_is_no_json_or_too_large_is_refused() -> None:
    async with feed_node(feed=replace(FEED, data_format="json_object")) as (node, _):
        with pytest.raises(CallRefused, match="422"):
            await node.post("ann", "1", b"[]")
        with pytest.raises(CallRefused, match="413"):
            await node.post("ann", "1", b'{"text":"%s"}' % (b"x" * 70_000))


# Changing.


async def test_an_edit_shows_at_once_and_only_the_author_may() -> None:
    async with feed_node(feed=replace(FEED, edit_within=Duration(60_000))) as (node, parts):
        await node.follow("bob", "ann")
        await node.post("ann", "1")
        edit = EditPost(NAMESPACE, "ann", 1, "e1", msgspec.Raw(b'{"text":"new"}'))
        with pytest.raises(CallRefused, match="103"):
            await node.perform("feed.edit", "bob", edit)
        parts.clock.now_ms += 1_000
        await node.perform("feed.edit", "ann", edit)
        (post,) = (await node.timeline("bob")).posts
        assert bytes(post.data) == b'{"text":"new"}'
        assert post.edited_at == parts.clock.now_ms
        parts.clock.now_ms += 60_000
        with pytest.raises(CallRefused, match="too_late"):
            await node.perform("feed.edit", "ann", msgspec.structs.replace(edit, client_id="e2"))
        assert (await node.perform("feed.edit", "ann", edit)).duplicate


async def test_a_deleted_post_is_nowhere_and_only_its_author_or_an_admin_may() -> None:
    async with feed_node() as (node, parts):
        await node.follow("bob", "ann")
        for number in range(3):
            await node.post("ann", str(number))
            parts.clock.now_ms += 1
        with pytest.raises(CallRefused, match="103"):
            await node.perform("feed.delete", "bob", feed_delete("ann", 2))
        await node.perform("feed.delete", "ann", feed_delete("ann", 2))
        assert [post.offset for post in (await node.timeline("bob")).posts] == [3, 1]
        assert [post.offset for post in (await node.posts("bob", "ann")).posts] == [3, 1]
        await node.perform("feed.delete", caller("root", "admin"), feed_delete("ann", 3))
        page = await node.timeline("bob")
        assert [post.offset for post in page.posts] == [1]
        assert page.unseen == 1
        with pytest.raises(CallRefused, match="410"):
            await react(node, "bob", "ann", 2)


def feed_delete(author: str, offset: int) -> msgspec.Struct:
    """What takes a post back."""
    operation = next(operation for operation in OPERATIONS if operation.name == "feed.delete")
    return operation.params(NAMESPACE, author, offset, f"delete-{offset}")


async def test_reactions_are_counted_and_ones_own_are_told_apart() -> None:
    async with feed_node() as (node, _):
        await node.follow("bob", "ann")
        await node.post("ann", "1")
        for user in ("bob", "cyn"):
            await react(node, user, "ann", 1)
        await react(node, "cyn", "ann", 1, "heart")
        (post,) = (await node.timeline("bob")).posts
        told = {emoji: (one.count, one.mine) for emoji, one in post.reactions.items()}
        assert told == {"+1": (2, True), "heart": (1, False)}
        params = ReactToPost(NAMESPACE, "ann", 1, "+1", "taken back")
        await node.perform("feed.unreact", "bob", params)
        (post,) = (await node.posts("bob", "ann")).posts
        assert (post.reactions["+1"].count, post.reactions["+1"].mine) == (1, False)


# Reading.


async def test_posts_of_one_author_come_in_pages() -> None:
    async with feed_node() as (node, parts):
        for number in range(5):
            await node.post("ann", str(number))
            parts.clock.now_ms += 1
        found, cursor = [], ""
        for _ in range(3):
            page = await node.posts("bob", "ann", cursor, 2)
            found.append([post.offset for post in page.posts])
            cursor = page.cursor
        assert found == [[5, 4], [3, 2], [1]]
        assert not cursor


@pytest.mark.parametrize("cursor", ["x", "room:000000000000001", "feed:1", "feed:", "feed:~"])
async def test_a_cursor_is_one_of_ours(cursor: str) -> None:
    async with feed_node() as (node, _):
        with pytest.raises(CallRefused, match="cursor"):
            await node.timeline("bob", cursor)
        with pytest.raises(CallRefused, match="cursor"):
            await node.perform("feed.posts", "bob", ListPosts(NAMESPACE, "ann", cursor))


async def test_what_is_past_its_time_is_not_shown_swept_or_not() -> None:
    async with feed_node(feed=replace(FEED, history_ttl=Duration(10_000))) as (node, parts):
        await node.follow("bob", "ann")
        await node.post("ann", "1")
        parts.clock.now_ms += 5_000
        await node.post("ann", "2")
        parts.clock.now_ms += 4_999
        assert len((await node.timeline("bob")).posts) == 2
        parts.clock.now_ms += 1
        assert [post.offset for post in (await node.timeline("bob")).posts] == [2]
        assert [post.offset for post in (await node.posts("bob", "ann")).posts] == [2]
        assert (await node.timeline("bob")).unseen == 1


async def test_what_is_beyond_the_size_of_a_feed_is_not_shown() -> None:
    async with feed_node(feed=replace(FEED, history_size=2)) as (node, parts):
        await node.follow("bob", "ann")
        for number in range(4):
            posted = await node.post("ann", str(number))
            parts.clock.now_ms += 1
        await parts.store.write([Write(CHANNELS, (posted.channel,), set={"head": 4})])
        assert [post.offset for post in (await node.timeline("bob")).posts] == [4, 3]
        assert [post.offset for post in (await node.posts("bob", "ann")).posts] == [4, 3]


async def test_a_page_of_large_posts_is_cut_and_goes_on() -> None:
    async with feed_node() as (node, parts):
        await node.follow("bob", "ann")
        for number in range(7):
            await node.post("ann", str(number), b'"%s"' % (b"x" * 60_000))
            parts.clock.now_ms += 1
        page = await node.timeline("bob")
        assert [post.offset for post in page.posts] == [7, 6, 5, 4]
        rest = await node.timeline("bob", page.cursor)
        assert [post.offset for post in rest.posts] == [3, 2, 1]
        assert not rest.cursor


async def test_what_is_gone_from_the_log_is_forgotten_when_somebody_comes_across_it() -> None:
    async with feed_node() as (node, parts):
        await node.follow("bob", "ann")
        posted = await node.post("ann", "1")
        await parts.store.truncate(posted.channel)
        assert not (await node.timeline("bob")).posts
        await node.settle()
        assert not await parts.store.find(POSTS, Span(), limit=10)


async def test_a_private_feed_is_for_followers_and_its_author() -> None:
    async with feed_node(feed=PRIVATE) as (node, parts):
        posted = await node.post("ann", "1")
        for attempt in (
            node.posts("bob", "ann"),
            react(node, "bob", "ann", 1),
            node.perform("feed.view", "bob", View(NAMESPACE, "ann", (1,))),
        ):
            with pytest.raises(CallRefused, match="not_a_member"):
                await attempt
        await node.follow("bob", "ann")
        assert (await node.posts("bob", "ann")).posts
        assert (await node.posts("ann", "ann")).posts
        assert (await node.posts("root", "root")).cursor == ""
        for user in ("ann", "bob"):
            assert (await parts.memberships.look_up(posted.channel, user)).is_member
        assert not parts.stage.cuts
        await node.unfollow("bob", "ann")
        assert parts.stage.cuts == [("bob", posted.channel)]
        with pytest.raises(CallRefused, match="not_a_member"):
            await node.posts("bob", "ann")


async def test_a_feed_that_nobody_may_read_cannot_be_followed() -> None:
    async with feed_node(feed=replace(FEED, read_history=())) as (node, _):
        await node.post("ann", "1")
        with pytest.raises(CallRefused, match="103"):
            await node.follow("bob", "ann")
        with pytest.raises(CallRefused, match="103"):
            await node.timeline("bob")


# What has been seen.


async def test_unseen_is_what_was_posted_after_the_marker() -> None:
    async with feed_node() as (node, parts):
        await node.follow("bob", "ann")
        places = []
        for number in range(4):
            places.append((await node.post("ann", str(number))).place)
            parts.clock.now_ms += 10
        assert (await node.timeline("bob")).unseen == 4
        await node.perform("feed.seen", "bob", Seen(NAMESPACE, places[2]))
        page = await node.timeline("bob", limit=1)
        assert page.unseen == 1
        assert page.seen_at == parts.clock.now_ms - 20
        assert (await node.timeline("bob", page.cursor)).unseen is None
        await node.perform("feed.seen", "bob", Seen(NAMESPACE, places[0]))
        assert (await node.timeline("bob")).unseen == 1
        users, hint, _ = parts.stage.hints[0]
        assert users == ("bob",)
        assert msgspec.json.decode(hint) == {
            "type": "timeline",
            "namespace": NAMESPACE,
            "seen_at": page.seen_at,
        }


async def test_more_than_99_are_not_counted() -> None:
    async with feed_node() as (node, parts):
        await node.follow("bob", "ann")
        for number in range(130):
            await node.post("ann", str(number))
            parts.clock.now_ms += 1
        page = await node.timeline("bob", limit=10)
        assert page.unseen == 100
        assert len(page.posts) == 10
        assert len(await node.whole_timeline("bob", 10)) == 130


async def test_the_future_cannot_be_seen_nor_another_namespace() -> None:
    async with feed_node() as (node, parts):
        await node.follow("bob", "ann")
        channel = feed_of(NAMESPACE, "ann").partition(":")[2]
        await node.perform(
            "feed.seen", "bob", Seen(NAMESPACE, f"feed:999999999999999:{channel}:000000000001")
        )
        parts.clock.now_ms += 1
        await node.post("ann", "1")
        assert (await node.timeline("bob")).unseen == 1
        for place in ("x", f"other:000000000000001:{channel}:000000000001"):
            with pytest.raises(CallRefused, match="place"):
                await node.perform("feed.seen", "bob", Seen(NAMESPACE, place))


# Views.


async def test_views_of_users_are_counted_once_and_told_together() -> None:
    async with feed_node() as (node, parts):
        await node.follow("bob", "ann")
        channel = (await node.post("ann", "1")).channel
        for user in ("bob", "cyn", "bob", "ann"):
            await node.perform("feed.view", user, View(NAMESPACE, "ann", (1, 77)))
        await node.feeds.views.round()
        assert (await node.timeline("bob")).posts[0].views == 2
        await node.perform("feed.view", "dan", View(NAMESPACE, "ann", (1, 1)))
        await node.feeds.views.round()
        assert (await node.timeline("bob")).posts[0].views == 3
        assert (await node.posts("bob", "ann")).posts[0].views == 3
        await node.counters.send_due()
        assert parts.stage.signals == [(channel, "counters", b'{"counters":{"1:views":3}}')]


async def test_views_are_written_in_the_background() -> None:
    async with feed_node() as (node, _), asyncio.TaskGroup() as group:
        await node.post("ann", "1")
        written = asyncio.Event()

        async def before(name: str) -> None:
            if name == "write":
                written.set()

        node.store.before = before
        views = group.create_task(node.feeds.run())
        await node.perform("feed.view", "bob", View(NAMESPACE, "ann", (1,)))
        async with asyncio.timeout(10):
            await written.wait()
        node.store.before = None
        views.cancel()


# Over HTTP.


def test_no_path_is_taken_for_another() -> None:
    """Where both would match, the first in the table is asked."""
    for number, operation in enumerate(OPERATIONS):
        path = operation.path.replace("{", "").replace("}", "")
        for earlier in OPERATIONS[:number]:
            pattern = re.sub(r"{[a-z]+}", "[^/]+", earlier.path)
            hidden = earlier.method == operation.method and re.fullmatch(pattern, path)
            assert not hidden, f"{earlier.name} hides {operation.name}"
