"""Calls that are finished although their caller has given up.

An append that was cancelled half-way would leave its caller's next one to find out what became
of it. So it runs as a task of the store, and the caller only waits.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from realtime.errors import StoreUnavailable

_T = TypeVar("_T")


class Begun:
    """Runs calls in a task group of its own, from `open` to `finish`."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None

    async def open(self) -> None:
        """Calls may begin."""
        # Entered by hand, since a store is opened in one place and closed in another. A group
        # interferes with the task that entered it only when a child fails, and none does.
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()

    async def run(self, call: Coroutine[Any, Any, _T]) -> _T:
        """Begin the call and wait for its answer. Cancelling ends the waiting only."""
        if self._group is None:
            call.close()
            raise StoreUnavailable("the store is not open")
        answer: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._group.create_task(_settle(call, answer))
        return await answer

    async def finish(self, timeout_s: float) -> bool:
        """Wait for what was begun, and end what takes longer. Whether all of it was finished."""
        group, self._group = self._group, None
        if group is None:
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await group.__aexit__(None, None, None)
        except TimeoutError:
            return False
        return True


async def _settle(call: Coroutine[Any, Any, _T], answer: asyncio.Future[_T]) -> None:
    try:
        result = await call
    except asyncio.CancelledError:
        if not answer.done():
            answer.set_exception(StoreUnavailable("the store was closed before this was done"))
        raise
    except Exception as error:  # noqa: BLE001 - the boundary of one call: its caller gets it
        if not answer.done():
            answer.set_exception(error)
    else:
        if not answer.done():
            answer.set_result(result)
