"""What was decided about telling users, and what became of it: kept some days, for whoever asks.

A row is written before an attempt, and again with what came of it; so an attempt that nobody
finished is there to be seen. It never keeps anybody from trying again.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from realtime.push.reasons import Reason
from realtime.push.rows import TRAIL, JobRow, TrailRow
from realtime.push.slices import in_slices
from realtime.stores.base import WRITES_MAX, Removal, Span, TableStore, Value, Write

ROWS_MAX: Final = 200
"""Rows that are looked at for one message: of those that follow it, too."""

TOLD: Final[frozenset[str]] = frozenset({"sent", "sent_again"})
"""Reasons of rows of devices that have the notification."""


def trail_row(
    job: JobRow, reason: Reason, now_ms: int, *, device: str = "", detail: str = "", tries: int = 0
) -> TrailRow:
    """What is recorded of all that a claimed job stands for; `device` "" is for all of them."""
    return TrailRow(
        job.user, job.channel, job.offset, device, reason, detail, job.pushed, tries, now_ms
    )


class Trail:
    """The trail in `store`. Every method raises StoreError, and may be repeated then."""

    def __init__(self, store: TableStore) -> None:
        self._store = store

    async def record(self, rows: Sequence[TrailRow]) -> None:
        """Write these, in the place of those with the same key. One call for WRITES_MAX rows."""
        for start in range(0, len(rows), WRITES_MAX):
            await self._store.write(await in_slices(_whole, rows[start : start + WRITES_MAX]))

    async def conclude(self, rows: Sequence[TrailRow]) -> None:
        """The same of what became of attempts that were recorded: only where those rows still are,
        so that nothing comes back of who was erased meanwhile."""
        for start in range(0, len(rows), WRITES_MAX):
            await self._store.write(await in_slices(_concluded, rows[start : start + WRITES_MAX]))

    async def of(self, user: str, channel: str, offset: int) -> Sequence[TrailRow]:
        """What says something about this entry, in order of offset, then device. One read.

        Rows of later entries may stand for it; of those that do so there are few.
        """
        span = Span((user, channel), after=offset - 1)
        rows = await self._store.find(TRAIL, span, limit=ROWS_MAX)
        return [row for row in rows if row.offset == offset or row.since < offset]

    async def of_jobs(self, jobs: Iterable[JobRow]) -> Sequence[TrailRow]:
        """What was recorded of the newest entries of these jobs, at most SPANS_MAX. One read."""
        spans = [Span((job.user, job.channel, job.offset)) for job in jobs]
        return await self._store.find(TRAIL, *spans, limit=ROWS_MAX * max(len(spans), 1))

    async def sweep(self, before_ms: int, *, limit: int = WRITES_MAX) -> int:
        """Forget what was written before that; answers how many, at most `limit`."""
        span = Span(before=before_ms)
        rows = await self._store.find(TRAIL, span, by=("at",), limit=limit)
        await self._store.write(
            [Removal(TRAIL, TRAIL.key_of(row), equals={"at": row.at}) for row in rows]
        )
        return len(rows)


def told_on(rows: Iterable[TrailRow], offset: int) -> frozenset[str]:
    """The devices that have the notification of the entry at `offset`, as far as rows of one user
    and channel say."""
    return frozenset(row.device for row in rows if row.offset == offset and row.reason in TOLD)


def _whole(row: TrailRow) -> Write:
    return Write(TRAIL, TRAIL.key_of(row), set=_said(row))


def _concluded(row: TrailRow) -> Write:
    return Write(TRAIL, TRAIL.key_of(row), set=_said(row), present=True)


def _said(row: TrailRow) -> Mapping[str, Value]:
    return {
        "reason": row.reason,
        "detail": row.detail,
        "since": row.since,
        "tries": row.tries,
        "at": row.at,
    }
