"""Copies of posts: who gets them, when they are sure, and what is left behind."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from realtime.chat import fanout
from realtime.chat.places import feed_of
from realtime.errors import CallRefused
from realtime.model import NewEntry
from realtime.rows import MEMBERS, TIMELINE
from realtime.settings.durations import Duration
from realtime.settings.schema import ChatSettings
from realtime.stores.base import Removal, Span, Write
from tests.support.chat import ChatParts
from tests.support.feeds import NAMESPACE, FeedNode, feed_node, make_node

DAY_MS = 86_400_000


async def copies(parts: ChatParts, user: str = "") -> Sequence[str]:
    """Places in a timeline; without a user, what waits."""
    rows = await parts.store.find(TIMELINE, Span((user,)), limit=10_000)
    return [row.place for row in rows]


async def look(node: FeedNode, parts: ChatParts, *users: str) -> None:
    """Users look at their timelines, and a minute later posts are copied to them."""
    for user in users:
        await node.timeline(user)
    await node.settle()
    parts.clock.now_ms += 61_000


async def post(node: FeedNode, parts: ChatParts, author: str, client_id: str) -> str:
    """A post that is copied at once; its place."""
    parts.clock.now_ms += 1_001
    posted = await node.post(author, client_id)
    await node.feeds.fan_out.work()
    return posted.place


async def is_copied(parts: ChatParts, user: str, author: str) -> bool:
    """Whether an author's posts are copied to a follower."""
    (row,) = await parts.store.get(MEMBERS, [(feed_of(NAMESPACE, author), user)])
    return row.copied == 1


async def test_posts_are_copied_to_those_who_look_and_wait_until_then() -> None:
    async with feed_node() as (node, parts):
        await node.follow("bob", "ann")
        await node.follow("never looks", "ann")
        await look(node, parts, "bob")
        posted = await node.post("ann", "1")
        assert await copies(parts) == [posted.place]
        assert not await copies(parts, "bob")
        await node.feeds.fan_out.work()
        assert await copies(parts, "bob") == [posted.place]
        assert not await copies(parts, "never looks")
        assert await copies(parts) == [posted.place]  # for pages that have begun already
        await node.feeds.fan_out.finish()
        assert not await copies(parts)
        assert [one.place for one in (await node.timeline("bob")).posts] == [posted.place]


async def test_what_was_posted_before_one_looked_or_followed_is_merged() -> None:
    async with feed_node() as (node, parts):
        await node.follow("bob", "ann")
        places = [await post(node, parts, "ann", "1")]
        await look(node, parts, "bob")
        places.append(await post(node, parts, "ann", "2"))
        await node.follow("bob", "cyn")
        places.append(await post(node, parts, "cyn", "1"))
        parts.clock.now_ms += 61_000
        places.append(await post(node, parts, "cyn", "2"))
        await node.settle()
        assert await copies(parts, "bob") == [places[1], places[3]]
        assert await node.whole_timeline("bob", 1) == places[::-1]


async def test_a_job_that_is_done_twice_or_by_two_nodes_does_it_once() -> None:
    async with feed_node() as (node, parts):
        other = make_node(parts)
        await node.follow("bob", "ann")
        await look(node, parts, "bob")
        place = await post(node, parts, "ann", "1")
        parts.clock.now_ms += 61_000
        await asyncio.gather(node.feeds.fan_out.sweep(), other.feeds.fan_out.sweep())
        await other.feeds.fan_out.finish()
        await node.feeds.fan_out.finish()
        assert await copies(parts, "bob") == [place]
        assert not await copies(parts)


async def test_what_a_node_has_left_is_finished_by_a_sweep_of_another() -> None:
    async with feed_node() as (node, parts):
        await node.follow("bob", "ann")
        await look(node, parts, "bob")
        lost = make_node(parts)
        place = (await lost.post("ann", "1")).place
        await node.feeds.fan_out.sweep()
        assert not await copies(parts, "bob")  # it may be about to be done
        parts.clock.now_ms += 61_000
        await node.feeds.fan_out.sweep()
        assert await copies(parts, "bob") == [place]
        await node.feeds.fan_out.finish()
        assert not await copies(parts)


async def test_a_store_that_fails_leaves_the_post_waiting() -> None:
    async with feed_node() as (node, parts):
        for user in ("bob", "cyn", "dan"):
            await node.follow(user, "ann")
        await look(node, parts, "bob", "cyn", "dan")
        posted = await node.post("ann", "1")
        node.store.writes_left = 1
        await node.feeds.fan_out.work()
        await node.feeds.fan_out.finish()
        assert sum([len(await copies(parts, user)) for user in ("bob", "cyn", "dan")]) == 1
        assert await copies(parts) == [posted.place]
        for user in ("bob", "cyn", "dan"):
            assert [one.place for one in (await node.timeline(user)).posts] == [posted.place]
        parts.clock.now_ms += 61_000
        await node.feeds.fan_out.sweep()
        await node.feeds.fan_out.finish()
        assert sum([len(await copies(parts, user)) for user in ("bob", "cyn", "dan")]) == 3
        assert not await copies(parts)


