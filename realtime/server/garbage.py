"""When Python's collector looks at objects: never so that all clients feel it without need.

Looking through all objects takes tens of milliseconds with many connections. Connections are freed
without the collector (nothing of theirs is in a cycle once they are lost), so by itself it only
looks at young objects, few at a time. The rest is looked at while there are few clients, and seldom
otherwise: what is in a cycle after all must end some time.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Callable
from typing import Final

logger = logging.getLogger(__name__)

THRESHOLDS: Final = (5_000, 5, 1_000_000)
"""Of the three generations; the last one is never reached."""

CHECK_S: Final = 60.0
"""Between looks at all objects while there are few clients."""

FEW_CLIENTS: Final = 1_000
"""With more of them, a look at all objects takes long enough to be felt."""

RARELY_S: Final = 3_600.0
"""Between looks at all objects however many clients there are."""


def freeze() -> None:
    """Have the collector leave alone what exists now, and from now on look at little at a time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


def is_due(clients: int, waited_s: float) -> bool:
    """Whether to look at all objects, `waited_s` seconds after the last look."""
    return waited_s >= RARELY_S or (waited_s >= CHECK_S and clients <= FEW_CLIENTS)


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
    while True:
        await asyncio.sleep(CHECK_S)
        waited_s += CHECK_S
        clients = client_count()
        if is_due(clients, waited_s):
            look(clients)
            waited_s = 0.0
