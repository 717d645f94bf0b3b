"""What was taken away is in no file of the store, and everything else is as it was."""

import asyncio
import random
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from realtime.errors import StoreUnavailable
from realtime.model import Change, Retention
from realtime.rows import MEMBERS, USERS
from realtime.stores.base import DEDUPE_TTL_MS, Removal, Span, Write
from realtime.stores.sqlite import SQLiteStore, changes, scrubbing
from tests.support.log_entries import KEEP_ALL, NOW, kept, new_entry, sweep_all

ROOMS = 20
USERS_COUNT = 900


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(str(path))
    await store.open()
    yield store
    await store.close()


def files(path: Path) -> list[Path]:
    """Every file of the store."""
    return [each for each in path.parent.iterdir() if each.name.startswith(path.name)]


def planted(path: Path) -> set[bytes]:
    """What was planted to be found in the files of the store."""
    return {
        found
        for file in files(path)
        for found in re.findall(rb"PLANTED-[a-z]+-\d{6}", file.read_bytes())
    }


def sound(path: Path) -> bool:
    """Whether the database is undamaged, by SQLite's own check."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def name(kind: str, number: int, chance: random.Random) -> str:
    """A text to look for, of a length that splits pages where nobody expects it."""
    return f"PLANTED-{kind}-{number:06}-{'z' * chance.randrange(200)}"


async def plant(store: SQLiteStore, seed: int) -> None:
    """Users, members and entries in an order in which the trees split and split again."""
    chance = random.Random(seed)  # noqa: S311 - a test's order
    order = list(range(USERS_COUNT))
    chance.shuffle(order)
    users = [f"PLANTED-user-{number:06}" for number in range(USERS_COUNT)]
    for _ in range(3):
        await store.write(
            [Write(USERS, (users[n],), set={"name": name("name", n, chance)}) for n in order]
        )
        await store.write(
            [
                Write(MEMBERS, (f"room {n % ROOMS}", users[n]), set={"role": name("r", n, chance)})
                for n in order
            ]
        )
    for start in range(0, USERS_COUNT, 64):
        await store.append(
            [
                new_entry(
                    f"room {n % ROOMS}",
                    f"PLANTED-id-{n:06}",
                    sender=f"user:{users[n]}",
                    data=name("data", n, chance).encode() * (1 if n % 9 else 60),
                    tags={"client_id": f"PLANTED-tag-{n:06}"},
                )
                for n in range(start, min(start + 64, USERS_COUNT))
            ]
        )
    await store.change(
        [
            Change(f"room {n % ROOMS}", n // ROOMS + 1, 9_000, name("edit", n, chance).encode())
            for n in order[:400]
        ]
    )


async def take_away(store: SQLiteStore, seed: int) -> None:
    """All that was planted."""
    chance = random.Random(seed)  # noqa: S311 - a test's order
    order = list(range(USERS_COUNT))
    chance.shuffle(order)
    users = [f"PLANTED-user-{number:06}" for number in range(USERS_COUNT)]
    await store.write([Removal(MEMBERS, (f"room {n % ROOMS}", users[n])) for n in order])
    await store.write([Removal(USERS, (users[n],)) for n in order])
    for room in range(ROOMS):
        await store.disown(f"room {room}", range(1, 500))


# What is left


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_of_what_was_taken_away_is_in_any_file(
    store: SQLiteStore, path: Path, seed: int
) -> None:
    await plant(store, seed)
    assert planted(path)
    await take_away(store, seed)
    await store.scrub()
    assert planted(path) == set()
    await store.close()
    assert planted(path) == set()
    assert sound(path)


def leave_behind(path: Path, text: bytes) -> int:
    """Put a text into the middle of every page, as cells that move elsewhere leave theirs there.

    SQLite does so seldom, and when depends on its version. Answers how many pages there were.
    """
    data = bytearray(path.read_bytes())
    size = int.from_bytes(data[16:18], "big")
    pages = 0
    for start in range(0, len(data), size):
        page = bytes(data[start : start + size])
        begin, end = scrubbing._middle(page, size, 100 if start == 0 else 0)
        if end - begin >= len(text) + 100:
            data[start + begin + 50 : start + begin + 50 + len(text)] = text
            pages += 1
    path.write_bytes(data)
    return pages


async def test_what_moves_leave_behind_is_overwritten_and_does_not_come_back(path: Path) -> None:
    store = SQLiteStore(str(path))
    await store.open()
    users = [f"user {number}" for number in range(10)]  # one page, and room in it
    await store.write([Write(USERS, (user,), set={"last_seen": 100}) for user in users])
    await store.close()
    assert leave_behind(path, b"PLANTED-copy-000001") > 20
    again = SQLiteStore(str(path))
    await again.open()
    # The writer has all pages in memory, and would write them back as it has them.
    await again._write_alone(lambda c: c.execute("SELECT * FROM users ORDER BY user").fetchall())
    assert planted(path)
    await again.scrub()
    assert planted(path) == set()
    await again.write([Write(USERS, (user,), set={"last_seen": 101}) for user in users])
    await again._write_alone(scrubbing.empty_log)
    assert planted(path) == set()
    await again.close()
    assert planted(path) == set()
    assert sound(path)


@pytest.mark.parametrize("what", ["edit", "delete", "blank", "disown", "truncate", "sweep"])
async def test_whatever_takes_a_text_away_takes_it_from_the_files(
    store: SQLiteStore, path: Path, what: str
) -> None:
    entry = new_entry(
        "a", "PLANTED-id-000001", data=b"PLANTED-text-000001", tags={"x": "PLANTED-tag-000001"}
    )
    await store.append([new_entry("a", "0"), entry, new_entry("a", "2")])
    await store.summarise("a", 2, b"PLANTED-summary-000001", by=3)
    gone = {b"PLANTED-text-000001", b"PLANTED-tag-000001"}
    assert gone < planted(path)
    if what == "edit":
        await store.change([Change("a", 2, 9, b"new")])
    elif what == "delete":
        await store.change([Change("a", 2, 9, b"{}", deleted_at=NOW)])
        gone |= {b"PLANTED-summary-000001"}
    elif what == "blank":
        await store.blank("a", [2])
    elif what == "disown":
        await store.disown("a", [2])
        gone |= {b"PLANTED-summary-000001", b"PLANTED-id-000001"}
    elif what == "truncate":
        await store.truncate("a")
        await sweep_all(store, lambda channel: KEEP_ALL, now_ms=NOW)
        gone |= {b"PLANTED-summary-000001"}
    else:
        await sweep_all(store, lambda channel: Retention(1, 0), now_ms=NOW + 2 * DEDUPE_TTL_MS)
        gone |= {b"PLANTED-summary-000001", b"PLANTED-id-000001"}
    await store.scrub()
    assert not gone & planted(path)


async def test_a_round_of_retention_leaves_nothing_in_the_log(
    store: SQLiteStore, path: Path
) -> None:
    await store.append([new_entry("a", "1", data=b"PLANTED-text-000001"), new_entry("a", "2")])
    await store.write([Write(USERS, ("ann",), set={"name": "PLANTED-name-000001"})])
    await store.write([Write(USERS, ("ann",), set={"name": "Ann"})])
    old = Retention(1, 0)
    assert await sweep_all(store, lambda channel: old, now_ms=NOW + 2 * DEDUPE_TTL_MS)
    assert planted(path) == set()


async def test_a_round_that_finds_nothing_to_do_leaves_the_log_alone(
    store: SQLiteStore, path: Path
) -> None:
    await store.append([new_entry("a", "1")])
    log = Path(f"{path}-wal")
    before = log.stat().st_size  # noqa: ASYNC240 - a file of the test's own
    await sweep_all(store, lambda channel: KEEP_ALL, now_ms=NOW)
    assert log.stat().st_size == before > 0  # noqa: ASYNC240


# What stays


async def test_what_is_there_stays_as_it_is(store: SQLiteStore, path: Path) -> None:
    await plant(store, 1)
    await store.write(
        [Removal(MEMBERS, (f"room {n % ROOMS}", f"PLANTED-user-{n:06}")) for n in range(0, 900, 2)]
    )
    await store.blank("room 3", range(1, 20))

    async def everything() -> list[object]:
        rows: list[object] = [
            await store.find(MEMBERS, Span(), limit=9_999),
            await store.find(USERS, Span(), limit=9_999),
        ]
        return rows + [await kept(store, f"room {room}") for room in range(ROOMS)]

    before = await everything()
    await store.scrub()
    assert await everything() == before
    await store.close()
    assert sound(path)


async def test_appends_and_reads_go_on_while_a_store_is_scrubbed(
    store: SQLiteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrubbing, "SLICE_PAGES", 8)
    await plant(store, 2)
    await take_away(store, 2)
    scrubbing_task = asyncio.ensure_future(store.scrub())
    appended = 0
    while not scrubbing_task.done():
        await store.append([new_entry("busy", str(appended))])
        appended += 1
        assert len(await kept(store, "busy")) == appended
    await scrubbing_task
    assert appended > 20
    assert planted(path) == set()
    await store.close()
    assert sound(path)


async def test_a_memory_has_nothing_to_scrub() -> None:
    store = SQLiteStore(":memory:")
    await store.open()
    await store.append([new_entry("a", "1")])
    await store.scrub()
    assert len(await kept(store, "a")) == 1
    await store.close()


# What is in the way


@pytest.fixture
def reader(store: SQLiteStore, path: Path) -> Iterator[sqlite3.Connection]:
    """A read of another process that does not end by itself."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


