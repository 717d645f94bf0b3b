"""Work of a node that stops at some call of the store, and goes on when it is let."""

import asyncio
import itertools
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from tests.support.feeds import FeedNode


async def halted(
    node: FeedNode, work: Coroutine[Any, Any, Any], call: int
) -> tuple[asyncio.Task[Any], asyncio.Event]:
    """Begin some work of a node, and let it get to that call of the store, or to its end.

    Answers it, and what lets it go on.
    """
    reached, goes_on = asyncio.Event(), asyncio.Event()
    calls = itertools.count()

    async def before(name: str) -> None:
        if next(calls) >= call:
            reached.set()
            await goes_on.wait()

    node.store.before = before
    task = asyncio.create_task(work)
    halt = asyncio.create_task(reached.wait())
    await asyncio.wait((task, halt), return_when=asyncio.FIRST_COMPLETED)
    halt.cancel()
    with suppress(asyncio.CancelledError):
        await halt
    node.store.before = None
    return task, goes_on


async def ended(task: asyncio.Task[Any]) -> Any:
    """What the task has come to."""
    return await task
