"""Work on many rows, a slice at a time: whoever else shares the event loop has a turn in between.

A batch of two thousand is tens of milliseconds of work, and what has to be quick meanwhile takes
many turns of the loop. Work that has time (`patiently`) is done in smaller slices, and waits
between them for as long as somebody says.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextvars import ContextVar
from itertools import islice
from typing import Final, TypeVar

SLICE: Final = 50
"""Rows of one turn of the event loop: about 2 ms where each has to be decided."""

PATIENT_SLICE: Final = 15
"""The same of work that has time."""

TURN_S: Final = 0.002
"""How long a turn may take of work of which nobody knows beforehand how much it is, in seconds;
one row may take longer."""

T = TypeVar("T")
R = TypeVar("R")

Between = Callable[[], Awaitable[None]]
"""Waits between two slices; gives others a turn at least."""

_between: ContextVar[Between | None] = ContextVar("between", default=None)


@contextlib.contextmanager
def patiently(between: Between) -> Iterator[None]:
    """What is done in the block, and by tasks that are made in it, has time."""
    token = _between.set(between)
    try:
        yield
    finally:
        _between.reset(token)


async def in_slices(make: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """What `make` makes of each of these, in their order; of SLICE and fewer at once.

    `items` must not change meanwhile.
    """
    between = _between.get()
    size = SLICE if between is None else PATIENT_SLICE
    rest = iter(items)
    made: list[R] = []
    while some := list(islice(rest, size)):
        if between is not None:
            await between()
        elif made:
            await asyncio.sleep(0)
        made += [make(item) for item in some]
    return made


async def in_turns(
    make: Callable[[T], R], items: Iterable[T], *, now: Callable[[], float] | None = None
) -> list[R]:
    """The same of rows of which some take very much longer than others: of as many at once as are
    made within TURN_S of the clock `now`, in seconds, which is the loop's if it is not given."""
    now = now or asyncio.get_running_loop().time
    made: list[R] = []
    until = now() + TURN_S
    for item in items:
        if now() >= until:
            await (_between.get() or _a_turn)()
            until = now() + TURN_S
        made.append(make(item))
    return made


async def _a_turn() -> None:
    await asyncio.sleep(0)
