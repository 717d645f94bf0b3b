"""Tables of a real store, with the number of calls."""

from collections import Counter
from collections.abc import Sequence

from realtime.stores.base import Key, Removal, Row, Span, Table, TableStore, Write


class CountedTables:
    """TableStore over `inner`. `calls` counts them by method."""

    def __init__(self, inner: TableStore) -> None:
        self._inner = inner
        self.calls: Counter[str] = Counter()

    async def get(self, table: Table[Row], keys: Sequence[Key]) -> Sequence[Row]:
        """See base."""
        self.calls["get"] += 1
        return await self._inner.get(table, keys)

    async def find(
        self,
        table: Table[Row],
        *spans: Span,
        by: tuple[str, ...] = (),
        limit: int,
        backwards: bool = False,
        merged: bool = False,
    ) -> Sequence[Row]:
        """See base."""
        self.calls["find"] += 1
        return await self._inner.find(
            table, *spans, by=by, limit=limit, backwards=backwards, merged=merged
        )

    async def write(self, writes: Sequence[Write | Removal]) -> None:
        """See base."""
        self.calls["write"] += 1
        await self._inner.write(writes)

    async def decide(self, write: Write | Removal) -> bool:
        """See base."""
        self.calls["decide"] += 1
        return await self._inner.decide(write)
