"""Entries for tests of stores, and everything that a store's log can be asked for in one go."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from realtime.model import ClientInfo, Entry, Kind, NewEntry, Retention
from realtime.stores.base import (
    BackupStore,
    ChangeStore,
    HeadHints,
    IdempotencyStore,
    LogStore,
    RevocationStore,
)

NOW: Final = 1_700_000_000_000
"""When the tests' entries are made, in milliseconds since 1970."""

KEEP_ALL: Final = Retention(-1, 0)


class Store(LogStore, RevocationStore, IdempotencyStore, Protocol):
    """Every contract that each store keeps: what the hub needs on one machine."""


class ChangingStore(Store, ChangeStore, Protocol):
    """A store that changes what was written."""


class SharedLogStore(Store, HeadHints, Protocol):
    """A store that several nodes write, as one of them has it."""


class BackedUpStore(Store, BackupStore, Protocol):
    """A store that can copy itself too."""


def new_entry(
    channel: str,
    client_id: str,
    *,
    sender: str = "user:ann",
    data: bytes = b"{}",
    at: int = NOW,
    kind: Kind = "message",
    digest: bytes = b"digest",
    ref: int = 0,
    info: ClientInfo | None = None,
    tags: dict[str, str] | None = None,
    counts: bool = False,
    pending: bool = False,
    notify: bool = False,
) -> NewEntry:
    """An entry to append, with what most tests do not care about filled in."""
    return NewEntry(
        channel,
        sender,
        client_id,
        data,
        at,
        kind,
        digest,
        ref,
        info,
        tags,
        counts,
        pending,
        notify,
    )


def event(
    channel: str,
    client_id: str,
    kind: Kind,
    ref: int,
    *,
    data: bytes = b"{}",
    at: int = NOW,
    tags: dict[str, str] | None = None,
) -> NewEntry:
    """An entry about the one at `ref`, which nobody has carried out yet."""
    return new_entry(
        channel,
        client_id,
        data=data,
        at=at,
        kind=kind,
        ref=ref,
        tags={"kind": kind, "ref": str(ref), **(tags or {})},
        pending=True,
    )


def new_entries(channel: str, count: int, *, first: int = 1, at: int = NOW) -> list[NewEntry]:
    """`count` entries "m1", "m2" …, a millisecond apart."""
    return [
        new_entry(channel, f"m{number}", data=b'"%d"' % number, at=at + number - first)
        for number in range(first, first + count)
    ]


async def shown(store: LogStore, channel: str, *, now_ms: int = NOW) -> Sequence[Entry]:
    """Every entry that a channel without retention shows, oldest first."""
    page = await store.read(channel, limit=100_000, retention=KEEP_ALL, now_ms=now_ms)
    return page.entries


async def head(store: LogStore, channel: str) -> int:
    """The channel's highest offset."""
    page = await store.read(channel, limit=0, retention=KEEP_ALL, now_ms=NOW)
    return page.head


async def kept(store: LogStore, channel: str) -> Sequence[Entry]:
    """Every entry that still has its offset, stubs included."""
    return await store.missed({channel: 0}, limit=100_000)


async def sweep_all(
    store: LogStore, retention: Callable[[str], Retention], *, now_ms: int, limit: int = 1000
) -> int:
    """Sweep until a round is complete; answer how many rows changed."""
    changed, after = 0, ""
    for _ in range(10_000):
        swept = await store.sweep(retention, now_ms=now_ms, after=after, limit=limit)
        assert swept.changed <= limit
        changed += swept.changed
        if swept.next_channel is None:
            return changed
        after = swept.next_channel
    raise AssertionError("the sweep does not come to an end")


SharedLogFactory = Callable[[], Awaitable[SharedLogStore]]
"""Opens the store of one more node of the same backend."""
