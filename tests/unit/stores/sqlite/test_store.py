"""The store as a whole: opening what cannot be opened, limits, statistics, closing."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from realtime.errors import (
    StoreCorrupt,
    StoreError,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)
from realtime.model import Retention
from realtime.rows import USERS
from realtime.stores.base import Appended, Write
from realtime.stores.sqlite import SQLiteStore, opened
from realtime.stores.sqlite.jobs import Read
from realtime.stores.sqlite.schema import MIGRATIONS
from realtime.stores.sqlite.tables import TOGETHER_MAX
from tests.support.log_entries import KEEP_ALL, NOW, head, new_entries, new_entry, shown


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(str(path), pending_max=100, pending_bytes_max=100_000)
    await store.open()
    yield store
    await store.close()


def hold_writer(store: SQLiteStore) -> threading.Event:
    """Keep the writer's thread busy until the event is set."""
    release = threading.Event()
    assert store._writes is not None
    store._writes.submit(Read(lambda connection: release.wait(10)), rows=0)
    return release


def write_garbage(path: Path) -> None:
    path.write_bytes(b"this is not a database" * 100)


def damage_entries(path: Path) -> None:
    """Overwrite the pages that the table of entries and its indexes begin with."""
    with closing(sqlite3.connect(path)) as connection:
        roots = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE tbl_name = 'entries'"
        ).fetchall()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data = bytearray(path.read_bytes())
    for (root,) in roots:
        data[(root - 1) * size : root * size] = b"\xff" * size
    path.write_bytes(data)


# Opening


async def test_what_was_stored_is_there_after_reopening_under_the_same_epoch(path: Path) -> None:
    store = SQLiteStore(str(path))
    await store.open()
    epoch = store.epoch
    await store.append(new_entries("a", 3))
    await store.close()
    again = SQLiteStore(str(path))
    await again.open()
    assert again.epoch == epoch
    assert len(await shown(again, "a")) == 3
    assert await again.append([new_entry("a", "m2")]) == [Appended(2, NOW + 1, duplicate=True)]
    await again.close()


async def test_different_stores_have_different_epochs() -> None:
    first, second = SQLiteStore(":memory:"), SQLiteStore(":memory:")
    await first.open()
    await second.open()
    assert first.epoch != second.epoch
    await first.close()
    await second.close()


async def test_two_hubs_cannot_open_one_database(store: SQLiteStore, path: Path) -> None:
    second = SQLiteStore(str(path))
    with pytest.raises(StoreUnavailable, match=f"process {os.getpid()} holds {path}.lock"):
        await second.open()
    assert await store.append([new_entry("a", "1")]) == [Appended(1, NOW)]


async def test_a_failed_open_leaves_no_thread_and_no_lock(path: Path) -> None:
    write_garbage(path)
    before = set(threading.enumerate())  # those of other tests' stores may end meanwhile
    for _ in range(3):
        with pytest.raises(StoreCorrupt, match="it is not an SQLite database"):
            await SQLiteStore(str(path)).open()
    assert set(threading.enumerate()) <= before
    os.remove(path)
    store = SQLiteStore(str(path))
    await store.open()
    await store.close()


async def test_a_newer_schema_is_refused_with_both_numbers(path: Path) -> None:
    store = SQLiteStore(str(path))
    await store.open()
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 42")
    with pytest.raises(StoreTooNew) as raised:
        await SQLiteStore(str(path)).open()
    assert (raised.value.found, raised.value.known) == (42, len(MIGRATIONS))


