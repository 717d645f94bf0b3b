"""Pages of a channel's log out of a bounded number of reads, whatever the log holds.

Between two messages there may be thousands of events. So a page is what a few reads have shown: it
may be short, and says from where to go on.
"""

from collections.abc import Callable
from typing import Final

from realtime.chat.log_reader import LogReader
from realtime.model import Entry

READS_MAX: Final = 3
"""Reads of the log for one page."""

READ_MAX: Final = 500
"""Entries of one read."""

PAGE_MAX_BYTES: Final = 262_144
"""Data on one page: there may be one message more than fits, never two."""

Keep = Callable[[Entry], bool]


class Walk:
    """Goes along a log from `edge`, which it leaves out, until it has `wanted` entries.

    `found` is in the order of the walk. `done`: enough was found, or there is no more; `ended` is
    the latter. `edge` is where the next walk goes on.
    """

    def __init__(self, edge: int, wanted: int, *, backwards: bool) -> None:
        self.edge = edge
        self.wanted = wanted
        self.backwards = backwards
        self.found: list[Entry] = []
        self.head = 0
        self.n = 0
        self.ended = False
        self._bytes = 0
        self._full = False

    @property
    def done(self) -> bool:
        """Whether there is nothing to be read for it."""
        return self.ended or self._full

    async def step(self, reader: LogReader, channel: str, keep: Keep, limit: int) -> None:
        """One read of at most `limit` entries. Raises StoreError."""
        page = await reader.page(
            channel,
            after=0 if self.backwards else self.edge,
            before=self.edge if self.backwards else 0,
            limit=limit,
            newest_first=self.backwards,
        )
        self.head, self.n = page.head, page.head_n
        for entry in page.entries:
            if keep(entry):
                if self._full:
                    return
                self._take(entry)
            self.edge = entry.offset
        self.ended = len(page.entries) < limit

    def _take(self, entry: Entry) -> None:
        self.found.append(entry)
        self._bytes += len(entry.data)
        self._full = len(self.found) >= self.wanted or self._bytes >= PAGE_MAX_BYTES


async def walk(reader: LogReader, channel: str, keep: Keep, *walks: Walk) -> None:
    """Fill these walks, in READS_MAX reads together; each gets one at least. Raises StoreError."""
    left = READS_MAX
    limit = 0
    while left and not all(one.done for one in walks):
        for one in walks:
            if left and not one.done:
                # What follows a read that found too little may be mostly events: then more of it.
                size = READ_MAX if limit else min(one.wanted + 1, READ_MAX)
                await one.step(reader, channel, keep, size)
                left -= 1
        limit = READ_MAX
