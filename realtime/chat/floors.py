"""Where what may be seen of a channel's log begins: what retention has taken is unread for nobody.

By the number of entries that are kept, that is known exactly at any moment, at the cost of a look
at one entry where somebody has not read as far. By their age it is found by looking through the log
(`realtime.chat.leftovers`), which is done for each channel in turn; until then some messages that
are past their time may still be unread, but never when everything is that the channel's row knows
of. Pure.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from realtime.model import Entry, Retention
from realtime.rows import ChannelRow
from realtime.stores.base import Page


class Floor(msgspec.Struct, frozen=True, gc=False):
    """Entries up to `offset` are hidden; `n` of them counted."""

    offset: int = 0
    n: int = 0


GROUND: Final = Floor()
"""Nothing is hidden."""


def below(entry: Entry) -> Floor:
    """The floor under an entry that is the first to be seen."""
    return Floor(entry.offset - 1, entry.n - int(entry.counts))


def floor_of_page(page: Page) -> Floor:
    """The floor of a log, by a page of it that begins with the first entry to be seen."""
    return below(page.entries[0]) if page.entries else Floor(page.head, page.head_n)


def known_floor(
    row: ChannelRow, missed: Sequence[Entry], retention: Retention, now_ms: int
) -> Floor:
    """The floor of a channel as far as its row says it, and the entries after that (`missed`)."""
    floor = Floor(row.hidden, row.hidden_n)
    head = missed[-1].offset if missed else row.head
    if row.head > floor.offset and retention.hides(row.head, row.head_at or now_ms, head, now_ms):
        floor = Floor(row.head, row.head_n)
    for entry in missed:
        if entry.offset > floor.offset and retention.hides(entry.offset, entry.at, head, now_ms):
            floor = Floor(entry.offset, entry.n)
    return floor


def first_kept(head: int, retention: Retention) -> int:
    """The first offset that is kept by the number of entries; 1 where that hides nothing."""
    return max(head - retention.size, 0) + 1 if retention.size >= 0 else 1
