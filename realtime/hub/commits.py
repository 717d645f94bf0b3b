"""Group commit: a node's appends go to the store in groups, and are answered once durable.

While groups are being committed the next ones fill. A channel is in one group at a time, so its
entries keep the order in which they were given here; how many groups are under way at once, and
whether a busy channel shares one with others, is for the store to say (`Grouping`). Nothing waits
for a commit but its own answer, and that not for ever: after `ANSWER_S`, in a group or waiting for
one, publishers are told to try again, while the node goes on trying, and what is then stored after
all is delivered like any other.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from realtime.errors import INTERNAL, CommandRefused, StoreError, StoreUnavailable
from realtime.hub.statistics import Statistics
from realtime.model import NewEntry
from realtime.stores.base import Appended, Conflict, LogStore

logger = logging.getLogger(__name__)

GROUP_MAX: Final = 512
"""Entries in one group: enough to pay for the sync to disk, few enough to be quick."""

FEW: Final = 3
"""Entries of a channel that go one by one in groups with others'; more go by themselves."""

PENDING_MAX: Final = 16_384
"""Entries that may wait for a group; one more is refused with error 100 (temporary)."""

PENDING_MAX_BYTES: Final = 64 * 1024 * 1024
"""Payload bytes of them."""

ANSWER_S: Final = 4.0
"""How long an entry may take before its publisher is told to try again: less than the 5 s after
which SDKs give up by themselves (protocol 1.11), so that they learn why."""

TELL_EVERY_S: Final = 0.25
"""Between two looks for entries that take too long: each goes through all that wait."""

APPEND_TIMEOUT_S: Final = 150.0
"""How long a group may take before the node gives it up too: longer than drivers try."""

Outcome = Appended | Conflict | StoreError
Settle = Callable[[NewEntry, Outcome], None]


def _nothing_late(entry: NewEntry, outcome: Outcome) -> None:
    """Stands in for whoever delivers what was stored too late to be acknowledged."""


class _Generation:
    """Entries that were added between two calls of `flushed`, and how many are still open."""

    __slots__ = ("done", "left")

    def __init__(self) -> None:
        self.left = 0
        self.done = asyncio.Event()


class _Item(msgspec.Struct, frozen=True, gc=False):
    """An entry that waits, who is to be told, and what `flushed` counts it under.

    `since` is when it was given, by the loop's clock.
    """

    entry: NewEntry
    settle: Settle
    generation: _Generation
    since: float


