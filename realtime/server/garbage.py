"""When Python's collector looks at objects: never so that all clients feel it without need.

Looking through all objects takes tens of milliseconds with many connections. Connections are freed
without the collector (nothing of theirs is in a cycle once they are lost), so by itself it only
looks at young objects, few at a time. The rest is looked at while there are few clients. With many
it is left alone, unless memory grows as if something were in a cycle after all.
"""

import asyncio
import gc
import logging
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

logger = logging.getLogger(__name__)

THRESHOLDS: Final = (5_000, 5, 1_000_000)
"""Of the three generations; the last one is never reached."""

CHECK_S: Final = 60.0
"""Between looks at all objects while there are few clients."""

FEW_CLIENTS: Final = 1_000
"""With more of them, a look at all objects takes long enough to be felt."""

RARELY_S: Final = 3_600.0
"""The least time between looks at all objects with many clients, 85 ms with 15,000 of them."""

GROWN_MAX_BYTES: Final = 256 * 1024 * 1024
"""How much more memory than at the last look makes such a look due: nothing else does, since what
is to be found would be the work of a defect."""

CLIENT_BYTES: Final = 8 * 1024
"""What a client more may take, with what is kept of channels and members for it."""


def freeze() -> None:
    """Have the collector leave alone what exists now, and from now on look at little at a time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


class Seen(NamedTuple):
    """How things stand: how many clients there are, and how much memory the process has."""

    clients: int
    resident_bytes: int


def is_due(waited_s: float, before: Seen, now: Seen) -> bool:
    """Whether to look at all objects, `waited_s` seconds after the last look, at `before`."""
    if now.clients <= FEW_CLIENTS:
        return waited_s >= CHECK_S
    more_clients = max(now.clients - before.clients, 0)
    grown_bytes = now.resident_bytes - before.resident_bytes - more_clients * CLIENT_BYTES
    return waited_s >= RARELY_S and grown_bytes > GROWN_MAX_BYTES


def look(clients: int) -> None:
    """Look at all objects now. Where many clients may have felt it, the log says how long."""
    began = time.perf_counter()
    gc.collect()
    pause_ms = (time.perf_counter() - began) * 1000
    level = logging.DEBUG if clients <= FEW_CLIENTS else logging.INFO
    logger.log(level, "looked at all objects with %s clients: %.1f ms", clients, pause_ms)


async def collect(client_count: Callable[[], int]) -> None:
    """Look at all objects whenever it is due, for ever."""
    waited_s = 0.0
    before = Seen(0, resident_bytes())
    while True:
        await asyncio.sleep(CHECK_S)
        waited_s += CHECK_S
        now = Seen(client_count(), resident_bytes())
        if is_due(waited_s, before, now):
            look(now.clients)
            waited_s, before = 0.0, Seen(now.clients, resident_bytes())


def resident_bytes() -> int:
    """The memory that the process has, in bytes; where there is no /proc, the most it has had."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # In bytes on macOS, in KiB elsewhere (getrusage(2)).
        return peak if sys.platform == "darwin" else peak * 1024
