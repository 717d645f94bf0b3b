"""The hub's clocks, in one object, so that everything else is told the time."""

import time


class Clock:
    """Monotonic seconds for deadlines, wall time for what is stored and for tokens."""

    __slots__ = ()

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def wall_ms(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000
