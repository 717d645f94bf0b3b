"""Seeing to the timelines of users who look at them: from when on posts are copied, and how many.

All of it may be left undone: pages are right without it, and cost more.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Final

from realtime.chat.absence import Absence
from realtime.chat.around import Around
from realtime.chat.follows import COVER_AFTER_MS, Follows, read_follows
from realtime.chat.jobs import Jobs
from realtime.chat.pacing import Pace
from realtime.chat.places import begin_of, end_of, feed_of, first_at, namespace_of, time_of
from realtime.rows import CHANNELS, MEMBERS, POSTS, TIMELINE, MemberRow
from realtime.stores.base import SPANS_MAX, WRITES_MAX, Removal, Span, Value, Write

COPIES_MAX: Final = 1_000
"""Posts that a timeline keeps copies of, at least, when older ones are removed."""

REMOVED_MAX: Final = 20_000
"""Copies that one job removes; the next time there are fewer."""

SMALLER: Final = 0.8
"""The part of the limit that an author's followers must come down to before they are copied to
again, so that an author who is about that large does not go to and fro."""

_PAGE: Final = 500
_BY_CHANNEL: Final = ("channel", "user", "place")

Chore = Callable[[], Awaitable[None]]


class Upkeep:
    """Does in the background what timelines need. `run` must be running for it."""

    def __init__(self, around: Around) -> None:
        self._store = around.store
        self._clock = around.clock
        self._absence = Absence(around.settings)
        self._followers_max = around.settings.fanout_followers_max
        self._jobs: Jobs[tuple[str, ...], Chore] = Jobs(
            "seeing to timelines", Pace(_later), around.clock, _perform
        )
        self.run = self._jobs.run
        self.work = self._jobs.work

    # What others ask for. None of it waits.

    def looked(self, follows: Follows) -> None:
        """A user looks at the first page of their timeline."""
        if self._absence.is_back(follows.own, self._clock.wall_ms()):
            key = ("look", follows.namespace, follows.user)
            self._jobs.add(key, partial(self.tend, follows.namespace, follows.user))

    def stale(self, user: str, places: Collection[str]) -> None:
        """These copies of a user's are of no use any more."""
        if places:
            chosen = list(places)[:WRITES_MAX]
            self._jobs.add(("stale", user), partial(self._remove, user, chosen))

    def gone(self, places: Collection[str]) -> None:
        """These posts are not in the log any more, or without what was in them."""
        for place in places:
            self._jobs.add(("gone", place), partial(self._remove_post, place))

    def left(self, user: str, channel: str) -> None:
        """A user has just ceased to follow a feed."""
        # A follow that begins now is covered from later on.
        before = first_at(namespace_of(channel), self._clock.wall_ms() + 1)
        self._jobs.add(("left", user, channel), partial(self._remove_feed, user, channel, before))

    # The work.

    async def tend(self, namespace: str, user: str) -> None:
        """Have posts copied to a user's timeline, and not keep too many. Raises StoreError."""
        follows = await read_follows(self._store, namespace, user)
        now_ms, own = self._clock.wall_ms(), follows.own
        key = (feed_of(namespace, user), user)
        if own is None or not own.covered_from:
            begin: dict[str, Value] = {
                "role": "owner",
                "covered_from": now_ms + COVER_AFTER_MS,
                "looked_at": now_ms,
            }
            write = Write(MEMBERS, key, set=begin, absent=True)
            if own is not None:
                write = Write(MEMBERS, key, set=begin, equals={"covered_from": 0})
            await self._store.write([write])
        else:
            await self._store.write(
                [Write(MEMBERS, key, highest={"looked_at": now_ms}, present=True)]
            )
            await self._shorten(follows, own)
        await self._cover(follows)

    async def _shorten(self, follows: Follows, own: MemberRow) -> None:
        """Remove the oldest copies.

        What counts no more today is removed the next time: pages may have been begun before.
        """
        namespace, user = follows.namespace, follows.user
        begin = first_at(namespace, own.covered_from)
        copies = await self._store.find(
            TIMELINE,
            Span((user,), after=begin, before=end_of(namespace)),
            limit=COPIES_MAX + 1,
            backwards=True,
        )
        if len(copies) > COPIES_MAX:
            covered_from = time_of(namespace, copies[COPIES_MAX - 1].place)
            await self._store.write(
                [
                    Write(
                        MEMBERS,
                        MEMBERS.key_of(own),
                        set={"covered_from": covered_from},
                        equals={"covered_from": own.covered_from},
                    )
                ]
            )
        await self._remove_all(Span((user,), after=begin_of(namespace), before=begin), by=())

    async def _cover(self, follows: Follows) -> None:
        """Have those feeds copied whose authors are not too large, or not any more."""
        feeds = [feed for feed, row in follows.feeds.items() if not row.copied]
        small = self._followers_max * SMALLER
        covered_from = self._clock.wall_ms() + COVER_AFTER_MS
        for start in range(0, len(feeds), SPANS_MAX):
            keys = [(feed,) for feed in feeds[start : start + SPANS_MAX]]
            rows = await self._store.get(CHANNELS, keys)
            await self._store.write(
                [
                    Write(
                        MEMBERS,
                        (row.channel, follows.user),
                        set={"copied": 1, "covered_from": covered_from},
                        equals={"role": "follower", "copied": 0},
                    )
                    for row in rows
                    if row.members <= small
                ]
            )

    async def _remove(self, user: str, places: Sequence[str]) -> None:
        await self._store.write([Removal(TIMELINE, (user, place)) for place in places])

    async def _remove_post(self, place: str) -> None:
        await self._store.write([Removal(POSTS, (place,)), Removal(TIMELINE, ("", place))])

    async def _remove_feed(self, user: str, channel: str, before: str) -> None:
        await self._remove_all(Span((channel, user), before=before), by=_BY_CHANNEL)

    async def _remove_all(self, span: Span, *, by: tuple[str, ...]) -> None:
        for _ in range(REMOVED_MAX // _PAGE):
            rows = await self._store.find(TIMELINE, span, by=by, limit=_PAGE)
            await self._store.write([Removal(TIMELINE, TIMELINE.key_of(row)) for row in rows])
            if len(rows) < _PAGE:
                return


async def _perform(key: tuple[str, ...], chore: Chore) -> None:
    await chore()


def _later(waiting: Chore, new: Chore) -> Chore:
    """What the earlier one is to do is found again, or was done."""
    return new