# Large authors.


async def test_posts_of_large_authors_are_not_copied() -> None:
    async with feed_node(ChatSettings(fanout_followers_max=2)) as (node, parts):
        for user in ("bob", "cyn"):
            await node.follow(user, "ann")
        await look(node, parts, "bob", "cyn", "dan")
        places = [await post(node, parts, "ann", "1")]
        await node.settle()
        await node.follow("dan", "ann")
        assert not await is_copied(parts, "dan", "ann")
        places.append(await post(node, parts, "ann", "2"))
        assert len(await copies(parts, "bob")) == 2
        assert len(await copies(parts, "dan")) == 0
        for user in ("bob", "cyn", "dan"):
            assert await node.whole_timeline(user, 1) == places[::-1]


async def test_an_author_who_becomes_large_is_copied_no_more_until_small_again() -> None:
    """The limit as it is after a change of the settings, or after many have followed at once."""
    users = [f"u{number}" for number in range(7)]
    async with feed_node(ChatSettings(fanout_followers_max=7)) as (node, parts):
        for user in users:
            await node.follow(user, "ann")
        await look(node, parts, *users)
        places = [await post(node, parts, "ann", "1")]
        await node.settle()
        around = msgspec.structs.replace(
            parts.around, settings=ChatSettings(fanout_followers_max=5)
        )
        parts.around = around
        stricter = make_node(parts)
        places.append(await post(stricter, parts, "ann", "2"))
        assert not any([await is_copied(parts, user, "ann") for user in users])
        await stricter.feeds.fan_out.finish()
        assert await copies(parts) == places[1:]
        parts.clock.now_ms += 61_000
        await stricter.feeds.fan_out.sweep()
        await stricter.feeds.fan_out.finish()
        assert not await copies(parts)
        assert {len(await copies(parts, user)) for user in users} == {1}
        for user in users:
            assert await stricter.whole_timeline(user, 1) == places[::-1]
        for user in users[4:]:
            await stricter.unfollow(user, "ann")
        parts.clock.now_ms += DAY_MS
        await look(stricter, parts, *users)
        assert all([await is_copied(parts, user, "ann") for user in users[:4]])
        places.append(await post(stricter, parts, "ann", "3"))
        assert (await copies(parts, users[0]))[-1] == places[-1]
        assert await stricter.whole_timeline(users[0], 1) == places[::-1]


async def test_nothing_is_copied_where_the_limit_is_none() -> None:
    async with feed_node(ChatSettings(fanout_followers_max=0)) as (node, parts):
        await node.follow("bob", "ann")
        await look(node, parts, "bob")
        place = await post(node, parts, "ann", "1")
        await node.settle()
        assert not await copies(parts, "bob")
        assert not await copies(parts)
        assert await node.whole_timeline("bob") == [place]


# Those who are away.


async def test_who_is_away_is_not_copied_to_and_finds_everything_on_coming_back() -> None:
    settings = ChatSettings(inactive_after=Duration(10 * DAY_MS))
    async with feed_node(settings) as (node, parts):
        for user in ("bob", "cyn"):
            await node.follow(user, "ann")
        await look(node, parts, "bob", "cyn")
        places = [await post(node, parts, "ann", "1")]
        parts.clock.now_ms += 6 * DAY_MS
        await look(node, parts, "cyn")
        parts.clock.now_ms += 5 * DAY_MS
        places.append(await post(node, parts, "ann", "2"))
        await node.feeds.fan_out.finish()
        assert await copies(parts, "bob") == places[:1]
        assert await copies(parts, "cyn") == places
        assert places[1] in await copies(parts)  # for pages that have read that he was not away
        parts.clock.now_ms += 61_000
        await node.feeds.fan_out.sweep()
        await node.feeds.fan_out.finish()
        assert not await copies(parts)
        assert await node.whole_timeline("bob", 1) == places[::-1]
        await node.settle()
        parts.clock.now_ms += 61_000
        places.append(await post(node, parts, "ann", "3"))
        assert await copies(parts, "bob") == [places[0], places[2]]
        assert await node.whole_timeline("bob", 1) == places[::-1]


async def test_nobody_is_ever_away_where_the_settings_say_so() -> None:
    async with feed_node(ChatSettings(inactive_after=Duration(0))) as (node, parts):
        await node.follow("bob", "ann")
        await look(node, parts, "bob")
        parts.clock.now_ms += 4_000 * DAY_MS
        place = await post(node, parts, "ann", "1")
        assert await copies(parts, "bob") == [place]


