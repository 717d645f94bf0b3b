"""Following, blocking, and who is told of it."""

import asyncio
import itertools
from contextlib import suppress
from dataclasses import replace

import msgspec
import pytest

from realtime.chat import following
from realtime.chat.calls.feeds import ReactToPost
from realtime.chat.calls.following import (
    FeedOf,
    FeedView,
    FollowerPage,
    FollowingPage,
    ListFollowers,
    ListFollowing,
)
from realtime.chat.calls.users import BlockUser, UnblockUser
from realtime.chat.places import feed_of
from realtime.errors import CallRefused, CommandRefused
from realtime.rows import BLOCKS, MEMBERS, TIMELINE, USERS
from realtime.stores.base import Removal, Span, Write
from tests.support.chat import FEED, ROOM, caller
from tests.support.feeds import NAMESPACE, FeedNode, feed_node


async def feed(node: FeedNode, user: str, author: str) -> FeedView:
    """An author's feed, as a user is told of it."""
    view: FeedView = await node.perform("feed.get", user, FeedOf(NAMESPACE, author))
    return view


async def block(node: FeedNode, user: str, other: str) -> None:
    """One blocks the other."""
    await node.perform("user.block", user, BlockUser(other))


async def test_following_twice_is_following_once() -> None:
    async with feed_node() as (node, _):
        for _ in range(2):
            await node.follow("bob", "ann")
        assert (await feed(node, "bob", "ann")).followers == 1
        for _ in range(2):
            await node.unfollow("bob", "ann")
        assert (await feed(node, "bob", "ann")).followers == 0


async def test_two_follows_at_the_same_time_are_one() -> None:
    async with feed_node() as (node, _):
        await asyncio.gather(*[node.follow("bob", "ann") for _ in range(5)])
        assert (await feed(node, "bob", "ann")).followers == 1


async def test_a_feed_tells_of_its_author_and_of_the_caller() -> None:
    async with feed_node() as (node, parts):
        await parts.store.write(
            [Write(USERS, ("ann",), set={"name": "Ann", "avatar": "https://a.example/a.png"})]
        )
        await node.follow("bob", "ann")
        view = await feed(node, "bob", "ann")
        assert view == FeedView(
            feed_of(NAMESPACE, "ann"), "ann", "Ann", "https://a.example/a.png", 1, following=True
        )
        assert not (await feed(node, "cyn", "ann")).following
        assert (await feed(node, "cyn", "nobody")).followers == 0


async def test_nobody_follows_themselves() -> None:
    async with feed_node() as (node, _):
        with pytest.raises(CallRefused, match="author"):
            await node.follow("ann", "ann")


async def test_where_one_must_be_invited_an_admin_makes_users_follow() -> None:
    async with feed_node(feed=replace(FEED, join="invite")) as (node, _):
        with pytest.raises(CallRefused, match="103"):
            await node.follow("bob", "ann")
        await node.perform("feed.follow", caller("bob", "admin"), FeedOf(NAMESPACE, "ann"))
        await node.follow("bob", "ann")
        assert (await feed(node, "bob", "ann")).following


async def test_there_is_an_end_to_how_many_one_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "FOLLOWS_MAX", 3)
    async with feed_node(feed=FEED, photos=FEED) as (node, _):
        for number in range(3):
            await node.follow("bob", f"author-{number}")
        with pytest.raises(CallRefused, match="full"):
            await node.follow("bob", "one too many")
        await node.follow("bob", "author-1")
        await node.perform("feed.follow", "bob", FeedOf("photos", "author-1"))
        await node.unfollow("bob", "author-1")
        await node.follow("bob", "one too many")


async def test_followers_and_followed_are_listed_in_pages() -> None:
    async with feed_node(feed=FEED, photos=FEED, room=ROOM) as (node, parts):
        await node.perform("feed.follow", "u1", FeedOf("photos", "ann"))
        for number in range(5):
            parts.clock.now_ms += 1
            await node.follow(f"u{number}", "ann")
            await node.follow("bob", f"u{number}")
        await node.post("ann", "1")
        found, cursor = [], ""
        while True:
            params = ListFollowers(NAMESPACE, "ann", cursor, 2)
            page: FollowerPage = await node.perform("feed.followers", "bob", params)
            found += [(follower.user, follower.since) for follower in page.followers]
            cursor = page.cursor
            if not cursor:
                break
        now_ms = parts.clock.now_ms
        assert found == [(f"u{number}", now_ms - 4 + number) for number in range(5)]
        authors: list[str] = []
        while True:
            mine: FollowingPage = await node.perform(
                "feed.following", "bob", ListFollowing(NAMESPACE, cursor, 2)
            )
            authors += [one.author for one in mine.following]
            cursor = mine.cursor
            if not cursor:
                break
        assert sorted(authors) == [f"u{number}" for number in range(5)]
        with pytest.raises(CallRefused, match="cursor"):
            await node.perform("feed.following", "bob", ListFollowing(NAMESPACE, "photos:a"))


