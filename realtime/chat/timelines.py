"""Reading a timeline: which posts are on a page. See `realtime.chat.follows` for what is sure.

A page costs two reads here, after the follows were read: the copies, and the posts. The copies are
read first, together with what still waits to be copied, so that a post which is copied meanwhile is
seen as one or the other. How far down they fill the page says how far the feeds that are not copied
have to be looked through: that is the second read, and the posts of the copies are in it too, as a
post that is deleted has none.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Final

import msgspec

from realtime.chat.follows import Follows
from realtime.chat.places import (
    NEVER,
    begin_of,
    end_of,
    first_at,
    just_after,
    just_before,
    time_of,
)
from realtime.chat.ports import ChatStore, Clock
from realtime.rows import POSTS, TIMELINE, PostRow
from realtime.stores.base import Span

SPOTS_MAX: Final = 512
"""Feeds and single posts that one read of a page looks at. A store takes more of them at once, but
the time that it takes grows with them."""

WAITING_MAX: Final = 1_000
"""Posts of all feeds that may wait to be copied before pages do without copies."""

RECENT_MS: Final = 7 * 24 * 3_600_000
"""Where very many feeds have to be merged for so much of the time before a page, all are."""


class Slice(msgspec.Struct, frozen=True):
    """A run of a timeline, the newest post first.

    `cursor`: before which place the next one begins, "" where nothing is left. It may be there with
    few posts or none, where not everything could be looked through. `stale` are places in the
    timeline that are of no use any more: of posts that are deleted, or of feeds not followed.
    """

    rows: Sequence[PostRow]
    cursor: str = ""
    stale: Sequence[str] = ()


class _Copies(msgspec.Struct, frozen=True):
    """Posts in a timeline that are of feeds followed, as (place, channel), the newest first.

    Above `low` none is missing that is sure to be there. Unless they are `used`, none counts.
    """

    low: str
    posts: Sequence[tuple[str, str]] = ()
    stale: Sequence[str] = ()
    used: bool = True


class Timelines:
    """Reads timelines."""

    def __init__(self, store: ChatStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def slice(
        self, follows: Follows, *, before: str = "", since_ms: int = 0, wanted: int
    ) -> Slice:
        """At most `wanted` posts, made at `since_ms` or later, with places before that one.

        Two reads, or fewer. `wanted` is at most half of SPOTS_MAX. Raises StoreError.
        """
        if not follows.feeds:
            return Slice(())
        namespace = follows.namespace
        bottom = first_at(namespace, since_ms) if since_ms > 0 else begin_of(namespace)
        before = before or end_of(namespace)
        copies = _Copies(bottom, used=False)
        if self._has_copies(follows, before, SPOTS_MAX - wanted):
            copies = await self._copies(follows, bottom, before, wanted)
        merging = [(NEVER, feed) for feed in follows.feeds]
        if copies.used:
            merging = _uncovered(follows, copies.low)
        room = SPOTS_MAX - len(copies.posts)
        if copies.used and len(merging) > room:
            # Down to where no more feeds have to be merged than one read can.
            covered_from, _ = merging[room]
            copies = _above(copies, first_at(namespace, covered_from))
            merging = merging[:room]
        spans = [
            Span((feed,), after=copies.low, before=min(before, first_at(namespace, covered_from)))
            for covered_from, feed in merging
        ]
        spans += [
            Span((feed,), after=just_before(place), before=just_after(place))
            for place, feed in copies.posts
        ]
        rows, low = await self._posts(spans, copies.low, wanted + len(copies.posts))
        there = {row.place for row in rows}
        gone = [place for place, _ in copies.posts if place >= low and place not in there]
        if len(rows) >= wanted:
            low = rows[wanted - 1].place
        return Slice(rows[:wanted], low if low != bottom else "", [*copies.stale, *gone])

    def _has_copies(self, follows: Follows, before: str, merged_max: int) -> bool:
        """Whether to look for copies: not where all feeds have to be merged in any case."""
        namespace = follows.namespace
        top = min(before, first_at(namespace, self._clock.wall_ms()))
        if top <= first_at(namespace, follows.covered_from):
            return False
        recent = first_at(namespace, time_of(namespace, top) - RECENT_MS)
        return len(_uncovered(follows, recent)) <= merged_max

    async def _copies(self, follows: Follows, bottom: str, before: str, wanted: int) -> _Copies:
        limit = 2 * wanted + WAITING_MAX
        found = await self._store.find(
            TIMELINE,
            Span((follows.user,), after=bottom, before=before),
            Span(("",), after=bottom, before=before),
            limit=limit,
            backwards=True,
            merged=True,
        )
        posts = {row.place: row.channel for row in found if row.channel in follows.feeds}
        newest = list(islice(posts.items(), wanted))
        stale = [row.place for row in found if row.user and row.channel not in follows.feeds]
        if len(newest) == wanted:
            return _Copies(newest[-1][0], newest, stale)
        if len(found) < limit:
            return _Copies(bottom, newest, stale)
        if len(follows.feeds) <= SPOTS_MAX:
            # Too much else is in between. The feeds have everything, and that is one read too.
            return _Copies(bottom, stale=stale, used=False)
        return _Copies(found[-1].place, newest, stale)

    async def _posts(
        self, spans: Sequence[Span], low: str, limit: int
    ) -> tuple[Sequence[PostRow], str]:
        """The newest posts of the spans, and from which place on none is missing."""
        rows: dict[str, PostRow] = {}
        for start in range(0, len(spans), SPOTS_MAX):
            found = await self._store.find(
                POSTS,
                *spans[start : start + SPOTS_MAX],
                by=("channel", "place"),
                limit=limit,
                backwards=True,
                merged=True,
            )
            rows |= {row.place: row for row in found}
            if len(found) == limit:
                low = max(low, found[-1].place)
        return [rows[place] for place in sorted(rows, reverse=True) if place >= low], low


def _uncovered(follows: Follows, low: str) -> list[tuple[int, str]]:
    """Feeds whose posts above `low` are not all copied: from when on they are, descending."""
    low_ms = time_of(follows.namespace, low)
    found = ((follows.feed_covered_from(feed), feed) for feed in follows.feeds)
    return sorted((item for item in found if item[0] > low_ms), reverse=True)


def _above(copies: _Copies, low: str) -> _Copies:
    posts = [(place, feed) for place, feed in copies.posts if place > low]
    return msgspec.structs.replace(copies, posts=posts, low=low)
