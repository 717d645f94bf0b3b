"""Copying new posts to the timelines of followers. See `realtime.chat.follows` for why.

A post waits (`TIMELINE`, user "") from the moment it has a row until it is copied, and is seen by
every follower meanwhile. So it does not matter whether a job runs at once, late, twice or on two
nodes, and what nobody has finished a sweep does.

A follower who has been away is not copied to any more, nor is anybody once an author has too many
followers. Both is written where every page reads it first, and then the post waits a little longer,
for pages that had read that before it was written.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from realtime.chat.absence import Absence
from realtime.chat.around import Around
from realtime.chat.jobs import Jobs
from realtime.chat.pacing import Pace
from realtime.chat.places import begin_of, feed_of, first_at, namespace_of, read_place
from realtime.rows import MEMBERS, TIMELINE, MemberRow
from realtime.stores.base import WRITES_MAX, Removal, Span, Write

PLACES_MAX: Final = 100
"""Posts of one feed that a job copies; what comes on top is left to a sweep."""

PAGE: Final = 500
"""Followers that are looked at together."""

LINGER_S: Final = 2.0
"""How long a post goes on waiting after it was copied: longer than a store needs to read both."""

SWEEP_AFTER_MS: Final = 60_000
"""How long a post has waited before a sweep copies it: longer than a page needs to be read."""

SWEEP_EVERY_S: Final = 5.0
"""Between two sweeps of a node."""

SWEPT_MAX: Final = 200
"""Posts of a namespace that one sweep copies."""

_BY_COPIED: Final = ("channel", "copied", "user")
_encode: Final = msgspec.json.Encoder().encode


class PostHint(msgspec.Struct, frozen=True, tag_field="type", tag="post"):
    """What followers are told on their personal channels: a feed has a new post.

    Of several within a second, the last.
    """

    feed: str
    author: str
    offset: int
    place: str


class _News(msgspec.Struct, frozen=True):
    """Posts of one feed, the last of them the newest."""

    author: str
    places: tuple[str, ...]


class FanOut:
    """Copies posts. `run` must be running for it; `namespaces` are those that have feeds."""

    def __init__(self, around: Around, namespaces: Collection[str]) -> None:
        self._store = around.store
        self._stage = around.stage
        self._clock = around.clock
        self._absence = Absence(around.settings)
        self._followers_max = around.settings.fanout_followers_max
        self._namespaces = sorted(namespaces)
        self._jobs: Jobs[str, _News] = Jobs(
            "copying posts to timelines", Pace(_merged), around.clock, self._work
        )
        self._copied: list[str] = []
        self._any_copied = asyncio.Event()

    def offer(self, channel: str, author: str, place: str) -> None:
        """Have a post that has just been made copied, and its followers told. Never waits."""
        self._jobs.add(channel, _News(author, (place,)))

    async def run(self) -> None:
        """Copy what is offered, and sweep, for ever. May be cancelled anywhere."""
        async with asyncio.TaskGroup() as jobs_group:
            jobs_group.create_task(self._jobs.run(), name="fan-out")
            jobs_group.create_task(self._let_linger(), name="fan-out ends")
            jobs_group.create_task(self._sweep_often(), name="fan-out sweeps")

    async def work(self) -> None:
        """Copy what has been offered and is due."""
        await self._jobs.work()

    async def finish(self) -> None:
        """What has been copied does not wait any longer. Raises StoreError."""
        places, self._copied = self._copied, []
        await self._end(places)

    async def sweep(self) -> None:
        """Copy what has waited for too long; on several nodes, if need be. Raises StoreError."""
        for namespace in self._namespaces:
            before = first_at(namespace, self._clock.wall_ms() - SWEEP_AFTER_MS)
            span = Span(("",), after=begin_of(namespace), before=before)
            rows = await self._store.find(TIMELINE, span, limit=SWEPT_MAX)
            feeds: dict[str, list[str]] = {}
            for row in rows:
                feeds.setdefault(row.channel, []).append(row.place)
            for channel, places in feeds.items():
                await self._copy(channel, places)

    async def _work(self, channel: str, news: _News) -> None:
        place = news.places[-1]
        found = read_place(place)
        assert found is not None  # `offer` is given places that were made here
        hint = _encode(PostHint(channel, news.author, found.offset, place))
        await self._copy(channel, news.places, hint)

    async def _copy(self, channel: str, places: Sequence[str], hint: bytes = b"") -> None:
        """Copy posts of one feed to whoever is to have copies. Raises StoreError."""
        after, followers, somebody_left = "", 0, False
        while True:
            span = Span((channel, 1), after=after)
            page = await self._store.find(MEMBERS, span, by=_BY_COPIED, limit=PAGE)
            rows = [row for row in page if row.role == "follower"]
            followers += len(rows)
            if followers > self._followers_max:
                await self._copy_no_more(channel)
                return
            somebody_left |= await self._copy_to(rows, channel, places)
            if hint and rows:
                self._stage.hint([row.user for row in rows], hint, about=channel)
            if len(page) < PAGE:
                break
            after = page[-1].user
        if not somebody_left:
            self._copied += places
            self._any_copied.set()

    async def _copy_to(
        self, rows: Sequence[MemberRow], channel: str, places: Sequence[str]
    ) -> bool:
        """Whether somebody is not copied to from now on, having been away."""
        namespace, now_ms = namespace_of(channel), self._clock.wall_ms()
        owns = await self._owns(namespace, rows)
        writes: list[Write] = []
        away = []
        for row in rows:
            own = owns.get(row.user)
            if own is None or not own.covered_from:
                continue
            if self._absence.is_away(own, now_ms):
                away.append(own)
                continue
            begin = first_at(namespace, max(row.covered_from, own.covered_from))
            writes += [
                Write(
                    TIMELINE,
                    (row.user, place),
                    set={"channel": channel, "offset": _offset(place)},
                )
                for place in places
                if place > begin
            ]
        writes += [
            Write(
                MEMBERS,
                MEMBERS.key_of(own),
                set={"covered_from": 0},
                equals={"covered_from": own.covered_from, "looked_at": own.looked_at},
            )
            for own in away
        ]
        for start in range(0, len(writes), WRITES_MAX):
            await self._store.write(writes[start : start + WRITES_MAX])
        return bool(away)

    async def _owns(self, namespace: str, rows: Sequence[MemberRow]) -> Mapping[str, MemberRow]:
        """What belongs to the followers' own timelines, by user."""
        keys = [(feed_of(namespace, row.user), row.user) for row in rows]
        return {own.user: own for own in await self._store.get(MEMBERS, keys)} if keys else {}

    async def _copy_no_more(self, channel: str) -> None:
        """Posts of this feed are merged from now on. The present ones wait for the next sweep."""
        while True:
            span = Span((channel, 1))
            page = await self._store.find(MEMBERS, span, by=_BY_COPIED, limit=PAGE)
            await self._store.write(
                [
                    Write(MEMBERS, MEMBERS.key_of(row), set={"copied": 0}, equals={"copied": 1})
                    for row in page
                ]
            )
            if len(page) < PAGE:
                return

    async def _sweep_often(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            await self._jobs.guard(self.sweep())

    async def _let_linger(self) -> None:
        """End the wait of what was copied a while ago, for ever."""
        while True:
            await self._any_copied.wait()
            self._any_copied.clear()
            places, self._copied = self._copied, []
            await asyncio.sleep(LINGER_S)
            await self._jobs.guard(self._end(places))

    async def _end(self, places: Sequence[str]) -> None:
        for start in range(0, len(places), WRITES_MAX):
            some = places[start : start + WRITES_MAX]
            await self._store.write([Removal(TIMELINE, ("", place)) for place in some])


def _merged(waiting: _News, new: _News) -> _News:
    return _News(new.author, (waiting.places + new.places)[:PLACES_MAX])


def _offset(place: str) -> int:
    found = read_place(place)
    return found.offset if found else 0
