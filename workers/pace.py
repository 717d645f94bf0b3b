"""When notifications of large channels are begun: evenly, and less often while the loop is busy.

A hundred that begin together are answered together, and everybody else waits for all of them, many
times: what tells of one message takes some twenty turns of the event loop.
"""

import asyncio
from collections import deque
from typing import Final

TICK_S: Final = 0.004
"""Between two times that some are begun, in seconds."""

EACH_MAX: Final = 4
"""Begun at a time: 1,000 a second, which is about what one process can do beside other work."""

LATE_S: Final = 0.004
"""How late a time comes, in seconds, when the loop has too much to do: then one is begun."""


class Pace:
    """Gives turns, in the order in which they are asked for. For one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.urgent = 0
        """How much is under way that should not wait: then one is begun at a time, too."""

    async def turn(self) -> None:
        """Wait for one."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append(future)
        if self._timer is None:
            self._arm(loop)
        await future

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        due_at = loop.time() + TICK_S
        self._timer = loop.call_at(due_at, self._tick, loop, due_at)

    def _tick(self, loop: asyncio.AbstractEventLoop, due_at: float) -> None:
        is_busy = self.urgent > 0 or loop.time() - due_at > LATE_S
        left = 1 if is_busy else EACH_MAX
        while left and self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                left -= 1
        self._timer = None
        if self._waiting:
            self._arm(loop)