async def test_a_block_ends_following_in_both_directions() -> None:
    async with feed_node(feed=FEED, photos=FEED) as (node, parts):
        for user, author in (("bob", "ann"), ("ann", "bob")):
            await node.follow(user, author)
            await node.perform("feed.follow", user, FeedOf("photos", author))
            await node.post(author, "1")
        await block(node, "ann", "bob")
        for user, author in (("bob", "ann"), ("ann", "bob")):
            assert not (await node.timeline(user)).posts
            view = await feed(node, user, author)
            assert (view.following, view.followers) == (False, 0)
            with pytest.raises(CallRefused, match="blocked"):
                await node.follow(user, author)
        channels = {feed_of("feed", "ann"), feed_of("photos", "ann")}
        assert {("bob", channel) for channel in channels} == set(parts.stage.cuts)


async def test_who_is_blocked_may_not_read_and_the_other_one_may() -> None:
    async with feed_node() as (node, parts):
        channel = (await node.post("ann", "1")).channel
        await node.post("bob", "1")
        await block(node, "ann", "bob")
        with pytest.raises(CallRefused, match="blocked"):
            await node.posts("bob", "ann")
        with pytest.raises(CallRefused, match="blocked"):
            await node.perform("feed.react", "bob", ReactToPost(NAMESPACE, "ann", 1, "+1", "1"))
        assert (await feed(node, "bob", "ann")).blocked
        standing = await parts.memberships.look_up(channel, "bob")
        assert standing.is_banned(parts.clock.wall_ms())
        assert (await node.posts("ann", "bob")).posts
        await node.perform("user.unblock", "ann", UnblockUser("bob"))
        assert (await node.posts("bob", "ann")).posts
        assert not (await feed(node, "bob", "ann")).following
        await node.follow("bob", "ann")


@pytest.mark.parametrize(("user", "other"), [("ann", "bob"), ("bob", "ann")])
async def test_a_block_that_comes_while_somebody_follows_wins(user: str, other: str) -> None:
    """At whichever call of the store: who follows looks again when it is written."""
    for call in itertools.count():
        async with feed_node() as (node, _):
            await node.post("ann", "1")
            if not await follow_while_blocked(node, user, other, call):
                assert call >= 6  # every call of a follow has been tried
                return
            assert not (await feed(node, "bob", "ann")).following
            assert not (await node.timeline("bob")).posts


async def follow_while_blocked(node: FeedNode, user: str, other: str, call: int) -> bool:
    """Bob follows Ann, and one blocks the other before that call; whether it came to that."""
    calls = itertools.count()
    happened = False

    async def before(name: str) -> None:
        nonlocal happened
        if next(calls) == call:
            node.store.before = None
            happened = True
            await block(node, user, other)

    node.store.before = before
    # Blocked, or: something else was written, try again.
    with suppress(CommandRefused):
        await node.follow("bob", "ann")
    node.store.before = None
    return happened


async def test_a_block_of_which_the_end_was_missed_ends_with_the_next_follow() -> None:
    async with feed_node() as (node, parts):
        await block(node, "ann", "bob")
        await parts.store.write([Write(BLOCKS, ("ann", "bob"), set={"at": 1})])
        await parts.store.write([Removal(BLOCKS, ("ann", "bob"))])
        await node.follow("bob", "ann")
        assert (await feed(node, "bob", "ann")).following


async def test_copies_of_a_feed_are_removed_when_it_is_not_followed_any_more() -> None:
    async with feed_node() as (node, parts):
        for author in ("ann", "cyn"):
            await node.follow("bob", author)
        await node.timeline("bob")
        await node.settle()
        parts.clock.now_ms += 61_000
        for author in ("ann", "cyn"):
            await node.post(author, "1")
        await node.settle()
        assert len(await parts.store.find(TIMELINE, Span(("bob",)), limit=10)) == 2
        await node.unfollow("bob", "ann")
        await node.settle()
        (left,) = await parts.store.find(TIMELINE, Span(("bob",)), limit=10)
        assert left.channel == feed_of(NAMESPACE, "cyn")


async def test_a_followers_row_says_nothing_to_rooms() -> None:
    async with feed_node() as (node, parts):
        await node.follow("bob", "ann")
        (row,) = await parts.store.find(MEMBERS, Span(("bob",)), by=("user", "channel"), limit=10)
        assert (row.role, row.read, row.offset) == ("follower", 0, 0)
        assert not parts.stage.entries
        assert msgspec.structs.asdict(row)["muted_until"] == 0
