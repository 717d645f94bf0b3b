"""What a hub looks at by itself, as if nobody ever told it anything: positions, and the log of
what was taken away.

The bus tells sooner, and usually it tells everything. This is for when it does not.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from typing import Final

from realtime.auth.revocations import Revocations
from realtime.brokers.base import Broker
from realtime.cluster.outage import Outage
from realtime.errors import StoreError
from realtime.hub.clock import Clock
from realtime.hub.delivery import Delivery
from realtime.hub.revoking import Revoking

logger = logging.getLogger(__name__)

POSITION_CHECK_S: Final = 30.0
"""How often positions are compared with the store while the bus is trusted (design 3)."""

DOUBT_CHECK_S: Final = 1.0
"""How often positions are compared with the store while the bus is in doubt (design 3)."""

FOLLOW_S: Final = 0.5
"""How often the revocations log is read: within two seconds nobody may do what was taken away."""


class Watching:
    """Both loops; `compare` and `follow` run for ever, hosted by the hub's task group.

    `living` answers the ids of the nodes that live.
    """

    def __init__(
        self,
        *,
        broker: Broker,
        delivery: Delivery,
        revoking: Revoking,
        revocations: Revocations,
        clock: Clock,
        position_check_s: float,
        living: Callable[[], frozenset[str]],
    ) -> None:
        self._broker = broker
        self._delivery = delivery
        self._revoking = revoking
        self._revocations = revocations
        self._clock = clock
        self._position_check_s = position_check_s
        self._living = living
        self._doubted = asyncio.Event()

    def doubt(self) -> None:
        """Something may have been missed until now: look at once."""
        self._delivery.doubted()
        self._doubted.set()

    async def compare(self) -> None:
        """Compare positions with the store: now and then, at once after a doubt, often in one."""
        due = 0.0
        living: frozenset[str] = frozenset()
        outage = Outage(logger, "comparing positions with the store")
        while True:
            before, living = living, self._living()
            if before - living:
                # It may have died between a commit and telling of it.
                due = 0.0
            now = self._clock.monotonic()
            if now >= due or self._broker.state == "degraded":
                due = now + self._position_check_s * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load
                try:
                    await self._delivery.check_positions()
                    outage.ended()
                except (StoreError, TimeoutError) as error:
                    outage.failed(error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DOUBT_CHECK_S):
                    await self._doubted.wait()
                    self._doubted.clear()
                    due = 0.0

    async def follow(self) -> None:
        """Read the revocations log, and forget what has had its time."""
        outage = Outage(logger, "reading the revocations log")
        while True:
            await asyncio.sleep(FOLLOW_S)
            self._revocations.sweep(self._clock.wall_ms())
            try:
                await self._revoking.follow()
                outage.ended()
            except (StoreError, TimeoutError) as error:
                outage.failed(error)
