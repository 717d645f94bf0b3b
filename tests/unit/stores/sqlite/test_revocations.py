"""Revocations in the table: those whose time has passed are swept a little at a time."""

import sqlite3
from collections.abc import Iterator

import msgspec
import pytest

from realtime.model import Revocation
from realtime.stores.sqlite import revocations, schema


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.upgrade(connection, 0)
    yield connection
    connection.close()


def test_each_insert_sweeps_some_whose_time_has_passed(connection: sqlite3.Connection) -> None:
    for number in range(250):
        revocations.insert(connection, Revocation(user=str(number), at=0, until=1000))
    revocations.insert(connection, Revocation(user="for ever", at=0))
    left = []
    for _ in range(3):
        revocations.insert(connection, Revocation(user="new", at=1000, until=9000))
        (rows,) = connection.execute("SELECT count(*) FROM revocations").fetchone()
        left.append(rows)
    assert left == [152, 53, 4]


def test_one_without_an_end_is_never_swept(connection: sqlite3.Connection) -> None:
    revocations.insert(connection, Revocation(user="ann", at=0, until=0))
    revocations.insert(connection, Revocation(user="bob", at=10**15))
    found = revocations.select(connection, after=0, limit=10, now_ms=10**15)
    assert [row.user for row in found] == ["ann", "bob"]


def test_a_row_comes_back_with_all_it_says(connection: sqlite3.Connection) -> None:
    given = [
        Revocation(act="tokens", user="ann", before=3, at=3, until=9),
        Revocation(act="tokens", jti="a\x00b", at=3),
        Revocation(act="ban", user="ann", channel="chat:1", at=3, until=9),
        Revocation(act="unban", user="ann", at=4),
        Revocation(
            act="disconnect",
            user="ann",
            client="c1",
            whitelist=("c2", "c3"),
            code=4500,
            reason="gone, 'done'",
            at=5,
        ),
        Revocation(act="unsubscribe", channel="chat:1", client="c1", at=6),
        Revocation(act="truncate", channel="chat:1", at=7),
    ]
    for number, row in enumerate(given, 1):
        assert revocations.insert(connection, row) == number
    found = revocations.select(connection, after=0, limit=10, now_ms=0)
    assert found == [msgspec.structs.replace(row, seq=seq) for seq, row in enumerate(given, 1)]


def test_the_newest_row_is_never_swept(connection: sqlite3.Connection) -> None:
    """Its seq tells whoever copies the table where it ends."""
    for _ in range(5):
        revocations.insert(connection, Revocation(user="ann", at=10, until=1))
        found = revocations.select(connection, after=0, limit=10, now_ms=0)
    assert [row.seq for row in found] == [5]
