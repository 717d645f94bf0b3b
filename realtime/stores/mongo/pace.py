"""Whether one query for many things is faster than many queries for one, as this server has it.

To MongoDB an `$or` of many branches is as many looks into an index, and one way there and back.
NX-27017 compares every document with every branch, so 100 queries are ten times faster than one
of 100 branches; FerretDB 1 reads every document for each query, so it is the other way round. Which
it is here, is measured.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

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

    @contextlib.contextmanager
    def single(self) -> Iterator[None]:
        """Around a query for one thing."""
        began = self._clock()
        try:
            yield
        finally:
            self._single_s = _mean(self._single_s, self._clock() - began)

    @contextlib.contextmanager
    def together(self, branches: int) -> Iterator[None]:
        """Around one query of so many branches; one that failed took its time as well."""
        began = self._clock()
        try:
            yield
        finally:
            self._branch_s = _mean(self._branch_s, (self._clock() - began) / branches)

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


def _mean(mean: float, newest: float) -> float:
    return newest if mean == 0.0 else mean + _WEIGHT * (newest - mean)
