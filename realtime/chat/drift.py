"""The background check: counts channels again, and puts right what has drifted from their logs.

What is unread is reckoned from numbers that were written one by one, by nodes that may die in
between. So a few channels a minute are counted entry by entry and held against that. What follows
from the log is corrected: the row's head and preview, its number of members, deletions, and the
markers of those whose own messages are beyond them. The numbers of entries are never written again,
only told of. Everything found is counted in `Drift`; above zero means that something was lost, or
is wrong in the program.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from realtime.chat import counting, previews
from realtime.chat.around import Around
from realtime.chat.heads import Heads
from realtime.chat.members import BY_ROLE, ROLES
from realtime.chat.overview import Overviews
from realtime.chat.recounting import recount
from realtime.chat.retention import retention_at
from realtime.chat.unread import State, gone, unread
from realtime.cluster.outage import Outage
from realtime.cluster.retention import always
from realtime.errors import StoreError
from realtime.model import EVERYTHING, Entry
from realtime.rows import CHANNELS, EVERYBODY, MEMBERS, MENTIONS, ChannelRow, MemberRow
from realtime.stores.base import SPANS_MAX, Page, Span, Value, Write

logger = logging.getLogger(__name__)

ROUND_S: Final = 15.0
"""Between two rounds, each of which counts one channel, in seconds."""

AGAIN_MS: Final = 24 * 3_600_000
"""A channel is not counted again before that."""

ROWS: Final = 500
"""Channels of one read, of which a round counts the first that is due."""

PREVIEW_READS_MAX: Final = 10
"""Such reads of a round for previews past their time: of 20,000 channels a minute."""

SLICE: Final = 500
"""Entries of one read."""

ENTRIES_MAX: Final = 5_000
"""Entries of a channel that are counted, the newest."""

MEMBERS_MAX: Final = 50
"""Members of a channel whose unread is counted, others another time."""

SETTLED_MS: Final = 60_000
"""What a log has got since is too new to be missing anywhere."""

CHECK_TIMEOUT_S: Final = 60.0
"""How long a round may take."""


class Drift(msgspec.Struct):
    """What the check has found since the node began, by what was wrong. `channels` it has counted.

    `numbers` of entries and `unread` are told of only, all else was corrected: rows behind or
    beyond their log (`heads`), previews, numbers of `members`, `deletions`, and `markers`.
    """

    channels: int = 0
    numbers: int = 0
    unread: int = 0
    mentions: int = 0
    heads: int = 0
    previews: int = 0
    members: int = 0
    deletions: int = 0
    markers: int = 0


class DriftCheck:
    """Checks, for one process of all: `may` is asked before each round. `run` must be running."""

    def __init__(
        self,
        around: Around,
        overviews: Overviews,
        heads: Heads,
        *,
        may: Callable[[], Awaitable[bool]] = always,
        sample: Callable[[Sequence[MemberRow], int], Sequence[MemberRow]] = random.sample,
    ) -> None:
        self._store = around.store
        self._stage = around.stage
        self._clock = around.clock
        self._overviews = overviews
        self._heads = heads
        self._may = may
        self._sample = sample
        self._outage = Outage(logger, "the check of chat's numbers")
        # Where the next look at the channels begins, for one to count and for previews.
        self._after = ""
        self._hidden_upto = ""
        self.drift = Drift()

    async def run(self) -> None:
        """Check for ever. Hosted by a task group; may be cancelled anywhere."""
        while True:
            await asyncio.sleep(ROUND_S)
            try:
                async with asyncio.timeout(CHECK_TIMEOUT_S):
                    if await self._may():
                        await self.round()
            except (StoreError, TimeoutError) as error:
                self._outage.failed(error)
            else:
                self._outage.ended()

    async def round(self) -> None:
        """Look at the next channels, and count the first that is due. Raises StoreError."""
        await self._hide_some()
        now_ms = self._clock.wall_ms()
        rows = await self._store.find(CHANNELS, Span((), after=self._after), limit=ROWS)
        # After the last one of all comes the first one again.
        end = rows[-1].channel if rows and len(rows) < ROWS else ""
        for row in rows:
            self._after = "" if row.channel == end else row.channel
            if row.kind in ("room", "direct") and row.checked_at <= now_ms - AGAIN_MS:
                await self.check(row)
                return
        if not rows:
            self._after = ""

    async def _hide_some(self) -> None:
        """Hide previews of the next channels, whether any of them is due to be counted or not."""
        for _ in range(PREVIEW_READS_MAX):
            span = Span((), after=self._hidden_upto)
            rows = await self._store.find(CHANNELS, span, limit=ROWS)
            for row in rows:
                await self._hide(row, self._clock.wall_ms())
            self._hidden_upto = rows[-1].channel if len(rows) == ROWS else ""
            if not self._hidden_upto:
                return

    async def check(self, row: ChannelRow) -> None:
        """Count a channel. Raises StoreError; what was found until then is corrected."""
        channel = row.channel
        self.drift.channels += 1
        self.drift.members += await recount(self._store, channel) != 0
        log = await self._read(channel)
        self.drift.numbers += counting.wrong_numbers(log.entries)
        await self._check_head(row, log)
        await self._check_preview(row, log)
        await self._check_deletions(row, log)
        await self._check_members(channel)
        checked: dict[str, Value] = {"checked_at": self._clock.wall_ms()}
        await self._store.write([Write(CHANNELS, (channel,), set=checked, present=True)])

    async def _read(self, channel: str) -> "_Log":
        """The newest entries of a log, in order, without those that retention has taken."""
        page = await self._page(channel, 0, 0)
        head, n = page.head, page.head_n
        entries: list[Entry] = []
        after = max(head - ENTRIES_MAX, 0)
        while after < head:
            page = await self._page(channel, after, SLICE)
            entries += [entry for entry in page.entries if entry.offset <= head]
            if len(page.entries) < SLICE:
                break
            after = page.entries[-1].offset
        return _Log(head, n, entries)

    async def _page(self, channel: str, after: int, limit: int) -> Page:
        now_ms = self._clock.wall_ms()
        return await self._store.read(
            channel, after=after, limit=limit, retention=EVERYTHING, now_ms=now_ms
        )

    def _is_settled(self, at: int) -> bool:
        return at <= self._clock.wall_ms() - SETTLED_MS

    # The channel's row.

    async def _check_head(self, row: ChannelRow, log: "_Log") -> None:
        newest = log.entries[-1] if log.entries else None
        if row.head < log.head:
            if newest is not None and self._is_settled(newest.at):
                self.drift.heads += 1
                self._heads.note(row.channel, log.head, log.n, newest.at, None)
            return
        right = next((entry.n for entry in log.entries if entry.offset == row.head), row.head_n)
        if row.head > log.head or row.head_n != right:
            self.drift.heads += 1
            fields: dict[str, Value] = {"head": log.head, "head_n": log.n}
            if newest is not None:
                fields["head_at"] = newest.at
            await self._put_right(row, fields, "head", "head_n")

    async def _check_preview(self, row: ChannelRow, log: "_Log") -> None:
        said = {item.offset: item for item in log.entries if item.kind == "message" and item.counts}
        newest = said[max(said)] if said else None
        if newest is not None and newest.offset > row.last_offset:
            if self._is_settled(newest.at):
                self.drift.previews += 1
                last = previews.preview_of(newest)
                self._heads.note(row.channel, newest.offset, newest.n, newest.at, last)
            return
        if not row.last or not log.entries or row.last_offset < log.entries[0].offset:
            return
        entry = said.get(row.last_offset)
        if entry is None:
            await self._put_right(row, {"last": b""}, "last")
            return
        changed_at = max(entry.at, entry.edited_at, entry.deleted_at)
        right = previews.written(previews.preview_of(entry))
        if row.last != right and self._is_settled(changed_at):
            self.drift.previews += 1
            await self._put_right(row, {"last": right}, "last", "last_offset")

    async def _hide(self, row: ChannelRow, now_ms: int) -> None:
        """Keep no preview of a message that retention hides by now."""
        last = previews.read(row.last)
        if last is None:
            return
        retention = retention_at(self._stage, row)
        if retention.hides(last.offset, last.at, row.head, now_ms):
            await self._put_right(row, {"last": b""}, "last")

    async def _put_right(self, row: ChannelRow, fields: dict[str, Value], *unless: str) -> None:
        """Change the row, unless one of these fields has changed since it was read."""
        equals = {field: getattr(row, field) for field in unless}
        await self._store.write([Write(CHANNELS, (row.channel,), set=fields, equals=equals)])

    # What is beside the log.

    async def _check_deletions(self, row: ChannelRow, log: "_Log") -> None:
        channel, retention = row.channel, retention_at(self._stage, row)
        now_ms = self._clock.wall_ms()
        deleted = [
            entry.offset
            for entry in log.entries
            if entry.counts and entry.deleted_at and self._is_settled(entry.deleted_at)
            # Of what is hidden nobody reckons with it: see `realtime.chat.leftovers`.
            if entry.offset > row.hidden
            and not retention.hides(entry.offset, entry.at, log.head, now_ms)
        ]
        if not deleted:
            return
        keys = [(EVERYBODY, channel, offset) for offset in deleted]
        for start in range(0, len(keys), SPANS_MAX):
            rows = await self._store.get(MENTIONS, keys[start : start + SPANS_MAX])
            known = {row.offset for row in rows}
            missing = [
                offset for _, _, offset in keys[start : start + SPANS_MAX] if offset not in known
            ]
            if missing:
                self.drift.deletions += len(missing)
                await self._store.write(gone(channel, missing))

    async def _check_members(self, channel: str) -> None:
        spans = [Span((channel, role)) for role in ROLES]
        found = await self._store.find(MEMBERS, *spans, by=BY_ROLE, limit=ROWS)
        members: Sequence[MemberRow] = self._sample(found, min(len(found), MEMBERS_MAX))
        # Something may change between two reads: what is wrong is so twice.
        for is_sure in (False, True):
            states = await self._overviews.of_members(members)
            log = await self._read(channel)
            wrong = [found for found in states if self._differs(found, log.entries, is_sure)]
            if not is_sure:
                await self._check_markers(states, log.entries)
            if not wrong:
                return
            keys = [(channel, found.member.user) for found in wrong]
            members = await self._store.get(MEMBERS, keys)

    def _differs(self, found: State, entries: Sequence[Entry], is_sure: bool) -> bool:
        """Whether what was reckoned is not what was counted; where all entries are there."""
        read, head, user = found.after, found.head, found.member.user
        after = [entry for entry in entries if read < entry.offset <= head]
        if len(after) < head - read:
            return False
        counted = unread(counting.unread_of(after, read, head), 0, found.member.unread != 0)
        mentions = counting.mentions_among(after, user, read, head)
        if is_sure:
            self.drift.unread += counted != found.unread
            self.drift.mentions += mentions != found.mentions
        return counted != found.unread or mentions != found.mentions

    async def _check_markers(self, states: Sequence[State], entries: Sequence[Entry]) -> None:
        """Raise markers that are behind what their users have sent, and correct their numbers."""
        numbers = {entry.offset: entry.n for entry in entries}
        writes: list[Write] = []
        for found in states:
            member = found.member
            key = (member.channel, member.user)
            own = counting.last_own(entries, member.user)
            n = numbers.get(member.read, member.read_n)
            if own is not None and own.offset > member.read and self._is_settled(own.at):
                place = dict.fromkeys(("read", "delivered"), own.offset)
                place |= dict.fromkeys(("read_n", "delivered_n"), own.n)
                writes.append(Write(MEMBERS, key, highest=place, present=True))
            elif n != member.read_n:
                equals: dict[str, Value] = {"read": member.read, "read_n": member.read_n}
                writes.append(Write(MEMBERS, key, set={"read_n": n}, equals=equals))
        if writes:
            self.drift.markers += len(writes)
            await self._store.write(writes)


class _Log(msgspec.Struct, frozen=True):
    """The head of a log, its number, and the newest entries."""

    head: int
    n: int
    entries: Sequence[Entry]
