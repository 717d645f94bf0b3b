"""A store in front of another one, that can be made to fail, to wait and to be slow."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeVar

from realtime.errors import StoreError, StoreUnavailable
from realtime.model import Entry, NewEntry, Retention, Revocation
from realtime.stores.base import (
    Appended,
    Conflict,
    Grouping,
    IdempotencyStore,
    LogStore,
    Page,
    RevocationStore,
    Swept,
)

Method = Literal["append", "read", "missed", "truncate", "sweep", "revoke", "revocations", "claim"]

T = TypeVar("T")


class WholeStore(LogStore, RevocationStore, IdempotencyStore, Protocol):
    """All that a hub and its server API ask of a store."""


class Hold:
    """Calls of one method that must wait. Each is counted when it begins and ends by `release`.

    `asked`: whether the inner store is asked before the wait, so that the answer is old when it
    comes; otherwise afterwards, so that the question comes late.
    """

    def __init__(self, *, asked: bool) -> None:
        self.asked = asked
        self.waiting = 0
        self._begun = asyncio.Event()
        self._released = asyncio.Event()

    async def begun(self) -> None:
        """Wait until a call waits here."""
        async with asyncio.timeout(5):
            await self._begun.wait()

    def release(self) -> None:
        """Let all go on, and hold no more."""
        self._released.set()

    async def wait(self) -> None:
        """Called by the store."""
        self.waiting += 1
        self._begun.set()
        try:
            await self._released.wait()
        finally:
            self.waiting -= 1


class FaultyStore:
    """The three contracts over `inner`. `calls` counts each method; faults are set by method."""

    def __init__(self, inner: WholeStore) -> None:
        self.inner = inner
        self.calls: Counter[Method] = Counter()
        self.turns: Callable[[], int] = lambda: 0
        """Turns of the loop that a call takes before it asks, and again before it answers."""
        self._failures: dict[Method, deque[StoreError]] = defaultdict(deque)
        self._holds: dict[Method, Hold] = {}

    @property
    def epoch(self) -> str:
        """See base."""
        return self.inner.epoch

    @property
    def grouping(self) -> Grouping:
        """See base."""
        return self.inner.grouping

    def fail(self, method: Method, times: int = 1, error: StoreError | None = None) -> None:
        """Have the next calls raise, before the inner store is asked."""
        self._failures[method] += [error or StoreUnavailable("made to fail by a test")] * times

    def hold(self, method: Method, *, asked: bool = True) -> Hold:
        """Have calls wait from now on, until the hold is released. See `Hold` for `asked`."""
        hold = self._holds[method] = Hold(asked=asked)
        return hold

    async def open(self) -> None:
        """See base."""
        await self.inner.open()

    async def close(self) -> None:
        """See base."""
        await self.inner.close()

    async def append(self, batch: Sequence[NewEntry]) -> Sequence[Appended | Conflict]:
        """See base."""
        return await self._through("append", lambda: self.inner.append(batch))

    async def read(
        self,
        channel: str,
        *,
        after: int = 0,
        before: int = 0,
        limit: int,
        newest_first: bool = False,
        retention: Retention,
        now_ms: int,
    ) -> Page:
        """See base."""
        return await self._through(
            "read",
            lambda: self.inner.read(
                channel,
                after=after,
                before=before,
                limit=limit,
                newest_first=newest_first,
                retention=retention,
                now_ms=now_ms,
            ),
        )

    async def missed(self, positions: Mapping[str, int], *, limit: int) -> Sequence[Entry]:
        """See base."""
        return await self._through("missed", lambda: self.inner.missed(positions, limit=limit))

    async def truncate(self, channel: str) -> None:
        """See base."""
        await self._through("truncate", lambda: self.inner.truncate(channel))

    async def sweep(
        self,
        retention: Callable[[str], Retention],
        *,
        now_ms: int,
        after: str = "",
        limit: int,
    ) -> Swept:
        """See base."""
        return await self._through(
            "sweep",
            lambda: self.inner.sweep(retention, now_ms=now_ms, after=after, limit=limit),
        )

    async def revoke(self, revocation: Revocation) -> int:
        """See base."""
        return await self._through("revoke", lambda: self.inner.revoke(revocation))

    async def revocations(self, *, after: int, limit: int, now_ms: int) -> Sequence[Revocation]:
        """See base."""
        return await self._through(
            "revocations",
            lambda: self.inner.revocations(after=after, limit=limit, now_ms=now_ms),
        )

    async def claim(self, scope: str, key: str, digest: bytes, *, until_ms: int) -> bytes | None:
        """See base."""
        return await self._through(
            "claim", lambda: self.inner.claim(scope, key, digest, until_ms=until_ms)
        )

    async def _through(self, method: Method, ask: Callable[[], Awaitable[T]]) -> T:
        self.calls[method] += 1
        if self._failures[method]:
            raise self._failures[method].popleft()
        hold = self._holds.get(method)
        await _turns(self.turns())
        if hold is not None and not hold.asked:
            await hold.wait()
        answer = await ask()
        if hold is not None and hold.asked:
            await hold.wait()
        await _turns(self.turns())
        return answer


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
