"""Backups are whole, single files; a restore is checked, complete and a new incarnation."""

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from realtime.errors import StoreCorrupt, StoreError, StoreTooNew, StoreUnavailable
from realtime.rows import USERS
from realtime.stores.base import Span, Write
from realtime.stores.sqlite import SQLiteStore, backup, copying, restore
from realtime.stores.sqlite.database import Database
from realtime.stores.sqlite.lock import DatabaseLock
from tests.support.log_entries import NOW, event, new_entries, new_entry, shown


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(str(path))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def contents(path: Path) -> tuple[str, list[str]]:
    """The epoch of a database, and the client ids in channel "a"."""
    async with opened(path) as store:
        return store.epoch, [entry.client_id for entry in await shown(store, "a")]


def names(folder: Path, start: str = "") -> list[str]:
    """The files of a folder whose names start like this."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(start))


def mode(path: Path) -> int:
    """Who may do what with the file."""
    return stat.S_IMODE(path.stat().st_mode)


def files_of(database: Path) -> dict[str, bytes]:
    """The database's file and those that SQLite keeps beside it, by what their names end with."""
    return {suffix: Path(f"{database}{suffix}").read_bytes() for suffix in ("", "-wal", "-shm")}


def put_back(database: Path, files: dict[str, bytes]) -> None:
    """Make those files again."""
    for suffix, data in files.items():
        Path(f"{database}{suffix}").write_bytes(data)


@pytest.fixture
async def copy(tmp_path: Path) -> Path:
    """A backup of a database with three entries."""
    async with opened(tmp_path / "source.db") as store:
        await store.append(new_entries("a", 3))
        await store.backup(str(tmp_path / "copy"))
    return tmp_path / "copy"


# Backing up


async def test_a_backup_is_a_single_file_with_everything_and_no_log(copy: Path) -> None:
    assert names(copy.parent, "copy") == ["copy"]
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (3,)


async def test_rows_and_what_became_of_entries_are_in_a_backup_and_restored(tmp_path: Path) -> None:
    async with opened(tmp_path / "source.db") as store:
        message = new_entry("a", "1", counts=True, notify=True)
        await store.append([message, event("a", "2", "edit", 1)])
        await store.summarise("a", 1, b"[1]", by=2)
        await store.write([Write(USERS, ("ann",), set={"name": "Ann", "custom": b"{}"})])
        entries, rows = await shown(store, "a"), await store.find(USERS, Span(), limit=9)
        await store.backup(str(tmp_path / "copy"))
    restore(str(tmp_path / "copy"), str(tmp_path / "target.db"), force=False)
    async with opened(tmp_path / "target.db") as store:
        assert await shown(store, "a") == entries
        assert list(await store.find(USERS, Span(), limit=9)) == list(rows) != []
        assert len(await store.pending(before_ms=NOW + 1, limit=9)) == 1
        assert list(await store.notifiable(limit=9)) == entries[:1]


async def test_only_its_owner_may_read_a_backup(copy: Path) -> None:
    assert mode(copy) == 0o600


async def test_a_backup_while_appending_is_one_moment_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many slices, with appends in between: neither torn nor started over for ever."""
    monkeypatch.setattr(copying, "_SLICE_PAGES", 1)
    async with opened(tmp_path / "store.db") as store:
        await store.append([new_entry("a", f"old {n}", data=b"x" * 3000) for n in range(300)])
        backing_up = asyncio.ensure_future(store.backup(str(tmp_path / "copy")))
        appended = 0
        while not backing_up.done():
            await store.append([new_entry("a", f"new {appended}"), new_entry("b", str(appended))])
            appended += 1
        await backing_up
        assert appended > 0
    async with opened(tmp_path / "copy") as store:
        offsets = [entry.offset for entry in await shown(store, "a")]
        assert offsets == list(range(1, len(offsets) + 1))
        assert len(offsets) - 300 == len(await shown(store, "b"))


def test_a_write_after_every_slice_does_not_start_a_backup_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it would never come to an end on a busy hub."""
    monkeypatch.setattr(copying, "_SLICE_PAGES", 1)
    database = Database(str(tmp_path / "store.db"), busy_timeout_s=1.0)
    with closing(database.writer()) as writer:
        writer.execute("INSERT INTO meta VALUES ('large', ?)", ("x" * 100_000,))
        (pages,) = writer.execute("PRAGMA page_count").fetchone()
        slices = 0

        def write_between() -> bool:
            nonlocal slices
            slices += 1
            writer.execute("INSERT INTO channels (name) VALUES (?)", (str(slices),))
            return slices > 2 * int(pages)

        backup(str(tmp_path / "store.db"), str(tmp_path / "copy"), cancelled=write_between)
    database.release()
    assert slices <= pages + 1


async def test_another_process_can_back_up_a_database_in_use(tmp_path: Path) -> None:
    """As `realtime store backup` does: by the file's path, without the lock."""
    async with opened(tmp_path / "store.db") as store:
        await store.append(new_entries("a", 3))
        backup(str(tmp_path / "store.db"), str(tmp_path / "copy"))
        await store.append(new_entries("a", 1, first=4))
    assert (await contents(tmp_path / "copy"))[1] == ["m1", "m2", "m3"]


async def test_a_database_left_by_a_killed_hub_can_be_backed_up(tmp_path: Path) -> None:
    """Its last entries are still in the write-ahead log."""
    async with opened(tmp_path / "store.db") as store:
        await store.append(new_entries("a", 3))
        killed = files_of(tmp_path / "store.db")
    put_back(tmp_path / "killed.db", killed)
    backup(str(tmp_path / "killed.db"), str(tmp_path / "copy"))
    assert (await contents(tmp_path / "copy"))[1] == ["m1", "m2", "m3"]


