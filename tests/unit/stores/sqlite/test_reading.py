"""How pages and gaps are read: few statements, and no more rows than asked for."""

import sqlite3
from collections.abc import Iterator

import msgspec
import pytest

from realtime.errors import StoreCorrupt
from realtime.stores.sqlite import reading, schema
from realtime.stores.sqlite.appending import Appender
from realtime.stores.sqlite.failures import store_error
from tests.support.log_entries import KEEP_ALL, NOW, new_entries, new_entry


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.upgrade(connection, 0)
    batch = [entry for name in "abcd" for entry in new_entries(name, 10)]
    for sql, values in Appender(connection).plan(batch, careful=False).statements:
        connection.execute(sql, values)
    yield connection
    connection.close()


def statements(connection: sqlite3.Connection) -> list[str]:
    seen: list[str] = []
    connection.set_trace_callback(seen.append)
    return seen


def test_a_page_with_its_head_is_one_statement(connection: sqlite3.Connection) -> None:
    seen = statements(connection)
    page = reading.read_page(
        connection,
        "a",
        after=0,
        before=0,
        limit=5,
        newest_first=False,
        retention=KEEP_ALL,
        now_ms=NOW,
    )
    assert (len(page.entries), page.head) == (5, 10)
    assert len(seen) == 1


def test_when_nothing_is_missed_one_statement_says_so(connection: sqlite3.Connection) -> None:
    seen = statements(connection)
    assert reading.read_missed(connection, dict.fromkeys("abcd", 10), limit=100) == []
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("limit", "rows", "asked"),
    [
        (1000, 36, 2),  # which channels, then all of them together
        (36, 36, 2),
        (20, 20, 3),  # two channels fit, the third is cut
        (9, 9, 2),
        (5, 5, 2),
        (1, 1, 2),
        (0, 0, 0),
    ],
)
def test_what_fits_together_is_read_together(
    connection: sqlite3.Connection, limit: int, rows: int, asked: int
) -> None:
    seen = statements(connection)
    missed = reading.read_missed(connection, dict.fromkeys("dcba", 1), limit=limit)
    expected = [(name, offset) for name in "abcd" for offset in range(2, 11)]
    assert [(entry.channel, entry.offset) for entry in missed] == expected[:limit]
    assert len(missed) == rows
    assert len(seen) == asked


def test_holes_that_retention_left_do_not_end_the_search_early(
    connection: sqlite3.Connection,
) -> None:
    connection.execute("DELETE FROM entries WHERE offset BETWEEN 2 AND 9")
    missed = reading.read_missed(connection, dict.fromkeys("abcd", 0), limit=7)
    assert [(entry.channel, entry.offset) for entry in missed] == [
        ("a", 1),
        ("a", 10),
        ("b", 1),
        ("b", 10),
        ("c", 1),
        ("c", 10),
        ("d", 1),
    ]


def test_a_long_log_is_read_by_its_index(connection: sqlite3.Connection) -> None:
    """No sorter and no scan: what a page costs does not depend on how long the log is.

    Only the changes that wait are sorted, once for what is said of them and once for their data.
    """
    for sql, values in (
        (reading._SELECT_OLDEST, ["a", 0, 0, 0, 0, 1]),
        (reading._SELECT_NEWEST, ["a", 0, 0, 0, 0, 1]),
        (reading._SELECT_AFTER, [1, 0, 1]),
    ):
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
        assert any("entries_by_offset (channel_id=? AND offset" in step for step in plan)
        assert not any(step.startswith("SCAN e") for step in plan)
        assert len([step for step in plan if "TEMP B-TREE" in step]) == 2
        assert len([step for step in plan if "entries_pending (channel_id=?" in step]) == 2


def test_a_row_that_makes_no_sense_is_damage(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE entries SET kind = 'secret' WHERE offset = 2")
    with pytest.raises(msgspec.DecodeError) as raised:
        reading.read_missed(connection, {"a": 0}, limit=10)
    error = store_error(raised.value, "x")
    assert isinstance(error, StoreCorrupt)
    assert str(error) == "database x: it holds a row that this program cannot read"


def test_order_is_by_code_point_as_sqlite_sorts(connection: sqlite3.Connection) -> None:
    names = ["\uffff", "\U00010000", "Z", "a", "é", ""]
    appender = Appender(connection)
    for sql, values in appender.plan(
        [new_entry(name, str(number)) for number in range(2) for name in names], careful=False
    ).statements:
        connection.execute(sql, values)
    missed = reading.read_missed(connection, dict.fromkeys(names, 1), limit=100)
    assert [entry.channel for entry in missed] == sorted([*names, *["a"] * 10])
