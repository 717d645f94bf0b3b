"""What became of jobs, gathered and written for many of them at once.

It is written soon after it is known, and not for each job: a worker that dies between a provider's
answer and the write sends the same again, in the place of what it sent before.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain
from typing import Final

import msgspec

from realtime.chat.ports import Clock
from realtime.cluster.outage import Outage
from realtime.errors import StoreError
from realtime.push.dead_letters import DeadLetters
from realtime.push.jobs import Jobs, Postponed, Settled
from realtime.push.rows import DEVICES, JOBS, DeadRow, DeviceRow, TrailRow
from realtime.push.slices import in_slices
from realtime.push.trail import Trail
from realtime.stores.base import SPANS_MAX, WRITES_MAX, Key, Removal, TableStore, Write

logger = logging.getLogger(__name__)

ROUND_S: Final = 0.2
"""How long results are gathered, in seconds."""

ROUNDS_MAX: Final = 15
"""How often that is done again while MANY more have come each time."""

MANY: Final = 50

WAITING_MAX: Final = 20_000
"""Results that may wait for the store; above that nothing more is begun. What is begun already adds
a few thousand at most (`workers.sending`)."""

BATCH: Final = WRITES_MAX
"""Results that are written together; half as many after each failure, so that a store that has
become slow gets what it can do in time."""

CALL_TIMEOUT_S: Final = 10.0
"""How long the store may take for a batch, in seconds."""

RETRY_S: Final = 0.5
"""Between tries while the store is away, in seconds."""


class Result(msgspec.Struct, frozen=True):
    """One job's: settled or postponed; what is to be said of it, and what follows for devices."""

    end: Settled | Postponed
    trail: tuple[TrailRow, ...] = ()
    dead: tuple[DeadRow, ...] = ()
    gone: tuple[DeviceRow, ...] = ()
    """Devices to be forgotten, as they were when they were sent to."""
    parked: Mapping[tuple[str, str], tuple[DeviceRow, str]] = {}
    """Devices that are sent nothing until they register again, and why."""
    found: Mapping[tuple[str, str], tuple[DeviceRow, str]] = {}
    """Devices of which it is known now in which environment they are."""


