"""The part of the store that keeps rows beside the logs: see base, `TableStore`."""

from collections.abc import Sequence

from realtime.stores.base import Key, Removal, Row, Span, Table, Write
from realtime.stores.mongo import finding, row_writing
from realtime.stores.mongo.calling import Calling


class Tables(Calling):
    """TableStore. What writes tries again for `write_for_s` where the contract lets it."""

    async def get(self, table: Table[Row], keys: Sequence[Key]) -> Sequence[Row]:
        """See base."""
        return await self._call(lambda database: finding.get(database, table, keys))

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
        return await self._call(
            lambda database: finding.find(
                database,
                table,
                spans,
                by=by,
                limit=limit,
                backwards=backwards,
                merged=merged,
            )
        )

    async def write(self, writes: Sequence[Write | Removal]) -> None:
        """See base."""
        await self._call(
            lambda database: row_writing.write_all(database, writes, for_s=self._write_for_s)
        )

    async def decide(self, write: Write | Removal) -> bool:
        """See base."""
        return await self._call(
            lambda database: row_writing.decide(database, write, for_s=self._write_for_s)
        )
