"""Builds that break a promise of push: `python -m <this module> HOW FOLDER COMMAND …`.

Otherwise they are as those of `push_deaths`, to show that the tests notice.
"""

import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

import realtime.push.jobs as jobs_module
import workers.cases
from realtime.cli import main
from realtime.model import Entry
from realtime.push.jobs import SMALL, Jobs, Settled
from realtime.push.rows import JOBS, JobRow, TrailRow
from realtime.rows import ChannelRow
from realtime.stores.base import Removal, Span, Write
from tests.end_to_end.push_deaths import prepare, put
from workers.dispatching import Dispatcher
from workers.errands import Errand, Errands

MODULE: Final = "tests.end_to_end.push_broken"


def settle_first() -> None:
    """A job is over when somebody has taken it on."""
    run = Errands.run

    async def hasty(self: Errands, errand: Errand) -> Any:
        job = errand.case.job
        await self._results._jobs.settle([Settled(job, job.offset)], self._clock.wall_ms())
        return await run(self, errand)

    put(Errands, "run", hasty)


def claim_without_lease() -> None:
    """Whoever finds a job does it."""

    async def found(
        self: Jobs, now_ms: int, *, lease: str, until_ms: int, limit: int, lane: int = SMALL
    ) -> Sequence[JobRow]:
        span = Span(("due", lane), before=now_ms + 1)
        jobs = await self._store.find(JOBS, span, by=("state", "lane", "due_at"), limit=limit)
        return [msgspec.structs.replace(job, due_at=until_ms) for job in jobs]

    put(Jobs, "claim", found)


def unmark_first() -> None:
    """A message is nobody's business any more before it has jobs."""
    dispatch = Dispatcher._dispatch

    async def hasty(
        self: Dispatcher, rows: Sequence[ChannelRow], entries: Mapping[str, Sequence[Entry]]
    ) -> None:
        await self._store.notified(
            {row.channel: {entry.offset for entry in entries[row.channel]} for row in rows}
        )
        await dispatch(self, rows, entries)

    put(Dispatcher, "_dispatch", hasty)


def believe_attempts() -> None:
    """What was tried is taken for sent."""

    def tried_on(rows: Iterable[TrailRow], offset: int) -> Collection[str]:
        return frozenset(row.device for row in rows if row.offset == offset)

    put(workers.cases, "told_on", tried_on)


def settle_what_was_raised() -> None:
    """A job is over, whatever was said while it was under way."""
    done = jobs_module._done

    def over(each: Settled, now_ms: int) -> Write | Removal:
        return msgspec.structs.replace(done(each, now_ms), equals={"lease": each.job.lease})

    put(jobs_module, "_done", over)


HOW: Final[Mapping[str, Callable[[], None]]] = {
    "settle-first": settle_first,
    "claim-without-lease": claim_without_lease,
    "unmark-first": unmark_first,
    "believe-attempts": believe_attempts,
    "settle-what-was-raised": settle_what_was_raised,
}

if __name__ == "__main__":
    how = HOW[sys.argv.pop(1)]
    prepare(sys.argv.pop(1))
    how()
    sys.exit(main())
