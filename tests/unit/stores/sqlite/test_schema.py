"""Which databases are ours, and how an older one is brought up to date."""

import sqlite3
from collections.abc import Iterator

import pytest

from realtime.errors import StoreCorrupt, StoreTooNew
from realtime.model import Entry, Revocation
from realtime.stores.base import Appended
from realtime.stores.sqlite import fetching, reading, revocations, schema
from realtime.stores.sqlite.appending import Appender
from tests.support.log_entries import NOW, new_entry

NEXT = (*schema.MIGRATIONS, ("CREATE TABLE members (channel_id INTEGER)",))
"""The migrations of an imagined later program."""


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def test_an_empty_database_is_version_zero_and_becomes_ours(
    connection: sqlite3.Connection,
) -> None:
    assert schema.identify(connection, "x") == 0
    schema.upgrade(connection, 0)
    assert schema.identify(connection, "x") == len(schema.MIGRATIONS)
    assert connection.execute("PRAGMA application_id").fetchone() == (schema.APPLICATION_ID,)
    assert not connection.in_transaction


def test_an_up_to_date_database_is_left_alone(connection: sqlite3.Connection) -> None:
    schema.upgrade(connection, 0)
    before = connection.total_changes
    epoch = schema.epoch(connection, "x")
    schema.upgrade(connection, len(schema.MIGRATIONS))
    assert connection.total_changes == before
    assert schema.epoch(connection, "x") == epoch


def test_an_older_database_is_upgraded_and_keeps_its_epoch(
    connection: sqlite3.Connection,
) -> None:
    schema.upgrade(connection, 0)
    epoch = schema.epoch(connection, "x")
    schema.upgrade(connection, schema.identify(connection, "x"), NEXT)
    connection.execute("SELECT * FROM members")
    assert schema.identify(connection, "x", known=len(NEXT)) == len(NEXT)
    assert schema.epoch(connection, "x") == epoch


def test_a_database_of_the_first_version_keeps_its_revocations(
    connection: sqlite3.Connection,
) -> None:
    """As the first program made it, with a row whose successors have other things to take away."""
    schema.upgrade(connection, 0, schema.MIGRATIONS[:1])
    connection.execute(
        "INSERT INTO revocations (user, jti, before, at, until) VALUES ('ann', '', 5, 6, 7)"
    )
    connection.execute("DELETE FROM revocations")
    connection.execute(
        "INSERT INTO revocations (user, jti, before, at, until) VALUES ('bob', '', 5, 6, 7)"
    )
    schema.upgrade(connection, 1)
    assert revocations.select(connection, after=0, limit=9, now_ms=0) == [
        Revocation(user="bob", before=5, at=6, until=7, seq=2)
    ]
    ban = Revocation(user="bob", act="ban", channel="chat:1", at=8)
    assert revocations.insert(connection, ban) == 3


def test_a_database_of_the_second_version_keeps_its_entries_which_do_not_count(
    connection: sqlite3.Connection,
) -> None:
    schema.upgrade(connection, 0, schema.MIGRATIONS[:2])
    connection.execute("INSERT INTO channels (id, name) VALUES (1, 'a')")
    connection.execute(
        "INSERT INTO entries (channel_id, offset, sender, client_id, kind, digest, at, ref, data)"
        " VALUES (1, 1, 'user:ann', '1', 'message', x'', 5, 0, x'7b7d')"
    )
    schema.upgrade(connection, 2)
    assert reading.read_missed(connection, {"a": 0}, limit=9) == [
        Entry("a", 1, b"{}", 5, sender="user:ann", client_id="1")
    ]
    plan = Appender(connection).plan([new_entry("a", "2", counts=True)], careful=False)
    assert plan.results == [Appended(2, NOW, n=1)]


def test_a_database_of_the_third_version_keeps_its_entries_of_which_nobody_is_told(
    connection: sqlite3.Connection,
) -> None:
    schema.upgrade(connection, 0, schema.MIGRATIONS[:3])
    connection.execute("INSERT INTO channels (id, name) VALUES (1, 'a')")
    connection.execute(
        "INSERT INTO entries"
        " (channel_id, offset, sender, client_id, kind, digest, at, ref, data, n, counts)"
        " VALUES (1, 1, 'user:ann', '1', 'message', x'', 5, 0, x'7b7d', 1, 1)"
    )
    schema.upgrade(connection, 3)
    assert not fetching.notifiable(connection, after_ms=0, before_ms=0, limit=9)
    plan = Appender(connection).plan([new_entry("a", "2", notify=True)], careful=False)
    for sql, values in plan.statements:
        connection.execute(sql, values)
    (first, second) = reading.read_missed(connection, {"a": 0}, limit=9)
    assert first == Entry("a", 1, b"{}", 5, sender="user:ann", client_id="1", n=1, counts=True)
    assert list(fetching.notifiable(connection, after_ms=0, before_ms=0, limit=9)) == [second]


