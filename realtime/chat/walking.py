"""Going through what a store has, page by page, however much it is."""

from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol

from realtime.chat.ports import ChatStore
from realtime.model import Entry
from realtime.stores.base import (
    CHANNELS_LOOKED_AT_MAX,
    Key,
    PersonalStore,
    Row,
    Span,
    Table,
    Value,
)

PAGE: Final = 500
"""Rows or entries of one read."""


class LawStore(ChatStore, PersonalStore, Protocol):
    """All that export and erasure ask of a store."""


async def rows(
    store: ChatStore, table: Table[Row], equal: Key, by: tuple[str, ...] = (), *, after: Value = ""
) -> AsyncIterator[Sequence[Row]]:
    """Every row of a span of the index `by` (() is the key), in pages, in order.

    The field after `equal` orders them; fewer than a page of them may have the same value in it.
    `after` is where to begin; give -1 where that field is a number. Rows may be removed between
    pages. Raises StoreError.
    """
    field = (by or table.key)[len(equal)]
    while True:
        page = await store.find(table, Span(equal, after=after), by=by, limit=PAGE)
        if len(page) < PAGE:
            if page:
                yield page
            return
        # More rows may have the last one's value: they come with the next page, all of them.
        last = getattr(page[-1], field)
        page = [row for row in page if getattr(row, field) != last]
        if not page:
            raise ValueError(f"{table.name}: a page of rows has the same {field}")
        yield page
        after = getattr(page[-1], field)


async def distinct(
    store: ChatStore, table: Table[Row], equal: Key, by: tuple[str, ...] = ()
) -> AsyncIterator[str]:
    """Every value, each once, of the text field after `equal` in a span. One read for each."""
    field = (by or table.key)[len(equal)]
    after = ""
    while True:
        found = await store.find(table, Span(equal, after=after), by=by, limit=1)
        if not found:
            return
        after = getattr(found[0], field)
        yield after


async def channels_with(store: LawStore, sender: str, *, after: str = "") -> AsyncIterator[str]:
    """Every channel that has entries of this sender, in order of name. Raises StoreError."""
    at: str | None = after
    while at is not None:
        found = await store.channels_with(sender, after=at, limit=CHANNELS_LOOKED_AT_MAX)
        for channel in found.channels:
            yield channel
        at = found.next_channel


async def sent_by(
    store: ChatStore, channel: str, sender: str, *, stubs: bool = False
) -> AsyncIterator[Sequence[Entry]]:
    """Every entry of one sender in a channel, in pages, in order; stubs only if they are asked for.

    Raises StoreError.
    """
    after = 0
    while True:
        page = await store.sent_by(channel, sender, after=after, limit=PAGE, stubs=stubs)
        if page:
            yield page
            after = page[-1].offset
        if len(page) < PAGE:
            return
