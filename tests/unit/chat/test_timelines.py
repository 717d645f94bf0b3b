"""What a page of a timeline costs, and pages of users who follow very many."""

from collections.abc import Sequence
from typing import Final

import msgspec
import pytest

from realtime.chat.calls.feeds import Post, ReadTimeline, Seen
from realtime.chat.calls.following import FeedOf
from realtime.chat.follows import COVER_AFTER_MS, FOLLOWS_MAX
from realtime.chat.places import feed_of, place_of
from realtime.chat.timelines import WAITING_MAX
from realtime.model import NewEntry
from realtime.rows import MEMBERS, POSTS, REACTIONS, TIMELINE
from realtime.settings.schema import ChatSettings
from realtime.stores.base import WRITES_MAX, Span, Value, Write
from tests.support.chat import FEED, ChatParts
from tests.support.feeds import NAMESPACE, FeedNode, feed_node

READS_MAX: Final = 5
HOUR_MS: Final = 3_600_000


class Crowd:
    """Bob follows many; each has posted so often, an hour apart. The rows, as if it had all come to
    be in the usual way, which would take a while."""

    def __init__(self, parts: ChatParts, *, follows: int, posts: int) -> None:
        self.parts = parts
        self.authors = [f"author-{number}" for number in range(follows)]
        self.posts = posts
        self.now_ms = parts.clock.wall_ms()

    async def write(self, writes: Sequence[Write]) -> None:
        """However many."""
        for start in range(0, len(writes), WRITES_MAX):
            await self.parts.store.write(writes[start : start + WRITES_MAX])

    async def begin(self, *, covered_from: int, uncovered: int = 0) -> None:
        """All posts are in the log; those after `covered_from` are copied, except of the first
        `uncovered` feeds."""
        own = feed_of(NAMESPACE, "bob")
        row: dict[str, Value] = {
            "role": "owner",
            "covered_from": covered_from,
            "looked_at": self.now_ms,
        }
        writes = [Write(MEMBERS, (own, "bob"), set=row)]
        for number, author in enumerate(self.authors):
            channel = feed_of(NAMESPACE, author)
            covered = number >= uncovered
            follow: dict[str, Value] = {
                "role": "follower",
                "copied": int(covered),
                "covered_from": 1,
            }
            writes.append(Write(MEMBERS, (channel, "bob"), set=follow))
            ages = [index * HOUR_MS + number for index in reversed(range(1, self.posts + 1))]
            entries = [
                NewEntry(channel, f"u:{author}", str(age), b"{}", self.now_ms - age, counts=True)
                for age in ages
            ]
            await self.parts.store.append(entries)
            for offset, age in enumerate(ages, 1):
                at = self.now_ms - age
                place = place_of(channel, offset, at)
                post: dict[str, Value] = {
                    "channel": channel,
                    "offset": offset,
                    "author": author,
                    "at": at,
                }
                writes.append(Write(POSTS, (place,), set=post))
                copy: dict[str, Value] = {"channel": channel, "offset": offset}
                if covered and at >= covered_from:
                    writes.append(Write(TIMELINE, ("bob", place), set=copy))
                reacted = Write(REACTIONS, (channel, offset, "+1", "bob"), set={"shown": 1})
                writes.append(reacted)
        await self.write(writes)


async def walk(node: FeedNode, limit: int) -> tuple[list[str], int]:
    """All places of Bob's timeline, and the most reads that a page took."""
    places: list[str] = []
    cursor, most = "", 0
    while True:
        node.store.reads.clear()
        page = await node.timeline("bob", cursor, limit)
        most = max(most, node.store.reads.total())
        places += [post.place for post in page.posts]
        cursor = page.cursor
        if not cursor:
            return places, most


@pytest.mark.parametrize(
    ("follows", "posts", "uncovered"),
    [
        (1, 30, 0),
        (20, 6, 0),
        (20, 6, 20),
        (300, 1, 150),
        (499, 1, 0),
        (499, 1, 499),
        (FOLLOWS_MAX, 1, 0),
        (FOLLOWS_MAX, 1, 450),
        (FOLLOWS_MAX, 1, 700),
        (FOLLOWS_MAX, 1, FOLLOWS_MAX),
    ],
)
@pytest.mark.parametrize("covered_hours", [0, 3, 10_000])
async def test_no_page_takes_more_than_five_reads(
    follows: int, posts: int, uncovered: int, covered_hours: int
) -> None:
    async with feed_node() as (node, parts):
        crowd = Crowd(parts, follows=follows, posts=posts)
        covered_from = crowd.now_ms - covered_hours * HOUR_MS - 1
        await crowd.begin(covered_from=covered_from, uncovered=uncovered)
        await parts.store.summarise(
            feed_of(NAMESPACE, "author-0"), 1, b'{"reactions":{"+1":1}}', by=1
        )
        places, reads = await walk(node, 90)
        assert len(set(places)) == len(places) == follows * posts
        assert places == sorted(places, reverse=True)
        assert reads <= READS_MAX
        assert (await node.timeline("bob")).unseen == min(100, follows * posts)


