"""Calls of the driver that may be cancelled without harm to those that come after.

PyMongo waits for a server to be found with `asyncio.wait_for` around a condition that takes its
lock again when it is cancelled. Before Python 3.12, `wait_for` leaves that behind in a task of its
own when its caller is cancelled just then (https://github.com/python/cpython/issues/86296): the
client's lock is taken by a task that has ended, or let go by one that does not have it, and the
client never finds a server again. Our callers do cancel, all of them within the same seconds where
the server is away.

And it loses a cancellation that comes just as what it waits for is done or has failed, as PyMongo
waits with each message that it sends: a worker that was told to stop at that moment went on.
"""

import asyncio
import sys
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

import pymongo.lock

_T = TypeVar("_T")


async def wait_for(awaited: Awaitable[_T], timeout_s: float | None) -> _T:
    """As `asyncio.wait_for` is from Python 3.12 on: waits in the caller's own task.

    Raises TimeoutError after `timeout_s` seconds; None waits for as long as it takes.
    """
    async with asyncio.timeout(timeout_s):
        return await awaited


async def heeding(call: Coroutine[Any, Any, _T]) -> _T:
    """What a call of the driver answers.

    Raises CancelledError where its task was cancelled meanwhile, although the driver has answered
    or raised something else; the call may have been carried out, as with any cancellation.
    """
    task = asyncio.current_task()
    assert task is not None, "a coroutine is run by a task"
    before = task.cancelling()
    try:
        return await call
    finally:
        if task.cancelling() > before:
            raise asyncio.CancelledError


def make_cancellation_safe() -> None:
    """Have PyMongo wait in its callers' tasks; of this process, for good. Idempotent."""
    if sys.version_info < (3, 12):
        vars(pymongo.lock)["wait_for"] = wait_for