class Results:
    """Writes them; `run` must be running for that."""

    def __init__(self, store: TableStore, jobs: Jobs, clock: Clock) -> None:
        self._store = store
        self._jobs = jobs
        self._trail = Trail(store)
        self._dead = DeadLetters(store)
        self._clock = clock
        self._waiting: list[Result] = []
        self._batch = BATCH
        self._writing = asyncio.Lock()
        self._outage = Outage(logger, "what became of notifications")
        self._wanted = asyncio.Event()
        self.written: Callable[[Collection[int]], None] = lambda lanes: None
        """Called when jobs of these lanes are over: what was raised meanwhile is due."""
        self.decided: dict[str, int] = {}
        """How often each reason was given for a job, on however many devices."""

    def __len__(self) -> int:
        """Results that wait."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be begun."""
        return len(self._waiting) >= WAITING_MAX

    def add(self, result: Result) -> None:
        """Have it written. Never waits."""
        self._waiting.append(result)
        self._wanted.set()
        # Where the newest entry is passed over, the same is said of the one that was told of.
        newest = result.end.job.offset
        for reason in {row.reason for row in result.trail if row.offset == newest}:
            self.decided[reason] = self.decided.get(reason, 0) + 1

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._wanted.wait()
            await self._gather()
            try:
                await self._write_waiting(full=True)
            except (StoreError, TimeoutError) as error:
                self._outage.failed(error)
                await asyncio.sleep(RETRY_S)
            else:
                self._outage.ended()

    async def _gather(self) -> None:
        """Wait for more, and longer where much is under way: few calls for many results."""
        for _ in range(ROUNDS_MAX):
            before = len(self._waiting)
            await asyncio.sleep(ROUND_S)
            if len(self._waiting) >= BATCH or len(self._waiting) - before < MANY:
                return

    async def write(self) -> None:
        """Write what waits. Raises StoreError and TimeoutError; then it still waits.

        Any number of callers may do so at once: one after the other. What is written twice, after
        a failure half-way, changes nothing: rows of the trail and dead letters are the same again,
        and all else depends on what the first time has ended.
        """
        await self._write_waiting()

    async def _write_waiting(self, *, full: bool = False) -> None:
        """`full`: where there are full batches, those only, since more are coming."""
        async with self._writing:
            # What comes meanwhile has its own time to be gathered.
            left = len(self._waiting)
            if full and left > BATCH:
                left -= left % BATCH
            while left > 0:
                batch = self._waiting[: min(self._batch, left)]
                try:
                    await self._write_all(batch)
                except (StoreError, TimeoutError):
                    self._batch = max(1, self._batch // 2)
                    raise
                except Exception:  # noqa: BLE001 - a row that no store takes must not stop the others
                    await self._write_each(batch)
                del self._waiting[: len(batch)]
                left -= len(batch)
                self._batch = min(BATCH, 2 * self._batch)
            if not self._waiting:
                self._wanted.clear()

    async def _write_each(self, batch: Sequence[Result]) -> None:
        """One of these cannot be written, whatever the store: find out which, and write the others.

        What is said of that one is lost, but not that its job is over: or it would be sent again
        and again. Raises StoreError and TimeoutError.
        """
        for result in batch:
            try:
                await self._write_all([result])
            except (StoreError, TimeoutError):
                raise
            except Exception:
                logger.exception("what became of a notification cannot be written")
                await self._write_end(result)

    async def _write_end(self, result: Result) -> None:
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await self._end([result])
        except (StoreError, TimeoutError):
            raise
        except Exception:
            logger.exception("a notification is left until its lease ends")

    async def _write_all(self, batch: Sequence[Result]) -> None:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            # What is said of a job, and what must not be lost, before the job is over.
            known = await self._known(batch)
            fresh = [
                row for result in known for row in result.trail if not _is_attempt(result, row)
            ]
            tried = [row for result in batch for row in result.trail if _is_attempt(result, row)]
            await self._trail.record(fresh)
            await self._trail.conclude(tried)
            await self._dead.bury([row for result in known for row in result.dead])
            await self._write(list(chain(*await in_slices(_beside, batch))))
            await self._end(batch)

    async def _known(self, batch: Sequence[Result]) -> Sequence[Result]:
        """Those of which more is to be written than what became of attempts, where the jobs are
        still there: of who was erased meanwhile nothing is. No read where there are none."""
        new = [result for result in batch if _says_more(result)]
        there: set[Key] = set()
        for start in range(0, len(new), SPANS_MAX):
            keys = {JOBS.key_of(result.end.job) for result in new[start : start + SPANS_MAX]}
            there |= {JOBS.key_of(job) for job in await self._store.get(JOBS, sorted(keys))}
        return [result for result in new if JOBS.key_of(result.end.job) in there]

    async def _write(self, writes: list[Write | Removal]) -> None:
        for start in range(0, len(writes), WRITES_MAX):
            await self._store.write(writes[start : start + WRITES_MAX])

    async def _end(self, batch: Sequence[Result]) -> None:
        now_ms = self._clock.wall_ms()
        settled = [result.end for result in batch if isinstance(result.end, Settled)]
        postponed = [result.end for result in batch if isinstance(result.end, Postponed)]
        if settled:
            await self._jobs.settle(settled, now_ms)
        if postponed:
            await self._jobs.later(postponed, now_ms)
        self.written({result.end.job.lane for result in batch})


def _is_attempt(result: Result, row: TrailRow) -> bool:
    """Whether a row says what became of an attempt that was written down before it was made."""
    return row.device != "" and row.offset == result.end.job.offset


def _says_more(result: Result) -> bool:
    return bool(result.dead) or not all(_is_attempt(result, row) for row in result.trail)


def _beside(result: Result) -> list[Write | Removal]:
    # Not if it has registered again since.
    writes: list[Write | Removal] = [
        Removal(DEVICES, (row.user, row.device), equals={"registered_at": row.registered_at})
        for row in result.gone
    ]
    for field, told in (("parked", result.parked), ("environment", result.found)):
        writes += [
            Write(
                DEVICES,
                (row.user, row.device),
                set={field: text},
                equals={"registered_at": row.registered_at},
            )
            for row, text in told.values()
        ]
    return writes