async def test_a_long_read_is_waited_for(
    store: SQLiteStore, path: Path, reader: sqlite3.Connection
) -> None:
    await store.append([new_entry("a", "1", data=b"PLANTED-text-000001")])
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM entries").fetchall()
    await store.blank("a", [1])
    scrubbed = asyncio.ensure_future(store.scrub())
    await store.append([new_entry("a", "2")])
    assert not scrubbed.done()
    reader.execute("ROLLBACK")
    await scrubbed
    assert planted(path) == set()


async def test_a_read_that_does_not_end_is_a_clear_error(
    store: SQLiteStore, reader: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "SCRUB_WAIT_S", 0.05)
    await store.append([new_entry("a", "1")])
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM entries").fetchall()
    await store.blank("a", [1])
    with pytest.raises(StoreUnavailable, match="a long read is in the way"):
        await store.scrub()
    reader.execute("ROLLBACK")
    assert await store.append([new_entry("a", "2")])
    await store.scrub()


async def test_scrubbing_a_closed_store_is_refused(path: Path) -> None:
    store = SQLiteStore(str(path))
    await store.open()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.scrub()


# Pages


@pytest.mark.parametrize("kind", [2, 5, 10, 13])
def test_a_page_that_contradicts_itself_is_left_alone(kind: int) -> None:
    header = scrubbing._TREE_PAGES[kind]
    middle = header + 2, 4000

    def page(free: int, cells: int, content: int, pointer: int) -> bytes:
        made = bytearray(b"\xff" * 4096)
        made[0] = kind
        made[1:7] = b"".join(number.to_bytes(2, "big") for number in (free, cells, content))
        made[header : header + 2] = pointer.to_bytes(2, "big")
        return bytes(made)

    assert scrubbing._middle(page(0, 1, 4000, 4050), 4096, 0) == middle
    assert scrubbing._middle(page(4010, 1, 4000, 4050), 4096, 0) == middle
    for wrong in (
        page(3999, 1, 4000, 4050),  # a free block before the first cell
        page(0, 1, 4000, 3990),  # a cell before the first cell
        page(0, 1, 4097, 4098),  # cells beyond the end
        page(0, 3000, 4000, 4050),  # pointers into the cells
    ):
        assert scrubbing._middle(wrong, 4096, 0) == (0, 0)


