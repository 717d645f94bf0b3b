"""What has to be known of jobs before anybody is told: read for many of them at once.

Everything is read at the time at which it is needed, since a message may have been edited, read or
taken back since its job was made.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from realtime.chat.channel_events import own_retention
from realtime.chat.ports import ChatStore, Clock
from realtime.chat.retention import retention_of
from realtime.model import EVERYTHING, Entry, Retention
from realtime.naming import user_of
from realtime.push.decision import Decision, Facts, LookBack, Send, Wait, decide, is_named_far_back
from realtime.push.rows import DEVICES, DeviceRow, JobRow, TrailRow
from realtime.push.slices import in_slices, in_turns
from realtime.push.trail import Trail, told_on
from realtime.rows import (
    CHANNELS,
    MEMBERS,
    USERS,
    ChannelRow,
    MemberRow,
    UserRow,
)
from realtime.settings.push_schema import PushSettings
from realtime.settings.schema import ChannelOptions
from realtime.stores.base import FETCHED_MAX, SPANS_MAX, Key, Row, Span, Table, Write
from workers.bans import Bans
from workers.blocking import Blocking
from workers.kept import Kept
from workers.lookback import Lookback

DEVICES_EACH: Final = 4
DEVICES_MORE: Final = 100
"""Rows that one read asks for, for each user and beside that; more are found by more reads."""

LOOKS_MAX: Final = 16
"""How often it is looked back before jobs are decided at another time."""

LOOK_AGAIN_MS: Final = 1_000
"""Until then, in milliseconds."""

KEEP_S: Final = 2.0
"""How old may be what is known of rooms and of senders, in seconds."""

KEPT_MAX: Final = 10_000
"""Of each."""

SIGNED_OUT: Final = "its user was signed out"
"""Why a device is parked that has to register again with a new token."""

TRYING: Final = "being sent"
"""The detail of the trail's row of an attempt that nobody has finished."""


class Case(msgspec.Struct, frozen=True):
    """A job and what is to be done about it; of what is sent, the words for it.

    `kept` is how much of the channel's log may be seen. `name` and `title` are the sender's and the
    room's. `doubtful` are devices of which nobody knows whether they have it: whoever tried it has
    died. `is_stranger`: there is nothing of the user in the channel, not even that they have left:
    they were erased since it was looked who is to be told, and nothing is kept of it.
    """

    job: JobRow
    facts: Facts
    decision: Decision
    options: ChannelOptions | None
    kept: Retention = EVERYTHING
    title: str = ""
    name: str = ""
    doubtful: frozenset[str] = frozenset()
    is_stranger: bool = False


