"""How long to wait before what failed is tried again: doubling, and partly by chance.

So those that lost the same thing at the same instant do not all come back at the same instant.
"""

from collections.abc import Callable
from typing import Final

FULL: Final = 1.0
"""All of a wait is left to chance: the best spread, and now and then hardly a wait."""

HALF: Final = 0.5
"""Half of a wait is left to chance: a failure is never followed by the next try at once."""

_DOUBLINGS_MAX: Final = 30
"""More than any wait needs, and few enough for a float."""


def wait_s(
    failures: int, *, min_s: float, max_s: float, spread: float, random: Callable[[], float]
) -> float:
    """Seconds to wait after so many failures in a row, 1 or more.

    At most `min_s` the first time, doubled for each further one up to `max_s`; `spread` is the part
    of that, 0 to 1, which is left to chance. `random` answers a number from 0 to below 1.
    """
    longest_s = min(min_s * 2.0 ** min(failures - 1, _DOUBLINGS_MAX), max_s)
    return longest_s * (1.0 - spread + spread * random())


class Backoff:
    """Counts the failures, for who tries again and again. See `wait_s`."""

    def __init__(
        self, min_s: float, max_s: float, *, spread: float, random: Callable[[], float]
    ) -> None:
        self._min_s = min_s
        self._max_s = max_s
        self._spread = spread
        self._random = random
        self._failures = 0

    def next_s(self) -> float:
        """Seconds to wait this time."""
        self._failures = min(self._failures + 1, _DOUBLINGS_MAX)
        return wait_s(
            self._failures,
            min_s=self._min_s,
            max_s=self._max_s,
            spread=self._spread,
            random=self._random,
        )

    def reset(self) -> None:
        """It went well: the next wait is a short one again."""
        self._failures = 0
