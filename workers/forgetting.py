"""What push does not need any more is forgotten: trails, settled jobs, devices without a sign, and
dead letters that nobody wants."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from realtime.chat.ports import Clock
from realtime.cluster.outage import Outage
from realtime.errors import StoreError
from realtime.push.dead_letters import DeadLetters
from realtime.push.jobs import Jobs
from realtime.push.rows import DEVICES
from realtime.push.trail import Trail
from realtime.settings.push_schema import PushSettings
from realtime.stores.base import Removal, Span, TableStore

logger = logging.getLogger(__name__)

ROUND_S: Final = 60.0
"""Between two rounds, in seconds."""

SLICE: Final = 500
"""Rows that are forgotten together."""

SLICES_MAX: Final = 200
"""Slices of one round and kind."""

PAUSE_S: Final = 0.05
"""Between two slices, so that nobody waits long behind them, in seconds."""

ROUND_TIMEOUT_S: Final = 60.0
"""How long one round may take, in seconds."""

DEAD_KEPT_MS: Final = 90 * 24 * 3_600_000
"""How long dead letters are kept that nobody looks at, in milliseconds: a season."""

_BY_AGE: Final = ("provider", "registered_at")
_PROVIDERS: Final = ("apns", "fcm", "webpush")


class Forgetting:
    """Does it, now and then. That several workers do so at once does no harm."""

    def __init__(
        self,
        store: TableStore,
        jobs: Jobs,
        trail: Trail,
        *,
        settings: PushSettings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._trail = trail
        self._dead = DeadLetters(store)
        self._settings = settings
        self._clock = clock
        self._outage = Outage(logger, "forgetting of old notifications")

    async def run(self) -> None:
        """Forget until cancelled. Hosted by a task group."""
        while True:
            await asyncio.sleep(ROUND_S)
            try:
                async with asyncio.timeout(ROUND_TIMEOUT_S):
                    await self.round()
            except (StoreError, TimeoutError) as error:
                self._outage.failed(error)
            else:
                self._outage.ended()

    async def round(self) -> None:
        """Forget what is past its time. Raises StoreError."""
        now_ms = self._clock.wall_ms()
        # A job says of an entry that is dispatched once more that it is settled.
        settled_ms = now_ms - max(self._settings.ttl.ms, self._settings.trail_ttl.ms)
        kinds: tuple[Callable[[], Awaitable[int]], ...] = (
            lambda: self._trail.sweep(now_ms - self._settings.trail_ttl.ms, limit=SLICE),
            lambda: self._jobs.sweep(settled_ms, limit=SLICE),
            lambda: self._sweep_devices(now_ms - self._settings.device_ttl.ms),
        )
        for sweep in kinds:
            for _ in range(SLICES_MAX):
                if await sweep() < SLICE:
                    break
                await asyncio.sleep(PAUSE_S)
        await self._dead.purge_before(now_ms - DEAD_KEPT_MS)

    async def _sweep_devices(self, before_ms: int) -> int:
        spans = [Span((provider,), before=before_ms) for provider in _PROVIDERS]
        rows = await self._store.find(DEVICES, *spans, by=_BY_AGE, limit=SLICE)
        await self._store.write(
            [
                Removal(DEVICES, DEVICES.key_of(row), equals={"registered_at": row.registered_at})
                for row in rows
            ]
        )
        return len(rows)
