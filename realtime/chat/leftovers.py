"""Rows about messages that retention has taken: removed some time after, a few channels a round.

Nobody sees them meanwhile: every read looks at the message first. But mentions, reactions, pins and
references of what is gone would be kept for ever.

The channel's row is told first how far its log is hidden (`ChannelRow.hidden`), and what is unread
is reckoned from there; only then do rows go of what had been deleted, which were part of that.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from realtime.chat.hiding import hide
from realtime.chat.ports import ChatStore, Clock, Stage
from realtime.chat.retention import retention_at
from realtime.cluster.outage import Outage
from realtime.cluster.retention import always
from realtime.errors import StoreError
from realtime.model import EVERYTHING, Retention
from realtime.rows import (
    CHANNELS,
    EVERYBODY,
    MENTIONS,
    PINS,
    POSTS,
    REACTIONS,
    REFERENCES,
    ChannelRow,
    MentionRow,
)
from realtime.stores.base import Removal, Span, Table

logger = logging.getLogger(__name__)

ROUND_S: Final = 10.0
"""Between two rounds, in seconds."""

ROWS: Final = 500
"""Channels that one round passes, where most are kept for good."""

CHANNELS_MAX: Final = 50
"""Channels whose logs one round looks at."""

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


class _Lap(msgspec.Struct):
    """A way through channels: those whose first fields in the order `by` are `equal`."""

    by: tuple[str, ...] = ()
    equal: tuple[int, ...] = ()
    after: str = ""


class Leftovers:
    """Goes through all chat channels, again and again. `may` see `RetentionRounds`.

    And beside that through those that keep less than their namespaces, which may be few among very
    many. Each lap has its own bounds.
    """

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
        self._laps = (_Lap(), _Lap(("keeps_less", "channel"), (1,)))
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
        """The next channels of each lap; answers how many rows were removed. Raises StoreError."""
        return sum([await self._go_on(lap) for lap in self._laps])

    async def _go_on(self, lap: _Lap) -> int:
        span = Span(lap.equal, after=lap.after)
        rows = await self._store.find(CHANNELS, span, by=lap.by, limit=ROWS)
        removed = looked = 0
        # After the last one of all comes the first one again.
        following = rows[-1].channel if len(rows) == ROWS else ""
        for row in rows:
            retention = retention_at(self._stage, row)
            if retention == EVERYTHING:
                continue
            if looked == CHANNELS_MAX:
                break
            removed += await self.clear(row, retention)
            looked += 1
            lap.after = row.channel
        else:
            lap.after = following
        return removed

    async def clear(self, row: ChannelRow, retention: Retention) -> int:
        """Remove what is left of a channel's messages that are gone. Raises StoreError."""
        channel = row.channel
        floor = await hide(self._store, row, retention, self._clock.wall_ms())
        removed = 0
        for table, by in _TABLES:
            span = Span((channel,), before=floor.offset + 1)
            found = await self._store.find(table, span, by=by, limit=REMOVED_MAX)
            some = [item for item in found if not _is_reckoned_with(item, row.hidden)]
            if some:
                await self._store.write([Removal(table, table.key_of(item)) for item in some])
                removed += len(some)
        return removed


def _is_reckoned_with(row: object, hidden: int) -> bool:
    """Whether a row is part of what is unread for as long as the channel's says so.

    Of two reads, that of the channel's row may have come before it was told: rows go a round later.
    """
    return isinstance(row, MentionRow) and row.user == EVERYBODY and row.offset > hidden
