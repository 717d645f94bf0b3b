"""What push forgets of a user who is erased, and what it takes off others' phones.

A worker may be sending to the user meanwhile. What it writes then is of a job that it holds: that
is over when its lease is, so all is removed once more after that.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final, Protocol

from realtime.push.jobs import Jobs
from realtime.push.removing import remove_all
from realtime.push.rows import DEAD, DEVICES, JOBS, TRAIL
from realtime.stores.base import (
    FETCHED_MAX,
    WRITES_MAX,
    ChangeStore,
    Key,
    Removal,
    Span,
    Table,
    TableStore,
)

LATE_MS: Final = 10_000
"""How long after the end of a lease something may still be written of what it was for, by a worker
whose clock is another or whose write takes long, in milliseconds."""

_BESIDE: Final[tuple[tuple[Table[Any], tuple[str, ...]], ...]] = (
    (DEVICES, ()),
    (DEAD, ("user", "place")),
    (TRAIL, ()),
)
"""What there is of a user beside jobs, and by which order it is found."""

Note = Callable[[int], Awaitable[None]]
"""Keeps until when (ms) somebody may be sending to the user, before what says so is removed."""


class EraseStore(ChangeStore, TableStore, Protocol):
    """Logs and rows."""


class PushErasure:
    """Works on `store`. `pushes` says whether a channel's messages are told of; `now_ms` is the
    wall clock. Every method raises StoreError, and may be repeated then."""

    def __init__(
        self, store: EraseStore, *, pushes: Callable[[str], bool], now_ms: Callable[[], int]
    ) -> None:
        self._store = store
        self._jobs = Jobs(store)
        self._now_ms = now_ms
        self.pushes = pushes

    async def forget(self, user: str, note: Note) -> Mapping[Table[Any], int]:
        """Remove everything of a user who is in no channel any more; how many rows of each table.

        `note` hears until when what is being sent to them may leave something behind: `settled`
        waits for that, and then this is to be done once more.
        """
        removed = {JOBS: await self._forget_jobs(user, note)}
        for table, by in _BESIDE:
            removed[table] = await remove_all(self._store, table, Span((user,)), by=by)
        return removed

    async def _forget_jobs(self, user: str, note: Note) -> int:
        gone: set[Key] = set()
        # A job that is claimed between the two calls stays, and is found by the next turn: so none
        # is removed of which it was not noted who has it.
        while rows := await self._store.find(JOBS, Span((user,)), limit=WRITES_MAX):
            until_ms = max((row.due_at for row in rows if row.lease), default=0)
            if until_ms:
                await note(until_ms)
            await self._store.write(
                [Removal(JOBS, JOBS.key_of(row), equals={"lease": row.lease}) for row in rows]
            )
            gone |= {JOBS.key_of(row) for row in rows}
        return len(gone)

    async def settled(self, until_ms: int) -> None:
        """Wait until what was being sent then has left all that it may; at once where it has."""
        if until_ms:
            await asyncio.sleep(max(0, until_ms + LATE_MS - self._now_ms()) / 1_000)

    async def take_back(self, channel: str) -> None:
        """Have everything taken off phones that is not in the channel's log any more.

        Two calls of the store for a thousand members, more where something is shown.
        """
        after = ""
        while True:
            after = await self._jobs.retract_gone(
                channel, lambda offsets: self._gone(channel, offsets), self._now_ms(), after=after
            )
            if not after:
                return

    async def _gone(self, channel: str, offsets: Collection[int]) -> Collection[int]:
        """Which of these entries are deleted, or not there."""
        left = set(offsets)
        wanted = sorted(offsets)
        for start in range(0, len(wanted), FETCHED_MAX):
            found = await self._store.fetch({channel: wanted[start : start + FETCHED_MAX]})
            left -= {entry.offset for entry in found if not (entry.deleted_at or entry.stub)}
        return left
