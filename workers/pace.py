"""When notifications of large channels are begun: evenly, and not while something urgent is.

A hundred that begin together are answered together, and everybody else waits for all of them, many
times: what tells of one message takes some twenty turns of the event loop. For the same reason what
is prepared and written for large channels is done in slices, `calm` between them.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from typing import Final

TICK_S: Final = 0.004
"""Between two times that some are begun, in seconds."""

EACH_MAX: Final = 3
"""Begun at a time: 750 a second, about half of what one process can do with nothing else to do."""

BESIDE_TICK_S: Final = 0.002
"""Between two times that one is begun while small channels are told too, in seconds: a timer is up
to a millisecond late, so these are some 400 a second, and no turn of the loop is long."""

FLOW_S: Final = 10.0
"""How long after small channels were told more of them are expected, in seconds."""

REST_S: Final = 0.003
"""How long others have after each slice while that is so, in seconds: about two thirds of the time
when there is nothing urgent yet."""

LATE_S: Final = 0.004
"""How late a time comes, in seconds, when the loop has too much to do: then one is begun."""

PATIENCE_S: Final = 0.2
"""How long nothing is begun because of what is urgent, in seconds; if that goes on, one at a time
is begun beside it."""

CALM_MAX_S: Final = 0.05
"""How long a slice waits for what is urgent, in seconds. Then the next ones do not, for as long: so
what is done in slices takes twice as long at most, whatever is urgent."""


class Pace:
    """Gives turns, in the order in which they are asked for. For one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._urgent = 0
        self._given_at = 0.0
        self._told_at = float("-inf")
        self._calm = asyncio.Event()
        self._calm.set()
        self._hasty_until = float("-inf")

    def __repr__(self) -> str:
        return f"<Pace {len(self._waiting)} waiting, {self._urgent} urgent>"

    @contextlib.contextmanager
    def urgently(self) -> Iterator[None]:
        """What is done in the block should not wait for those who take turns."""
        self._urgent += 1
        self._calm.clear()
        try:
            yield
        finally:
            self._urgent -= 1
            if not self._urgent:
                self._calm.set()

    def told(self) -> None:
        """Small channels are told of something just now: more may follow."""
        self._told_at = asyncio.get_running_loop().time()

    async def calm(self) -> None:
        """Give others a turn, or a little time while small channels are told too, and wait while
        something urgent is under way; CALM_MAX_S at most."""
        now = asyncio.get_running_loop().time
        began = now()
        if self._calm.is_set():
            await asyncio.sleep(REST_S if self._flows(began) else 0)
            return
        if began < self._hasty_until:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CALM_MAX_S):
                await self._calm.wait()
        waited_until = now()
        self._hasty_until = 2 * waited_until - began

    async def turn(self) -> None:
        """Wait for one."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append(future)
        if self._timer is None:
            self._given_at = loop.time()
            self._arm(loop)
        await future

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        due_at = now + (BESIDE_TICK_S if self._flows(now) else TICK_S)
        self._timer = loop.call_at(due_at, self._tick, loop, due_at)

    def _tick(self, loop: asyncio.AbstractEventLoop, due_at: float) -> None:
        now = loop.time()
        if not self._urgent:
            self._give(1 if now - due_at > LATE_S or self._flows(now) else EACH_MAX)
            self._given_at = now
        elif now - self._given_at >= PATIENCE_S:
            self._give(1)
        self._timer = None
        if self._waiting:
            self._arm(loop)

    def _flows(self, now: float) -> bool:
        return now - self._told_at < FLOW_S

    def _give(self, turns: int) -> None:
        while turns and self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                turns -= 1
