"""What only this driver promises of changed entries: few statements, and what sweeps leave."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import msgspec
import pytest

from realtime.model import Change, Entry, Retention
from realtime.stores.base import DEDUPE_TTL_MS
from realtime.stores.sqlite import SQLiteStore, changing, fetching, reading, schema
from realtime.stores.sqlite.appending import Appender
from tests.support.log_entries import (
    KEEP_ALL,
    NOW,
    event,
    kept,
    new_entries,
    new_entry,
    shown,
    sweep_all,
)

Read = Callable[[sqlite3.Connection], Sequence[Entry] | Entry | None]


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """Four logs of ten entries each, an edit waiting in one of them."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.upgrade(connection, 0)
    batch = [entry for name in "abcd" for entry in new_entries(name, 10)]
    batch[2] = msgspec.structs.replace(batch[2], notify=True)
    batch.append(event("a", "edit", "edit", 3, data=b"new"))
    for sql, values in Appender(connection).plan(batch, careful=False).statements:
        connection.execute(sql, values)
    yield connection
    connection.close()


@pytest.fixture
async def store() -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(":memory:")
    await store.open()
    yield store
    await store.close()


READS: dict[str, Read] = {
    "page": lambda c: (
        reading.read_page(
            c,
            "a",
            after=0,
            before=0,
            limit=5,
            newest_first=False,
            retention=KEEP_ALL,
            now_ms=NOW,
        ).entries
    ),
    "fetch": lambda c: fetching.fetch(c, {"a": [1, 3], "b": [2]}, stubs=False),
    "find_sent": lambda c: fetching.find_sent(c, "a", "user:ann", "m3"),
    "sent_by": lambda c: fetching.sent_by(c, "a", "user:ann", after=2, limit=3, stubs=False),
    "pending": lambda c: fetching.pending(c, channel=None, before_ms=NOW + 99, limit=9),
    "notifiable": lambda c: fetching.notifiable(c, after_ms=NOW, before_ms=NOW + 99, limit=9),
}


@pytest.mark.parametrize("read", READS)
def test_a_read_is_one_statement_with_what_waits(connection: sqlite3.Connection, read: str) -> None:
    seen: list[str] = []
    connection.set_trace_callback(seen.append)
    found = READS[read](connection)
    assert len(seen) == 1
    entries = [found] if isinstance(found, Entry) else list(found or ())
    assert {entry.data for entry in entries if entry.channel == "a" and entry.offset == 3} <= {
        b"new"
    }
    assert entries


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        (fetching._select_wanted(1), [0, "a", "[1]", False]),
        (fetching._SELECT_SENT, {"channel": "a", "sender": "s", "client_id": "c"}),
        (fetching._SELECT_PENDING, {"channel": None, "before": 1, "limit": 1}),
        (fetching._SELECT_NOTIFIABLE, {"after": 1, "before": 2, "limit": 1}),
    ],
)
def test_what_is_found_and_what_waits_is_found_by_an_index(
    connection: sqlite3.Connection, sql: str, values: Sequence[object] | dict[str, object]
) -> None:
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    entries = [step for step in plan if step.split()[:2] in (["SEARCH", "e"], ["SCAN", "e"])]
    assert entries
    assert all(
        "INDEX entries_" in step or step == "SEARCH e USING INTEGER PRIMARY KEY (rowid=?)"
        for step in entries
    )


def test_what_people_wait_to_be_told_of_is_found_in_order_and_not_sorted(
    connection: sqlite3.Connection,
) -> None:
    sql = fetching._SELECT_NOTIFIABLE.partition("found AS")[0].strip().rstrip(",")
    sql = f"EXPLAIN QUERY PLAN {sql} SELECT * FROM oldest"  # noqa: S608 - the driver's own text
    values = {"after": 1, "before": 2, "limit": 1}
    steps = [row[3] for row in connection.execute(sql, values)]
    assert "SEARCH e USING INDEX entries_notifiable (at>? AND at<?)" in steps
    assert not [step for step in steps if "TEMP B-TREE" in step]


