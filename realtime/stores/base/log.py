"""Channels as logs: what is appended, and how it is read. See `realtime.stores.base`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from realtime.model import Entry, NewEntry, Retention

DEDUPE_TTL_MS: Final = 300_000
"""How long at least an entry's (channel, sender, client_id) is remembered, in milliseconds."""

MISSED_CHANNELS_MAX: Final = 500
"""The most channels that one `missed` may ask about."""


class Appended(msgspec.Struct, frozen=True, gc=False):
    """The entry is stored at `offset`. `duplicate`: it was there before, and made at `at` (ms).

    `n` is the entry's (`realtime.model.Entry`); for a duplicate too.
    """

    offset: int
    at: int
    duplicate: bool = False
    n: int = 0


class Conflict(msgspec.Struct, frozen=True, gc=False):
    """Refused: the same (channel, sender, client_id) is stored at `offset` with another digest."""

    offset: int


class Page(msgspec.Struct, frozen=True):
    """Part of a channel's log: visible entries in the order asked for, and the head.

    `head` is the channel's highest offset when the page was read, 0 for a channel without entries,
    and `head_n` that entry's `n`. No entry is above it. The module's docstring says what a page may
    lack.
    """

    entries: Sequence[Entry]
    head: int
    head_n: int = 0


class Swept(msgspec.Struct, frozen=True, gc=False):
    """What one slice of retention did: entries removed or blanked, and where to go on.

    `next_channel` is the `after` of the next call, None when the round is complete.
    """

    changed: int
    next_channel: str | None


class Grouping(msgspec.Struct, frozen=True, gc=False):
    """How a store likes to be given appends; any batch is correct, this one is fast.

    `in_flight`: how many appends at once pay. Whoever groups gives entries of one channel to one
    append at a time, or their order is open. `mixed`: whether several entries of one channel may
    share a batch with other channels; if not, they go alone, and single entries of many channels
    together, so that a channel that several nodes write holds up nobody else.
    """

    in_flight: int
    mixed: bool


class LogStore(Protocol):
    """Channels as logs (the module's docstring is the contract)."""

    @property
    def grouping(self) -> Grouping:
        """How to give it appends."""
        ...

    @property
    def epoch(self) -> str:
        """The incarnation of the store: made once, kept in it, changed by a restore. After open."""
        ...

    async def open(self) -> None:
        """Connect, bring the schema up to date and read the epoch. Call once, first.

        Raises StoreTooNew, StoreCorrupt, StoreReadOnly or StoreUnavailable.
        """
        ...

    async def close(self) -> None:
        """Finish what was begun and let go of everything. Idempotent; other calls then fail."""
        ...

    async def append(self, batch: Sequence[NewEntry]) -> Sequence[Appended | Conflict]:
        """Append the batch and answer entry by entry, in the batch's order, once durable.

        Entries of one channel get rising offsets in the batch's order. A conflict of one entry
        does not hold up the others. Two entries of the batch with the same key and a digest: the
        second is a duplicate (or a conflict) of the first. Raises StoreError for the batch as a
        whole.

        A driver whose store may be away tries again by itself, for a time that its class names:
        only it can tell an entry that it has stored itself, whose answer was lost, from one that
        was there before.
        """
        ...

    async def read(
        self,
        channel: str,
        *,
        after: int = 0,
        before: int = 0,
        limit: int,
        newest_first: bool = False,
        retention: Retention,
        now_ms: int,
    ) -> Page:
        """Visible entries with after < offset, and offset < before where before is not 0.

        Oldest first unless `newest_first`; at most `limit` of them (0: only the head is read).
        Stubs and whatever `retention` hides at `now_ms` are left out at once, swept or not.
        """
        ...

    async def missed(self, positions: Mapping[str, int], *, limit: int) -> Sequence[Entry]:
        """Entries after the given position of each channel, sorted by channel, then offset.

        At most MISSED_CHANNELS_MAX channels and `limit` entries; when `limit` is reached the last
        channel may be cut short and later ones absent: ask again from what came. Stubs are
        included, so that the caller sees a gap that retention has eaten. Empty when all is well.
        """
        ...

    async def truncate(self, channel: str) -> None:
        """Blank every entry of the channel at once; its head and epoch stay (history_remove).

        No read shows them again, and `missed` has them as stubs, as soon as this returns; what is
        on the disk may wait for the next sweep, so that a long log takes no longer than a short.
        """
        ...

    async def sweep(
        self,
        retention: Callable[[str], Retention],
        *,
        now_ms: int,
        after: str = "",
        limit: int,
    ) -> Swept:
        """Remove what retention hides, in one bounded slice, and answer where to go on.

        Looks at channels in order of name, those greater than `after`, and changes at most `limit`
        rows, few enough not to hold up appends. Each row may be changed by itself: a slice that
        fails half-way has done a part, and the next does the rest. An entry that is the head, or
        younger than DEDUPE_TTL_MS, becomes a stub; any other is deleted, as is a stub in its time.
        Works from the oldest entry to the first that may still be seen: one whose `at` is out of
        order may wait for those before it, and one that is pending or waits to be told of
        (`NewEntry`) may be left alone for DEDUPE_TTL_MS, so that what has to follow from it can.
        Who would be told of a stub need not be any more. Safe to interrupt and to repeat.
        `retention` may be called from another thread and must be pure. Raises ValueError unless
        `limit` is positive.

        A slice may change nothing and still not be the last, and where a channel is not finished
        `next_channel` is the name before it, at the beginning "": compare it with None.
        """
        ...


class HeadHints(Protocol):
    """Stores that several nodes write, which are faster when told how far the others are."""

    def heard(self, channel: str, offset: int, n: int = -1) -> None:
        """An entry at `offset`, of this store's epoch, was committed just now. Never waits.

        `n` is that entry's, -1 where a node of an older version did not say.

        To be called only with what a committed append of this epoch has told, within seconds of
        it: the next append may take its offset from it, for as long as the entry behind it, which
        another node may have made since, is not old enough to be forgotten.
        """
        ...