async def test_a_backup_that_is_cancelled_stops_and_leaves_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        await store.append(new_entries("a", 3))
        with pytest.raises(StoreUnavailable, match="cancelled"):
            backup(str(tmp_path / "store.db"), str(tmp_path / "copy"), cancelled=lambda: True)
    assert names(tmp_path, "copy") == []


async def test_closing_ends_a_running_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_SLICE_PAGES", 1)
    store = SQLiteStore(str(tmp_path / "store.db"))
    await store.open()
    await store.append([new_entry("a", str(n), data=b"x" * 60_000) for n in range(100)])
    backing_up = asyncio.ensure_future(store.backup(str(tmp_path / "copy")))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(StoreUnavailable, match="cancelled"):
        await backing_up
    assert names(tmp_path, "copy") == []


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.touch()])
def test_what_is_no_database_is_not_backed_up(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "store.db")
    with pytest.raises(StoreError):
        backup(str(tmp_path / "store.db"), str(tmp_path / "copy"))
    assert not (tmp_path / "copy").exists()


# Restoring


async def test_a_restore_brings_everything_back_under_a_new_epoch(copy: Path) -> None:
    target = copy.parent / "store.db"
    restore(str(copy), str(target), force=False)
    epoch, client_ids = await contents(target)
    assert client_ids == ["m1", "m2", "m3"]
    assert epoch != (await contents(copy.parent / "source.db"))[0]
    assert mode(target) == 0o600


async def test_each_restore_has_an_epoch_of_its_own(copy: Path) -> None:
    epochs = []
    for name in ("one.db", "two.db"):
        restore(str(copy), str(copy.parent / name), force=False)
        epochs.append((await contents(copy.parent / name))[0])
    assert epochs[0] != epochs[1]


async def test_offsets_go_on_after_a_restore(copy: Path) -> None:
    target = copy.parent / "store.db"
    restore(str(copy), str(target), force=False)
    async with opened(target) as store:
        (answer,) = await store.append([new_entry("a", "new")])
        assert answer.offset == 4


async def test_an_existing_database_is_replaced_only_by_force(copy: Path) -> None:
    target = copy.parent / "store.db"
    async with opened(target) as store:
        await store.append(new_entries("a", 1, first=9))
    with pytest.raises(StoreError, match="it exists; force replaces it"):
        restore(str(copy), str(target), force=False)
    assert (await contents(target))[1] == ["m9"]
    restore(str(copy), str(target), force=True)
    assert (await contents(target))[1] == ["m1", "m2", "m3"]


async def test_the_log_of_what_was_there_does_not_mix_into_the_restored(copy: Path) -> None:
    """As after a kill: the replaced database still has a write-ahead log beside it."""
    target = copy.parent / "store.db"
    async with opened(target) as store:
        await store.append(new_entries("a", 50, first=100))
        killed = files_of(target)
    put_back(target, killed)
    restore(str(copy), str(target), force=True)
    assert names(copy.parent, "store.db-") == []
    assert (await contents(target))[1] == ["m1", "m2", "m3"]


async def test_a_database_in_use_is_never_replaced(copy: Path) -> None:
    target = copy.parent / "store.db"
    async with opened(target) as store:
        await store.append(new_entries("a", 1, first=9))
        with pytest.raises(StoreUnavailable, match="in use by another hub or restore"):
            restore(str(copy), str(target), force=True)
        assert [entry.client_id for entry in await shown(store, "a")] == ["m9"]


async def test_no_hub_opens_a_database_while_it_is_restored(copy: Path) -> None:
    lock = DatabaseLock(str(copy.parent / "store.db"))
    lock.acquire()
    store = SQLiteStore(str(copy.parent / "store.db"))
    with pytest.raises(StoreUnavailable, match="in use"):
        await store.open()
    lock.release()


def damage(path: Path) -> None:
    """Overwrite the last pages."""
    data = bytearray(path.read_bytes())
    data[-8192:] = b"\xff" * 8192
    path.write_bytes(data)


def make_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def make_foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE something (value)")


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (damage, StoreCorrupt),
        (lambda path: path.write_bytes(b"not a database" * 1000), StoreCorrupt),
        (lambda path: path.write_bytes(b""), StoreCorrupt),
        (lambda path: path.write_bytes(path.read_bytes()[:10_000]), StoreCorrupt),
        (make_foreign, StoreCorrupt),
        (make_newer, StoreTooNew),
        (Path.unlink, StoreUnavailable),
    ],
)
async def test_a_bad_backup_is_refused_and_the_database_stays_as_it_is(
    copy: Path, spoil: Callable[[Path], None], error: type[StoreError]
) -> None:
    target = copy.parent / "store.db"
    async with opened(target) as store:
        await store.append(new_entries("a", 1, first=9))
    spoil(copy)
    with pytest.raises(error):
        restore(str(copy), str(target), force=True)
    assert (await contents(target))[1] == ["m9"]
    assert names(copy.parent, "store.db.partial") == []


async def test_a_partial_copy_of_a_restore_that_was_killed_is_no_obstacle(copy: Path) -> None:
    target = copy.parent / "store.db"
    put_back(target, {".partial": b"half"})
    restore(str(copy), str(target), force=False)
    assert (await contents(target))[1] == ["m1", "m2", "m3"]


def test_a_database_is_not_restored_from_itself(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    with pytest.raises(StoreError, match="from itself"):
        restore(path, path, force=True)
