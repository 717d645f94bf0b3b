"""Calls that are cancelled while no server is there leave the client usable.

They are in a process of their own: a lock that nobody has lets no loop end.
"""

import asyncio
import subprocess
import sys
from collections import Counter
from typing import Final

from pymongo.errors import ServerSelectionTimeoutError

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
