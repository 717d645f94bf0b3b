"""The clock that the parts of this package are given."""

from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds for leases and deadlines, wall time for what is stored and announced."""

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        ...

    def wall_ms(self) -> int:
        """Milliseconds since 1970."""
        ...
