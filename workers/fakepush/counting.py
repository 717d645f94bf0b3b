"""A number that only grows, and that one can wait for."""

import asyncio


class Count:
    """Counts, and wakes who waits for a number; from the event loop's thread only."""

    __slots__ = ("_waiting", "value")

    def __init__(self) -> None:
        self.value = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def __repr__(self) -> str:
        return f"<Count {self.value}, {len(self._waiting)} waiting>"

    def add(self) -> None:
        """One more."""
        self.value += 1
        if self._waiting:
            self._wake()

    async def wait(self, value: int, *, timeout_s: float) -> bool:
        """Whether the count reaches `value` within the time. May be cancelled."""
        if self.value >= value:
            return True
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = (value, reached)
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(timeout_s):
                await reached
        except TimeoutError:
            return False
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
        return True

    def _wake(self) -> None:
        for value, reached in self._waiting:
            if value <= self.value and not reached.done():
                reached.set_result(None)
        self._waiting = [waiting for waiting in self._waiting if not waiting[1].done()]
