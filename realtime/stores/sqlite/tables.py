"""The part of the store that keeps rows beside the logs: see base, `TableStore`."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from realtime.stores.base import SPANS_MAX, WRITES_MAX, Key, Removal, Row, Span, Table, Write
from realtime.stores.sqlite import finding, row_writing
from realtime.stores.sqlite.opened import OpenDatabase

T = TypeVar("T")

TOGETHER_MAX: Final = 100
"""Writes of one transaction: the writer is held for some milliseconds by them, and then takes what
else waits, such as messages. So is the event loop, by looking at them before."""

READ_TOGETHER_MAX: Final = 100
"""Keys or spans above which a read takes its turn, so that it never keeps all readers."""


class TablesOnSQLite(OpenDatabase):
    """TableStore: see base."""

    async def get(self, table: Table[Row], keys: Sequence[Key]) -> Sequence[Row]:
        """See base."""
        if len(keys) > SPANS_MAX:
            raise ValueError(f"{len(keys)} keys, at most {SPANS_MAX} expected")
        return await self._read_in_turn(len(keys), lambda c: finding.get(c, table, keys))

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
        finding.check(table, spans, by, merged=merged)
        return await self._read_in_turn(
            len(spans),
            lambda c: finding.find(
                c, table, spans, by=by, limit=limit, backwards=backwards, merged=merged
            ),
        )

    async def _read_in_turn(self, many: int, run: Callable[[Any], T]) -> T:
        if many <= READ_TOGETHER_MAX:
            return await self._read(run)
        async with self._long_read:
            return await self._read(run)

    async def write(self, writes: Sequence[Write | Removal]) -> None:
        """See base. In transactions of TOGETHER_MAX, which others may share."""
        if len(writes) > WRITES_MAX:
            raise ValueError(f"{len(writes)} writes, at most {WRITES_MAX} expected")
        for start in range(0, len(writes), TOGETHER_MAX):
            some = writes[start : start + TOGETHER_MAX]
            for write in some:
                row_writing.check(write)
            write_some = self._write if len(writes) <= TOGETHER_MAX else self._write_part
            await write_some(
                partial(row_writing.carry_out_all, writes=some),
                rows=len(some),
                size=row_writing.weight(some),
            )

    async def decide(self, write: Write | Removal) -> bool:
        """See base."""
        row_writing.check(write)
        return await self._write(
            lambda c: row_writing.carry_out(c, write), size=row_writing.weight([write])
        )
