"""Waiting for another process, which tells nothing unless it is asked."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

_INTERVAL_S: Final = 0.02


async def eventually(holds: Callable[[], Awaitable[bool]], within_s: float = 5.0) -> None:
    """Ask again and again until it holds. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not await holds():  # noqa: ASYNC110 - there is no event of another process
            await asyncio.sleep(_INTERVAL_S)
