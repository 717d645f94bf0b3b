"""Rows about messages that retention has taken: removed some time after, a few channels a round.

Nobody sees them meanwhile: every read looks at the message first. But mentions, reactions, pins and
references of what is gone would be kept for ever.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from realtime.chat.ports import ChatStore, Clock, Stage
from realtime.cluster.outage import Outage
from realtime.cluster.retention import always
from realtime.errors import CommandRefused, StoreError
from realtime.model import Retention
from realtime.rows import CHANNELS, MENTIONS, PINS, POSTS, REACTIONS, REFERENCES
from realtime.stores.base import Removal, Span, Table

logger = logging.getLogger(__name__)

ROUND_S: Final = 10.0
"""Between two rounds, in seconds."""

CHANNELS_MAX: Final = 50
"""Channels that one round looks at."""

REMOVED_MAX: Final = 1_000
"""Rows of one table that a round removes for a channel; the next one removes more."""

ROUND_TIMEOUT_S: Final = 60.0
"""How long a round may take."""

_TABLES: Final[tuple[tuple[Table[Any], tuple[str, ...]], ...]] = (
    (MENTIONS, ("channel", "offset")),
    (REACTIONS, ()),
    (REFERENCES, ()),
    (PINS, ()),
    (POSTS, ("channel", "offset")),
)
"""With the order in which rows of a channel are by the offset of their message."""


class Leftovers:
    """Goes through all chat channels, again and again. `may` see `RetentionRounds`."""

    def __init__(
        self,
        store: ChatStore,
        stage: Stage,
        clock: Clock,
        *,
        may: Callable[[], Awaitable[bool]] = always,
    ) -> None:
        self._store = store
        self._stage = stage
        self._clock = clock
        self._may = may
        self._after = ""
        self._outage = Outage(logger, "rows of what retention has taken")

    async def run(self) -> None:
        """Look for ever. Hosted by a task group; may be cancelled anywhere."""
        while True:
            await asyncio.sleep(ROUND_S)
            try:
                async with asyncio.timeout(ROUND_TIMEOUT_S):
                    if await self._may():
                        await self.round()
            except (StoreError, TimeoutError) as error:
                self._outage.failed(error)
            else:
                self._outage.ended()

    async def round(self) -> int:
        """The next channels; answers how many rows were removed. Raises StoreError."""
        rows = await self._store.find(CHANNELS, Span(after=self._after), limit=CHANNELS_MAX)
        removed = 0
        for row in rows:
            removed += await self.clear(row.channel)
        self._after = rows[-1].channel if len(rows) == CHANNELS_MAX else ""
        return removed

    async def clear(self, channel: str) -> int:
        """Remove what is left of a channel's messages that are gone. Raises StoreError."""
        try:
            options = self._stage.options(channel)
        except CommandRefused:
            return 0
        if options.history_size < 0 and not options.history_ttl_ms:
            return 0
        retention = Retention(options.history_size, options.history_ttl_ms)
        page = await self._store.read(
            channel, limit=1, retention=retention, now_ms=self._clock.wall_ms()
        )
        # Where nothing is to be seen any more, everything up to the head is gone.
        oldest = page.entries[0].offset if page.entries else page.head + 1
        removed = 0
        for table, by in _TABLES:
            span = Span((channel,), before=oldest)
            rows = await self._store.find(table, span, by=by, limit=REMOVED_MAX)
            if rows:
                await self._store.write([Removal(table, table.key_of(row)) for row in rows])
                removed += len(rows)
        return removed