async def test_looking_is_written_once_a_day() -> None:
    async with feed_node() as (node, parts):
        await node.follow("bob", "ann")
        await look(node, parts, "bob")
        writes = 0

        async def before(name: str) -> None:
            nonlocal writes
            writes += name == "write"

        node.store.before = before
        for _ in range(20):
            parts.clock.now_ms += 3_600_000
            await node.timeline("bob")
            await node.feeds.upkeep.work()
        assert writes == 0
        parts.clock.now_ms += 4 * 3_600_000
        await node.timeline("bob")
        await node.feeds.upkeep.work()
        assert writes > 0
        (own,) = await parts.store.get(MEMBERS, [(feed_of(NAMESPACE, "bob"), "bob")])
        assert own.looked_at == parts.clock.now_ms


async def test_a_post_that_is_deleted_before_it_was_copied_waits_no_more() -> None:
    async with feed_node() as (node, parts):
        await node.follow("bob", "ann")
        await node.post("ann", "1")
        await node.delete("ann", 1, "delete")
        assert not await copies(parts)


# Hints.


async def test_followers_are_told_once_a_second_of_the_newest_post() -> None:
    async with feed_node() as (node, parts):
        for user in ("bob", "cyn"):
            await node.follow(user, "ann")
        posted = [await node.post("ann", "1")]
        await node.feeds.fan_out.work()
        for number in range(2, 5):
            parts.clock.now_ms += 100
            posted.append(await node.post("ann", str(number)))
            await node.feeds.fan_out.work()
        assert len(parts.stage.hints) == 1
        parts.clock.now_ms += 1_000
        await node.feeds.fan_out.work()
        first, last = parts.stage.hints
        for one, (users, data, about) in ((posted[0], first), (posted[-1], last)):
            assert sorted(users) == ["bob", "cyn"]
            assert about == one.channel
            assert msgspec.json.decode(data) == {
                "type": "post",
                "feed": one.channel,
                "author": "ann",
                "offset": one.offset,
                "place": one.place,
            }


async def test_followers_of_large_authors_are_not_told() -> None:
    async with feed_node(ChatSettings(fanout_followers_max=1)) as (node, parts):
        for user in ("bob", "cyn"):
            await node.follow(user, "ann")
        await parts.store.write(
            [Write(MEMBERS, (feed_of(NAMESPACE, "ann"), "cyn"), set={"copied": 1})]
        )
        await node.post("ann", "1")
        await node.feeds.fan_out.work()
        assert not parts.stage.hints


async def test_what_was_left_is_swept_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "SWEEP_EVERY_S", 0.01)
    monkeypatch.setattr(fanout, "LINGER_S", 0.01)
    async with feed_node() as (node, parts), asyncio.TaskGroup() as group:
        await node.follow("bob", "ann")
        await look(node, parts, "bob")
        posted = await make_node(parts).post("ann", "1")
        parts.clock.now_ms += 61_000
        ended = asyncio.Event()

        async def before(name: str) -> None:
            if name == "find" and not await copies(parts):
                ended.set()  # the sweep after the one that has copied it

        node.store.before = before
        background = group.create_task(node.feeds.run())
        async with asyncio.timeout(10):
            await ended.wait()
        background.cancel()
        assert await copies(parts, "bob") == [posted.place]


async def test_posts_are_copied_in_the_background() -> None:
    async with feed_node() as (node, parts), asyncio.TaskGroup() as group:
        await node.follow("bob", "ann")
        await look(node, parts, "bob")
        copied = asyncio.Event()

        async def before(name: str) -> None:
            if name == "find" and await copies(parts, "bob"):
                copied.set()

        background = group.create_task(node.feeds.run())
        posted = await node.post("ann", "1")
        node.store.before = before
        async with asyncio.timeout(10):
            while not copied.is_set():
                await node.timeline("bob")
        background.cancel()
        assert await copies(parts, "bob") == [posted.place]


async def test_an_entry_that_is_no_post_of_the_feeds_author_makes_no_row() -> None:
    async with feed_node() as (node, parts):
        channel = feed_of(NAMESPACE, "ann")
        entry = NewEntry(
            channel, "u:bob", "1", b"{}", parts.clock.now_ms, counts=True, pending=True
        )
        await parts.store.append([entry])
        parts.clock.now_ms += 2_000
        await node.around.ledger.sweep()
        assert not await copies(parts)


async def test_what_has_no_row_any_more_may_have_copies_for_ever() -> None:
    """They are found by who looks; a timeline without them shows the same."""
    async with feed_node() as (node, parts):
        await node.follow("bob", "ann")
        await look(node, parts, "bob")
        place = await post(node, parts, "ann", "1")
        await node.settle()
        await node.delete("ann", 1, "delete")
        with pytest.raises(CallRefused):
            await node.delete("ann", 1, "again")
        page = await node.timeline("bob")
        assert not page.posts
        assert page.unseen == 0
        await parts.store.write([Removal(TIMELINE, ("bob", place))])
        assert await node.timeline("bob") == page
