"""Reads of channel logs that many ask for at once: identical ones become one.

A reader may be served by a read only if it began after the reader asked, or a client could be
told of less than it knows already. So askers join the read that is queued, never the one under
way: a storm on one channel costs two reads, whatever its size.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Final

from realtime.errors import StoreError, StoreUnavailable
from realtime.model import Retention
from realtime.stores.base import LogStore, Page

logger = logging.getLogger(__name__)

READ_TIMEOUT_S: Final = 10.0
"""How long a read may take before its askers are told to try again."""

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
        self._spawn = spawn
        self._queued: dict[Hashable, asyncio.Future[Page]] = {}
        self._least: dict[str, int] = {}

    async def newest(self, channel: str, *, after: int, limit: int, retention: Retention) -> Page:
        """The newest `limit` visible entries after `after`, oldest first, and the head.

        Askers of one channel share a read that reaches back to the least `after` among them, so
        entries at or below one's own `after` may be among the answer.
        Raises StoreError.
        """
        key = ("newest", channel)
        least = self._least.get(channel, after) if key in self._queued else after
        self._least[channel] = min(least, after)

        async def read() -> Page:
            page = await self._store.read(
                channel,
                after=self._least.pop(channel),
                limit=limit,
                newest_first=True,
                retention=retention,
                now_ms=self._now_ms(),
            )
            return Page(page.entries[::-1], page.head)

        try:
            return await self._shared(key, read)
        finally:
            if key not in self._queued:
                self._least.pop(channel, None)

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

        return await self._shared((channel, after, before, limit, newest_first), read)

    async def _shared(self, key: Hashable, read: Callable[[], Awaitable[Page]]) -> Page:
        future = self._queued.get(key)
        if future is None:
            if len(self._queued) >= READS_MAX:
                raise StoreUnavailable("too many reads of channel logs wait")
            future = asyncio.get_running_loop().create_future()
            self._queued[key] = future
            self._spawn(self._perform(key, future, read))
        # One asker's cancellation must not take the answer from the others.
        return await asyncio.shield(future)

    async def _perform(
        self, key: Hashable, future: "asyncio.Future[Page]", read: Callable[[], Awaitable[Page]]
    ) -> None:
        # From here on the read is under way, and whoever asks next queues another.
        del self._queued[key]
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                page = await read()
        except StoreError as error:
            _fail(future, error)
        except TimeoutError:
            _fail(future, StoreUnavailable("a read of a channel's log took too long"))
        except (
            Exception
        ):  # a defect of a driver must not look like a cancellation to those who wait
            logger.exception("a channel's log could not be read")
            _fail(future, StoreError("the read failed"))
        except BaseException:
            future.cancel()
            raise
        else:
            if not future.cancelled():
                future.set_result(page)


def _fail(future: "asyncio.Future[Page]", error: StoreError) -> None:
    if not future.cancelled():
        future.set_exception(error)
        future.exception()  # retrieved, also where every asker has gone