class Commits:
    """The queue before `LogStore.append`. `run` must be running for anything to be answered.

    Made on the loop that it is used on.

    `late` is called with what became of an entry whose publisher was told to try again before.
    """

    def __init__(
        self, store: LogStore, statistics: Statistics, *, late: Settle = _nothing_late
    ) -> None:
        # To ask for it costs a system call with each message (CPython before 3.12).
        self._loop = asyncio.get_running_loop()
        self._store = store
        self._statistics = statistics
        self._late = late
        self._grouping = store.grouping
        # What waits, by channel; and the channels that wait and are in no group, in order: those
        # with a single entry, and those with several.
        self._waiting: dict[str, list[_Item]] = {}
        self._singles: dict[str, None] = {}
        self._severals: dict[str, None] = {}
        self._busy: set[str] = set()
        self._alone_next = False
        self._pending = 0
        self._pending_bytes = 0
        self._in_flight: list[list[_Item]] = []
        self._telling: asyncio.TimerHandle | None = None
        self._wanted = asyncio.Event()
        self._generation = _Generation()
        self._closed_generations: list[_Generation] = []
        # Whether the last commit failed or takes too long: then this node keeps no promises.
        self.failing = False

    def __len__(self) -> int:
        """How many entries wait for a group."""
        return self._pending

    def __repr__(self) -> str:
        return f"<Commits {self._pending} entries wait, {len(self._in_flight)} groups in flight>"

    def add(self, entry: NewEntry, settle: Settle) -> None:
        """Queue an entry; `settle` is called, once, with what became of it.

        StoreError as the outcome means that it was not acknowledged: it is absent or there once, or
        will be, and the same entry may be given again if it has a digest. Raises CommandRefused
        (100) when too much waits.
        """
        if self._pending >= PENDING_MAX or self._pending_bytes >= PENDING_MAX_BYTES:
            raise CommandRefused(INTERNAL)
        generation = self._generation
        generation.left += 1
        self._pending += 1
        self._pending_bytes += len(entry.data)
        item = _Item(entry, settle, generation, self._loop.time())
        if self._telling is None:
            self._telling = self._loop.call_later(ANSWER_S, self._tell_overdue)
        channel = entry.channel
        waiting = self._waiting.get(channel)
        if waiting is None:
            self._waiting[channel] = [item]
            if channel not in self._busy:
                self._singles[channel] = None
        else:
            waiting.append(item)
            if channel in self._singles:
                del self._singles[channel]
                self._severals[channel] = None
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
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._wanted.wait()
                # What has arrived already goes along: the loop hands out what the last group was,
                # and reads what came meanwhile, in its next pass. Under load groups are nearly
                # twice as large for it, and there are half as many waits for a disk.
                await asyncio.sleep(0)
                self._wanted.clear()
                while len(self._in_flight) < self._grouping.in_flight:
                    group = self._take_group()
                    if not group:
                        break
                    self._in_flight.append(group)
                    tasks.create_task(self._commit_group(group), name="commit")
                # Or this variable would hold the last group and its clients until the next.
                group = []

    async def flushed(self) -> None:
        """Wait until everything that was queued before this call has its outcome."""
        if self._generation.left:
            self._closed_generations.append(self._generation)
            self._generation = _Generation()
        for generation in tuple(self._closed_generations):
            await generation.done.wait()

    # Groups.

    def _take_group(self) -> list[_Item]:
        """The next group, whose channels are busy from now on; empty where nothing can go."""
        group: list[_Item] = []
        if self._grouping.mixed:
            for ready in (self._severals, self._singles):
                while ready and len(group) < GROUP_MAX:
                    self._take(next(iter(ready)), ready, group)
        elif self._severals and (self._alone_next or not self._singles):
            self._alone_next = False
            self._take(next(iter(self._severals)), self._severals, group)
        else:
            # Every other group is a busy channel's, so that neither kind waits for the other.
            self._alone_next = True
            while self._singles and len(group) < GROUP_MAX:
                self._take(next(iter(self._singles)), self._singles, group)
            self._take_firsts(group)
        self._pending -= len(group)
        self._pending_bytes -= sum(len(item.entry.data) for item in group)
        return group

    def _take(self, channel: str, ready: dict[str, None], group: list[_Item]) -> None:
        """Move as much of a channel as there is room for from what waits to the group."""
        del ready[channel]
        self._busy.add(channel)
        waiting = self._waiting.pop(channel)
        room = GROUP_MAX - len(group)
        if len(waiting) > room:
            self._waiting[channel] = waiting[room:]
            del waiting[room:]
        group += waiting

    def _take_firsts(self, group: list[_Item]) -> None:
        """Let the first of a few go with the single ones: the others follow with the next group.

        By themselves they would cost the store as much as a whole group, and channels that have
        two at a time by chance would queue up for that.
        """
        for channel in list(self._severals):
            if len(group) >= GROUP_MAX:
                return
            waiting = self._waiting[channel]
            if len(waiting) <= FEW:
                del self._severals[channel]
                self._busy.add(channel)
                group.append(waiting.pop(0))

    def _freed(self, channels: Iterable[str]) -> None:
        for channel in channels:
            self._busy.discard(channel)
            waiting = self._waiting.get(channel)
            if waiting is not None:
                ready = self._singles if len(waiting) == 1 else self._severals
                ready[channel] = None
        self._wanted.set()

    async def _commit_group(self, group: list[_Item]) -> None:
        try:
            results = await self._commit([item.entry for item in group])
        finally:
            self._in_flight.remove(group)
            self._freed({item.entry.channel for item in group})
        _settle(group, results)
        for item in group:
            self._closed(item.generation)

    def _tell_overdue(self) -> None:
        """Answer what takes too long, in a group or before it; then again when the next one does.

        Whoever is answered here is not told of the outcome any more, but `late` is.
        """
        self._telling = None
        loop = self._loop
        due = loop.time() - ANSWER_S
        overdue: list[_Item] = []
        oldest = math.inf
        for items in (*self._waiting.values(), *self._in_flight):
            for place, item in enumerate(items):
                if item.since > due:
                    oldest = min(oldest, item.since)
                elif item.settle is not self._late:
                    overdue.append(item)
                    items[place] = msgspec.structs.replace(item, settle=self._late)
        if oldest < math.inf:
            next_look = max(oldest + ANSWER_S, loop.time() + TELL_EVERY_S)
            self._telling = loop.call_at(next_look, self._tell_overdue)
        if overdue:
            self.failing = True
            unknown = StoreUnavailable("the store takes too long; the outcome is not known yet")
            _settle(overdue, [unknown] * len(overdue))

    def _closed(self, generation: _Generation) -> None:
        generation.left -= 1
        if not generation.left and generation is not self._generation:
            generation.done.set()
            self._closed_generations.remove(generation)

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


def _settle(group: Iterable[_Item], results: Sequence[Outcome]) -> None:
    for item, result in zip(group, results, strict=True):
        try:
            item.settle(item.entry, result)
        except Exception:  # the boundary of one answer: the others get theirs
            logger.exception("an appended entry could not be answered or delivered")
