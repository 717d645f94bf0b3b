"""The hub with its clock ahead: `python -m tests.end_to_end.early_hub 12000 serve`, by so many ms.

Quiet hours end with a minute, and no test is to wait for a whole one.
"""

import sys
import time

from realtime.cli import main
from realtime.hub.clock import Clock


def put_ahead(ms: int) -> None:
    """Have it be so much later, for everything that is told the time."""

    def wall(self: Clock) -> float:
        return time.time() + ms / 1_000

    def wall_ms(self: Clock) -> int:
        return time.time_ns() // 1_000_000 + ms

    for method in (wall, wall_ms):
        setattr(Clock, method.__name__, method)


if __name__ == "__main__":
    put_ahead(int(sys.argv.pop(1)))
    sys.exit(main())