def test_marks_of_many_channels_are_taken_away_by_one_statement_and_an_index(
    connection: sqlite3.Connection,
) -> None:
    seen: list[str] = []
    connection.set_trace_callback(seen.append)
    changing.notified(connection, {"a": [1, 2, 3], "b": [1], "nowhere": [7]})
    assert len(seen) == 1
    values = ["a", "[3]", *[None] * 18]
    plan = connection.execute(f"EXPLAIN QUERY PLAN {changing._notified(10)}", values).fetchall()
    steps = [row[3] for row in plan]
    assert "SEARCH e USING INDEX entries_by_offset (channel_id=? AND offset=?)" in steps
    assert not [step for step in steps if step.startswith(("SCAN e", "SCAN c"))]


async def test_an_edit_that_came_after_the_delete_has_no_text_before_it_is_folded(
    store: SQLiteStore,
) -> None:
    """It would be shown again, once the delete is settled, to whoever reads in between."""
    await store.append([new_entry("a", "1", data=b"old"), event("a", "2", "delete", 1)])
    await store.change([Change("a", 1, 2, b"{}", deleted_at=NOW)])
    await store.settle("a", [2])
    await store.append([event("a", "3", "edit", 1, data=b"late")])
    assert [entry.data for entry in await shown(store, "a")] == [b"{}"] * 3
    assert [entry.data for entry in await store.fetch({"a": [3]})] == [b"{}"]


async def test_sweeping_leaves_what_waits_for_a_while_and_then_takes_it(
    store: SQLiteStore,
) -> None:
    await store.append(
        [
            new_entry("a", "1", kind="member", data=b"joins", pending=True),
            new_entry("a", "2", data=b"said"),
            new_entry("a", "3", kind="member", data=b"leaves", pending=True),
        ]
    )
    nothing = Retention(0, 0)
    await sweep_all(store, lambda channel: nothing, now_ms=NOW + DEDUPE_TTL_MS - 1)
    assert [entry.data for entry in await kept(store, "a")] == [b"joins", b"", b"leaves"]
    assert len(await store.pending(before_ms=NOW + 1, limit=9)) == 2
    await store.settle("a", [1])
    await sweep_all(store, lambda channel: nothing, now_ms=NOW + DEDUPE_TTL_MS - 1)
    assert [entry.data for entry in await kept(store, "a")] == [b"", b"", b"leaves"]
    await sweep_all(store, lambda channel: nothing, now_ms=NOW + DEDUPE_TTL_MS)
    (head,) = await kept(store, "a")
    assert (head.offset, head.stub, head.pending) == (3, True, False)
    assert not await store.pending(before_ms=NOW + 1, limit=9)


async def test_what_waits_in_a_truncated_log_is_told_as_it_was(store: SQLiteStore) -> None:
    await store.append([new_entry("a", "1", kind="member", data=b"joins", pending=True)])
    await store.truncate("a")
    assert [entry.data for entry in await kept(store, "a")] == [b""]
    (waiting,) = await store.pending(before_ms=NOW + 1, limit=9)
    assert (waiting.data, waiting.stub) == (b"joins", False)


async def test_a_stub_has_no_summary(store: SQLiteStore) -> None:
    await store.append([new_entry("a", "1")])
    await store.summarise("a", 1, b"[1]", by=2)
    await sweep_all(store, lambda channel: Retention(0, 0), now_ms=NOW)
    assert [(entry.stub, entry.summary) for entry in await kept(store, "a")] == [(True, b"")]


def test_disowning_takes_a_key_that_nobody_has(connection: sqlite3.Connection) -> None:
    for name in "abcd":
        changing.disown(connection, name, range(1, 11))
    rows = connection.execute("SELECT sender, client_id FROM entries").fetchall()
    assert len(set(rows)) == 41
    assert len([row for row in rows if row[0] == ""]) == 40
