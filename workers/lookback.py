"""What was said before the newest message of a job: read once for all jobs of a channel.

Looking back is rare for one user, but a message that is deleted at once makes all members of its
channel look back together.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from realtime.model import Entry, Retention
from realtime.stores.base import LogStore

PAGE: Final = 250
"""Entries of one read."""

READS_MAX: Final = 50
"""Reads for the jobs that are decided together; those that need more are decided later."""


class _Log:
    """Entries of one channel, the newest first, down to the one after `since`."""

    __slots__ = ("_places", "entries", "since")

    def __init__(self, upto: int) -> None:
        self.entries: list[Entry] = []
        self._places: list[int] = []
        self.since = upto

    def add(self, entries: Sequence[Entry], since: int) -> None:
        self.entries += entries
        self._places += [-entry.offset for entry in entries]
        self.since = since

    def between(self, since: int, upto: int) -> Sequence[Entry]:
        first = bisect_left(self._places, -upto)
        return self.entries[first : bisect_right(self._places, -since - 1)]


class Lookback:
    """The logs of some channels, as far as jobs asked for them. For one time of deciding."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._logs: dict[str, _Log] = {}
        self._reads_left = READS_MAX

    async def look(
        self,
        wanted: Iterable[tuple[str, int, int]],
        retention: Mapping[str, Retention],
        now_ms: int,
    ) -> None:
        """Read on in these channels: a page of each, from an offset down to the one after another.

        Raises StoreError. Nothing is read where there were READS_MAX reads already.
        """
        ends: dict[str, tuple[int, int]] = {}
        for channel, upto, since in wanted:
            highest, lowest = ends.get(channel, (upto, since))
            ends[channel] = max(upto, highest), min(since, lowest)
        for channel, (upto, since) in ends.items():
            if self._reads_left:
                self._reads_left -= 1
                await self._read(channel, upto, since, retention[channel], now_ms)

    def of(self, channel: str, *, upto: int, since: int) -> tuple[Sequence[Entry], int]:
        """What is known between these offsets, the newest first, and down to which one it is all.

        Nothing, and `upto`, where it was not read yet.
        """
        log = self._logs.get(channel)
        if log is None or log.since >= upto:
            return (), upto
        since = max(since, log.since)
        return log.between(since, upto), since

    async def _read(
        self, channel: str, upto: int, since: int, retention: Retention, now_ms: int
    ) -> None:
        log = self._logs.setdefault(channel, _Log(upto))
        if log.since <= since:
            return
        page = await self._store.read(
            channel,
            after=since,
            before=log.since + 1,
            limit=PAGE,
            newest_first=True,
            retention=retention,
            now_ms=now_ms,
        )
        is_all = len(page.entries) < PAGE
        log.add(page.entries, since if is_all else page.entries[-1].offset - 1)