@pytest.mark.parametrize("first", [0, 1, 3, 7, 255])
def test_pages_that_are_of_no_tree_have_no_middle(first: int) -> None:
    assert scrubbing._middle(bytes([first]) + b"\x00" * 4095, 4096, 0) == (0, 0)


async def test_a_huge_database_is_written_anew(
    store: SQLiteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrubbing, "PAGES_MAX", 10)
    await plant(store, 3)
    await take_away(store, 3)
    await store.scrub()
    assert planted(path) == set()
    assert sound(path)


async def test_a_database_with_pages_of_another_kind_is_written_anew(path: Path) -> None:
    """SQLite may have been built to make new databases with `auto_vacuum`."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA auto_vacuum = FULL")
        connection.execute("PRAGMA journal_mode = WAL")
    store = SQLiteStore(str(path))
    await store.open()
    await plant(store, 5)
    await take_away(store, 5)
    assert await store._write_alone(lambda c: c.execute("PRAGMA auto_vacuum").fetchone()) == (1,)
    await store.scrub()
    assert planted(path) == set()
    await store.close()
    assert sound(path)


async def test_what_an_older_version_left_in_free_pages_is_overwritten(path: Path) -> None:
    """It deleted with `secure_delete = FAST`, which leaves free pages as they were."""
    store = SQLiteStore(str(path))
    await store.open()
    await store._write_alone(lambda c: c.execute("PRAGMA secure_delete = FAST").fetchone())
    await plant(store, 4)
    await take_away(store, 4)
    await store._write_alone(scrubbing.empty_log)
    assert len(planted(path)) > 100
    await store.close()
    again = SQLiteStore(str(path))
    await again.open()
    await again.scrub()
    assert planted(path) == set()
    await again.close()
    assert sound(path)
