"""The store on MongoDB: the contracts of `realtime.stores.base` over one database."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from realtime.errors import StoreCorrupt, StoreUnavailable
from realtime.model import Entry, NewEntry, Retention, Revocation
from realtime.stores.base import (
    Appended,
    Conflict,
    Grouping,
    Key,
    Page,
    Row,
    Swept,
    Table,
)
from realtime.stores.mongo import (
    claims,
    copying,
    reading,
    revocations,
    schema,
)
from realtime.stores.mongo import (
    retention as retaining,
)
from realtime.stores.mongo.appending import Appender, Counts
from realtime.stores.mongo.begun import Begun
from realtime.stores.mongo.changes import EntryChanges
from realtime.stores.mongo.client import DEFAULT_TIMEOUTS, Timeouts
from realtime.stores.mongo.contention import Contention
from realtime.stores.mongo.failures import mapped
from realtime.stores.mongo.heads import Head, Heads, boot_clock
from realtime.stores.mongo.pending import Pending
from realtime.stores.mongo.personal import PersonalData
from realtime.stores.mongo.sharing import SharedRecords
from realtime.stores.mongo.tables import Tables


class Statistics(msgspec.Struct, frozen=True):
    """A snapshot. `pending` counts what is not answered yet, the others since the store was made.

    `inserts`: of entries, whatever came of them; `rows`: entries that they stored. `lost_races`:
    offsets that another node was faster to take. `unknown`: rounds after which the same had to be
    sent again, since nobody knew what had become of it. `heads`: channels whose head is known.
    """

    pending_rows: int
    pending_bytes: int
    pending_calls: int
    inserts: int
    rows: int
    lost_races: int
    unknown: int
    heads: int


class MongoStore(EntryChanges, Tables, PersonalData, SharedRecords):
    """LogStore, HeadHints, ChangeStore, TableStore, PersonalStore, RevocationStore,
    IdempotencyStore, NodeStore, PresenceStore and CopyTarget: see base.

    Every write is with a majority and in its journals before it is answered, every read is of what
    a majority has, from the primary. What bounds a call are `Timeouts`; beyond that an append
    tries again for `append_for_s`, and `revoke`, `claim` and what writes rows or changes entries
    for `write_for_s`, since they know their own writes again or may repeat them. The other calls do
    not: when one raises StoreUnavailable it may have been done, and all but `beat` and a `write` or
    `decide` that adds may be repeated.
    """

    def __init__(
        self,
        url: str,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        append_for_s: float = 120.0,
        write_for_s: float = 15.0,
        close_timeout_s: float = 10.0,
        pool_max: int = 64,
        pending_max: int = 20_000,
        pending_bytes_max: int = 67_108_864,
        calls_max: int = 10_000,
        on_commit: Callable[[int, float], None] | None = None,
        clock: Callable[[], float] = boot_clock,
    ) -> None:
        """Connects to nothing yet.

        `pool_max` connections to each server. `pending_max` rows and `pending_bytes_max` bytes of
        data may wait to be appended, and `calls_max` other calls be under way; more is
        StoreUnavailable at once. `on_commit` is called on the loop with the rows that an insert
        has stored and the seconds it took. `clock` as in `realtime.stores.mongo.heads`.
        """
        super().__init__(
            url, timeouts, pool_max=pool_max, calls_max=calls_max, write_for_s=write_for_s
        )
        self._append_for_s = append_for_s
        self._close_timeout_s = close_timeout_s
        self._on_commit = on_commit
        self._clock = clock
        self._pending = Pending(rows_max=pending_max, bytes_max=pending_bytes_max)
        self._claims = 0
        self._closing = asyncio.Lock()
        self._heads: Heads | None = None
        self._appender: Appender | None = None
        self._contention = Contention()
        self._begun = Begun()

    # Opening and closing

    @property
    def epoch(self) -> str:
        """See base."""
        if not self._epoch:
            raise StoreUnavailable("the store is not open")
        return self._epoch

    async def init(self, *, new_epoch: bool = False) -> None:
        """Make what the store needs: its meta document with a new epoch, and the indexes.

        What is there already stays as it is, but for the epoch where a new one is asked for: after
        a backup was brought back. May be called while hubs run, before `open` or instead of it;
        hubs under which the epoch changes end. Raises StoreTooNew, and StoreError where an index is
        there with other options.
        """
        await self._prepared(schema.prepare)
        if new_epoch:
            await self._prepared(schema.renew_epoch)

    async def open(self) -> None:
        """See base. Raises StoreError also if the store is not set up, which `init` does, or is
        half copied. The message says what to do."""
        if self._appender is not None or self._closed:
            raise StoreUnavailable("a store is opened once")
        try:
            meta = await self._prepared(schema.check)
            database = self._reachable()
            self._heads = Heads(database, clock=self._clock)
            self._appender = Appender(
                database,
                self._heads,
                self._contention,
                append_for_s=self._append_for_s,
                on_commit=self._on_commit,
            )
            await self._begun.open()
            self._epoch = meta.epoch
        except BaseException:
            await self.close()
            raise

    async def check_epoch(self) -> str:
        """The epoch as the store has it now. Another than `epoch`: the store was restored or
        exchanged under this node, whose positions mean nothing any more; it must end.

        Raises StoreCorrupt if the store says nothing of itself any more.
        """
        meta = await self._call(schema.read_meta)
        if meta is None:
            raise StoreCorrupt(f"{self._reachable().place}: its meta document is gone")
        return meta.epoch

    async def close(self) -> None:
        """See base. Appends that the server does not answer in `close_timeout_s` are given up."""
        self._closed = True
        async with self._closing:
            await self._begun.finish(self._close_timeout_s)
            if self._database is not None:
                await self._database.close()

    def statistics(self) -> Statistics:
        """How much waits and what has happened, now."""
        counts = self._appender.counts if self._appender else Counts()
        return Statistics(
            pending_rows=self._pending.rows,
            pending_bytes=self._pending.size,
            pending_calls=self._calls,
            inserts=counts.inserts,
            rows=counts.rows,
            lost_races=counts.lost_races,
            unknown=counts.unknown,
            heads=len(self._heads) if self._heads else 0,
        )

    # The log

    @property
    def grouping(self) -> Grouping:
        """See base: calls overlap, and a channel with several entries goes by itself."""
        return Grouping(in_flight=8, mixed=False)

    def heard(self, channel: str, offset: int, n: int = -1) -> None:
        """See base, `HeadHints`. Without an n the next append reads the head."""
        heads = self._heads
        if heads is None:
            return
        if n < 0:
            is_news = heads.hear(channel, offset)
        else:
            is_news = heads.rise(channel, Head(offset, n), at=heads.clock())
        if is_news:
            self._contention.seen(channel)

    async def append(self, batch: Sequence[NewEntry]) -> Sequence[Appended | Conflict]:
        """See base. Tries again for `append_for_s`; cancelling ends the waiting only."""
        database, appender = self._ready(), self._appender
        assert appender is not None, "a store that is ready has one"
        if not batch:
            return []

        async def append() -> Sequence[Appended | Conflict]:
            with self._pending.held(batch), mapped(database.place):
                return await appender.append(batch)

        return await self._begun.run(append())

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
        """See base."""
        return await self._call(
            lambda database: reading.read_page(
                database,
                self._known(),
                channel,
                after=after,
                before=before,
                limit=limit,
                newest_first=newest_first,
                retention=retention,
                now_ms=now_ms,
            )
        )

    async def missed(self, positions: Mapping[str, int], *, limit: int) -> Sequence[Entry]:
        """See base."""
        asked = dict(positions)
        return await self._call(
            lambda database: reading.read_missed(database, self._known(), asked, limit=limit)
        )

    async def truncate(self, channel: str) -> None:
        """See base."""
        await self._call(lambda database: retaining.truncate(database, channel))

    async def sweep(
        self,
        retention: Callable[[str], Retention],
        *,
        now_ms: int,
        after: str = "",
        limit: int,
    ) -> Swept:
        """See base."""
        if limit <= 0:
            raise ValueError(f"limit: {limit}, a positive number expected")
        return await self._call(
            lambda database: retaining.sweep(
                database, retention, now_ms=now_ms, after=after, limit=limit
            )
        )

    # What must survive a restart beside it

    async def revoke(self, revocation: Revocation) -> int:
        """See base. Tries again for `write_for_s`."""
        return await self._call(
            lambda database: revocations.insert(
                database.revocations, revocation, for_s=self._write_for_s
            )
        )

    async def revocations(self, *, after: int, limit: int, now_ms: int) -> Sequence[Revocation]:
        """See base."""
        return await self._call(
            lambda database: revocations.select(
                database.revocations, after=after, limit=limit, now_ms=now_ms
            )
        )

    async def claim(self, scope: str, key: str, digest: bytes, *, until_ms: int) -> bytes | None:
        """See base. Tries again for `write_for_s`. The clock that says whether a claim's time has
        passed is the machine's."""
        now_ms = time.time_ns() // 1_000_000
        self._claims += 1
        if self._claims % claims.SWEEP_EVERY == 0:
            await self._call(lambda database: claims.sweep(database.claims, now_ms))
        return await self._call(
            lambda database: claims.claim(
                database.claims,
                scope,
                key,
                digest,
                until_ms=until_ms,
                now_ms=now_ms,
                for_s=self._write_for_s,
            )
        )

    # Copying another store into this one, instead of `open`

    async def begin_copy(self, epoch: str) -> None:
        """See base. Does what `init` does first."""
        await self._prepared(lambda database: copying.begin(database, epoch))

    async def copied_to(self, channel: str) -> int:
        """See base."""
        return await self._prepared(lambda database: copying.copied_to(database, channel))

    async def put_entries(self, entries: Sequence[Entry]) -> None:
        """See base."""
        await self._prepared(lambda database: copying.put_entries(database, entries))

    async def put_revocations(self, rows: Sequence[Revocation]) -> None:
        """See base."""
        await self._prepared(lambda database: revocations.put(database.revocations, rows))

    async def rows_copied_to(self, table: Table[Row]) -> Key | None:
        """See base."""
        return await self._prepared(lambda database: copying.rows_copied_to(database, table))

    async def put_rows(self, table: Table[Row], rows: Sequence[Row]) -> None:
        """See base."""
        await self._prepared(lambda database: copying.put_rows(database, table, rows))

    async def finish_copy(self) -> None:
        """See base."""
        await self._prepared(copying.finish)

    def _known(self) -> Heads:
        assert self._heads is not None, "a store that is ready has them"
        return self._heads
