"""Writes of one form in one statement: the same rows as one by one, in far fewer statements."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.push.rows import JOBS
from realtime.stores.base import Removal, Table, Write
from realtime.stores.sqlite import layout, row_runs, row_writing


class Row(msgspec.Struct, frozen=True):
    """A row whose defaults are not all zero."""

    group: str
    order: int
    text: str = "it's"
    number: int = -7
    sum: int = 0
    other: int = 3
    blob: bytes = b"\x00'"


TABLE = Table("select", Row, key=("group", "order"), indexes=(("text", "number"),))

Writes = Sequence[Write | Removal]


def connect(table: Table[Any] = TABLE) -> sqlite3.Connection:
    """A database in memory that has the table."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    layout.complete(connection, [table])
    return connection


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = connect()
    yield connection
    connection.close()


def rows(connection: sqlite3.Connection) -> list[Any]:
    """All of them."""
    return connection.execute('SELECT * FROM "select" ORDER BY 1, 2').fetchall()


def statements(connection: sqlite3.Connection, writes: Writes) -> list[str]:
    """What is carried out for these."""
    found: list[str] = []
    connection.set_trace_callback(found.append)
    row_writing.carry_out_all(connection, writes)
    connection.set_trace_callback(None)
    return found


keys = st.tuples(st.sampled_from(["a", "b", "a\x00", "é"]), st.integers(0, 30))
numbers = st.integers(-9, 9)
texts = st.sampled_from(["", "it's", "one"])


@st.composite
def runs(draw: st.DrawFn) -> list[Write | Removal]:
    """Writes that name the same fields."""
    names = ["text", "number", "sum", "other", "blob"]
    kinds = {
        name: draw(st.sampled_from(["", "set", "initial", "highest", "add"])) for name in names
    }
    tested = draw(st.lists(st.sampled_from(names), unique=True, max_size=2))
    is_removal, is_below, presence = draw(
        st.tuples(st.booleans(), st.booleans(), st.sampled_from(["", "absent", "present"]))
    )

    def value(name: str) -> st.SearchStrategy[Any]:
        return {"text": texts, "blob": texts.map(str.encode)}.get(name, numbers)

    def write() -> Write | Removal:
        key = draw(keys)
        equals = {name: draw(value(name)) for name in tested}
        if is_removal:
            return Removal(TABLE, key, equals=equals)
        fields: dict[str, dict[str, Any]] = {"set": {}, "initial": {}, "highest": {}, "add": {}}
        for name, kind in kinds.items():
            if kind in ("set", "initial") or (kind and value(name) is numbers):
                fields[kind][name] = draw(value(name))
        below = ("sum", draw(numbers)) if is_below else None
        if below and "sum" in fields["set"] and draw(st.booleans()):
            fields["set"]["sum"] = below[1]
        return Write(
            TABLE,
            key,
            **fields,
            below=below,
            equals={} if presence == "absent" else equals,
            absent=presence == "absent",
            present=presence == "present",
        )

    return [write() for _ in range(draw(st.integers(1, 30)))]


@given(st.lists(runs(), max_size=5))
@settings(deadline=None, max_examples=200)
def test_together_they_do_what_each_does_by_itself(writes: list[list[Write | Removal]]) -> None:
    one_by_one, together = connect(), connect()
    for number in range(31):
        for connection in (one_by_one, together):
            there = Write(TABLE, ("a", number), set={"number": number - 15, "text": "one"})
            row_writing.carry_out(connection, there)
    every = [write for run in writes for write in run]
    for write in every:
        row_writing.carry_out(one_by_one, write)
    row_writing.carry_out_all(together, every)
    assert rows(together) == rows(one_by_one)
    one_by_one.close()
    together.close()


@pytest.mark.parametrize(
    "fields",
    [
        {"set": {"text": "x"}},
        {"initial": {"text": "x"}, "highest": {"number": 5}},
        {"add": {"sum": 1}},
        {"set": {"text": "x"}, "equals": {"text": "it's"}},
        {"highest": {"number": 5}, "present": True},
        {"set": {"text": "x"}, "below": ("number", 5), "present": True},
        {"set": {"text": "x", "sum": 5}, "highest": {"number": 5}, "below": ("sum", 5)},
        {"set": {"text": "x"}, "absent": True},
        {},
    ],
)
def test_a_hundred_of_one_form_are_four_statements(
    connection: sqlite3.Connection, fields: dict[str, Any]
) -> None:
    writes = [Write(TABLE, ("a", number), **fields) for number in range(100)]
    assert len(statements(connection, writes)) == 4  # 64 + 16 + 16 + 4
    removals = [Removal(TABLE, ("a", number), equals={"sum": 0}) for number in range(100)]
    assert len(statements(connection, removals)) == 4


def test_what_a_statement_cannot_tell_of_many_is_done_one_by_one(
    connection: sqlite3.Connection,
) -> None:
    below = [Write(TABLE, ("a", n), set={"text": "x"}, below=("sum", 5)) for n in range(4)]
    lower = [Write(TABLE, ("a", n), highest={"number": -9}) for n in range(4)]
    added = [Write(TABLE, ("a", n), add={"other": 1}) for n in range(4)]
    for writes in (below, lower, added):
        assert len(statements(connection, writes)) == 4


def test_fields_that_are_raised_to_a_value_are_in_rows_that_are_below_it(
    connection: sqlite3.Connection,
) -> None:
    for number in (3, 4, 5):
        row_writing.carry_out(connection, Write(TABLE, ("a", number), set={"sum": number}))
    raised = [
        Write(TABLE, ("a", number), set={"sum": 4, "text": "x"}, below=("sum", 4))
        for number in (2, 3, 4, 5)
    ]
    assert len(statements(connection, raised)) == 1
    assert [(order, total, text) for _, order, text, _, total, *_ in rows(connection)] == [
        (2, 4, "x"),
        (3, 4, "x"),
        (4, 4, "it's"),
        (5, 5, "it's"),
    ]


def test_writes_for_one_row_keep_their_order(connection: sqlite3.Connection) -> None:
    writes = [Write(TABLE, ("a", n % 5), set={"number": n}) for n in range(20)]
    assert len(statements(connection, writes)) == 8  # 4 + 1 four times
    assert [row[3] for row in rows(connection)] == [15, 16, 17, 18, 19]


@pytest.mark.parametrize(
    "write",
    [
        Write(JOBS, ("u", "c"), set={"lease": "x"}, equals={"state": "due", "lease": ""}),
        Write(JOBS, ("u", "c"), set={"state": "due"}, below=("pushed", 2), equals={"state": ""}),
        Removal(JOBS, ("u", "c"), equals={"state": "done", "due_at": 5}),
    ],
)
def test_rows_are_found_by_their_key_whatever_they_have_to_be_equal_to(
    write: Write | Removal,
) -> None:
    connection = connect(JOBS)
    sql = row_runs.statement(row_runs.form_of(write), 4)
    plan = [
        row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?"))
    ]
    connection.close()
    assert any("sqlite_autoindex" in step for step in plan), plan
    assert not any("SCAN jobs" in step or "SCAN t" in step or "_by_" in step for step in plan), plan
