"""Filling an empty store from another one, so that clients notice nothing: `realtime store copy`.

Epoch, offsets and the order of the revocations log stay as they are, so positions that clients
keep are good in the new store. What is not moved: claims of idempotency keys, which live for
minutes, and whatever one store knows of nodes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from typing import Final, Protocol

import msgspec

from realtime.errors import StoreError
from realtime.model import Entry, Revocation
from realtime.stores.base import CopySource, CopyTarget, RevocationStore

CHANNELS_AT_ONCE: Final = 16
"""Channels that are moved side by side: most are short, and it is the way there that takes time."""

ENTRIES_PAGE: Final = 200
"""Entries of a channel that are in memory at once."""

REVOCATIONS_PAGE: Final = 1_000
"""Rows of the revocations log that are in memory at once."""


class Source(CopySource, RevocationStore, Protocol):
    """What is moved: logs, and the revocations log."""

    @property
    def epoch(self) -> str:
        """See `LogStore.epoch`."""
        ...


class Progress(msgspec.Struct):
    """What this run has moved so far; `channels` counts those that were there already, too."""

    channels: int = 0
    entries: int = 0
    revocations: int = 0


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
    async for names in _channels(source):
        await _all(_move_channel(source, target, name, progress, told) for name in names)
    async for names in _channels(source):
        await _all(_compare_channel(source, target, name) for name in names)
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