class Cases:
    """Reads and decides. `options` answers None where a namespace is configured no more."""

    def __init__(
        self,
        store: ChatStore,
        *,
        options: Callable[[str], ChannelOptions | None],
        bans: Bans,
        settings: PushSettings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._trail = Trail(store)
        self._options = options
        self._bans = bans
        self._settings = settings
        now = clock.monotonic
        self._rooms = Kept[str, ChannelRow | None](KEEP_S, KEPT_MAX, now=now)
        self._users = Kept[str, UserRow | None](KEEP_S, KEPT_MAX, now=now)
        self._blocking = Blocking(store, now=now)

    async def of(self, jobs: Sequence[JobRow], now_ms: int) -> Sequence[Case]:
        """A case for each job, in their order. Seven reads at most for SPANS_MAX jobs, as a rule.

        Raises StoreError.
        """
        await self._bans.refresh()
        entries = await self._entries(jobs)
        rooms = await self._look_up(CHANNELS, self._rooms, {job.channel for job in jobs})
        members = _by_key(
            MEMBERS, await self._get(MEMBERS, {(job.channel, job.user) for job in jobs})
        )
        owners = await self._signed_in(await self._devices({job.user for job in jobs}))
        tried = await self._tried([job for job in jobs if job.tries])
        blocks = await self._blocking.of(
            (job.user, user_of(entry))
            for job in jobs
            if (entry := entries.get((job.channel, job.offset))) is not None
        )

        def case_of(job: JobRow) -> Case:
            rows = owners.get(job.user, ())
            options = self._options(job.channel)
            room = rooms.get(job.channel)
            entry = entries.get((job.channel, job.offset))
            trail = tried.get((job.user, job.channel), ())
            kept = _kept(options, room)
            named = entries.get((job.channel, job.named)) if is_named_far_back(job) else None
            entry, named = (
                None if one and room and kept.hides(one.offset, one.at, room.head, now_ms) else one
                for one in (entry, named)
            )
            facts = Facts(
                job=job,
                entries=() if entry is None else (entry,),
                since=job.offset - 1,
                kind=room.kind if room is not None else "",
                level=options.push if options is not None else "",
                named=named,
                # Longer than it may be seen it is not worth telling of, either.
                ttl_ms=min(self._settings.ttl.ms, kept.ttl_ms or self._settings.ttl.ms),
                max_wait_ms=self._settings.max_wait.ms,
                member=self._member(members.get((job.channel, job.user))),
                own=next((row for row in rows if not row.device), None),
                devices=[row for row in rows if row.device],
                blocked=blocks.get(job.user, ()),
                shown=entries.get((job.channel, job.shown)) if job.shown else None,
                told=told_on(trail, job.offset),
            )
            title = room.title if room is not None and room.kind == "room" else ""
            doubtful = frozenset(row.device for row in trail if row.detail == TRYING)
            return Case(
                job,
                facts,
                decide(facts, now_ms),
                options,
                kept,
                title,
                doubtful=doubtful,
                is_stranger=(job.channel, job.user) not in members,
            )

        cases = await in_slices(case_of, jobs)
        return await self._named(await self._looked_back(cases, now_ms))

    async def _looked_back(self, cases: Sequence[Case], now_ms: int) -> Sequence[Case]:
        """Decided with what was said earlier, where that is asked for: rarely.

        Whom the user blocks is known of the senders of newest messages only, so of a message that
        was found by looking back it is asked.
        """
        decided = list(cases)
        asked = await in_slices(
            lambda case: {user_of(entry) for entry in case.facts.entries}, cases
        )
        lookback = Lookback(self._store)
        for _ in range(LOOKS_MAX):
            open_ = [
                place for place, case in enumerate(decided) if not _is_sure(case, asked[place])
            ]
            if not open_:
                return decided
            looking = [
                case for place in open_ if isinstance((case := decided[place]).decision, LookBack)
            ]
            await lookback.look(
                (
                    (case.job.channel, case.job.offset, case.decision.since)
                    for case in looking
                    if isinstance(case.decision, LookBack)
                ),
                {case.job.channel: case.kept for case in looking},
                now_ms,
            )
            found = {place: _senders(decided[place]) - asked[place] for place in open_}
            blocks = await self._blocking.of(
                (decided[place].job.user, sender)
                for place, senders in found.items()
                for sender in senders
            )
            for place in open_:
                asked[place] |= found[place]

            def again(place: int, blocks: Mapping[str, set[str]] = blocks) -> Case:
                case = decided[place]
                return _decided_again(case, lookback, blocks.get(case.job.user, ()), now_ms)

            # Each may have to look at a thousand entries, or at one.
            cases = await in_turns(again, open_)
            for place, case in zip(open_, cases, strict=True):
                decided[place] = case
        # The others of the channel are over by then, so it takes less.
        wait = Wait("waiting", now_ms + LOOK_AGAIN_MS)
        return [
            case if _is_sure(case, asked[place]) else msgspec.structs.replace(case, decision=wait)
            for place, case in enumerate(decided)
        ]

    def _member(self, row: MemberRow | None) -> MemberRow | None:
        """Nobody, for whom the app has banned."""
        if row is not None and self._bans.banned(row.user, row.channel):
            return None
        return row

    async def _entries(self, jobs: Sequence[JobRow]) -> Mapping[tuple[str, int], Entry]:
        places = {(job.channel, job.offset) for job in jobs}
        places |= {(job.channel, job.shown) for job in jobs if job.shown}
        places |= {(job.channel, job.named) for job in jobs if is_named_far_back(job)}
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
            left = every[start : start + SPANS_MAX]
            spans = [Span((user,)) for user in left]
            while spans:
                limit = DEVICES_EACH * len(spans) + DEVICES_MORE
                page = await self._store.find(DEVICES, *spans, limit=limit)
                for row in page:
                    found.setdefault(row.user, []).append(row)
                if len(page) < limit:
                    break
                last = page[-1]
                left = [user for user in left if user > last.user]
                spans = [Span((last.user,), after=last.device), *(Span((user,)) for user in left)]
        return found

    async def _signed_in(
        self, owners: Mapping[str, list[DeviceRow]]
    ) -> Mapping[str, list[DeviceRow]]:
        """The same, but that devices are parked which registered before the user's tokens were
        revoked: who has the phone now may be somebody else."""
        writes = []
        for rows in owners.values():
            for place, row in enumerate(rows):
                if row.device and not row.parked and self._bans.signed_out(row):
                    rows[place] = msgspec.structs.replace(row, parked=SIGNED_OUT)
                    is_same = {"registered_at": row.registered_at}
                    key = DEVICES.key_of(row)
                    writes.append(Write(DEVICES, key, set={"parked": SIGNED_OUT}, equals=is_same))
        for start in range(0, len(writes), SPANS_MAX):
            await self._store.write(writes[start : start + SPANS_MAX])
        return owners

    async def _tried(self, jobs: Sequence[JobRow]) -> Mapping[tuple[str, str], Sequence[TrailRow]]:
        """What the trail has of earlier tries."""
        found: dict[tuple[str, str], list[TrailRow]] = {}
        for start in range(0, len(jobs), SPANS_MAX):
            for row in await self._trail.of_jobs(jobs[start : start + SPANS_MAX]):
                if row.device:
                    found.setdefault((row.user, row.channel), []).append(row)
        return found

    async def _named(self, cases: Sequence[Case]) -> Sequence[Case]:
        senders = {
            user_of(case.decision.entry) for case in cases if isinstance(case.decision, Send)
        }
        users = await self._look_up(USERS, self._users, senders - {""})

        def named(case: Case) -> Case:
            if isinstance(case.decision, Send) and (sender := user_of(case.decision.entry)):
                return msgspec.structs.replace(case, name=_name(users.get(sender), sender))
            return case

        return await in_slices(named, cases)

    async def _look_up(
        self, table: Table[Row], kept: Kept[str, Row | None], names: Collection[str]
    ) -> Mapping[str, Row | None]:
        """Rows that are of many cases, a moment old at most; None for those that are not there."""
        found = kept.among(names)
        fresh: dict[str, Row | None] = {name: None for name in names if name not in found}
        if fresh:
            for row in await self._get(table, [(name,) for name in fresh]):
                fresh[str(table.key_of(row)[0])] = row
            kept.put(fresh)
        return {**found, **fresh}

    async def _get(self, table: Table[Row], keys: Iterable[Key]) -> Sequence[Row]:
        found: list[Row] = []
        every = list(keys)
        for start in range(0, len(every), SPANS_MAX):
            found += await self._store.get(table, every[start : start + SPANS_MAX])
        return found


def _by_key(table: Table[Row], rows: Iterable[Row]) -> Mapping[Key, Row]:
    return {table.key_of(row): row for row in rows}


def _kept(options: ChannelOptions | None, room: ChannelRow | None) -> Retention:
    if options is None or room is None:
        return EVERYTHING
    return retention_of(options).within(own_retention(room))


def _senders(case: Case) -> set[str]:
    return {user_of(case.decision.entry)} if isinstance(case.decision, Send) else set()


def _is_sure(case: Case, asked: Collection[str]) -> bool:
    """Whether nothing more need be read to decide, where blocks of these senders are known."""
    return not isinstance(case.decision, LookBack) and _senders(case) <= set(asked)


def _decided_again(case: Case, lookback: Lookback, blocked: Collection[str], now_ms: int) -> Case:
    facts, job = case.facts, case.job
    if isinstance(case.decision, LookBack):
        entries, since = lookback.of(job.channel, upto=job.offset, since=case.decision.since)
        if since < job.offset:
            facts = msgspec.structs.replace(facts, entries=entries, since=since)
    if blocked:
        facts = msgspec.structs.replace(facts, blocked={*facts.blocked, *blocked})
    return msgspec.structs.replace(case, facts=facts, decision=decide(facts, now_ms))


def _name(row: UserRow | None, user: str) -> str:
    return (row.name if row is not None else "") or user
