"""What has to be known of jobs before anybody is told: read for many of them at once.

Everything is read at the time at which it is needed, since a message may have been edited, read or
taken back since its job was made.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from realtime.chat.ports import ChatStore
from realtime.model import EVERYTHING, Entry
from realtime.naming import user_of
from realtime.push.decision import Decision, Facts, LookBack, Send, decide
from realtime.push.rows import DEVICES, DeviceRow, JobRow, TrailRow
from realtime.push.trail import Trail, told_on
from realtime.rows import BLOCKS, CHANNELS, MEMBERS, USERS, MemberRow
from realtime.settings.push_schema import PushSettings
from realtime.settings.schema import ChannelOptions
from realtime.stores.base import FETCHED_MAX, SPANS_MAX, Key, Row, Span, Table
from workers.bans import Bans

DEVICES_MIN: Final = 20
"""Devices of a user that are read at least, whatever the settings allow now."""

LOOKS_MAX: Final = 4
"""How often one job is looked back for."""

PAGE: Final = 250
"""Entries of one look."""

TRYING: Final = "being sent"
"""The detail of the trail's row of an attempt that nobody has finished."""


class Case(msgspec.Struct, frozen=True):
    """A job and what is to be done about it; of what is sent, the words for it.

    `name` and `title` are the sender's and the room's. `doubtful` are devices of which nobody knows
    whether they have it: whoever tried it has died.
    """

    job: JobRow
    facts: Facts
    decision: Decision
    options: ChannelOptions | None
    title: str = ""
    name: str = ""
    doubtful: frozenset[str] = frozenset()


