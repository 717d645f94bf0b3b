"""What the database makes of tables: made, completed by later versions, and left alone."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from realtime.rows import TABLES
from realtime.stores.base import Span, Table, Write
from realtime.stores.sqlite import SQLiteStore, finding, layout, schema


class First(msgspec.Struct, frozen=True):
    """A row as the first version has it."""

    group: str
    order: int
    text: str = "it's"
    blob: bytes = b"\x00'"


class Second(msgspec.Struct, frozen=True):
    """The same row as a later version has it."""

    group: str
    order: int
    text: str = "it's"
    blob: bytes = b"\x00'"
    number: int = -7
    more: str = ""


FIRST = Table("select", First, key=("group", "order"), indexes=(("text", "group"),))
SECOND = Table(
    "select",
    Second,
    key=("group", "order"),
    indexes=(("text", "group"), ("number", "order")),
)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.upgrade(connection, 0)
    yield connection
    connection.close()


def test_every_table_that_is_declared_is_made_with_its_indexes(
    connection: sqlite3.Connection,
) -> None:
    layout.complete(connection, TABLES)
    found = {
        (kind, name) for kind, name in connection.execute("SELECT type, name FROM sqlite_master")
    }
    for table in TABLES:
        assert ("table", table.name) in found
        for by in table.indexes:
            assert ("index", f"{table.name}_by_{'_'.join(by)}") in found
    assert not connection.in_transaction


def test_what_is_complete_is_left_alone(connection: sqlite3.Connection) -> None:
    layout.complete(connection, TABLES)
    seen: list[str] = []
    connection.set_trace_callback(seen.append)
    layout.complete(connection, TABLES)
    assert seen
    assert all(statement.startswith(("SELECT", "PRAGMA table_info")) for statement in seen)


def sizes_and_bytes(path: Path) -> tuple[bytes, int]:
    """The database, and how much is in its log."""
    log = Path(f"{path}-wal")
    return path.read_bytes(), log.stat().st_size if log.exists() else 0


async def test_opening_an_up_to_date_database_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    states = []
    for _ in range(3):
        store = SQLiteStore(str(path))
        await store.open()
        states.append(sizes_and_bytes(path))
        await store.close()
    assert states[1] == states[2]
    assert states[2][1] == 0


async def test_a_later_versions_fields_have_their_defaults_in_older_rows(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    older = SQLiteStore(path, tables=(FIRST,))
    await older.open()
    await older.write([Write(FIRST, ("g", 1)), Write(FIRST, ("g", 2), set={"text": "x"})])
    await older.close()
    newer = SQLiteStore(path, tables=(SECOND,))
    await newer.open()
    assert list(await newer.find(SECOND, Span(), limit=9)) == [
        Second("g", 1),
        Second("g", 2, text="x"),
    ]
    await newer.write([Write(SECOND, ("g", 2), add={"number": 1}, set={"more": "y"})])
    assert list(await newer.find(SECOND, Span((-6,)), by=("number", "order"), limit=9)) == [
        Second("g", 2, text="x", number=-6, more="y")
    ]
    await newer.close()


async def test_an_older_version_works_beside_a_later_ones_fields(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    newer = SQLiteStore(path, tables=(SECOND,))
    await newer.open()
    await newer.write([Write(SECOND, ("g", 1), set={"number": 5})])
    await newer.close()
    older = SQLiteStore(path, tables=(FIRST,))
    await older.open()
    await older.write([Write(FIRST, ("g", 1), set={"text": "y"}), Write(FIRST, ("g", 2))])
    assert list(await older.find(FIRST, Span(), limit=9)) == [First("g", 1, "y"), First("g", 2)]
    await older.close()
    again = SQLiteStore(path, tables=(SECOND,))
    await again.open()
    assert [row.number for row in await again.find(SECOND, Span(), limit=9)] == [5, -7]
    await again.close()


def test_a_row_is_never_known_by_another_programs_default(connection: sqlite3.Connection) -> None:
    layout.complete(connection, (SECOND,))
    connection.execute('INSERT INTO "select" ("group", "order") VALUES (?, ?)', ("g", 1))
    (row,) = finding.get(connection, SECOND, [("g", 1)])
    assert row == Second("g", 1)


@pytest.mark.parametrize("by", [(), ("group", "order"), ("text", "group")])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("shape", [(0, False, False), (1, False, False), (1, True, True)])
def test_a_span_is_a_search_in_its_index_without_sorting(
    connection: sqlite3.Connection,
    by: tuple[str, ...],
    backwards: bool,
    shape: finding.Shape,
) -> None:
    layout.complete(connection, (FIRST,))
    sql = finding._select_span(FIRST, shape, by, backwards)
    values = ["x"] * sum(shape) + [1]
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert not any("TEMP B-TREE" in step for step in plan)
    (step,) = [step for step in plan if step.startswith(("SEARCH s", "SCAN s"))]
    assert step.startswith("SCAN" if shape[0] == 0 else "SEARCH")
    assert ("select_by_text_group" in step) == (by == ("text", "group"))
