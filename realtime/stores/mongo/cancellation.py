"""Calls of the driver that may be cancelled without harm to those that come after.

PyMongo waits for a server to be found with `asyncio.wait_for` around a condition that takes its
lock again when it is cancelled. Before Python 3.12, `wait_for` leaves that behind in a task of its
own when its caller is cancelled just then (https://github.com/python/cpython/issues/86296): the
client's lock is taken by a task that has ended, or let go by one that does not have it, and the
client never finds a server again. Our callers do cancel, all of them within the same seconds where
the server is away.
"""

import asyncio
import sys
from collections.abc import Awaitable
from typing import TypeVar

import pymongo.lock

_T = TypeVar("_T")


async def wait_for(awaited: Awaitable[_T], timeout_s: float | None) -> _T:
    """As `asyncio.wait_for` is from Python 3.12 on: waits in the caller's own task.

    Raises TimeoutError after `timeout_s` seconds; None waits for as long as it takes.
    """
    async with asyncio.timeout(timeout_s):
        return await awaited


def make_cancellation_safe() -> None:
    """Have PyMongo wait in its callers' tasks; of this process, for good. Idempotent."""
    if sys.version_info < (3, 12):
        vars(pymongo.lock)["wait_for"] = wait_for