class Cases:
    """Reads and decides. `options` answers None where a namespace is configured no more."""

    def __init__(
        self,
        store: ChatStore,
        *,
        options: Callable[[str], ChannelOptions | None],
        bans: Bans,
        settings: PushSettings,
    ) -> None:
        self._store = store
        self._trail = Trail(store)
        self._options = options
        self._bans = bans
        self._settings = settings
        self._devices_max = max(settings.devices_max, DEVICES_MIN) + 1

    async def of(self, jobs: Sequence[JobRow], now_ms: int) -> Sequence[Case]:
        """A case for each job, in their order. Seven reads at most for SPANS_MAX jobs, as a rule.

        Raises StoreError.
        """
        await self._bans.refresh()
        entries = await self._entries(jobs)
        rooms = _by_key(CHANNELS, await self._get(CHANNELS, {(job.channel,) for job in jobs}))
        members = _by_key(
            MEMBERS, await self._get(MEMBERS, {(job.channel, job.user) for job in jobs})
        )
        owners = await self._devices({job.user for job in jobs})
        tried = await self._tried([job for job in jobs if job.tries])
        blocks = await self._blocks(
            (job.user, entry)
            for job in jobs
            if (entry := entries.get((job.channel, job.offset))) is not None
        )
        cases = []
        for job in jobs:
            rows = owners.get(job.user, ())
            options = self._options(job.channel)
            room = rooms.get((job.channel,))
            entry = entries.get((job.channel, job.offset))
            trail = tried.get((job.user, job.channel), ())
            facts = Facts(
                job=job,
                entries=() if entry is None else (entry,),
                since=job.offset - 1,
                kind=room.kind if room is not None else "",
                level=options.push if options is not None else "",
                ttl_ms=self._settings.ttl.ms,
                max_wait_ms=self._settings.max_wait.ms,
                member=self._member(members.get((job.channel, job.user))),
                own=next((row for row in rows if not row.device), None),
                devices=[row for row in rows if row.device],
                blocked=blocks.get(job.user, ()),
                shown=entries.get((job.channel, job.shown)) if job.shown else None,
                told=told_on(trail, job.offset),
            )
            facts, decision = await self._decided(facts, now_ms)
            title = room.title if room is not None and room.kind == "room" else ""
            doubtful = frozenset(row.device for row in trail if row.detail == TRYING)
            cases.append(Case(job, facts, decision, options, title, doubtful=doubtful))
        return await self._named(cases)

    async def _decided(self, facts: Facts, now_ms: int) -> tuple[Facts, Decision]:
        """Looking back where that is asked for: rarely."""
        decision = decide(facts, now_ms)
        for _ in range(LOOKS_MAX):
            if not isinstance(decision, LookBack):
                break
            job = facts.job
            page = await self._store.read(
                job.channel,
                after=decision.since,
                before=job.offset + 1,
                limit=PAGE,
                newest_first=True,
                retention=EVERYTHING,
                now_ms=now_ms,
            )
            since = decision.since
            if len(page.entries) == PAGE:
                since = page.entries[-1].offset - 1
            blocks = await self._blocks((job.user, entry) for entry in page.entries)
            facts = msgspec.structs.replace(
                facts, entries=page.entries, since=since, blocked=blocks.get(job.user, ())
            )
            decision = decide(facts, now_ms)
        return facts, decision

    def _member(self, row: MemberRow | None) -> MemberRow | None:
        """Nobody, for whom the app has banned."""
        if row is not None and self._bans.banned(row.user, row.channel):
            return None
        return row

    async def _entries(self, jobs: Sequence[JobRow]) -> Mapping[tuple[str, int], Entry]:
        places = {(job.channel, job.offset) for job in jobs}
        places |= {(job.channel, job.shown) for job in jobs if job.shown}
        wanted = sorted(places)
        found: dict[tuple[str, int], Entry] = {}
        for start in range(0, len(wanted), FETCHED_MAX):
            by_channel: dict[str, set[int]] = {}
            for channel, offset in wanted[start : start + FETCHED_MAX]:
                by_channel.setdefault(channel, set()).add(offset)
            for entry in await self._store.fetch(by_channel):
                found[entry.channel, entry.offset] = entry
        return found

    async def _devices(self, users: Iterable[str]) -> Mapping[str, list[DeviceRow]]:
        found: dict[str, list[DeviceRow]] = {}
        every = sorted(users)
        for start in range(0, len(every), SPANS_MAX):
            some = every[start : start + SPANS_MAX]
            spans = [Span((user,)) for user in some]
            limit = len(some) * self._devices_max
            for row in await self._store.find(DEVICES, *spans, limit=limit):
                found.setdefault(row.user, []).append(row)
        return found

    async def _tried(self, jobs: Sequence[JobRow]) -> Mapping[tuple[str, str], Sequence[TrailRow]]:
        """What the trail has of earlier tries."""
        found: dict[tuple[str, str], list[TrailRow]] = {}
        for start in range(0, len(jobs), SPANS_MAX):
            for row in await self._trail.of_jobs(jobs[start : start + SPANS_MAX]):
                if row.device:
                    found.setdefault((row.user, row.channel), []).append(row)
        return found

    async def _blocks(self, whom: Iterable[tuple[str, Entry]]) -> Mapping[str, set[str]]:
        """Of the senders of these entries, those who block a user, or whom the user blocks."""
        pairs = {
            (user, sender) for user, entry in whom if (sender := user_of(entry)) and sender != user
        }
        found: dict[str, set[str]] = {}
        rows = await self._get(BLOCKS, pairs | {(sender, user) for user, sender in pairs})
        for row in rows:
            if (row.user, row.blocked) in pairs:
                found.setdefault(row.user, set()).add(row.blocked)
            if (row.blocked, row.user) in pairs:
                found.setdefault(row.blocked, set()).add(row.user)
        return found

    async def _named(self, cases: Sequence[Case]) -> Sequence[Case]:
        senders = {
            user_of(case.decision.entry) for case in cases if isinstance(case.decision, Send)
        }
        rows = await self._get(USERS, {(sender,) for sender in senders if sender})
        names = {row.user: row.name for row in rows}
        return [
            msgspec.structs.replace(case, name=names.get(sender) or sender)
            if isinstance(case.decision, Send) and (sender := user_of(case.decision.entry))
            else case
            for case in cases
        ]

    async def _get(self, table: Table[Row], keys: Iterable[Key]) -> Sequence[Row]:
        found: list[Row] = []
        every = list(keys)
        for start in range(0, len(every), SPANS_MAX):
            found += await self._store.get(table, every[start : start + SPANS_MAX])
        return found


def _by_key(table: Table[Row], rows: Iterable[Row]) -> Mapping[Key, Row]:
    return {table.key_of(row): row for row in rows}
