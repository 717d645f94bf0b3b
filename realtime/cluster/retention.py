"""Freeing what retention hides, in slices, by one process of all.

Reads hide what is expired at once, whoever frees it and whenever: this only frees space.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from realtime.cluster.clock import Clock
from realtime.cluster.outage import Outage
from realtime.cluster.tasks import RETENTION, Tasks
from realtime.errors import StoreError
from realtime.model import Retention
from realtime.stores.base import LogStore

logger = logging.getLogger(__name__)

SLICE_ROWS: Final = 1000
"""Rows that one slice of retention changes: milliseconds, so that appends hardly wait."""

PAUSE_S: Final = 0.05
"""Between slices of one round."""

ROUND_S: Final = 30.0
"""Between rounds, in seconds."""

SLICE_TIMEOUT_S: Final = 60.0
"""How long one slice may take, in seconds."""

ASK_SLICES: Final = 20
"""Whether the task is still this node's is asked every so many slices: about once a second."""


RetentionAfter = Callable[[str], Awaitable[Callable[[str], Retention]]]
"""Answers what may be seen of the channels whose names come after this one, as of now.

The answer is pure, may be called from another thread, and is good for one slice. Raises StoreError.
"""


def unchanging(retention: Callable[[str], Retention]) -> RetentionAfter:
    """For where it is the same at any time: what namespaces say alone."""

    async def after(channel: str) -> Callable[[str], Retention]:
        return retention

    return after


async def always() -> bool:
    """Stands in for `may` where no other process works on the store."""
    return True


def shared_by(tasks: Tasks, *, is_worker: bool) -> Callable[[], Awaitable[bool]]:
    """Whether this node is the one to do it, in a cluster: a worker if there is one, or any hub."""

    async def may() -> bool:
        if not is_worker and await tasks.leave_to_worker(RETENTION):
            return False
        return await tasks.mine(RETENTION)

    return may


class RetentionRounds:
    """Runs beside a hub or in a worker for as long as it does.

    `retention` is asked before each slice what may be seen of its channels. `may` is asked before a
    round and now and then within it; a round of which it is not the one any more ends where it is.
    """

    def __init__(
        self,
        store: LogStore,
        *,
        retention: RetentionAfter,
        clock: Clock,
        may: Callable[[], Awaitable[bool]] = always,
    ) -> None:
        self._store = store
        self._retention = retention
        self._clock = clock
        self._may = may
        self._outage = Outage(logger, "retention")

    async def run(self) -> None:
        """Sweep for ever. Hosted by the process's task group; may be cancelled anywhere."""
        while True:
            await asyncio.sleep(ROUND_S)
            try:
                await self.sweep()
                self._outage.ended()
            except (StoreError, TimeoutError) as error:
                self._outage.failed(error)

    async def sweep(self) -> int:
        """One round over all channels; answers how many rows it changed.

        Raises StoreError or TimeoutError; the next round does what this one did not.
        """
        changed = slices = 0
        after = ""
        while slices % ASK_SLICES or await self._may():
            async with asyncio.timeout(SLICE_TIMEOUT_S):
                swept = await self._store.sweep(
                    await self._retention(after),
                    now_ms=self._clock.wall_ms(),
                    after=after,
                    limit=SLICE_ROWS,
                )
            slices += 1
            changed += swept.changed
            if swept.next_channel is None:
                break
            after = swept.next_channel
            await asyncio.sleep(PAUSE_S)
        return changed
