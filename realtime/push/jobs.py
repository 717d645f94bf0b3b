"""The queue of push: at most one job per user and channel, in the store that has the messages.

A job's row goes from "due" to "done" and back. It is raised by who dispatches entries, claimed by
who sends, and settled, or put off, by whoever claimed it:

    raise_all   no row, or done and something newer: due;   due: it stands for the newest as well
    claim       due: leased until some time, after which anybody may claim it again
    settle      leased: done, or due at once where it was raised, or read, while it was leased
    later       leased: due at another time, or at once where what it shows was read or deleted

**Once.** A done row remembers up to where everything is settled (`JobRow.pushed`). So raising what
was raised before, settled or not, changes nothing.

**Never lost.** A lease is a token in the row, and every write of who has it is conditional on the
token. Whoever dies leaves a row that is due at the end of the lease. Whoever comes too late writes
nothing.

Nothing here relies on the order of writes within one call of the store, since no store promises
one; where an order matters there are two calls, and between them anybody else may do anything. All
times are in milliseconds since 1970 and are arguments. Every method raises StoreError, and may be
called again with the same arguments then; cancelling leaves some of it done.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeVar

import msgspec

from realtime.push.looking_again import look_again
from realtime.push.rows import JOBS, JobRow
from realtime.push.slices import in_slices
from realtime.stores.base import WRITES_MAX, Key, Removal, Span, TableStore, Value, Write

SMALL: Final = 0
LARGE: Final = 1
LANES: Final = (SMALL, LARGE)
"""The lanes of jobs, for channels of few and of many members: who claims takes turns."""

BACKLOG_MAX: Final = 1_000
"""Jobs that are counted as due; more are as many."""

_BY_DUE: Final = ("state", "lane", "due_at")

Gone = Callable[[Collection[int]], Awaitable[Collection[int]]]
"""Which of these entries are there no more. Raises StoreError."""

_T = TypeVar("_T")


class Raise(msgspec.Struct, frozen=True, gc=False):
    """That `user` is to be told of the entry at `offset`, made `at`, not before `due_at`.

    `named` is the newest of those it stands for that mentions the user, 0 for none.
    """

    user: str
    channel: str
    offset: int
    at: int
    due_at: int
    lane: int = SMALL
    named: int = 0


class Settled(msgspec.Struct, frozen=True, gc=False):
    """That everything up to `job.offset` is told, or need not be.

    `job` is as it was claimed. `showing`: the entry that devices show now; 0: what was visible has
    been taken away; None: they show what they did before. `forgets`: the job is not remembered as
    settled either, which is for users of whom nothing is to be kept.
    """

    job: JobRow
    showing: int | None = None
    forgets: bool = False


class Postponed(msgspec.Struct, frozen=True, gc=False):
    """That `job`, as it was claimed, has to wait until `due_at`.

    `tried`: it was attempted, which `JobRow.tries` counts. `showing`: see `Settled`, where some
    devices could be told. `settled`: nothing up to this entry is to be told any more, 0 where that
    is as before; what comes after it has waited since now only.
    """

    job: JobRow
    due_at: int
    tried: bool = True
    showing: int | None = None
    settled: int = 0


class Backlog(NamedTuple):
    """Jobs whose time has come: how many, at most BACKLOG_MAX, and since when the first waits."""

    due: int
    oldest_at: int


class Jobs:
    """The jobs in `store`. Any number of these may work on one store."""

    def __init__(self, store: TableStore) -> None:
        self._store = store

    # Who dispatches.

    async def raise_all(self, raises: Iterable[Raise]) -> None:
        """Have the users told. Idempotent, in any order; three writes for WRITES_MAX jobs, in large
        channels two, for there a job that waits for one device is not due earlier for the others.

        A job that is due stays due when it was, and stands for what is newer too: whether that has
        had its time to be seen is decided then (`JobRow.wait_until`). For one that is leased see
        `settle`.
        """
        for some in _chunks(_merged(raises), WRITES_MAX):
            # First the offset, then the state: a job that is settled between the two is settled up
            # to what was claimed, so it comes out as due, or as done with something newer.
            await self._store.write(await in_slices(_raised, some))
            await self._store.write(await in_slices(_revived, some))
            small = [each for each in some if each.lane == SMALL]
            if small:
                await self._store.write(await in_slices(_hurried, small))

    # Who sends.

    async def claim(
        self, now_ms: int, *, lease: str, until_ms: int, limit: int, lane: int = SMALL
    ) -> Sequence[JobRow]:
        """Take what is due now, the longest due first; at most `limit`, 1 to WRITES_MAX.

        `lease` is not "", and new for each claim. What is answered is nobody else's until
        `until_ms`; who goes on for longer has to expect that somebody else does the same. A lease
        that ran out counts as an attempt, and what it was for as something that may be visible.
        Three calls of the store, one where nothing is due. Raises ValueError for other arguments.
        """
        if not lease or not 0 < limit <= WRITES_MAX:
            raise ValueError(f"a lease has a name, and is of 1 to {WRITES_MAX} jobs")
        span = Span(("due", lane), before=now_ms + 1)
        due = await self._store.find(JOBS, span, by=_BY_DUE, limit=limit)
        if not due:
            return ()
        await self._store.write(await in_slices(lambda job: _leased(job, lease, until_ms), due))
        mine = await self._store.find(JOBS, Span((lease,)), by=("lease", "user"), limit=limit)
        places = {JOBS.key_of(job): place for place, job in enumerate(due)}
        return sorted(mine, key=lambda job: places.get(JOBS.key_of(job), 0))

    async def settle(self, settled: Iterable[Settled], now_ms: int) -> None:
        """What was claimed is over and done with: two writes for WRITES_MAX jobs.

        Where the job was raised while it was leased, or the user has read on, it is due at once.
        """
        for some in _chunks(settled, WRITES_MAX):
            await self._store.write(await in_slices(lambda each: _done(each, now_ms), some))
            # Those that are still leased are not what they were when they were claimed.
            await self._store.write(await in_slices(lambda each: _over(each, now_ms), some))

    async def later(self, postponed: Iterable[Postponed], now_ms: int) -> None:
        """Give back what was claimed, to be claimed again at another time.

        Where something is visible that was deleted or read while it was leased, at once.
        """
        for some in _chunks(postponed, WRITES_MAX):
            await self._store.write(await in_slices(lambda each: _put_off(each, now_ms), some))
            visible = [JOBS.key_of(each.job) for each in some if _showing(each)["visible"]]
            if visible:
                await self._store.write([look_again(key, now_ms) for key in visible])

    # Who takes back.

    async def retract(
        self, channel: str, offset: int, now_ms: int, *, after: str = "", limit: int = WRITES_MAX
    ) -> str:
        """The entry at `offset` was deleted: where it is visible, it is to be taken away at once,
        whatever waits beside it.

        Looks at a page of the channel's jobs, those of users after `after`; answers the user with
        whom to go on, "" for the end. One call of the store, three where something is visible.
        """
        span = Span((channel,), after=after or None)
        page = await self._store.find(JOBS, span, by=("channel", "user"), limit=limit)
        await self._take_back([job for job in page if _may_show(job, offset)], now_ms)
        return page[-1].user if len(page) == limit else ""

    async def retract_gone(
        self, channel: str, gone: Gone, now_ms: int, *, after: str = "", limit: int = WRITES_MAX
    ) -> str:
        """The same for all entries that `gone` answers, of those that it is asked about.

        What is being sent just now is looked at again, whatever it is of.
        """
        span = Span((channel,), after=after or None)
        page = await self._store.find(JOBS, span, by=("channel", "user"), limit=limit)
        shown = {job.shown for job in page if job.visible and job.shown}
        taken = await gone(shown) if shown else ()
        await self._take_back([job for job in page if job.lease or job.shown in taken], now_ms)
        return page[-1].user if len(page) == limit else ""

    async def _take_back(self, jobs: Sequence[JobRow], now_ms: int) -> None:
        keys = [JOBS.key_of(job) for job in jobs if job.visible]
        if keys:
            await self._store.write([_retracted(key, now_ms) for key in keys])
            # What is leased by now is looked at again when it is given back: see `later`.
            await self._store.write([look_again(key, now_ms) for key in keys])

    # Who looks after it.

    async def backlog(self, now_ms: int) -> Backlog:
        """What is due and nobody has claimed. One read."""
        spans = [Span(("due", lane), before=now_ms + 1) for lane in LANES]
        rows = await self._store.find(JOBS, *spans, by=_BY_DUE, limit=BACKLOG_MAX, merged=True)
        return Backlog(len(rows), rows[0].due_at if rows else 0)

    async def sweep(self, before_ms: int, *, limit: int = WRITES_MAX) -> int:
        """Forget jobs that were settled before that; answers how many were looked at, at most
        `limit`.

        `before_ms` is to be older than any entry that may be dispatched once more, or that would be
        told again. Two calls of the store.
        """
        spans = [Span(("done", lane), before=before_ms) for lane in LANES]
        rows = await self._store.find(JOBS, *spans, by=_BY_DUE, limit=limit)
        await self._store.write([_swept(job) for job in rows])
        return len(rows)


# What is written of one job.


def _retracted(key: Key, now_ms: int) -> Write:
    return Write(
        JOBS,
        key,
        # A done row was due long ago; of others neither the time nor the lease changes.
        set={"state": "due", "again": 1, "first_at": now_ms},
        equals={"visible": 1},
    )


def _may_show(job: JobRow, offset: int) -> bool:
    """Whether devices show this entry, or will in a moment."""
    return offset == job.shown or (job.lease != "" and job.pushed < offset <= job.offset)


def _merged(raises: Iterable[Raise]) -> Iterator[Raise]:
    """One for each job: the newest entry, and all the time that the newest one asks for."""
    by_key: dict[Key, Raise] = {}
    for each in raises:
        key = (each.user, each.channel)
        other = by_key.get(key)
        if other is not None:
            newer = max(each, other, key=lambda one: one.offset)
            each = msgspec.structs.replace(
                newer, at=min(each.at, other.at), named=max(each.named, other.named)
            )
        by_key[key] = each
    return iter(by_key.values())


def _raised(each: Raise) -> Write:
    return Write(
        JOBS,
        (each.user, each.channel),
        initial={"state": "due", "lane": each.lane, "due_at": each.due_at, "first_at": each.at},
        highest={"offset": each.offset, "wait_until": each.due_at, "named": each.named},
    )


def _revived(each: Raise) -> Write:
    return Write(
        JOBS,
        (each.user, each.channel),
        set={
            "state": "due",
            "lane": each.lane,
            "due_at": each.due_at,
            "first_at": each.at,
            "tries": 0,
        },
        below=("pushed", each.offset),
        equals={"state": "done"},
    )


def _hurried(each: Raise) -> Write:
    return Write(
        JOBS,
        (each.user, each.channel),
        set={"due_at": each.due_at, "retrying": 0},
        below=("failed", each.offset),
        equals={"state": "due", "lease": "", "retrying": 1},
    )


def _leased(job: JobRow, lease: str, until_ms: int) -> Write:
    found: dict[str, Value] = {"visible": 1, "again": 0, "retrying": 0}
    if job.lease:
        found["tries"] = job.tries + 1
        if job.offset > job.pushed:
            found["shown"] = job.offset
    return Write(
        JOBS,
        JOBS.key_of(job),
        set={"lease": lease, "due_at": until_ms, **found},
        equals={"state": "due", "due_at": job.due_at, "lease": job.lease},
    )


def _done(each: Settled, now_ms: int) -> Write | Removal:
    job = each.job
    if each.forgets:
        is_same: Mapping[str, Value] = {"lease": job.lease, "offset": job.offset}
        return Removal(JOBS, JOBS.key_of(job), equals=is_same)
    return Write(
        JOBS,
        JOBS.key_of(job),
        set={"state": "done", **_settled(each, now_ms)},
        highest={"pushed": job.offset},
        equals={"lease": job.lease, "offset": job.offset, "again": 0},
    )


def _over(each: Settled, now_ms: int) -> Write:
    job = each.job
    return Write(
        JOBS,
        JOBS.key_of(job),
        set={"first_at": now_ms, **_settled(each, now_ms)},
        highest={"pushed": job.offset},
        equals={"lease": job.lease},
    )


def _settled(each: Settled, now_ms: int) -> Mapping[str, Value]:
    over: Mapping[str, Value] = {"lease": "", "due_at": now_ms, "at": now_ms, "tries": 0}
    return {**over, **_showing(each)}


def _put_off(each: Postponed, now_ms: int) -> Write:
    job = each.job
    fields: dict[str, Value] = {"lease": "", "due_at": each.due_at, "tries": job.tries + each.tried}
    if each.tried:
        fields |= {"failed": job.offset, "retrying": 1}
    if each.settled > job.pushed:
        fields |= {"first_at": now_ms, "at": now_ms}
    return Write(
        JOBS,
        JOBS.key_of(job),
        set={**fields, **_showing(each)},
        highest={"pushed": each.settled},
        equals={"lease": job.lease},
    )


def _showing(each: Settled | Postponed) -> Mapping[str, Value]:
    shown = each.job.shown if each.showing is None else each.showing
    return {"shown": shown, "visible": int(shown > 0)}


def _swept(job: JobRow) -> Write | Removal:
    key = JOBS.key_of(job)
    is_same: Mapping[str, Value] = {"state": "done", "offset": job.offset, "due_at": job.due_at}
    if job.offset > job.pushed:
        # Whoever was raising it has died half-way, or is about to go on: it must not lose the row.
        return Write(JOBS, key, set={"state": "due"}, equals=is_same)
    return Removal(JOBS, key, equals=is_same)


def _chunks(items: Iterable[_T], size: int) -> Iterator[Sequence[_T]]:
    rest = iter(items)
    while some := tuple(islice(rest, size)):
        yield some
