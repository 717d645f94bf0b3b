"""Waking up at a time, to a few tens of microseconds.

The loop's timers are good to a millisecond or two. That much would be added to every wait that is
counted from the time at which a message was to leave, and be put down to the hub.
"""

import asyncio
import contextlib
import ctypes
import os
import sys
import time
from types import TracebackType
from typing import Final, Self

_CLOCK_MONOTONIC: Final = 1
_NONBLOCK_CLOEXEC: Final = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
_ABSOLUTE: Final = 1
_SOON_NS: Final = 20_000
"""What is nearer than this is not worth a turn of the loop, in ns."""


class _TimerSpec(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("every_s", "every_ns", "at_s", "at_ns")]


class Alarm:
    """A timer of the system, where there is one (Linux); else of the loop. For one waiter.

    A context manager, within the loop.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._fd = -1
        self._waiter: asyncio.Future[None] | None = None
        self._libc: ctypes.CDLL | None = None

    def __enter__(self) -> Self:
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._fd = self._libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC)
            if self._fd >= 0:
                self._loop.add_reader(self._fd, self._rang)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    async def at(self, time_ns: int) -> None:
        """Return at this time of the monotonic clock, or at once if it is over."""
        wait_ns = time_ns - time.monotonic_ns()
        if wait_ns <= _SOON_NS:
            return
        if self._fd < 0 or self._libc is None:
            await asyncio.sleep(wait_ns / 1e9)
            return
        spec = _TimerSpec(0, 0, time_ns // 1_000_000_000, time_ns % 1_000_000_000)
        self._waiter = self._loop.create_future()
        self._libc.timerfd_settime(self._fd, _ABSOLUTE, ctypes.byref(spec), None)
        await self._waiter

    def _rang(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 8)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
