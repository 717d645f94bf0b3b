"""Calls that are cancelled end with that, and leave the client usable.

Those while no server is there are in a process of their own: a lock that nobody has lets no loop
end.
"""

import asyncio
import contextlib
import subprocess
import sys
from collections import Counter
from typing import Any, Final

import pytest
from pymongo.errors import AutoReconnect, ServerSelectionTimeoutError

from realtime.stores.mongo.calling import Calling
from realtime.stores.mongo.cancellation import heeding
from realtime.stores.mongo.client import Database, Timeouts

NOBODY: Final = "mongodb://127.0.0.1:1/"
SELECT_S: Final = 1.2
WAKES_S: Final = 0.5
"""The client looks around at least as often while it waits: when nobody should be cancelled."""
ASKED: Final = 300


def test_a_call_that_is_cancelled_takes_no_lock_along() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", __name__], check=True, capture_output=True, text=True, timeout=30
    )
    assert ended.stdout.split() == [str(ASKED)] * 2


async def answers_anyway(*_: object) -> str:
    """Misses that it is cancelled, as the driver may with Python 3.11."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    return "answer"


async def fails_instead(*_: object) -> str:
    """Raises something else when it is cancelled."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise AutoReconnect from None
    return "answer"


@pytest.mark.parametrize("call", [answers_anyway, fails_instead])
@pytest.mark.parametrize("by", ["_call", "_prepared"])
async def test_a_call_is_cancelled_although_the_driver_has_missed_it(by: str, call: Any) -> None:
    calling = Calling(NOBODY, Timeouts(), pool_max=1, calls_max=1, write_for_s=1.0)
    calling._epoch = "known"
    called = asyncio.create_task(getattr(calling, by)(call))
    await asyncio.sleep(0)
    called.cancel()
    with pytest.raises(asyncio.CancelledError):
        await called
    await calling._reachable().close()


async def test_a_call_is_over_when_its_time_is_up_although_the_driver_has_missed_it() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await heeding(answers_anyway())


async def test_who_was_cancelled_before_is_answered() -> None:
    async def say_farewell() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            answered.append(await heeding(asyncio.sleep(0, "answer")))
        return ""

    answered: list[str] = []
    leaving = asyncio.create_task(say_farewell())
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert answered == ["answer"]


async def _cancel_many() -> None:
    """Prints how many were cancelled, and how many were told that there is no server."""
    database = Database(NOBODY, Timeouts(select_s=SELECT_S), pool_max=10)
    ends: Counter[type[Exception]] = Counter()

    async def insist(number: int) -> None:
        for turn in range(6):
            spread_s = (7 * number + 3 * turn) % 20 / 1_000
            try:
                async with asyncio.timeout(WAKES_S + spread_s if number % 2 else 10):
                    await database.meta.find_one({})
            except (TimeoutError, ServerSelectionTimeoutError) as error:
                ends[type(error)] += 1

    await asyncio.gather(*[insist(number) for number in range(2 * ASKED // 6)])
    await database.close()
    sys.stdout.write(f"{ends[TimeoutError]} {ends[ServerSelectionTimeoutError]}\n")


if __name__ == "__main__":
    asyncio.run(_cancel_many())
