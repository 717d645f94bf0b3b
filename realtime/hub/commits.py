"""Group commit: a node's appends go to the store in groups, and are answered once durable.

While one group is being committed the next one fills. One group is in flight, so the entries of a
channel keep the order in which they were given here. Nothing waits for a commit but its own
answer.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from realtime.errors import INTERNAL, CommandRefused, StoreError, StoreUnavailable
from realtime.hub.statistics import Statistics
from realtime.model import NewEntry
from realtime.stores.base import Appended, Conflict, LogStore

logger = logging.getLogger(__name__)

GROUP_MAX: Final = 512
"""Entries in one group: enough to pay for the sync to disk, few enough to be quick."""

PENDING_MAX: Final = 16_384
"""Entries that may wait for a group; one more is refused with error 100 (temporary)."""

PENDING_MAX_BYTES: Final = 64 * 1024 * 1024
"""Payload bytes of them."""

APPEND_TIMEOUT_S: Final = 30.0
"""How long a group may take before its publishers are told to try again."""

Outcome = Appended | Conflict | StoreError
Settle = Callable[[NewEntry, Outcome], None]


class Commits:
    """The queue before `LogStore.append`. `run` must be running for anything to be answered."""

    def __init__(self, store: LogStore, statistics: Statistics) -> None:
        self._store = store
        self._statistics = statistics
        self._pending: deque[tuple[NewEntry, Settle]] = deque()
        self._pending_bytes = 0
        self._wanted = asyncio.Event()
        # Whether the last commit failed: then this node cannot keep its promises.
        self.failing = False
        self._added = 0
        self._answered = 0
        self._flushes: deque[tuple[int, asyncio.Future[None]]] = deque()

    def __repr__(self) -> str:
        return f"<Commits {len(self._pending)} entries wait>"

    def add(self, entry: NewEntry, settle: Settle) -> None:
        """Queue an entry; `settle` is called with what became of it.

        StoreError as the outcome means that it was not acknowledged: it is absent or there once,
        and the same entry may be given again. Raises CommandRefused (100) when too much waits.
        """
        if len(self._pending) >= PENDING_MAX or self._pending_bytes >= PENDING_MAX_BYTES:
            raise CommandRefused(INTERNAL)
        self._pending.append((entry, settle))
        self._pending_bytes += len(entry.data)
        self._added += 1
        self._wanted.set()

    async def append(self, entry: NewEntry) -> Outcome:
        """`add`, and wait for the outcome. Cancelling does not take the entry back."""
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def settle(_: NewEntry, result: Outcome) -> None:
            if not outcome.done():
                outcome.set_result(result)

        self.add(entry, settle)
        return await outcome

    async def run(self) -> None:
        """Commit groups for ever. Hosted by the hub's task group."""
        while True:
            await self._wanted.wait()
            await self._commit_group()

    async def _commit_group(self) -> None:
        # Not in `run`, whose variables would hold the last group and its clients until the next.
        group = self._take_group()
        results = await self._commit([entry for entry, _ in group])
        for (entry, settle), result in zip(group, results, strict=True):
            try:
                settle(entry, result)
            except Exception:  # the boundary of one answer: the others get theirs
                logger.exception("an appended entry could not be answered or delivered")
        self._answered += len(group)
        self._finish_flushes()
        if not self._pending:
            self._wanted.clear()

    async def flushed(self) -> None:
        """Wait until everything that was queued before this call has been answered."""
        if self._answered < self._added:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._flushes.append((self._added, done))
            await done

    def _finish_flushes(self) -> None:
        while self._flushes and self._flushes[0][0] <= self._answered:
            _, done = self._flushes.popleft()
            if not done.done():
                done.set_result(None)

    def _take_group(self) -> list[tuple[NewEntry, Settle]]:
        group = [self._pending.popleft() for _ in range(min(GROUP_MAX, len(self._pending)))]
        self._pending_bytes -= sum(len(entry.data) for entry, _ in group)
        return group

    async def _commit(self, entries: list[NewEntry]) -> Sequence[Outcome]:
        failure: StoreError
        try:
            async with asyncio.timeout(APPEND_TIMEOUT_S):
                results = await self._store.append(entries)
        except StoreError as error:
            failure = error
        except TimeoutError:
            # Unknown, as any outcome that is not told: each entry is absent or there once.
            failure = StoreUnavailable("an append took too long")
        except Exception:  # the boundary of one group: a defect acknowledges nothing
            logger.exception("a group could not be appended")
            failure = StoreError("the append failed")
        else:
            self.failing = False
            self._statistics.commits += 1
            self._statistics.committed_entries += len(entries)
            return results
        self.failing = True
        return [failure] * len(entries)
