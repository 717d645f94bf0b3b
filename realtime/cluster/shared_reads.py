"""Reads that many ask for at once: identical ones become one.

An asker may be served only by a read that began after it asked, or it could be told of less than
it knows already. So askers join the read that is queued, never the one under way: a storm costs two
reads, whatever its size.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Generic, TypeVar

from realtime.errors import StoreError, StoreUnavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")


class SharedReads(Generic[T]):
    """Coalesces reads of one kind, `what`. `spawn` hosts a coroutine in a task with a parent.

    At most `reads_max` different ones wait at once, each for at most `timeout_s`.
    """

    def __init__(
        self,
        what: str,
        *,
        spawn: Callable[[Coroutine[object, object, None]], object],
        reads_max: int,
        timeout_s: float,
    ) -> None:
        self._what = what
        self._spawn = spawn
        self._reads_max = reads_max
        self._timeout_s = timeout_s
        self._queued: dict[Hashable, asyncio.Future[T]] = {}

    def __len__(self) -> int:
        """How many different reads wait to begin."""
        return len(self._queued)

    def __contains__(self, key: Hashable) -> bool:
        """Whether a read with this key waits to begin."""
        return key in self._queued

    async def read(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """What `read` answers, or another asker's with the same key. Raises StoreError."""
        future = self._queued.get(key)
        if future is None:
            if len(self._queued) >= self._reads_max:
                raise StoreUnavailable(f"too many reads of {self._what} wait")
            future = asyncio.get_running_loop().create_future()
            self._queued[key] = future
            self._spawn(self._perform(key, future, read))
        # One asker's cancellation must not take the answer from the others.
        return await asyncio.shield(future)

    async def _perform(
        self, key: Hashable, future: "asyncio.Future[T]", read: Callable[[], Awaitable[T]]
    ) -> None:
        # From here on the read is under way, and whoever asks next queues another.
        del self._queued[key]
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await read()
        except StoreError as error:
            _fail(future, error)
        except TimeoutError:
            _fail(future, StoreUnavailable(f"a read of {self._what} took too long"))
        except Exception:  # a driver's defect must not look like a cancellation to those who wait
            logger.exception("%s could not be read", self._what)
            _fail(future, StoreError("the read failed"))
        except BaseException:
            future.cancel()
            raise
        else:
            if not future.cancelled():
                future.set_result(answer)


def _fail(future: "asyncio.Future[T]", error: StoreError) -> None:
    if not future.cancelled():
        future.set_exception(error)
        future.exception()  # retrieved, also where every asker has gone
