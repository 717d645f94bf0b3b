"""Revocations in the table: those whose time has passed are swept a little at a time."""

import sqlite3
from collections.abc import Iterator

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