@pytest.mark.parametrize(
    ("place", "error", "text"),
    [
        (lambda path: path.mkdir(), StoreUnavailable, "it is a folder"),
        (lambda path: path.parent.rmdir(), StoreUnavailable, "does not exist"),
    ],
)
async def test_a_path_that_is_no_file_is_a_clear_error(
    tmp_path: Path, place: Callable[[Path], None], error: type[StoreError], text: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    place(folder / "store.db")
    with pytest.raises(error, match=text):
        await SQLiteStore(str(folder / "store.db")).open()


async def test_a_folder_that_may_not_be_written_is_a_clear_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write anywhere, so the system's refusal is played."""

    def refuse(*arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("realtime.stores.sqlite.lock.os.open", refuse)
    with pytest.raises(StoreReadOnly, match="access is denied"):
        await SQLiteStore(str(path)).open()


async def test_a_database_locked_by_another_tool_cannot_be_opened_for_now(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match="another process holds it locked"):
            await SQLiteStore(str(path), busy_timeout_s=0.05).open()


# Damage


async def test_damaged_entries_are_reported_and_never_acknowledged(path: Path) -> None:
    store = SQLiteStore(str(path))
    await store.open()
    await store.append(new_entries("a", 500))
    await store.close()
    damage_entries(path)
    again = SQLiteStore(str(path))
    await again.open()
    for _ in range(2):
        with pytest.raises(StoreCorrupt, match="it is damaged"):
            await again.append([new_entry("a", "new")])
        with pytest.raises(StoreCorrupt, match="it is damaged"):
            await shown(again, "a")
    await again.close()


# Limits and statistics


async def test_more_than_the_pending_limit_is_refused_at_once(store: SQLiteStore) -> None:
    release = hold_writer(store)
    waiting = asyncio.ensure_future(store.append(new_entries("a", 99)))
    await asyncio.sleep(0)
    assert store.statistics().pending_rows == 99
    with pytest.raises(StoreUnavailable, match="99 rows of 100"):
        await store.append(new_entries("b", 2))
    release.set()
    await waiting
    assert store.statistics().pending_rows == 0
    assert await head(store, "b") == 0


async def test_more_bytes_than_the_pending_limit_are_refused_at_once(store: SQLiteStore) -> None:
    release = hold_writer(store)
    waiting = asyncio.ensure_future(store.append([new_entry("a", "1", data=b"x" * 90_000)]))
    await asyncio.sleep(0)
    assert store.statistics().pending_bytes == 90_000
    with pytest.raises(StoreUnavailable, match="90000 bytes of 100000"):
        await store.append([new_entry("a", "2", data=b"x" * 20_000)])
    release.set()
    await waiting


async def test_reads_do_not_wait_for_a_commit(store: SQLiteStore) -> None:
    await store.append(new_entries("a", 1))
    release = hold_writer(store)
    waiting = asyncio.ensure_future(store.append([new_entry("a", "later")]))
    assert [entry.client_id for entry in await shown(store, "a")] == ["m1"]
    release.set()
    await waiting


async def test_each_commit_is_told_and_counted(path: Path) -> None:
    told: list[tuple[int, float]] = []
    store = SQLiteStore(str(path), on_commit=lambda rows, seconds: told.append((rows, seconds)))
    await store.open()
    await store.append(new_entries("a", 3))
    await store.append(new_entries("a", 3))
    await store.truncate("a")
    await store.claim("a", "b", b"", until_ms=1)
    assert [rows for rows, _ in told] == [3, 3]
    assert all(0 < seconds < 10 for _, seconds in told)
    commits = store.statistics().commits
    assert (commits.commits, commits.rows, commits.last_s) == (2, 6, told[1][1])
    await store.close()


async def test_statistics_of_a_store_that_is_not_open_are_zero() -> None:
    statistics = SQLiteStore(":memory:").statistics()
    assert (statistics.pending_rows, statistics.commits.commits) == (0, 0)


async def test_a_sweep_without_room_is_a_mistake(store: SQLiteStore) -> None:
    with pytest.raises(ValueError, match="limit: 0, a positive number expected"):
        await store.sweep(lambda name: KEEP_ALL, now_ms=NOW, limit=0)


async def test_a_retention_that_raises_fails_the_sweep_only(store: SQLiteStore) -> None:
    def broken(name: str) -> Retention:
        raise KeyError(name)

    await store.append(new_entries("a", 3))
    with pytest.raises(KeyError):
        await store.sweep(broken, now_ms=NOW, limit=10)
    assert len(await shown(store, "a")) == 3


# Closing


async def test_closing_folds_the_log_in_and_ends_the_threads(path: Path) -> None:
    before = set(threading.enumerate())
    store = SQLiteStore(str(path), readers=3)
    await store.open()
    await store.append(new_entries("a", 100))
    await asyncio.gather(*[head(store, "a") for _ in range(10)])
    # Another test's thread may end meanwhile.
    assert len(set(threading.enumerate()) - before) == 4
    await store.close()
    assert not set(threading.enumerate()) - before
    assert sorted(file.name for file in path.parent.iterdir()) == ["store.db", "store.db.lock"]


async def test_closing_is_bounded_when_the_disk_hangs(path: Path) -> None:
    store = SQLiteStore(str(path), close_timeout_s=0.05)
    await store.open()
    release = hold_writer(store)
    appending = asyncio.ensure_future(store.append([new_entry("a", "1")]))
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match=r"sqlite-writer did not finish within 0\.05 s"):
        await store.close()
    release.set()
    assert await appending == [Appended(1, NOW)]
    await store.close()


async def test_opening_that_is_given_up_lets_go_of_the_database(path: Path) -> None:
    store = SQLiteStore(str(path))
    opening = asyncio.ensure_future(store.open())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    again = SQLiteStore(str(path))
    await again.open()
    await again.close()


@pytest.mark.parametrize("appends", [False, True])
async def test_a_long_write_leaves_the_writer_to_short_ones_that_follow_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, appends: bool
) -> None:
    monkeypatch.setattr(opened, "HOLD_S", 0.2)
    store = SQLiteStore(str(tmp_path / "store.db"))
    await store.open()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:

        async def write_one(number: int) -> None:
            if appends:
                await store.append([new_entry("chat:a", client_id=f"short {number}")])
            else:
                await store.write([Write(USERS, (f"short {number}",))])

        await write_one(0)
        many = [Write(USERS, (f"{number:03}",)) for number in range(2 * TOGETHER_MAX)]
        long = tasks.create_task(store.write(many))
        for number in range(1, 6):
            await write_one(number)
            assert not await store.get(USERS, [("000",)])
        await long
    assert len(await store.get(USERS, [write.key for write in many])) == len(many)
    await store.close()


async def test_a_long_write_waits_for_short_ones_a_few_times_and_then_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened, "HOLD_S", 0.05)
    store = SQLiteStore(str(tmp_path / "store.db"))
    await store.open()
    is_over = asyncio.Event()

    async def write_for_ever() -> None:
        while not is_over.is_set():
            await store.write([Write(USERS, ("ann",), add={"last_seen": 1})])

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(write_for_ever())
        await store.write([Write(USERS, (f"{number:03}",)) for number in range(2 * TOGETHER_MAX)])
        is_over.set()
    await store.close()
