"""Rooms with members and messages in a store in memory, for tests of what push makes of them."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from realtime.chat.ports import ChatStore
from realtime.errors import StoreError
from realtime.model import NewEntry
from realtime.push.jobs import Jobs
from realtime.push.rows import DEVICES, JOBS, TRAIL, JobRow, TrailRow
from realtime.rows import CHANNELS, MEMBERS
from realtime.settings.schema import ChannelOptions
from realtime.stores.base import Key, Span, Table, TableStore, Write
from realtime.stores.sqlite import SQLiteStore

NOW: Final = 1_700_000_000_000
"""What `tests.support.chat.ManualClock` shows at first."""

LEASE_MS: Final = 30_000

ROOM: Final = ChannelOptions(history_size=-1, chat="room", push="all")
QUIET: Final = ChannelOptions(history_size=-1, chat="room")

_numbers = itertools.count(1)


@asynccontextmanager
async def opened() -> AsyncIterator[SQLiteStore]:
    """A store that is empty and open."""
    store = SQLiteStore(":memory:")
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def options(channel: str) -> ChannelOptions | None:
    """Of channels that begin with "gone:" the namespace is configured no more."""
    if channel.startswith("gone:"):
        return None
    return QUIET if channel.startswith("quiet:") else ROOM


async def put(store: TableStore, table: Table[Any], *key: str | int, **fields: Any) -> None:
    """Write a row."""
    await store.write([Write(table, key, set=fields)])


async def make_room(store: TableStore, channel: str, *users: str, kind: str = "room") -> None:
    """A room with these members."""
    await put(store, CHANNELS, channel, kind=kind, title="Lobby", members=len(users))
    for start in range(0, len(users), 1_000):
        await store.write(
            [
                Write(MEMBERS, (channel, user), set={"role": "member"})
                for user in users[start : start + 1_000]
            ]
        )


async def say(store: ChatStore, channel: str, *, at: int = NOW, **fields: Any) -> int:
    """Append a message of Ann's that people have to be told of; answers its offset."""
    entry = NewEntry(
        channel,
        **{
            "sender": "u:ann",
            "client_id": str(next(_numbers)),
            "data": b'{"text":"Hello"}',
            "at": at,
            "counts": True,
            "notify": True,
            **fields,
        },
    )
    appended = (await store.append([entry]))[0]
    return appended.offset


async def jobs_of(store: TableStore) -> Mapping[tuple[str, str], JobRow]:
    """All jobs, by user and channel."""
    rows = await store.find(JOBS, Span(), limit=10_000)
    return {(row.user, row.channel): row for row in rows}


async def trail_of(store: TableStore) -> Sequence[TrailRow]:
    """All that was recorded."""
    return await store.find(TRAIL, Span(), limit=10_000)


async def waiting(store: ChatStore) -> list[tuple[str, int]]:
    """Entries that still have the mark."""
    found = await store.notifiable(limit=10_000)
    return sorted((entry.channel, entry.offset) for entry in found)


async def claim(store: TableStore, now_ms: int, *, lane: int = 0) -> Sequence[JobRow]:
    """Claim all that is due."""
    return await Jobs(store).claim(
        now_ms,
        lease=f"lease-{next(_numbers)}",
        until_ms=now_ms + LEASE_MS,
        limit=1_000,
        lane=lane,
    )


async def add_device(store: TableStore, user: str, device: str, **fields: Any) -> None:
    """A phone of a user."""
    known = {"provider": "fcm", "kind": "token", "address": f"{user}-{device}"}
    await put(store, DEVICES, user, device, **{**known, "registered_at": NOW - 5_000, **fields})


class Failing:
    """A store of which calls fail as a test says: `fail` is asked before each, with its name."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.fail: Callable[[str, tuple[Any, ...]], Exception | None] = lambda *_: None
        self.before: Callable[[str], Awaitable[None]] | None = None

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in ("get", "find", "write", "read", "fetch", "notifiable", "notified"):
            return found

        async def called(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, args))
            if self.before is not None:
                await self.before(name)
            if (error := self.fail(name, args)) is not None:
                raise error
            return await found(*args, **kwargs)

        return called


AWAY: Final = StoreError("away")


def keys_of(rows: Sequence[Any], table: Table[Any]) -> list[Key]:
    """The keys of rows, sorted."""
    return sorted(table.key_of(row) for row in rows)
