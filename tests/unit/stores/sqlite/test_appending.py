"""How appends become statements, and what the appender remembers."""

import sqlite3
from collections.abc import Iterator

import pytest

from realtime.stores.base import Appended
from realtime.stores.sqlite import appending, schema
from realtime.stores.sqlite.appending import CHUNK_ROWS, Appender, Plan
from tests.support.log_entries import NOW, new_entries, new_entry


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.upgrade(connection, 0)
    yield connection
    connection.close()


@pytest.fixture
def appender(connection: sqlite3.Connection) -> Appender:
    return Appender(connection)


def execute(connection: sqlite3.Connection, plan: Plan) -> list[int]:
    for sql, values in plan.statements:
        connection.execute(sql, values)
    return [result.offset for result in plan.results]


def reads(connection: sqlite3.Connection) -> list[str]:
    """From now on, the SELECT statements that the connection executes."""
    seen: list[str] = []
    connection.set_trace_callback(lambda sql: seen.append(sql) if "SELECT" in sql else None)
    return seen


def test_a_group_on_a_known_channel_is_one_statement_and_no_read(
    connection: sqlite3.Connection, appender: Appender
) -> None:
    execute(connection, appender.plan(new_entries("a", 1), careful=False))
    seen = reads(connection)
    plan = appender.plan(new_entries("a", CHUNK_ROWS, first=2), careful=False)
    assert len(plan.statements) == 1
    assert seen == []


def test_new_channels_come_first_and_get_rising_numbers(
    connection: sqlite3.Connection, appender: Appender
) -> None:
    execute(connection, appender.plan([new_entry("z", "1"), new_entry("a", "1")], careful=False))
    execute(connection, appender.plan([new_entry("m", "1"), new_entry("a", "2")], careful=False))
    rows = connection.execute("SELECT id, name FROM channels ORDER BY id").fetchall()
    assert rows == [(1, "z"), (2, "a"), (3, "m")]


def test_a_fresh_appender_goes_on_where_the_database_is(
    connection: sqlite3.Connection, appender: Appender
) -> None:
    execute(connection, appender.plan(new_entries("a", 3), careful=False))
    other = Appender(connection)
    batch = [*new_entries("a", 2, first=4), new_entry("b", "1")]
    assert execute(connection, other.plan(batch, careful=False)) == [4, 5, 1]


def test_heads_of_many_unknown_channels_are_read_in_few_statements(
    connection: sqlite3.Connection, appender: Appender
) -> None:
    batch = [new_entry(f"channel {number}", "1") for number in range(100)]
    execute(connection, appender.plan(batch, careful=False))
    appender.forget()
    seen = reads(connection)
    appender.plan([new_entry(f"channel {number}", "2") for number in range(100)], careful=False)
    assert len(seen) == 2


def test_what_was_forgotten_is_read_again(
    connection: sqlite3.Connection, appender: Appender
) -> None:
    appender.plan(new_entries("a", 5), careful=False)
    appender.forget()
    assert execute(connection, appender.plan(new_entries("a", 1), careful=False)) == [1]


def test_the_cache_of_heads_is_bounded(
    connection: sqlite3.Connection, appender: Appender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appending, "HEADS_CACHED_MAX", 4)
    for number in range(1, 4):
        for name in "abcdefgh":
            batch = [new_entry(name, str(number)), new_entry("always", f"{name} {number}")]
            assert execute(connection, appender.plan(batch, careful=False))[0] == number
    assert len(appender._heads) == 4


def test_a_group_with_more_channels_than_the_cache_is_still_right(
    connection: sqlite3.Connection, appender: Appender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appending, "HEADS_CACHED_MAX", 2)
    for number in range(1, 4):
        batch = [new_entry(name, f"{number} {half}") for half in "xy" for name in "abcdef"]
        offsets = execute(connection, appender.plan(batch, careful=False))
        assert offsets == [number * 2 - 1] * 6 + [number * 2] * 6


def test_without_care_a_duplicate_breaks_the_statement_and_leaves_nothing(
    connection: sqlite3.Connection, appender: Appender
) -> None:
    execute(connection, appender.plan(new_entries("a", 1), careful=False))
    plan = appender.plan([*new_entries("a", 3, first=2), new_entry("a", "m1")], careful=False)
    with pytest.raises(sqlite3.IntegrityError):
        execute(connection, plan)
    assert connection.execute("SELECT count(*) FROM entries").fetchone() == (1,)


def test_with_care_only_what_is_new_is_inserted(
    connection: sqlite3.Connection, appender: Appender
) -> None:
    execute(connection, appender.plan(new_entries("a", 100), careful=False))
    batch = [*new_entries("a", 100), new_entry("a", "new")]
    seen = reads(connection)
    plan = appender.plan(batch, careful=True)
    assert len(seen) == 3  # the head, and two chunks of keys
    assert plan.results[-1] == Appended(101, batch[-1].at)
    assert len(plan.statements) == 1
    assert execute(connection, plan)[-1] == 101


@pytest.mark.parametrize("notify", [False, True])
@pytest.mark.parametrize("counts", [False, True])
def test_messages_bind_only_what_they_differ_in(
    appender: Appender, counts: bool, notify: bool
) -> None:
    batch = [
        new_entry("a", str(number), digest=b"", counts=counts, notify=notify) for number in range(5)
    ]
    *_, (_, values) = appender.plan(batch, careful=False).statements
    assert len(values) == 5 * 8
    for other, bound in (
        (new_entry("a", "2nd", counts=counts, notify=notify), 9),
        (new_entry("a", "3rd", tags={"a": "b"}, counts=counts, notify=notify), 10),
        (new_entry("a", "4th", digest=b"", counts=not counts, notify=notify), 15),
        (new_entry("a", "5th", digest=b"", counts=counts, notify=not notify), 15),
    ):
        *_, (_, values) = appender.plan([*batch, other], careful=False).statements
        assert len(values) == 6 * bound


def test_a_fresh_appender_goes_on_counting_where_the_database_is(
    connection: sqlite3.Connection, appender: Appender
) -> None:
    batch = [new_entry("a", str(number), counts=number != 1) for number in range(3)]
    execute(connection, appender.plan(batch, careful=False))
    fresh = Appender(connection)
    assert fresh.plan([new_entry("a", "new", counts=True)], careful=False).results == [
        Appended(4, NOW, n=3)
    ]
    fresh.forget()
    assert fresh.plan([new_entry("a", "2")], careful=True).results == [
        Appended(3, NOW, duplicate=True, n=2)
    ]
