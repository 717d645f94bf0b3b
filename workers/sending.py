"""Jobs that are due become notifications, or are found to be needless.

A job is claimed, looked at once more, attempted, and settled; all of that for many at a time. Who
dies at any point leaves a job that somebody claims again when its lease has run out.

Jobs of large channels have a lane of their own, with few requests at once: what is urgent never
waits behind a hundred thousand of them.
"""

import asyncio
import contextlib
import logging
import secrets
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from realtime.chat.ports import Clock
from realtime.cluster.outage import Outage
from realtime.errors import StoreError
from realtime.push.jobs import LANES, LARGE, SMALL, Jobs, Postponed
from realtime.push.rows import JobRow
from realtime.push.slices import patiently
from realtime.settings.push_schema import PushSettings
from realtime.stores.base import WRITES_MAX
from workers.cases import Cases
from workers.errands import Errand, Errands
from workers.pace import Pace
from workers.results import Result, Results

logger = logging.getLogger(__name__)

POLL_S: Final = 1.0
"""How often it is looked for jobs that nobody has told of, in seconds."""

FILL_S: Final = 5.0
"""The same for jobs of large channels while they are being made."""

RETRY_S: Final = 1.0
"""Before what the store did not take is tried again, in seconds."""

CLAIMED_MAX: Final[Mapping[int, int]] = {SMALL: 500, LARGE: WRITES_MAX}
"""Jobs of one claim, by lane."""

BATCHES_MAX: Final[Mapping[int, int]] = {SMALL: 4, LARGE: 2}
"""Claims that are worked on at a time, by lane."""

IN_FLIGHT_MAX: Final[Mapping[int, int]] = {SMALL: 200, LARGE: 50}
"""Requests at once of one claim, by lane."""

READ_TIMEOUT_S: Final = 15.0
"""How long reading what has to be known of a claim's jobs may take."""

SEND_MAX_MS: Final = 15_000
"""What is not begun so long before its lease ends is given back, in milliseconds; half of a shorter
lease. So there is time to wait for a place and for a provider, ten seconds as a rule, before an
errand is cut off (`workers.errands.SETTLE_MS`). One that is begun at once has as long as a provider
may take."""


