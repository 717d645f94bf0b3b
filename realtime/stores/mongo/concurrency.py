"""Several calls at once, a bounded number of them, none left running when an answer is given."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final, TypeVar

_A = TypeVar("_A")
_B = TypeVar("_B")

AT_ONCE_MAX: Final = 8
"""Calls that one operation has under way at a time: enough to hide the way there and back."""


async def over(items: Iterable[_A], call: Callable[[_A], Awaitable[_B]]) -> list[_B]:
    """Call it for each item, AT_ONCE_MAX at a time; answers in order.

    Raises the first error, once every call has ended: an answer that nobody waits for any more
    would change something behind the caller's back.
    """
    waiting = list(items)
    if len(waiting) == 1:
        return [await call(waiting[0])]
    gate = asyncio.Semaphore(AT_ONCE_MAX)

    async def one(item: _A) -> _B:
        async with gate:
            return await call(item)

    results = await asyncio.gather(*[one(item) for item in waiting], return_exceptions=True)
    return [_checked(result) for result in results]


async def both(first: Coroutine[Any, Any, _A], second: Coroutine[Any, Any, _B]) -> tuple[_A, _B]:
    """Two calls at once. Raises the first error once both have ended."""
    one, other = await asyncio.gather(first, second, return_exceptions=True)
    return _checked(one), _checked(other)


def _checked(result: _A | BaseException) -> _A:
    if isinstance(result, BaseException):
        raise result
    return result
