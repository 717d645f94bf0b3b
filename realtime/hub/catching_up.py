"""What a client missed between its position and now: from memory, or from the store.

Recovery is stateless: any node answers any position. It succeeds only if every entry after the
position can be shown; otherwise it is denied and the client reloads (protocol 2.4).
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from realtime.channels.live import LiveChannel
from realtime.errors import StoreUnavailable
from realtime.hub.clock import Clock
from realtime.hub.log_reader import LogReader
from realtime.hub.retaining import Retaining
from realtime.hub.statistics import Statistics
from realtime.model import Entry, Position, Retention
from realtime.stores.base import Page

TRIES: Final = 5
"""How often the store is read for one client while the channel outruns the node's memory."""


class CaughtUp(msgspec.Struct, frozen=True):
    """What follows a position, and the offset up to which it goes.

    `entries` is None where continuity cannot be proven, or nothing was to be recovered.
    """

    entries: Sequence[Entry] | None
    end: int


class CatchingUp:
    """Answers positions. `recovery_max` entries at most, `recovery_max_bytes` of their payload."""

    def __init__(
        self,
        *,
        epoch: str,
        reader: LogReader,
        retaining: Retaining,
        clock: Clock,
        statistics: Statistics,
        recovery_max: int,
        recovery_max_bytes: int,
    ) -> None:
        self.epoch = epoch
        self._reader = reader
        self._retaining = retaining
        self._clock = clock
        self._statistics = statistics
        self._recovery_max = recovery_max
        self._recovery_max_bytes = recovery_max_bytes

    def at_once(self, live: LiveChannel, since: Position | None) -> CaughtUp | None:
        """The answer from memory; None if the store must be asked. The channel must be open."""
        return self._from_memory(live, since, self._retaining.known(live.name, live.rules))

    def _from_memory(
        self, live: LiveChannel, since: Position | None, retention: Retention | None
    ) -> CaughtUp | None:
        cursor = live.cursor
        if cursor is None:
            return CaughtUp(None, 0)
        if since is None:
            return CaughtUp(None, cursor.position)
        if since.epoch and since.epoch != self.epoch:
            return self._denied(cursor.position)
        if since.offset > cursor.position:
            return None  # ahead of this node: only the store knows whether it can be
        if cursor.position - since.offset > self._recovery_max:
            return self._denied(cursor.position)
        if retention is None:
            return None
        entries = cursor.since(since.offset, retention, self._clock.wall_ms())
        return None if entries is None else self._proven(entries, cursor.position)

    async def after(self, live: LiveChannel, since: Position | None) -> CaughtUp:
        """The answer, from the store if need be. Raises StoreError."""
        if since is None:
            return CaughtUp(None, 0 if live.cursor is None else live.cursor.position)
        caught_up = None
        for _ in range(TRIES):
            retention = await self._retaining.look_up(live.name, live.rules)
            caught_up = self._from_memory(live, since, retention)
            if caught_up is not None:
                break
            truncations = live.truncations
            page = await self._reader.newest(
                live.name,
                after=since.offset,
                limit=self._recovery_max,
                retention=retention,
            )
            if live.cursor is not None and live.truncations == truncations:
                live.cursor.recall(page.entries, page.head)
            caught_up = self._judge(live, since, page, retention)
            if caught_up is not None:
                break
        if caught_up is None:
            raise StoreUnavailable("a channel outran the reads for a recovery")
        return caught_up

    def _judge(
        self, live: LiveChannel, since: Position, page: Page, retention: Retention
    ) -> CaughtUp | None:
        """Whether what was read proves continuity; None if the node has passed it meanwhile."""
        cursor, head = live.cursor, page.head
        position = cursor.position if cursor is not None else 0
        entries = [entry for entry in page.entries if entry.offset > since.offset]
        whole = since.offset + len(entries) == head
        if not whole:
            return self._denied(max(head, position))
        if head < position and cursor is not None:
            more = cursor.since(head, retention, self._clock.wall_ms())
            if more is None:
                return None
            entries += more
            head = position
        return self._proven(entries, head)

    def _proven(self, entries: Sequence[Entry], end: int) -> CaughtUp:
        too_much = len(entries) > self._recovery_max or (
            sum(len(entry.data) for entry in entries) > self._recovery_max_bytes
        )
        if too_much:
            return self._denied(end)
        self._statistics.recovered += 1
        return CaughtUp(entries, end)

    def _denied(self, end: int) -> CaughtUp:
        self._statistics.not_recovered += 1
        return CaughtUp(None, end)
