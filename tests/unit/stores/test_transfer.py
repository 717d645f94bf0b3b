"""Moving one store's logs into another, which may die at any step and is begun again."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from realtime.errors import StoreError, StoreUnavailable
from realtime.model import Entry, Revocation
from realtime.rows import CHANNELS, MEMBERS, MENTIONS, TABLES, ChannelRow, MemberRow, MentionRow
from realtime.stores import transfer as transfer_module
from realtime.stores.base import Key, Row, Table
from realtime.stores.sqlite import SQLiteStore
from realtime.stores.transfer import Progress, transfer
from tests.support.log_entries import NOW, new_entries, new_entry
from tests.support.table_store import every, keep


class FakeTarget:
    """A store in memory that dies when it has been asked `lives` times; `revive` brings it back."""

    def __init__(self, lives: int = 1_000_000) -> None:
        self.lives = lives
        self.epoch = ""
        self.open = False
        self.logs: dict[str, list[Entry]] = {}
        self.rows: dict[int, Revocation] = {}
        self.tables: dict[str, list[Any]] = {}
        self.forgets_last = False
        self.forgets_last_row = False

    def _ask(self) -> None:
        self.lives -= 1
        if self.lives < 0:
            raise StoreUnavailable("the target has died")

    async def begin_copy(self, epoch: str) -> None:
        """See base."""
        self._ask()
        if self.open or self.epoch not in ("", epoch):
            raise StoreError("the target is not empty")
        self.epoch = epoch

    async def copied_to(self, channel: str) -> int:
        """See base."""
        self._ask()
        log = self.logs.get(channel)
        return log[-1].offset if log else 0

    async def put_entries(self, entries: Sequence[Entry]) -> None:
        """See base. Dies in the middle: a beginning is kept."""
        log = self.logs.setdefault(entries[0].channel, [])
        for entry in entries:
            self._ask()
            assert not log or entry.offset > log[-1].offset
            log.append(entry)
        if self.forgets_last:
            log.pop()

    async def put_revocations(self, rows: Sequence[Revocation]) -> None:
        """See base."""
        self._ask()
        self.rows |= {row.seq: row for row in rows}

    async def rows_copied_to(self, table: Table[Row]) -> Key | None:
        """See base."""
        self._ask()
        rows = self.tables.get(table.name)
        return table.key_of(rows[-1]) if rows else None

    async def put_rows(self, table: Table[Row], rows: Sequence[Row]) -> None:
        """See base. Dies in the middle: a beginning is kept."""
        kept = self.tables.setdefault(table.name, [])
        for row in rows:
            self._ask()
            assert not kept or table.key_of(row) > table.key_of(kept[-1])
            kept.append(row)
        if self.forgets_last_row:
            kept.pop()

    async def finish_copy(self) -> None:
        """See base."""
        self._ask()
        self.open = True


def ignore(progress: Progress) -> None:
    """Nobody watches."""


@pytest.fixture
async def source() -> AsyncIterator[SQLiteStore]:
    """Three channels, one with a stub at its beginning, and revocations with gaps and an end."""
    source = SQLiteStore(":memory:")
    await source.open()
    await source.append(new_entries("chat:1", 7))
    await source.append([new_entry("chat:2", "gone", data=b"gone")])
    await source.truncate("chat:2")
    await source.append(new_entries("chat:2", 2))
    await source.append(new_entries("é", 1))
    await source.revoke(Revocation(user="ann", before=1, at=NOW, until=NOW + 1))
    await source.revoke(Revocation(act="ban", user="bob", at=NOW + 5))
    await source.revoke(Revocation(jti="x", at=NOW + 6, until=NOW + 7))
    await keep(source, MEMBERS, *[MemberRow(name, user) for name in "ab" for user in "xyz"])
    await keep(source, MENTIONS, *[MentionRow("ann", "room", number) for number in (-5, 2, 10)])
    await keep(source, CHANNELS, ChannelRow("room", custom=b"\xff\x00", head=2**62))
    yield source
    await source.close()


async def same(source: SQLiteStore, target: FakeTarget) -> None:
    """Assert that the target has all that the source has, and nothing else."""
    names = await source.channels(after="", limit=100)
    assert target.logs == {
        name: list(await source.entries(name, after=0, limit=100)) for name in names
    }
    rows = await source.revocations(after=0, limit=100, now_ms=0)
    assert target.rows == {row.seq: row for row in rows}
    assert target.epoch == source.epoch
    for table in TABLES:
        assert target.tables.get(table.name, []) == list(await every(source, table))
    assert target.open


async def test_everything_is_there_under_the_same_epoch(source: SQLiteStore) -> None:
    target = FakeTarget()
    progress = await transfer(source, target, told=ignore)
    await same(source, target)
    assert progress == Progress(channels=3, entries=11, revocations=2, rows=10)
    assert [row.seq for row in target.rows.values()] == [2, 3]


async def test_what_died_at_any_step_is_gone_on_with(
    source: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer_module, "ENTRIES_PAGE", 2)
    monkeypatch.setattr(transfer_module, "REVOCATIONS_PAGE", 1)
    monkeypatch.setattr(transfer_module, "ROWS_PAGE", 2)
    deaths = 0
    for lives in range(1000):
        target = FakeTarget(lives)
        try:
            await transfer(source, target, told=ignore)
        except StoreUnavailable:
            deaths += 1
            assert not target.open
            target.lives = 1000
            await transfer(source, target, told=ignore)
            await same(source, target)
        else:
            break
    assert deaths > 20


async def test_an_entry_is_not_moved_twice(source: SQLiteStore) -> None:
    target = FakeTarget()
    target.epoch = source.epoch
    await target.put_entries(await source.entries("chat:1", after=0, limit=4))
    progress = await transfer(source, target, told=ignore)
    assert progress.entries == 7
    await same(source, target)


async def test_a_row_is_not_moved_twice(source: SQLiteStore) -> None:
    target = FakeTarget()
    target.epoch = source.epoch
    rows = await every(source, MEMBERS)
    await target.put_rows(MEMBERS, rows[:4])
    progress = await transfer(source, target, told=ignore)
    assert progress.rows == 6
    await same(source, target)


async def test_another_stores_copy_is_not_gone_on_with(source: SQLiteStore) -> None:
    target = FakeTarget()
    target.epoch = "another"
    with pytest.raises(StoreError, match="not empty"):
        await transfer(source, target, told=ignore)
    assert target.logs == {}


async def test_a_target_that_lacks_something_is_not_opened_to_hubs(source: SQLiteStore) -> None:
    target = FakeTarget()
    target.forgets_last = True
    with pytest.raises(StoreError, match="a channel has entries up to offset 7, and its copy up"):
        await transfer(source, target, told=ignore)
    assert not target.open


async def test_a_target_that_lacks_a_row_is_not_opened_to_hubs(source: SQLiteStore) -> None:
    target = FakeTarget()
    target.forgets_last_row = True
    with pytest.raises(StoreError, match="table channel_rows does not end as its copy does"):
        await transfer(source, target, told=ignore)
    assert not target.open


@pytest.mark.parametrize("channels", [0, 1, 16, 17, 40])
async def test_any_number_of_channels_is_moved(channels: int) -> None:
    source = SQLiteStore(":memory:")
    await source.open()
    for number in range(channels):
        await source.append(new_entries(f"chat:{number}", 1))
    target = FakeTarget()
    seen: list[int] = []
    watch: Callable[[Progress], None] = lambda progress: seen.append(progress.channels)  # noqa: E731
    progress = await transfer(source, target, told=watch)
    assert progress.channels == channels == max(seen, default=0)
    await same(source, target)
    await source.close()


async def test_a_row_of_a_later_version_is_not_moved_without_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "source.db"
    source, target = SQLiteStore(str(path)), FakeTarget()
    await source.open()
    await source.revoke(Revocation(act="ban", user="eve", at=NOW))
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE revocations SET act = 'quarantine'")
    with pytest.raises(StoreError, match="row 1 of the revocations log is of a later version"):
        await transfer(source, target, told=ignore)
    await source.close()
    assert not target.open
    assert target.rows == {}
