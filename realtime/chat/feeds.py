"""Feeds: channels of posts, whom one follows, and the timeline that comes of it."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from realtime.chat.amending import Amending
from realtime.chat.around import Around
from realtime.chat.blocks import Blocks
from realtime.chat.caller import Caller
from realtime.chat.calls.feeds import (
    UNSEEN_MAX,
    ReadTimeline,
    Seen,
    TimelinePage,
    View,
)
from realtime.chat.contents import Contents
from realtime.chat.counters import Counters
from realtime.chat.fanout import FanOut
from realtime.chat.feed_rules import FeedRules
from realtime.chat.following import Followings
from realtime.chat.follows import read_follows
from realtime.chat.operations import DONE, Done, Perform
from realtime.chat.places import feed_of, is_cursor, namespace_of, read_place
from realtime.chat.post_reader import PostReader
from realtime.chat.post_views import PostViews
from realtime.chat.posts import Posts
from realtime.chat.refusals import invalid
from realtime.chat.timelines import Timelines
from realtime.chat.upkeep import Upkeep
from realtime.rows import MEMBERS
from realtime.stores.base import Write

_encode: Final = msgspec.json.Encoder().encode


class SeenHint(msgspec.Struct, frozen=True, tag_field="type", tag="timeline"):
    """What a user's other devices are told: until when (ms) the timeline has been seen."""

    namespace: str
    seen_at: int


class Feeds:
    """Performs every operation of `realtime.chat.calls.feeds`. `run` must be running for it.

    `namespaces` are those that have feeds. Registers with the ledger and with `blocks`: make it
    once.
    """

    def __init__(
        self,
        around: Around,
        *,
        blocks: Blocks,
        amending: Amending,
        contents: Contents,
        counters: Counters,
        namespaces: Collection[str],
    ) -> None:
        self._store = around.store
        self._stage = around.stage
        self._clock = around.clock
        self._rules = FeedRules(around)
        self._timelines = Timelines(around.store, around.clock)
        self._reader = PostReader(around)
        self.fan_out = FanOut(around, namespaces)
        self.upkeep = Upkeep(around)
        self.views = PostViews(around, counters)
        posts = Posts(
            around,
            self._rules,
            self.fan_out,
            self.upkeep,
            amending=amending,
            contents=contents,
            namespaces=namespaces,
        )
        followings = Followings(around, self._rules, self.upkeep, blocks, namespaces)
        self.operations: Mapping[str, Perform] = {
            **posts.operations,
            **followings.operations,
            "feed.timeline": self.timeline,
            "feed.seen": self.seen,
            "feed.view": self.view,
        }

    async def run(self) -> None:
        """Copy posts, see to timelines and count views, for ever. May be cancelled anywhere."""
        async with asyncio.TaskGroup() as feeds_group:
            feeds_group.create_task(self.fan_out.run(), name="fan-out")
            feeds_group.create_task(self.upkeep.run(), name="timelines")
            feeds_group.create_task(self.views.run(), name="views")

    async def timeline(self, caller: Caller, params: ReadTimeline) -> TimelinePage:
        """A page of the posts of everybody whom the caller follows.

        At most five reads, whatever is followed; one more where the namespace keeps a number of
        entries. Raises CommandRefused: 102, 103, 404, 422, and StoreError.
        """
        namespace, cursor, limit = params.namespace, params.cursor, params.limit
        options = self._rules.admit_follower(caller, namespace)
        if cursor and not is_cursor(namespace, cursor):
            raise invalid("cursor")
        follows = await read_follows(self._store, namespace, caller.user)
        found = await self._timelines.slice(
            follows,
            before=cursor,
            since_ms=self._reader.since_ms(options),
            wanted=1 + (limit if cursor else max(limit, UNSEEN_MAX)),
        )
        if any(self._stage.banned(caller.user, row.channel) for row in found.rows):
            rows = [row for row in found.rows if not self._stage.banned(caller.user, row.channel)]
            found = msgspec.structs.replace(found, rows=rows)
        read = await self._reader.read(caller.user, found.rows[:limit], options)
        next_cursor = found.cursor
        if read.looked_at < len(found.rows):
            next_cursor = found.rows[read.looked_at - 1].place
        self.upkeep.stale(caller.user, found.stale)
        self.upkeep.gone(read.gone)
        seen_at = follows.own.seen_at if follows.own else 0
        if cursor:
            return TimelinePage(read.views, next_cursor, seen_at)
        self.upkeep.looked(follows)
        unseen = sum(row.at > seen_at for row in found.rows)
        return TimelinePage(read.views, next_cursor, seen_at, min(unseen, UNSEEN_MAX))

    async def seen(self, caller: Caller, params: Seen) -> Done:
        """Say how far the timeline has been seen. Raises CommandRefused: 102, 404, 422, and
        StoreError."""
        self._rules.options(params.namespace)
        place = read_place(params.place)
        if place is None or namespace_of(place.channel) != params.namespace:
            raise invalid("place")
        seen_at = min(place.at, self._clock.wall_ms())
        key = (feed_of(params.namespace, caller.user), caller.user)
        await self._store.write(
            [Write(MEMBERS, key, set={"role": "owner"}, highest={"seen_at": seen_at})]
        )
        hint = _encode(SeenHint(params.namespace, seen_at))
        self._stage.hint([caller.user], hint)
        return DONE

    async def view(self, caller: Caller, params: View) -> Done:
        """Count views. Raises CommandRefused: 102, 103, 404, and StoreError."""
        await self._rules.admit_reader(caller, params.namespace, params.author)
        if caller.user != params.author:
            channel = feed_of(params.namespace, params.author)
            for offset in params.offsets:
                self.views.seen(caller.user, channel, offset)
        return DONE
