"""Filling an empty store from another one, so that clients notice nothing: `realtime store copy`.

Epoch, offsets and the order of the revocations log stay as they are, so positions that clients
keep are good in the new store, and so are the rows of the tables, which speak of offsets. What is
not moved: claims of idempotency keys, which live for minutes, and whatever one store knows of
nodes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, Protocol

import msgspec

from realtime.errors import StoreError
from realtime.model import Entry, Revocation
from realtime.rows import TABLES
from realtime.stores.base import (
    CopySource,
    CopyTarget,
    Key,
    RevocationStore,
    Row,
    Span,
    Table,
    TableStore,
)

CHANNELS_AT_ONCE: Final = 16
"""Channels that are moved side by side: most are short, and it is the way there that takes time."""

ENTRIES_PAGE: Final = 200
"""Entries of a channel that are in memory at once."""

REVOCATIONS_PAGE: Final = 1_000
"""Rows of the revocations log that are in memory at once."""


ROWS_PAGE: Final = 500
"""Rows of a table that are in memory at once."""


class Source(CopySource, RevocationStore, TableStore, Protocol):
    """What is moved: logs, the revocations log, and tables."""

    @property
    def epoch(self) -> str:
        """See `LogStore.epoch`."""
        ...


class Progress(msgspec.Struct):
    """What this run has moved so far; `channels` counts those that were there already, too."""

    channels: int = 0
    entries: int = 0
    revocations: int = 0
    rows: int = 0


async def transfer(
    source: Source, target: CopyTarget, *, told: Callable[[Progress], None]
) -> Progress:
    """Move everything, compare both, and only then let hubs use the target.

    No hub may use either meanwhile. It may be interrupted anywhere and begun again: what is in the
    target stays, and it goes on from there. `told` is called after each page. Raises StoreError,
    also where the target does not have in the end what the source has.
    """
    progress = Progress()
    await target.begin_copy(source.epoch)
    async for row_page in _revocations(source):
        _check_rows(row_page)
        await target.put_revocations(row_page)
        progress.revocations += len(row_page)
        told(progress)
    for table in TABLES:
        await _move_table(source, target, table, progress, told)
    async for names in _channels(source):
        await _all(_move_channel(source, target, name, progress, told) for name in names)
    async for names in _channels(source):
        await _all(_compare_channel(source, target, name) for name in names)
    for table in TABLES:
        await _compare_table(source, target, table)
    await target.finish_copy()
    return progress


def _check_rows(rows: Sequence[Revocation]) -> None:
    """Raise where there is one that would arrive without what it says: a ban, perhaps."""
    for row in rows:
        if row.act == "unknown":
            raise StoreError(
                f"row {row.seq} of the revocations log is of a later version of this program; "
                "copy the store with that one"
            )


async def _move_table(
    source: TableStore,
    target: CopyTarget,
    table: Table[Row],
    progress: Progress,
    told: Callable[[Progress], None],
) -> None:
    last = await target.rows_copied_to(table)
    while rows := await source.find(table, *_after(last), limit=ROWS_PAGE):
        await target.put_rows(table, rows)
        progress.rows += len(rows)
        last = table.key_of(rows[-1])
        told(progress)


def _after(key: Key | None) -> Sequence[Span]:
    """Spans of all that comes after the key: within each beginning of it, what follows there."""
    if key is None:
        return [Span()]
    return [Span(key[:place], after=part) for place, part in enumerate(key)]


async def _compare_table(source: TableStore, target: CopyTarget, table: Table[Any]) -> None:
    """Raise unless the table ends with the same row in both."""
    ends = await source.find(table, Span(), limit=1, backwards=True)
    if [table.key_of(row) for row in ends] != [
        key for key in [await target.rows_copied_to(table)] if key is not None
    ]:
        raise StoreError(
            f"the table {table.name} does not end as its copy does; was something else writing?"
        )


async def _move_channel(
    source: CopySource,
    target: CopyTarget,
    channel: str,
    progress: Progress,
    told: Callable[[Progress], None],
) -> None:
    after = await target.copied_to(channel)
    while entries := await source.entries(channel, after=after, limit=ENTRIES_PAGE):
        await target.put_entries(entries)
        progress.entries += len(entries)
        after = entries[-1].offset
        told(progress)
    progress.channels += 1
    told(progress)


async def _compare_channel(source: CopySource, target: CopyTarget, channel: str) -> None:
    """Raise unless the channel ends at the same offset in both."""
    there = await target.copied_to(channel)
    here = await _head(source, channel, there)
    if here != there:
        raise StoreError(
            f"a channel has entries up to offset {here}, and its copy up to {there}; "
            "was something else writing?"
        )


async def _head(source: CopySource, channel: str, expected: int) -> int:
    """The highest offset. One read if it is the expected one: its own entry, and none after it."""
    after = max(expected - 1, 0)
    found: Sequence[Entry] = await source.entries(channel, after=after, limit=ENTRIES_PAGE)
    head = 0
    while found:
        head = found[-1].offset
        found = await source.entries(channel, after=head, limit=ENTRIES_PAGE)
    return head


async def _channels(source: CopySource) -> AsyncIterator[Sequence[str]]:
    after = ""
    while names := await source.channels(after=after, limit=CHANNELS_AT_ONCE):
        yield names
        after = names[-1]


async def _all(moves: Iterable[Coroutine[None, None, None]]) -> None:
    """Do them side by side, and raise what the first of those that failed has raised."""
    for result in await asyncio.gather(*moves, return_exceptions=True):
        if result is not None:
            raise result


async def _revocations(source: RevocationStore) -> AsyncIterator[Sequence[Revocation]]:
    """Every row, those whose time has passed too: the newest says where the log ends."""
    after = 0
    while rows := await source.revocations(after=after, limit=REVOCATIONS_PAGE, now_ms=0):
        yield rows
        after = rows[-1].seq
