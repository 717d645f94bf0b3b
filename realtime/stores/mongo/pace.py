"""Whether one query for many things is faster than many queries for one, as this server has it.

To MongoDB an `$or` of many branches is as many looks into an index, and one way there and back.
NX-27017 compares every document with every branch, so 100 queries are ten times faster than one
of 100 branches; FerretDB 1 reads every document for each query, so it is the other way round. Which
it is here, is measured.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from realtime.stores.mongo.concurrency import AT_ONCE_MAX, over

_T = TypeVar("_T")

Branch = dict[str, Any]

_PROBED: Final = 8
"""Branches of the first query."""

_TOLERATED_S: Final = 0.05
"""An `$or` that takes no longer is never worth being replaced."""

_TRIED_S: Final = 1.0
"""One that takes longer is replaced where nobody knows yet what single queries take."""

_ADVANTAGE: Final = 2.0
"""Single queries must be so much faster: a server that is busy must not get more of them."""

_WEIGHT: Final = 0.3
"""Of the newest measurement in the mean."""

_FADING: Final = 0.9
"""What is left of the mean for `$or` each time it is passed over, so that it is tried again."""


class Pace:
    """Moving means of what queries take; `clock` is monotonic, in seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._single_s = 0.0
        self._branch_s = 0.0
        self._under_way = 0
        self._probing = asyncio.Lock()

    async def ask(
        self,
        branches: Sequence[Branch],
        query: Callable[[Sequence[Branch]], Awaitable[_T]],
        *,
        most: int,
        enough: Callable[[Sequence[_T]], bool] = lambda answers: False,
    ) -> list[_T]:
        """Have all branches asked about, at most `most` of them by one query, in their order.

        `query` asks about some. `enough` is looked at now and then, and may end it early.
        """
        answers: list[_T] = []
        if len(branches) > 1 and not self._branch_s:
            # One at a time and with few branches: a node that starts under load might stop the
            # server with its first queries.
            async with self._probing:
                if not self._branch_s:
                    answers.append(await self._timed(branches[:_PROBED], query))
                    branches = branches[_PROBED:]
        size = 1 if self.prefers_singles(len(branches)) else most
        parts = [branches[start : start + size] for start in range(0, len(branches), size)]
        for start in range(0, len(parts), AT_ONCE_MAX):
            if enough(answers):
                break
            wave = parts[start : start + AT_ONCE_MAX]
            answers += await over(wave, lambda part: self._timed(part, query))
        return answers

    async def _timed(
        self, part: Sequence[Branch], query: Callable[[Sequence[Branch]], Awaitable[_T]]
    ) -> _T:
        with self.single() if len(part) == 1 else self.together(len(part)):
            return await query(part)

    @contextlib.contextmanager
    def single(self) -> Iterator[None]:
        """Around a query for one thing."""
        with self._stopwatch() as took:
            try:
                yield
            finally:
                self._single_s = _mean(self._single_s, took())

    @contextlib.contextmanager
    def together(self, branches: int) -> Iterator[None]:
        """Around one query of so many branches; one that failed took its time as well."""
        with self._stopwatch() as took:
            try:
                yield
            finally:
                self._branch_s = _mean(self._branch_s, took() / branches)

    @contextlib.contextmanager
    def _stopwatch(self) -> Iterator[Callable[[], float]]:
        """How long a query takes by itself: one behind n others waits for them, on a server that
        does one at a time. On any other it seems to be cheaper than it is, and all alike."""
        self._under_way += 1
        began, share = self._clock(), self._under_way
        try:
            yield lambda: (self._clock() - began) / share
        finally:
            self._under_way -= 1

    def prefers_singles(self, branches: int) -> bool:
        """Whether so many branches had better be as many queries. Until it is known: no, unless
        together they take so long that it is worth a try."""
        expected_s = self._branch_s * branches
        if expected_s < (_TOLERATED_S if self._single_s else _TRIED_S):
            return False
        if self._single_s * branches * _ADVANTAGE > expected_s:
            return False
        self._branch_s *= _FADING
        return True


def either(branches: Sequence[Branch]) -> Branch:
    """What matches any of the branches."""
    return branches[0] if len(branches) == 1 else {"$or": list(branches)}


def and_either(*branches: Branch) -> Branch:
    """The same, to be put beside other conditions: NX-27017 forgets what comes before an `$or` that
    is not alone, and matches every document of the collection that meets a branch after the first.
    """
    return {"$and": [either(branches)]}


def _mean(mean: float, newest: float) -> float:
    return newest if mean == 0.0 else mean + _WEIGHT * (newest - mean)
