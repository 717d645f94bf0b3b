"""The contract of a store whose rows a later version of the program has written too."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pymongo
import pytest

from realtime.model import Revocation
from tests.contract.conftest import STORES
from tests.support.log_entries import NOW, Store

_COUNT: Final = 5


def _plant_in_sqlite(request: pytest.FixtureRequest, seq: int) -> None:
    folder: Path = request.getfixturevalue("tmp_path")
    with contextlib.closing(sqlite3.connect(folder / "store.db")) as connection, connection:
        connection.execute(
            "INSERT INTO revocations (seq, user, jti, before, at, until, act)"
            " VALUES (?, 'zoe', '', 0, ?, 0, 'quarantine')",
            (seq, NOW),
        )


def _plant_in_mongo(request: pytest.FixtureRequest, seq: int) -> None:
    row = msgspec.msgpack.encode({"user": "zoe", "at": NOW, "act": "quarantine", "ward": [1]})
    url = request.getfixturevalue("mongo_url")
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(url)
    with contextlib.closing(client):
        client.get_default_database().revocations.insert_one(
            {"_id": seq, "by": "another", "until": 0, "row": row, "ward": 1}
        )


# A driver joins with a line here: its name, and what writes such a row behind its back.
PLANTS: Final[dict[str, Callable[[pytest.FixtureRequest, int], None]]] = {
    "sqlite-file": _plant_in_sqlite,
    "mongo": _plant_in_mongo,
}


@pytest.fixture(params=PLANTS)
async def mixed_store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """A store with `_COUNT` rows, of which the second and the last are of a later version."""
    store = STORES[request.param](request)
    await store.open()
    for seq in range(1, _COUNT + 1):
        if seq in (2, _COUNT):
            PLANTS[request.param](request, seq)
        else:
            assert await store.revoke(Revocation(act="ban", user=f"u{seq}", at=NOW)) == seq
    yield store
    await store.close()


async def test_a_row_of_a_later_version_has_its_seq_and_says_nothing(mixed_store: Store) -> None:
    rows = await mixed_store.revocations(after=0, limit=9, now_ms=NOW)
    assert [(row.seq, row.act, row.user) for row in rows] == [
        (1, "ban", "u1"),
        (2, "unknown", ""),
        (3, "ban", "u3"),
        (4, "ban", "u4"),
        (5, "unknown", ""),
    ]


async def test_such_a_row_makes_no_page_shorter(mixed_store: Store) -> None:
    """A shorter page is where a reader ends: it would miss what comes after."""
    seqs: list[int] = []
    while len(page := await mixed_store.revocations(after=len(seqs), limit=2, now_ms=NOW)) == 2:
        seqs += [row.seq for row in page]
    assert seqs + [row.seq for row in page] == [1, 2, 3, 4, 5]


async def test_the_log_goes_on_after_such_a_row(mixed_store: Store) -> None:
    assert await mixed_store.revoke(Revocation(user="ann", at=NOW)) == _COUNT + 1
