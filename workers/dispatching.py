"""Messages that wait for push become jobs, one per user and channel (design 7).

Whatever is done here may be done again: by another worker, or after a crash between the jobs and
the mark that says they are made. So a mark is taken away last, never before all jobs are stored.

Channels of few members are dispatched many at a time. A large one is walked page by page, one page
in a round, so that a message to a hundred thousand holds up nobody else's.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from realtime.chat.calls.presence import DeviceState
from realtime.chat.ports import ChatStore, Clock
from realtime.model import Entry
from realtime.push.decision import IN_ROOM, is_recipient
from realtime.push.jobs import LARGE, SMALL, Jobs, Raise
from realtime.rows import CHANNELS, MEMBERS, ChannelRow, MemberRow
from realtime.settings.push_schema import PushSettings
from realtime.settings.schema import ChannelOptions
from realtime.stores.base import Span

logger = logging.getLogger(__name__)

ENTRIES_MAX: Final = 1_000
"""Entries that one round takes on."""

PAGE: Final = 1_000
"""Members that are looked at together."""

WALKS_MAX: Final = 1_000
"""Large channels that are walked at a time; others wait in the store."""

CALL_TIMEOUT_S: Final = 10.0
"""How long one call to the store may take."""

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
        self._wait_ms: Mapping[DeviceState, int] = {
            "active": settings.ack_wait.ms,
            "background": settings.background_wait.ms,
            "away": settings.background_wait.ms,
        }
        self._walks: OrderedDict[str, _Walk] = OrderedDict()
        self.dispatched = 0
        """Entries whose jobs are made."""
        self.raised = 0
        """Jobs that were made, or stand for more than before."""

    async def round(self) -> bool:
        """Take on what waits; whether there is more to do at once. Raises StoreError, TimeoutError.

        What was under way when it raised is begun anew by the next.
        """
        entries = await _timed(self._store.notifiable(limit=ENTRIES_MAX))
        by_channel: dict[str, list[Entry]] = {}
        for entry in entries:
            if self._is_mine(entry):
                by_channel.setdefault(entry.channel, []).append(entry)
        fresh = [name for name in by_channel if name not in self._walks]
        rows = {row.channel: row for row in await self._rows(fresh)}
        nobodys, small = [], []
        for name in fresh:
            row = rows.get(name)
            options = self._options(name)
            if row is None or row.kind not in ("room", "direct") or not (options and options.push):
                nobodys.append(name)
            elif row.members <= self._small_max:
                small.append(row)
            elif len(self._walks) < WALKS_MAX:
                self._walks[name] = _Walk(row, by_channel[name])
        await self._settle({name: by_channel[name] for name in nobodys})
        await self._dispatch_small(small, by_channel)
        await self._walk_on()
        return bool(self._walks) or len(entries) == ENTRIES_MAX

    async def _rows(self, names: Sequence[str]) -> Sequence[ChannelRow]:
        found: list[ChannelRow] = []
        for start in range(0, len(names), PAGE // 2):
            keys = [(name,) for name in names[start : start + PAGE // 2]]
            found += await _timed(self._store.get(CHANNELS, keys))
        return found

    async def _dispatch_small(
        self, rows: Sequence[ChannelRow], entries: Mapping[str, Sequence[Entry]]
    ) -> None:
        for group in _grouped(rows):
            members = await self._members(group)
            await self._raise(
                [
                    (row, entries[row.channel], member)
                    for row in group
                    for member in members.get(row.channel, ())
                ],
                SMALL,
            )
            await self._settle({row.channel: entries[row.channel] for row in group})

    async def _members(self, rows: Sequence[ChannelRow]) -> Mapping[str, list[MemberRow]]:
        """All members of channels that have few."""
        found: dict[str, list[MemberRow]] = {row.channel: [] for row in rows}
        left = sorted(found)
        after = ""
        while left:
            spans = [Span((left[0],), after=after), *(Span((name,)) for name in left[1:])]
            page = await _timed(self._store.find(MEMBERS, *spans, limit=2 * PAGE))
            for member in page:
                found[member.channel].append(member)
            if len(page) < 2 * PAGE:
                break
            # Those who have left are there too, so a channel may have more rows than members.
            last = page[-1]
            left = [name for name in left if name >= last.channel]
            after = last.user
        return found

    async def _walk_on(self) -> None:
        """One page of the channel that has waited longest."""
        if not self._walks:
            return
        name, walk = self._walks.popitem(last=False)
        try:
            span = Span((name,), after=walk.after)
            page = await _timed(self._store.find(MEMBERS, span, limit=PAGE))
            await self._raise([(walk.row, walk.entries, member) for member in page], LARGE)
        except BaseException:
            self._walks[name] = walk
            raise
        if len(page) == PAGE:
            walk.after = page[-1].user
            self._walks[name] = walk
        else:
            await self._settle({name: walk.entries})

    async def _raise(
        self, whom: Iterable[tuple[ChannelRow, Sequence[Entry], MemberRow]], lane: int
    ) -> None:
        wanted = [
            (member, told)
            for row, entries, member in whom
            if member.role in IN_ROOM and (told := self._for(row, entries, member))
        ]
        if not wanted:
            return
        states = await _timed(self._whereabouts.states({member.user for member, _ in wanted}))
        raises = []
        for member, told in wanted:
            state = states.get(member.user)
            first, last = told[0], told[-1]
            due_at = first.at + (0 if state is None else self._wait_ms[state])
            raises.append(Raise(member.user, member.channel, last.offset, first.at, due_at, lane))
        await _timed(self._jobs.raise_all(raises))
        self.raised += len(raises)

    def _for(self, row: ChannelRow, entries: Sequence[Entry], member: MemberRow) -> Sequence[Entry]:
        """Those that this member is to be told of."""
        options = self._options(row.channel)
        level = options.push if options else ""
        passed = max(member.read, member.seen)
        return [
            entry
            for entry in entries
            if entry.offset > passed
            and entry.at >= member.joined_at
            and not (entry.deleted_at or entry.stub)
            and is_recipient(entry, member, level=level, kind=row.kind)
        ]

    async def _settle(self, entries: Mapping[str, Sequence[Entry]]) -> None:
        if not entries:
            return
        await _timed(
            self._store.notified(
                {name: {entry.offset for entry in some} for name, some in entries.items()}
            )
        )
        self.dispatched += sum(map(len, entries.values()))


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