async def test_copies_spare_looking_at_the_feeds() -> None:
    async with feed_node() as (node, parts):
        crowd = Crowd(parts, follows=30, posts=10)
        await crowd.begin(covered_from=1)
        spans = []
        find = parts.store.find

        async def counting(table: object, *some: object, **named: object) -> object:
            if table is POSTS:
                spans.append(len(some))
            return await find(table, *some, **named)  # type: ignore[arg-type]

        node.store.find = counting  # type: ignore[attr-defined]
        page = await node.timeline("bob", limit=20)
        page = await node.timeline("bob", page.cursor, limit=20)
        assert len(page.posts) == 20
        # 101 posts to see how much is unseen, then 21: none of the 30 feeds is looked through.
        assert spans == [101, 21]


@pytest.mark.parametrize("covered_from", [1, 1_700_000_000_000 - 1_000])
@pytest.mark.parametrize("follows", [3, 600])
async def test_many_posts_that_wait_for_others_do_not_hide_ones_own(
    follows: int, covered_from: int
) -> None:
    async with feed_node() as (node, parts):
        crowd = Crowd(parts, follows=follows, posts=1)
        await crowd.begin(covered_from=covered_from)
        stranger = feed_of(NAMESPACE, "stranger")
        await crowd.write(
            [
                Write(
                    TIMELINE,
                    ("", place_of(stranger, number, crowd.now_ms - number // 10)),
                    set={"channel": stranger, "offset": number},
                )
                for number in range(1, 2 * WAITING_MAX)
            ]
        )
        places, reads = await walk(node, 50)
        assert len(places) == follows
        assert reads <= READS_MAX


async def test_copies_below_many_posts_of_a_large_author_are_not_taken_for_useless() -> None:
    async with feed_node(ChatSettings(fanout_followers_max=1)) as (node, parts):
        for user, author in (("bob", "small"), ("cyn", "large"), ("bob", "large")):
            await node.follow(user, author)
        await node.timeline("bob")
        await node.settle()
        parts.clock.now_ms += COVER_AFTER_MS + 1
        places = []
        for number, author in enumerate(["small"] * 5 + ["large"] * 250):
            parts.clock.now_ms += 1_001
            places.append((await node.post(author, str(number))).place)
            await node.settle()
        for _ in range(2):
            assert await node.whole_timeline("bob", 2) == places[::-1]
            await node.settle()
        rows = await parts.store.find(TIMELINE, Span(("bob",)), limit=1_000)
        assert [row.place for row in rows if row.place in places[:5]] == places[:5]


async def test_very_many_new_follows_cut_a_page_short_and_lose_nothing() -> None:
    """More feeds are to be merged, down to where the copies end, than one read can look through."""
    async with feed_node() as (node, parts):
        crowd = Crowd(parts, follows=FOLLOWS_MAX, posts=1)
        await crowd.begin(covered_from=1)
        writes = []
        for number, author in enumerate(crowd.authors):
            # Followed one after the other, some weeks ago, an hour between two.
            covered_from = crowd.now_ms - 40 * 24 * HOUR_MS - number * HOUR_MS
            key = (feed_of(NAMESPACE, author), "bob")
            writes.append(Write(MEMBERS, key, set={"covered_from": covered_from}))
        # And one has posted before all that, which nobody has copied.
        first = feed_of(NAMESPACE, "author-990")
        entry = NewEntry(first, "u:author-990", "old", b"{}", 1_000, counts=True)
        await parts.store.append([entry])
        old = place_of(first, 2, 1_000)
        row: dict[str, Value] = {"channel": first, "offset": 2, "author": "author-990", "at": 1_000}
        await crowd.write([*writes, Write(POSTS, (old,), set=row)])
        places, reads = await walk(node, 100)
        assert len(places) == FOLLOWS_MAX + 1
        assert places[-1] == old
        assert reads <= READS_MAX


async def test_a_cursor_stays_where_it_is_while_new_posts_come() -> None:
    async with feed_node() as (node, parts):
        await node.follow("bob", "ann")
        places = []
        for number in range(6):
            parts.clock.now_ms += 1
            places.append((await node.post("ann", str(number))).place)
        first = await node.timeline("bob", limit=2)
        for number in range(6, 12):
            parts.clock.now_ms += 1
            await node.post("ann", str(number))
        second = await node.timeline("bob", first.cursor, limit=2)
        assert [post.place for post in second.posts] == [places[3], places[2]]
        again = await node.timeline("bob", first.cursor, limit=2)
        assert again == second


async def test_timelines_of_several_namespaces_do_not_meet() -> None:
    async with feed_node(feed=FEED, photos=FEED, photo=FEED) as (node, parts):
        places = {}
        for namespace in ("feed", "photos", "photo"):
            await node.perform("feed.follow", "bob", FeedOf(namespace, "ann"))
            await node.perform("feed.timeline", "bob", ReadTimeline(namespace))
        await node.settle()
        parts.clock.now_ms += COVER_AFTER_MS + 1
        for namespace in ("feed", "photos", "photo"):
            parts.clock.now_ms += 1_001
            posted = await node.perform("feed.post", "ann", Post(namespace, "1", msgspec.Raw(b"1")))
            places[namespace] = posted.place
        for settled in (False, True):
            if settled:
                await node.settle()
            for namespace, place in places.items():
                page = await node.perform("feed.timeline", "bob", ReadTimeline(namespace))
                assert [post.place for post in page.posts] == [place]
        await node.perform("feed.seen", "bob", Seen("photo", places["photo"]))
        page = await node.perform("feed.timeline", "bob", ReadTimeline("photos"))
        assert page.unseen == 1
