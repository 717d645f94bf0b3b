"""How long to wait before the next try."""

from collections.abc import Callable


class Backoff:
    """Waits that double up to a most, each multiplied by a random number: full jitter.

    So nodes that lost Redis at the same instant do not all come back at the same instant.
    """

    def __init__(self, min_s: float, max_s: float, random: Callable[[], float]) -> None:
        """`random` answers a number from 0 to below 1."""
        self._min_s = min_s
        self._max_s = max_s
        self._random = random
        self._cap_s = min_s

    def next_s(self) -> float:
        """Seconds to wait this time."""
        cap_s = self._cap_s
        self._cap_s = min(cap_s * 2, self._max_s)
        return cap_s * self._random()

    def reset(self) -> None:
        """It went well: the next wait is a short one again."""
        self._cap_s = self._min_s
