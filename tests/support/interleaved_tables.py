"""Tables in memory whose every step is somebody's turn: for what happens between two writes.

A write of many is carried out one by one in any order, and between any two of them anybody else may
be next. So it shows what the slowest server may come to, and promises no more than the contract.
"""

from collections.abc import Coroutine, Generator, Sequence
from random import Random
from typing import Any

from realtime.stores.base import SPANS_MAX, WRITES_MAX, Key, Removal, Row, Span, Table, Write
from tests.contract.test_tables_model import Rows, apply, look


class Turn:
    """Awaited where others may be next."""

    def __await__(self) -> Generator[None, None, None]:
        """Wait for one's turn."""
        yield


async def turn() -> None:
    """Wait for one's turn."""
    await Turn()


class InterleavedTables:
    """TableStore. `random` draws the order of writes."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._rows: dict[str, Rows] = {}

    async def get(self, table: Table[Row], keys: Sequence[Key]) -> Sequence[Row]:
        """See base."""
        assert len(keys) <= SPANS_MAX
        await turn()
        rows = self._of(table)
        return [rows[key] for key in dict.fromkeys(keys) if key in rows]

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
        assert not by or by == table.key or by in table.indexes
        await turn()
        found: list[Row] = look(self._of(table), table, spans, by, backwards)
        if merged:
            equal = len(spans[0].equal)
            found.sort(key=lambda row: [getattr(row, field) for field in by[equal:]])
        return found[:limit]

    async def write(self, writes: Sequence[Write | Removal]) -> None:
        """See base."""
        assert len(writes) <= WRITES_MAX
        for write in self._random.sample(list(writes), len(writes)):
            await turn()
            apply(self._of(write.table), write)

    async def decide(self, write: Write | Removal) -> bool:
        """See base."""
        await turn()
        return apply(self._of(write.table), write)

    def _of(self, table: Table[Any]) -> Rows:
        return self._rows.setdefault(table.name, {})


class Interleaving:
    """What goes on at the same time: each coroutine goes as far as its next turn when stepped."""

    def __init__(self) -> None:
        self._running: list[Coroutine[None, None, Any]] = []

    def __len__(self) -> int:
        return len(self._running)

    def start(self, coroutine: Coroutine[None, None, Any]) -> None:
        """Begin something, and let it come to its first turn."""
        self._running.append(coroutine)
        self.step(-1)

    def step(self, index: int) -> None:
        """Let one go on, counted round and round."""
        if self._running:
            index %= len(self._running)
            try:
                self._running[index].send(None)
            except StopIteration:
                del self._running[index]

    def kill(self, index: int) -> None:
        """End one where it is."""
        if self._running:
            self._running.pop(index % len(self._running)).close()


def finish(coroutine: Coroutine[None, None, Any]) -> None:
    """Let one go on to its end, alone."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration:
            return