def test_a_database_of_the_fourth_version_recognises_what_has_a_digest(
    connection: sqlite3.Connection,
) -> None:
    schema.upgrade(connection, 0, schema.MIGRATIONS[:4])
    for sql, values in Appender(connection).plan([new_entry("a", "1")], careful=False).statements:
        connection.execute(sql, values)
    schema.upgrade(connection, 4)
    plan = Appender(connection).plan([new_entry("a", "1"), new_entry("a", "2")], careful=True)
    assert plan.results == [Appended(1, NOW, duplicate=True), Appended(2, NOW)]
    found = fetching.find_sent(connection, "a", "user:ann", "1")
    assert found is not None and found.offset == 1


def test_only_what_has_a_digest_is_in_the_index_of_keys(connection: sqlite3.Connection) -> None:
    """Or each message would cost a page of it."""
    schema.upgrade(connection, 0)
    every = "SELECT * FROM entries INDEXED BY entries_by_client_id WHERE channel_id = 1"
    connection.execute(f"{every} AND digest != x''")
    with pytest.raises(sqlite3.OperationalError, match="no query solution"):
        connection.execute(every)


def test_a_newer_database_is_refused_with_both_numbers(connection: sqlite3.Connection) -> None:
    schema.upgrade(connection, 0, NEXT)
    with pytest.raises(StoreTooNew) as raised:
        schema.identify(connection, "x")
    assert (raised.value.found, raised.value.known) == (len(NEXT), len(schema.MIGRATIONS))


def test_another_programs_database_is_refused(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE entries (id)")
    with pytest.raises(StoreCorrupt, match="database x: it was made by another program"):
        schema.identify(connection, "x")


@pytest.mark.parametrize("pragma", ["application_id = 7", "user_version = 1"])
def test_a_database_marked_by_another_program_is_refused_even_when_empty(
    connection: sqlite3.Connection, pragma: str
) -> None:
    connection.execute(f"PRAGMA {pragma}")
    with pytest.raises(StoreCorrupt):
        schema.identify(connection, "x")


def test_an_upgrade_that_fails_leaves_nothing_half_done(connection: sqlite3.Connection) -> None:
    schema.upgrade(connection, 0)
    broken = (*schema.MIGRATIONS, ("CREATE TABLE members (id)", "CREATE TABLE members (id)"))
    with pytest.raises(sqlite3.OperationalError):
        schema.upgrade(connection, len(schema.MIGRATIONS), broken)
    connection.execute("ROLLBACK")
    assert schema.identify(connection, "x") == len(schema.MIGRATIONS)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        connection.execute("SELECT * FROM members")


def test_an_epoch_is_ten_letters_and_never_the_same(connection: sqlite3.Connection) -> None:
    schema.upgrade(connection, 0)
    epochs = set()
    for _ in range(50):
        schema.renew_epoch(connection)
        epochs.add(schema.epoch(connection, "x"))
    assert len(epochs) == 50
    assert all(len(epoch) == 10 and epoch.isascii() and epoch.isalpha() for epoch in epochs)


def test_a_missing_epoch_is_damage(connection: sqlite3.Connection) -> None:
    schema.upgrade(connection, 0)
    connection.execute("DELETE FROM meta")
    with pytest.raises(StoreCorrupt, match="epoch is missing"):
        schema.epoch(connection, "x")


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (
            "SELECT offset FROM entries WHERE channel_id = 1 ORDER BY offset DESC LIMIT 1",
            "entries_by_offset",
        ),
        (
            "SELECT at FROM entries WHERE channel_id = 1 AND sender = 'a' AND client_id = 'b'"
            " AND digest != x''",
            "entries_by_client_id",
        ),
        ("SELECT seq FROM revocations WHERE until BETWEEN 1 AND 2 LIMIT 1", "by_until"),
        ("SELECT scope FROM claims WHERE until <= 1 LIMIT 1", "claims_by_until"),
        (
            "SELECT offset FROM entries WHERE pending = 1 AND channel_id = 1 ORDER BY offset",
            "entries_pending",
        ),
        (
            "SELECT id FROM entries WHERE notify = 1 AND at > 1 ORDER BY at LIMIT 9",
            "entries_notifiable",
        ),
    ],
)
def test_what_is_asked_often_is_answered_by_an_index(
    connection: sqlite3.Connection, sql: str, index: str
) -> None:
    schema.upgrade(connection, 0)
    plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
    assert len(plan) == 1
    assert plan[0][3].startswith("SEARCH")
    assert index in plan[0][3]