class Sender:
    """Works on jobs; `run` until cancelled. `wake` when there may be some."""

    def __init__(
        self,
        jobs: Jobs,
        *,
        cases: Cases,
        errands: Errands,
        results: Results,
        settings: PushSettings,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._cases = cases
        self._errands = errands
        self._results = results
        results.written = self._settled
        self._lease_ms = settings.lease.ms
        self._send_max_ms = min(SEND_MAX_MS, settings.lease.ms // 2)
        self._clock = clock
        self._wanted = {lane: asyncio.Event() for lane in LANES}
        self._places = {lane: asyncio.Semaphore(BATCHES_MAX[lane]) for lane in LANES}
        self._begun = 0
        """Claims that are being made, or worked on."""
        self._left: list[deque[Errand]] = []
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_draining = False
        self.pace = Pace()
        """That of large channels."""
        self.is_filling = False
        """Whether jobs of large channels are being made: `wake` says when there are many."""
        self._outage = Outage(logger, "claiming of notifications")

    def wake(self, lanes: Iterable[int] = LANES) -> None:
        """There may be jobs in these lanes. Never waits."""
        for lane in lanes:
            self._wanted[lane].set()

    def _settled(self, lanes: Collection[int]) -> None:
        """Jobs are over. A message that came meanwhile has woken nobody who could have told of it;
        those of large channels are claimed many at a time, and wait for that."""
        if SMALL in lanes:
            self.wake((SMALL,))

    async def drain(self) -> None:
        """Begin nothing more, and wait until what is begun has ended and is written.

        The caller bounds it. What was claimed and not begun is given back at once, also what is
        being claimed just now. Raises StoreError and TimeoutError.
        """
        self._is_draining = True
        for left in self._left:
            self._give_back_begun(left)
        self.wake()
        await self._idle.wait()
        await self._results.write()

    async def run(self) -> None:
        """Work until cancelled. Hosted by a task group."""
        async with asyncio.TaskGroup() as tasks:
            for lane in LANES:
                tasks.create_task(self._work(lane, tasks), name=f"sending {lane}")

    async def _work(self, lane: int, tasks: asyncio.TaskGroup) -> None:
        if lane == LARGE:
            # The tasks that are made here have time as well.
            with patiently(self.pace.calm):
                await self._claim_for_ever(lane, tasks)
        else:
            await self._claim_for_ever(lane, tasks)

    async def _claim_for_ever(self, lane: int, tasks: asyncio.TaskGroup) -> None:
        while not self._is_draining:
            self._wanted[lane].clear()
            await self._places[lane].acquire()
            if await self._take(lane, tasks) < CLAIMED_MAX[lane]:
                await self._until_wanted(lane)

    async def _take(self, lane: int, tasks: asyncio.TaskGroup) -> int:
        """Claim something, and have it worked on, in a place of the lane; answers how much."""
        claimed: Sequence[JobRow] = ()
        self._begun += 1
        self._idle.clear()
        try:
            if not self._is_draining and not self._results.is_full:
                with self._hurry(lane):
                    claimed = await self._claim(lane)
        finally:
            if not claimed:
                self._over(lane)
        if claimed:
            tasks.create_task(self._batch(claimed, lane), name=f"{len(claimed)} notifications")
        return len(claimed)

    def _hurry(self, lane: int) -> contextlib.AbstractContextManager[None]:
        return self.pace.urgently() if lane == SMALL else contextlib.nullcontext()

    def _over(self, lane: int) -> None:
        self._places[lane].release()
        self._begun -= 1
        if not self._begun:
            self._idle.set()

    async def _until_wanted(self, lane: int) -> None:
        try:
            async with asyncio.timeout(FILL_S if self.is_filling and lane == LARGE else POLL_S):
                await self._wanted[lane].wait()
        except TimeoutError:
            return

    async def _claim(self, lane: int) -> Sequence[JobRow]:
        now_ms = self._clock.wall_ms()
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                claimed = await self._jobs.claim(
                    now_ms,
                    lease=secrets.token_hex(8),
                    until_ms=now_ms + self._lease_ms,
                    limit=CLAIMED_MAX[lane],
                    lane=lane,
                )
        except (StoreError, TimeoutError) as error:
            self._outage.failed(error)
            await asyncio.sleep(RETRY_S)
            return ()
        self._outage.ended()
        return claimed

    async def _batch(self, claimed: Sequence[JobRow], lane: int) -> None:
        try:
            await self._carry_out(claimed, lane)
        finally:
            self._over(lane)

    async def _carry_out(self, claimed: Sequence[JobRow], lane: int) -> None:
        if self._is_draining:
            self._give_back(claimed)
            return
        with self._hurry(lane):
            left = deque(await self._prepared(claimed, lane))
            if lane == SMALL:
                self.pace.told()
        if self._is_draining:
            self._give_back_begun(left)
            return
        self._left.append(left)
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(IN_FLIGHT_MAX[lane], len(left))):
                    tasks.create_task(self._walk(left, lane), name="notifications")
        finally:
            self._left = [other for other in self._left if other is not left]

    async def _prepared(self, claimed: Sequence[JobRow], lane: int) -> Sequence[Errand]:
        """What is to be done for these jobs, written down as begun."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                cases = await self._cases.of(claimed, self._clock.wall_ms())
                return await self._errands.begin(cases, lane)
        except (StoreError, TimeoutError) as error:
            self._outage.failed(error)
            # Not at once: it would be claimed at once, too.
            self._give_back(claimed, int(1_000 * RETRY_S))
            return ()
        except Exception:
            # The boundary of a job: one that cannot be decided must not stop the others.
            if len(claimed) == 1:
                logger.exception("a notification cannot be decided")
                self._results.add(self._errands.failed(claimed[0]))
                return ()
        half = len(claimed) // 2
        first = await self._prepared(claimed[:half], lane)
        return [*first, *await self._prepared(claimed[half:], lane)]

    async def _walk(self, left: deque[Errand], lane: int) -> None:
        while left:
            if lane == LARGE:
                await self.pace.turn()
                if not left:
                    return
            errand = left.popleft()
            if self._is_late(errand.case.job):
                self._results.add(self._errands.given_back(errand))
                continue
            try:
                result = await self._errands.run(errand)
            except Exception:
                # The boundary of a job, as above.
                logger.exception("it is not known what became of a notification")
                result = self._errands.failed(errand.case.job)
            self._results.add(result)

    def _is_late(self, job: JobRow) -> bool:
        return self._clock.wall_ms() > job.due_at - self._send_max_ms

    def _give_back_begun(self, left: deque[Errand]) -> None:
        while left:
            self._results.add(self._errands.given_back(left.popleft()))

    def _give_back(self, jobs: Sequence[JobRow], after_ms: int = 0) -> None:
        due_at = self._clock.wall_ms() + after_ms
        for job in jobs:
            self._results.add(Result(Postponed(job, due_at, tried=False)))
