"""How long to wait before what failed is tried again."""

from random import SystemRandom
from typing import Final

_FIRST_S: Final = 0.05
_LONGEST_S: Final = 2.0
_random: Final = SystemRandom().random


def backoff_s(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling, and half of it by chance, so
    that nodes which lost the store together do not come back together."""
    longest_s = min(_FIRST_S * 2.0 ** min(failures - 1, 10), _LONGEST_S)
    return longest_s * (0.5 + _random() / 2.0)
