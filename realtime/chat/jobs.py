"""Background work by keys: each key's at most once per interval, what comes meanwhile merged."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from realtime.chat.pacing import Pace, wait_for_due
from realtime.chat.ports import Clock
from realtime.cluster.outage import Outage
from realtime.errors import CommandRefused, StoreError

logger = logging.getLogger(__name__)

AT_ONCE_MAX: Final = 4
"""Jobs that are done at the same time."""

JOB_TIMEOUT_S: Final = 30.0
"""How long one job may take."""

Key = TypeVar("Key")
Note = TypeVar("Note")


class Jobs(Generic[Key, Note]):
    """Does what is added, by `run`, for as long as that runs.

    `perform` is given a key and what was said about it. What it leaves behind when it raises, when
    there is no room, or when this node dies, somebody else must find.
    """

    def __init__(
        self,
        what: str,
        pace: Pace[Key, Note],
        clock: Clock,
        perform: Callable[[Key, Note], Awaitable[None]],
    ) -> None:
        self._pace = pace
        self._clock = clock
        self._perform = perform
        self._wanted = asyncio.Event()
        self._outage = Outage(logger, what)

    @property
    def dropped(self) -> int:
        """Jobs for which there was no room."""
        return self._pace.dropped

    def add(self, key: Key, note: Note) -> None:
        """Have it done. Never waits."""
        self._pace.add(key, note, self._clock.monotonic())
        self._wanted.set()

    async def run(self) -> None:
        """Do what is due for ever. Hosted by a task group; may be cancelled anywhere."""
        while True:
            await wait_for_due(self._pace, self._wanted, self._clock)
            await self.work()

    async def work(self) -> None:
        """Do all that is due now."""
        while due := self._pace.due(self._clock.monotonic(), AT_ONCE_MAX):
            async with asyncio.TaskGroup() as jobs_group:
                for key, note in due:
                    job = self.guard(self._perform(key, note))
                    jobs_group.create_task(job, name="job")

    async def guard(self, work: Awaitable[None]) -> None:
        """Await something that belongs to the jobs, with their bound, and log what it raises."""
        try:
            async with asyncio.timeout(JOB_TIMEOUT_S):
                await work
        except (StoreError, CommandRefused, TimeoutError) as error:
            self._outage.failed(error)
        except Exception:  # the boundary of one job: the others are not to wait for it
            logger.exception("a job could not be done")
        else:
            self._outage.ended()
