"""Entries of a channel that wait to be folded, for whoever must not be behind the log."""

from collections.abc import Sequence
from typing import Final

from realtime.chat.ports import ChatStore
from realtime.errors import StoreUnavailable
from realtime.model import Entry

WAITING_MAX: Final = 1_000
"""Entries of one channel that may wait; above it nobody is told what the channel comes to."""

ANY_TIME_MS: Final = 1 << 53
"""Later than any entry: whatever waits, however new."""


async def waiting(store: ChatStore, channel: str) -> Sequence[Entry]:
    """All that wait in a channel, in order. Raises StoreError, also where they are too many.

    What is folded while this reads is in the rows afterwards: so read those after it.
    """
    entries = await store.pending(channel=channel, before_ms=ANY_TIME_MS, limit=WAITING_MAX)
    if len(entries) >= WAITING_MAX:
        raise StoreUnavailable(f"{WAITING_MAX} entries of a channel wait to be folded")
    return entries


async def waiting_before(store: ChatStore, channel: str, offset: int) -> Sequence[Entry]:
    """Those below an offset, in order. Raises StoreError, also where they are too many.

    Of the oldest that wait it always can tell, so that folding them in order gets on.
    """
    entries = await store.pending(channel=channel, before_ms=ANY_TIME_MS, limit=WAITING_MAX)
    if len(entries) >= WAITING_MAX and entries[-1].offset < offset:
        raise StoreUnavailable(f"{WAITING_MAX} entries of a channel wait to be folded")
    return [entry for entry in entries if entry.offset < offset]
