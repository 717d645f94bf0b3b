"""Claims in the table: what has expired never answers, and is swept a little at a time."""

import sqlite3
from collections.abc import Iterator

import pytest

from realtime.stores.sqlite import claims, schema


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.upgrade(connection, 0)
    yield connection
    connection.close()


def count(connection: sqlite3.Connection) -> int:
    (rows,) = connection.execute("SELECT count(*) FROM claims").fetchone()
    return int(rows)


def test_an_expired_claim_that_no_sweep_has_reached_counts_as_absent(
    connection: sqlite3.Connection,
) -> None:
    for number in range(300):
        claims.claim(connection, "a", f"{number:03}", b"old", until_ms=1000, now_ms=0)
    assert claims.claim(connection, "a", "299", b"new", until_ms=9000, now_ms=1000) is None
    assert claims.claim(connection, "a", "299", b"x", until_ms=9000, now_ms=1001) == b"new"


def test_a_claim_holds_until_its_time_and_not_a_millisecond_longer(
    connection: sqlite3.Connection,
) -> None:
    claims.claim(connection, "a", "b", b"1", until_ms=1000, now_ms=0)
    assert claims.claim(connection, "a", "b", b"2", until_ms=2000, now_ms=999) == b"1"
    assert claims.claim(connection, "a", "b", b"2", until_ms=2000, now_ms=1000) is None


def test_each_claim_sweeps_some_that_have_expired(connection: sqlite3.Connection) -> None:
    for number in range(250):
        claims.claim(connection, "a", str(number), b"", until_ms=1000, now_ms=0)
    left = []
    for number in range(3):
        claims.claim(connection, "b", str(number), b"", until_ms=9000, now_ms=1000)
        left.append(count(connection))
    assert left == [151, 52, 3]
