"""Messages that wait for push become jobs, one per user and channel (design 7).

Whatever is done here may be done again: by another worker, or after a crash between the jobs and
the mark that says they are made. So a mark is taken away last, never before all jobs are stored.

Channels of few members are dispatched many at a time. A large one is walked page by page, beside
that, so that a message to a hundred thousand holds up nobody else's. Nor does a channel that cannot
be dispatched at all: it is set aside.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

import msgspec

from realtime.chat.calls.presence import DeviceState
from realtime.chat.ports import ChatStore, Clock
from realtime.errors import StoreError
from realtime.model import Entry
from realtime.push.decision import IN_ROOM
from realtime.push.jobs import LARGE, SMALL, Jobs, Raise
from realtime.push.slices import in_slices
from realtime.rows import CHANNELS, MEMBERS, ChannelRow, MemberRow
from realtime.settings.push_schema import PushSettings
from realtime.settings.schema import ChannelOptions
from realtime.stores.base import FETCHED_MAX, Span
from workers.audience import Audience, Told

logger = logging.getLogger(__name__)

ENTRIES_MAX: Final = 1_000
"""Entries that one read asks for."""

LOOKS_MAX: Final = 10
"""Reads of one round, where large channels that are being walked have so much waiting that others'
come after it."""

WALK_PAGE: Final = 2_000
"""Members of a large channel that are looked at together."""

PAGE: Final = 1_000
"""Members that are looked at together."""

WALKS_MAX: Final = 1_000
"""Large channels that are walked at a time; others wait in the store."""

CALL_TIMEOUT_S: Final = 10.0
"""How long one call to the store may take, in seconds."""

ASIDE_MS: Final = 60_000
"""How long a channel is left alone whose messages nothing can be made of, in milliseconds."""

ASIDE_MAX: Final = 1_000
"""Channels that are left alone; of more, the first are tried again."""

Answer = TypeVar("Answer")


class Whereabouts(Protocol):
    """What users are, by their connections."""

    async def states(self, users: Collection[str]) -> Mapping[str, DeviceState]:
        """Of those of these users who are connected anywhere. Raises StoreError."""
        ...


class _Walk:
    """The way through a large channel: which entries for, and as far as which member."""

    __slots__ = ("after", "entries", "row")

    def __init__(self, row: ChannelRow, entries: Sequence[Entry]) -> None:
        self.row = row
        self.entries = entries
        self.after = ""


class Dispatcher:
    """Makes jobs. `options` answers a channel's, None where its namespace is configured no more.

    `is_mine` says whether an entry is for this worker rather than another: who is wrong only does
    what others do too.
    """

    def __init__(
        self,
        store: ChatStore,
        jobs: Jobs,
        *,
        options: Callable[[str], ChannelOptions | None],
        whereabouts: Whereabouts,
        settings: PushSettings,
        clock: Clock,
        is_mine: Callable[[Entry], bool] = lambda _: True,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._options = options
        self._whereabouts = whereabouts
        self._clock = clock
        self._is_mine = is_mine
        self._small_max = settings.small_max
        self._ttl_ms = settings.ttl.ms
        self._wait_ms: Mapping[DeviceState, int] = {
            "active": settings.ack_wait.ms,
            "background": settings.background_wait.ms,
            "away": settings.background_wait.ms,
        }
        self._walks: OrderedDict[str, _Walk] = OrderedDict()
        self._aside: OrderedDict[str, int] = OrderedDict()
        """Channels that are left alone, until when."""
        self._failed: frozenset[str] = frozenset()
        """Channels of the last call that the store did not take: their turn comes last."""
        self.dispatched = 0
        """Entries whose jobs are made."""
        self.raised = 0
        """Jobs that were made, or stand for more than before."""

    async def round(self) -> bool:
        """Take on what waits; whether there is more to do at once. Raises StoreError, TimeoutError.

        What was under way when it raised is begun anew by the next, after all that was not. Large
        channels are left to `walk`, which somebody else may be in meanwhile.
        """
        by_channel, is_more = await self._waiting()
        rows = {row.channel: row for row in await self._rows(sorted(by_channel))}
        nobodys, small = [], []
        for name, entries in by_channel.items():
            row = rows.get(name)
            options = self._options(name)
            if row is None or row.kind not in ("room", "direct") or not (options and options.push):
                nobodys.append(name)
            elif row.members <= self._small_max:
                small.append(row)
            elif len(self._walks) < WALKS_MAX:
                self._walks[name] = _Walk(row, entries)
        await self._settle({name: by_channel[name] for name in nobodys})
        small.sort(key=lambda row: row.channel in self._failed)
        for group in _grouped(small):
            await self._dispatch(group, by_channel)
        self._failed = frozenset()
        return is_more

    async def _waiting(self) -> tuple[Mapping[str, Sequence[Entry]], bool]:
        """What waits for this worker and is not under way, by channel in order of offset; and
        whether there may be more."""
        now_ms = self._clock.wall_ms()
        found: dict[str, dict[int, Entry]] = {}
        taken, after_ms = 0, 0
        # What is read may be of a walk that ends meanwhile.
        walked = set(self._walks)
        for _ in range(LOOKS_MAX):
            page = await _timed(self._store.notifiable(after_ms=after_ms, limit=ENTRIES_MAX))
            for entry in page:
                if entry.channel in walked or not self._is_mine(entry):
                    continue
                if self._is_aside(entry, now_ms):
                    continue
                # What it says is not needed, and may be long.
                found.setdefault(entry.channel, {})[entry.offset] = msgspec.structs.replace(
                    entry, data=b"", summary=b""
                )
                taken += 1
            is_full = len(page) == ENTRIES_MAX
            if taken or not is_full:
                break
            after_ms = page[-1].at
        # They come by time, which is not always the order of the log.
        by_channel = {name: [some[at] for at in sorted(some)] for name, some in found.items()}
        return by_channel, is_full and taken > 0

    async def _rows(self, names: Sequence[str]) -> Sequence[ChannelRow]:
        found: list[ChannelRow] = []
        for start in range(0, len(names), PAGE):
            keys = [(name,) for name in names[start : start + PAGE]]
            found += await _timed(self._store.get(CHANNELS, keys))
        return found

    # Small channels.

    async def _dispatch(
        self, rows: Sequence[ChannelRow], entries: Mapping[str, Sequence[Entry]]
    ) -> None:
        try:
            await self._dispatch_all(rows, entries)
        except (StoreError, TimeoutError):
            self._failed = frozenset(row.channel for row in rows)
            raise
        except Exception:  # noqa: BLE001 - the boundary of a channel: others go on without it
            if len(rows) == 1:
                await self._set_aside(rows[0].channel, entries[rows[0].channel])
                return
            for some in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
                await self._dispatch(some, entries)

    async def _dispatch_all(
        self, rows: Sequence[ChannelRow], entries: Mapping[str, Sequence[Entry]]
    ) -> None:
        audiences = {row.channel: self._audience(row, entries[row.channel]) for row in rows}
        left = sorted(audiences)
        after = ""
        while left:
            spans = [Span((left[0],), after=after), *(Span((name,)) for name in left[1:])]
            page = await _timed(self._store.find(MEMBERS, *spans, limit=2 * PAGE))
            for start in range(0, len(page), PAGE):
                await self._raise(audiences, page[start : start + PAGE], SMALL)
            if len(page) < 2 * PAGE:
                break
            # Those who have left are there too, so a channel may have more rows than members.
            last = page[-1]
            left = [name for name in left if name >= last.channel]
            after = last.user
        await self._settle({name: entries[name] for name in audiences})

    # Large ones.

    @property
    def is_walking(self) -> bool:
        """Whether there is something to `walk`."""
        return bool(self._walks)

    async def walk(self) -> bool:
        """One page of the channel that has waited longest; whether there are more at once.

        Not to be called while it runs; beside `round` it may be. Raises StoreError, TimeoutError.
        """
        if not self._walks:
            return False
        name, walk = next(iter(self._walks.items()))
        is_over = True
        try:
            is_over = await self._walk(name, walk)
        except (StoreError, TimeoutError, asyncio.CancelledError):
            is_over = False
            raise
        except Exception:  # noqa: BLE001 - the boundary of a channel, as above
            await self._set_aside(name, walk.entries)
        finally:
            if is_over:
                del self._walks[name]
            else:
                self._walks.move_to_end(name)
        return bool(self._walks)

    async def _walk(self, name: str, walk: _Walk) -> bool:
        span = Span((name,), after=walk.after)
        page = await _timed(self._store.find(MEMBERS, span, limit=WALK_PAGE))
        audience = self._audience(walk.row, walk.entries)
        await self._raise({name: audience}, page, LARGE)
        if len(page) == WALK_PAGE:
            walk.after = page[-1].user
            return False
        await self._settle({name: walk.entries})
        return True

    # Both.

    def _audience(self, row: ChannelRow, entries: Sequence[Entry]) -> Audience:
        options = self._options(row.channel)
        return Audience(entries, level=options.push if options else "", kind=row.kind)

    async def _raise(
        self, audiences: Mapping[str, Audience], members: Sequence[MemberRow], lane: int
    ) -> None:
        def told_of(member: MemberRow) -> Told | None:
            if member.role not in IN_ROOM:
                return None
            return audiences[member.channel].for_member(member)

        told_all = await in_slices(told_of, members)
        wanted = [(member, told) for member, told in zip(members, told_all, strict=True) if told]
        if not wanted:
            return
        states = await _timed(self._whereabouts.states({member.user for member, _ in wanted}))
        raises = []
        for member, told in wanted:
            state = states.get(member.user)
            # The newest has all the time that it may take; how long others wait for that is
            # bounded where it is decided.
            due_at = told.newest_at + (0 if state is None else self._wait_ms[state])
            at = told.first_at
            raises.append(
                Raise(member.user, member.channel, told.offset, at, due_at, lane, told.named)
            )
        await _timed(self._jobs.raise_all(raises))
        self.raised += len(raises)

    async def _settle(self, entries: Mapping[str, Sequence[Entry]]) -> None:
        places = [(name, entry.offset) for name, some in entries.items() for entry in some]
        for start in range(0, len(places), FETCHED_MAX):
            marks: dict[str, set[int]] = {}
            for name, offset in places[start : start + FETCHED_MAX]:
                marks.setdefault(name, set()).add(offset)
            await _timed(self._store.notified(marks))
        self.dispatched += len(places)

    # What nothing can be made of.

    def _is_aside(self, entry: Entry, now_ms: int) -> bool:
        until = self._aside.get(entry.channel)
        if until is None:
            return False
        if until > now_ms:
            return True
        del self._aside[entry.channel]
        return False

    async def _set_aside(self, name: str, entries: Sequence[Entry]) -> None:
        """To be called while the error is handled."""
        now_ms = self._clock.wall_ms()
        over = [entry for entry in entries if entry.at + (self._ttl_ms or ASIDE_MS) <= now_ms]
        logger.exception(
            "nobody can be told of %d messages of channel %s; %d are given up for their age",
            len(entries),
            name,
            len(over),
        )
        self._aside[name] = now_ms + ASIDE_MS
        if len(self._aside) > ASIDE_MAX:
            self._aside.popitem(last=False)
        if over:
            await self._settle({name: over})


def _grouped(rows: Sequence[ChannelRow]) -> Iterable[list[ChannelRow]]:
    """Channels whose members together are about one page."""
    group: list[ChannelRow] = []
    size = 0
    for row in rows:
        if group and (size + row.members > PAGE or len(group) >= PAGE // 4):
            yield group
            group, size = [], 0
        group.append(row)
        size += row.members
    if group:
        yield group


async def _timed(call: Awaitable[Answer]) -> Answer:
    async with asyncio.timeout(CALL_TIMEOUT_S):
        return await call
