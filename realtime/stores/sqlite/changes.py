"""The part of the store that finds and changes single entries: see base, `ChangeStore`."""

import asyncio
import functools
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from realtime.errors import StoreUnavailable
from realtime.model import Change, Entry
from realtime.stores.base import FETCHED_MAX
from realtime.stores.sqlite import changing, fetching
from realtime.stores.sqlite.opened import OpenDatabase
from realtime.stores.sqlite.scrubbing import scrub_slice

SCRUB_PAUSE_S: Final = 0.02
"""Between two slices of a scrub, in seconds, so that appends have most of the time."""

SCRUB_WAIT_S: Final = 60.0
"""How long a scrub waits for reads that began before it, in seconds; a backup is one."""


class ChangesOnSQLite(OpenDatabase):
    """ChangeStore: see base."""

    async def fetch(
        self, wanted: Mapping[str, Collection[int]], *, stubs: bool = False
    ) -> Sequence[Entry]:
        """See base."""
        _check(sum(map(len, wanted.values())))
        return await self._read(functools.partial(fetching.fetch, wanted=dict(wanted), stubs=stubs))

    async def find_sent(self, channel: str, sender: str, client_id: str) -> Entry | None:
        """See base."""
        return await self._read(lambda c: fetching.find_sent(c, channel, sender, client_id))

    async def sent_by(
        self, channel: str, sender: str, *, after: int, limit: int, stubs: bool = False
    ) -> Sequence[Entry]:
        """See base."""
        return await self._read(
            lambda c: fetching.sent_by(c, channel, sender, after=after, limit=limit, stubs=stubs)
        )

    async def pending(
        self, *, channel: str | None = None, before_ms: int, limit: int
    ) -> Sequence[Entry]:
        """See base."""
        return await self._read(
            lambda c: fetching.pending(c, channel=channel, before_ms=before_ms, limit=limit)
        )

    async def change(self, changes: Sequence[Change]) -> Sequence[bool]:
        """See base."""
        _check(len(changes))
        if not changes:
            return []
        return await self._write(
            lambda c: changing.change(c, changes),
            rows=len(changes),
            size=sum([len(each.data) for each in changes]),
        )

    async def rewrite(
        self,
        channel: str,
        offset: int,
        *,
        data: bytes,
        tags: dict[str, str] | None,
        changed: int,
    ) -> bool:
        """See base."""
        return await self._write(
            lambda c: changing.rewrite(c, channel, offset, data, tags, changed), size=len(data)
        )

    async def summarise(self, channel: str, offset: int, summary: bytes, *, by: int) -> bool:
        """See base."""
        return await self._write(
            lambda c: changing.summarise(c, channel, offset, summary, by=by), size=len(summary)
        )

    async def blank(self, channel: str, offsets: Collection[int]) -> None:
        """See base."""
        _check(len(offsets))
        await self._write(lambda c: changing.blank(c, channel, offsets), rows=len(offsets))

    async def disown(self, channel: str, offsets: Collection[int]) -> None:
        """See base."""
        _check(len(offsets))
        await self._write(lambda c: changing.disown(c, channel, offsets), rows=len(offsets))

    async def settle(self, channel: str, offsets: Collection[int]) -> None:
        """See base."""
        _check(len(offsets))
        await self._write(lambda c: changing.settle(c, channel, offsets), rows=len(offsets))

    async def notifiable(
        self, *, after_ms: int = 0, before_ms: int = 0, limit: int
    ) -> Sequence[Entry]:
        """See base."""
        return await self._read(
            lambda c: fetching.notifiable(c, after_ms=after_ms, before_ms=before_ms, limit=limit)
        )

    async def notified(self, marks: Mapping[str, Collection[int]]) -> None:
        """See base."""
        rows = sum(map(len, marks.values()))
        _check(rows)
        asked = dict(marks)
        if rows:
            await self._write(lambda c: changing.notified(c, asked), rows=rows)

    async def scrub(self) -> None:
        """See base: slice by slice, and appends go on in between.

        Raises StoreUnavailable where a read or a backup that began before it does not end within
        `SCRUB_WAIT_S`.
        """
        if self._database.in_memory:
            return
        path, descriptor = self._database.path, self._database.descriptor
        deadline = time.monotonic() + SCRUB_WAIT_S
        after: int | None = 0
        while after is not None:
            try:
                after = await self._write_alone(
                    functools.partial(scrub_slice, path=path, descriptor=descriptor, after=after)
                )
                deadline = time.monotonic() + SCRUB_WAIT_S
            except StoreUnavailable:
                if self._closed or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(SCRUB_PAUSE_S)


def _check(count: int) -> None:
    if count > FETCHED_MAX:
        raise ValueError(f"{count} entries, at most {FETCHED_MAX} expected")
