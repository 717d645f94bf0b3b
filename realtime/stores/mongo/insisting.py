"""Repeating a write until it is known what became of it, for those that can be told apart."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pymongo.errors import PyMongoError

from realtime.errors import StoreUnavailable
from realtime.stores.mongo.backoff import backoff_s
from realtime.stores.mongo.failures import is_unknown

_T = TypeVar("_T")


async def insist(call: Callable[[], Awaitable[_T | None]], *, for_s: float) -> _T:
    """Call it until it answers, at most for so long; None means that nothing is settled yet.

    It must recognise what an earlier call of it has done. Raises PyMongoError at once for what no
    repetition can mend, else the last one or StoreUnavailable.
    """
    deadline = time.monotonic() + for_s
    tries = 0
    while True:
        tries += 1
        failure: PyMongoError | None = None
        try:
            answer = await call()
        except PyMongoError as error:
            if not is_unknown(error):
                raise
            failure = error
        else:
            if answer is not None:
                return answer
        pause_s = backoff_s(tries)
        if time.monotonic() + pause_s > deadline:
            raise failure or StoreUnavailable("the store did not settle a write in time")
        await asyncio.sleep(pause_s)
