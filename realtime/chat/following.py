"""Following authors, and what ends it."""

from collections.abc import Collection, Mapping
from typing import Final

from realtime.chat.around import Around
from realtime.chat.blocks import Blocks
from realtime.chat.caller import Caller
from realtime.chat.calls.following import (
    FeedOf,
    FeedView,
    Followed,
    Follower,
    FollowerPage,
    Following,
    FollowingPage,
    ListFollowers,
    ListFollowing,
)
from realtime.chat.feed_rules import BLOCKED, FeedRules, is_for_everybody
from realtime.chat.follows import COVER_AFTER_MS, FOLLOWS_MAX
from realtime.chat.operations import DONE, Done, Perform
from realtime.chat.places import begin_of, end_of, feed_of
from realtime.chat.refusals import denied, invalid
from realtime.chat.standing import FOR_EVER
from realtime.chat.upkeep import Upkeep
from realtime.errors import INTERNAL, LIMIT_EXCEEDED, CallRefused, CommandRefused
from realtime.rows import BLOCKS, CHANNELS, MEMBERS, USERS, MemberRow
from realtime.stores.base import Removal, Span, Value, Write

_BY_USER: Final = ("user", "role", "channel")
_BY_CHANNEL: Final = ("channel", "role", "user")


class Followings:
    """Performs what is about who follows whom. `namespaces` are those that have feeds.

    A follow is a row without an entry in the feed's log, which would have more of them than posts.
    So what a node keeps of a user's standing in a feed may be a second old; here it never is.
    """

    def __init__(
        self,
        around: Around,
        rules: FeedRules,
        upkeep: Upkeep,
        blocks: Blocks,
        namespaces: Collection[str],
    ) -> None:
        self._store = around.store
        self._stage = around.stage
        self._memberships = around.memberships
        self._clock = around.clock
        self._followers_max = around.settings.fanout_followers_max
        self._rules = rules
        self._upkeep = upkeep
        self._namespaces = sorted(namespaces)
        self.operations: Mapping[str, Perform] = {
            "feed.get": self.get,
            "feed.follow": self.follow,
            "feed.unfollow": self.unfollow,
            "feed.followers": self.followers,
            "feed.following": self.following,
        }
        blocks.on_block(self.part)
        blocks.on_unblock(self.reconcile)

    # What callers ask for. All of it raises CommandRefused and StoreError.

    async def get(self, caller: Caller, params: FeedOf) -> FeedView:
        """An author's feed, also for who may not read it."""
        self._rules.options(params.namespace)
        channel = feed_of(params.namespace, params.author)
        row = await self._rules.row(params.namespace, params.author, caller.user)
        channels = await self._store.get(CHANNELS, [(channel,)])
        users = await self._store.get(USERS, [(params.author,)])
        return FeedView(
            channel,
            params.author,
            users[0].name if users else "",
            users[0].avatar if users else "",
            max(0, channels[0].members) if channels else 0,
            following=row is not None and row.role == "follower",
            blocked=row is not None and row.role == BLOCKED,
        )

    async def follow(self, caller: Caller, params: FeedOf) -> Followed:
        """Follow an author: 103 where one of the two blocks the other, 106 above FOLLOWS_MAX."""
        options = self._rules.admit_follower(caller, params.namespace)
        if params.author == caller.user:
            raise invalid("author")
        channel = feed_of(params.namespace, params.author)
        if self._stage.banned(caller.user, channel):
            raise denied("banned")
        row = await self._rules.row(params.namespace, params.author, caller.user)
        if row is not None and row.role == "follower":
            return Followed(channel)
        if options.join != "open" and not caller.is_admin:
            raise denied("not_a_member")
        await self._refuse_blocked(caller.user, params.author)
        await self._refuse_too_many(params.namespace, caller.user)
        channels = await self._store.get(CHANNELS, [(channel,)])
        followers = channels[0].members if channels else 0
        if await self._begin(channel, caller.user, row, copied=followers < self._followers_max):
            await self._count(channel, params.author, 1)
        elif not await self._follows(params, caller.user):
            raise CommandRefused(INTERNAL)  # something else was written: look again
        # A block that came in between has ended what had not begun yet.
        try:
            await self._refuse_blocked(caller.user, params.author)
        except CommandRefused:
            await self._end(channel, params.author, caller.user)
            raise
        return Followed(channel)

    async def unfollow(self, caller: Caller, params: FeedOf) -> Done:
        """Follow an author no more."""
        options = self._rules.options(params.namespace)
        channel = feed_of(params.namespace, params.author)
        await self._end(channel, params.author, caller.user)
        if not is_for_everybody(options.subscribe):
            await self._stage.cut(caller.user, channel)
        return DONE

    async def followers(self, caller: Caller, params: ListFollowers) -> FollowerPage:
        """Who follows an author."""
        await self._rules.admit_reader(caller, params.namespace, params.author)
        span = Span(
            (feed_of(params.namespace, params.author), "follower"), after=params.cursor or None
        )
        rows = await self._store.find(MEMBERS, span, by=_BY_CHANNEL, limit=params.limit + 1)
        page = [Follower(row.user, row.joined_at) for row in rows[: params.limit]]
        return FollowerPage(page, page[-1].user if len(rows) > params.limit else "")

    async def following(self, caller: Caller, params: ListFollowing) -> FollowingPage:
        """Whom the caller follows."""
        namespace = params.namespace
        self._rules.options(namespace)
        begin, end = begin_of(namespace), end_of(namespace)
        if params.cursor and not begin < params.cursor < end:
            raise invalid("cursor")
        span = Span((caller.user, "follower"), after=params.cursor or begin, before=end)
        rows = await self._store.find(MEMBERS, span, by=_BY_USER, limit=params.limit + 1)
        page = rows[: params.limit]
        keys = [(row.channel,) for row in page]
        found = await self._store.get(CHANNELS, keys) if keys else ()
        authors = {channel.channel: channel.owner for channel in found}
        return FollowingPage(
            [Following(authors.get(row.channel, ""), row.channel, row.joined_at) for row in page],
            page[-1].channel if len(rows) > params.limit else "",
        )

    # What blocks do.

    async def part(self, user: str, blocked: str) -> None:
        """`user` has blocked somebody: neither follows the other, and `user`'s feeds are closed.

        Idempotent. Raises CommandRefused (100), and StoreError.
        """
        for namespace in self._namespaces:
            theirs, own = feed_of(namespace, blocked), feed_of(namespace, user)
            await self._end(theirs, blocked, user)
            await self._end(own, user, blocked)
            ban: dict[str, Value] = {
                "role": BLOCKED,
                "banned_until": FOR_EVER,
                "changed_at": self._clock.wall_ms(),
                "copied": 0,
            }
            await self._store.write([Write(MEMBERS, (own, blocked), set=ban)])
            self._memberships.forget(own, blocked)
            await self._stage.cut(blocked, own)

    async def reconcile(self, user: str, unblocked: str) -> None:
        """`user` blocks somebody no more. Idempotent. Raises StoreError."""
        for namespace in self._namespaces:
            own = feed_of(namespace, user)
            await self._store.write([Removal(MEMBERS, (own, unblocked), equals={"role": BLOCKED})])
            self._memberships.forget(own, unblocked)

    # Rows.

    async def _begin(self, channel: str, user: str, row: MemberRow | None, *, copied: bool) -> bool:
        """Write a follow over what was read before; answers whether that was still so."""
        now_ms = self._clock.wall_ms()
        follow: dict[str, Value] = {
            "role": "follower",
            "banned_until": 0,
            "joined_at": now_ms,
            "changed_at": now_ms,
            "copied": int(copied),
            "covered_from": now_ms + COVER_AFTER_MS,
        }
        write = Write(MEMBERS, (channel, user), set=follow, absent=True)
        if row is not None:
            write = Write(MEMBERS, (channel, user), set=follow, equals={"role": row.role})
        begun = await self._store.decide(write)
        self._memberships.forget(channel, user)
        return begun

    async def _end(self, channel: str, author: str, user: str) -> None:
        """Remove a follow, if there is one."""
        key = (channel, user)
        ended = await self._store.decide(Removal(MEMBERS, key, equals={"role": "follower"}))
        self._memberships.forget(channel, user)
        if ended:
            await self._count(channel, author, -1)
            self._upkeep.left(user, channel)

    async def _count(self, channel: str, author: str, followers: int) -> None:
        """Keep how many there are: roughly, for a node may die before this."""
        now_ms = self._clock.wall_ms()
        await self._store.write(
            [
                Write(
                    CHANNELS,
                    (channel,),
                    set={"kind": "feed", "owner": author, "changed_at": now_ms},
                    add={"members": followers},
                )
            ]
        )

    async def _follows(self, params: FeedOf, user: str) -> bool:
        row = await self._rules.row(params.namespace, params.author, user)
        return row is not None and row.role == "follower"

    async def _refuse_blocked(self, user: str, author: str) -> None:
        # The rows themselves: what `Blocks` keeps may be a second old.
        if await self._store.get(BLOCKS, [(user, author), (author, user)]):
            raise denied("blocked")

    async def _refuse_too_many(self, namespace: str, user: str) -> None:
        span = Span((user, "follower"), after=begin_of(namespace), before=end_of(namespace))
        rows = await self._store.find(MEMBERS, span, by=_BY_USER, limit=FOLLOWS_MAX)
        if len(rows) >= FOLLOWS_MAX:
            raise CallRefused(LIMIT_EXCEEDED, why="full")
