"""How long the driver waits before what failed is tried again."""

from random import SystemRandom
from typing import Final

from realtime.backoff import HALF, wait_s

_FIRST_S: Final = 0.05
_LONGEST_S: Final = 2.0
_random: Final = SystemRandom().random


def backoff_s(failures: int) -> float:
    """Seconds to wait after so many failures in a row, so that nodes which lost the store together
    do not come back together."""
    return wait_s(failures, min_s=_FIRST_S, max_s=_LONGEST_S, spread=HALF, random=_random)
