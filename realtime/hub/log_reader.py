"""Reads of channel logs that many ask for at once: identical ones become one."""

from collections.abc import Callable, Coroutine
from typing import Final

from realtime.cluster.shared_reads import SharedReads
from realtime.model import Retention
from realtime.stores.base import LogStore, Page

READ_TIMEOUT_S: Final = 4.0
"""How long a read may take before its askers are told to try again: less than SDKs wait (5 s)."""

READS_MAX: Final = 4096
"""Different reads that may wait at once."""


class LogReader:
    """Coalesces reads of one store. `spawn` hosts a coroutine in a task that has a parent."""

    def __init__(
        self,
        store: LogStore,
        *,
        now_ms: Callable[[], int],
        spawn: Callable[[Coroutine[object, object, None]], object],
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._reads: SharedReads[Page] = SharedReads(
            "a channel's log", spawn=spawn, reads_max=READS_MAX, timeout_s=READ_TIMEOUT_S
        )
        self._least: dict[tuple[str, str, Retention], int] = {}

    async def newest(self, channel: str, *, after: int, limit: int, retention: Retention) -> Page:
        """The newest `limit` visible entries after `after`, oldest first, and the head.

        Askers of one channel, by the same retention, share a read that reaches back to the least
        `after` among them, so entries at or below one's own `after` may be among the answer.
        Raises StoreError.
        """
        key = ("newest", channel, retention)
        least = self._least.get(key, after) if key in self._reads else after
        self._least[key] = min(least, after)

        async def read() -> Page:
            page = await self._store.read(
                channel,
                after=self._least.pop(key),
                limit=limit,
                newest_first=True,
                retention=retention,
                now_ms=self._now_ms(),
            )
            return Page(page.entries[::-1], page.head)

        try:
            return await self._reads.read(key, read)
        finally:
            if key not in self._reads:
                self._least.pop(key, None)

    async def page(
        self,
        channel: str,
        *,
        after: int,
        before: int,
        limit: int,
        newest_first: bool,
        retention: Retention,
    ) -> Page:
        """A page of history, as `LogStore.read` gives it. Raises StoreError."""

        async def read() -> Page:
            return await self._store.read(
                channel,
                after=after,
                before=before,
                limit=limit,
                newest_first=newest_first,
                retention=retention,
                now_ms=self._now_ms(),
            )

        return await self._reads.read(
            (channel, after, before, limit, newest_first, retention), read
        )
