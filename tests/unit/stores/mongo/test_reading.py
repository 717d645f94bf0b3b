"""Readings that are no snapshots: a scan that saw n + 1 and not n is looked at again."""

from collections.abc import Mapping
from typing import Any

import pytest

from realtime.stores.mongo import MongoStore, reading
from realtime.stores.mongo.client import Database, Document
from realtime.stores.mongo.pace import Pace
from tests.support.log_entries import new_entries, new_entry
from tests.unit.stores.mongo.recording import recorded


@pytest.fixture
def holed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Entries that the first scan to meet them does not see."""
    unseen: list[tuple[str, int]] = []
    real = reading._in_order

    async def blink(
        database: Database, wanted: Mapping[str, Any], limit: int, direction: int = 1
    ) -> list[Document]:
        found = await real(database, wanted, limit, direction)
        seen = [row for row in found if (row["c"], row["o"]) not in unseen]
        unseen.clear()
        return seen

    monkeypatch.setattr(reading, "_in_order", blink)
    return unseen


async def test_a_hole_that_is_none_is_filled_before_it_is_told(
    mongo_store: MongoStore, holed: list[tuple[str, int]]
) -> None:
    for name in ("a", "b", "c"):
        await mongo_store.append(new_entries(name, 5))
    holed += [("b", 2), ("c", 1)]
    found = await mongo_store.missed({"a": 0, "b": 1, "c": 0}, limit=100)
    assert [(entry.channel, entry.offset) for entry in found] == [
        *[("a", offset) for offset in range(1, 6)],
        *[("b", offset) for offset in range(2, 6)],
        *[("c", offset) for offset in range(1, 6)],
    ]


async def test_an_end_that_was_not_seen_yet_is_no_hole(
    mongo_store: MongoStore, holed: list[tuple[str, int]], mongo_url: str
) -> None:
    await mongo_store.append(new_entries("a", 5))
    holed += [("a", 5)]
    with recorded(mongo_url) as commands:
        found = await mongo_store.missed({"a": 0}, limit=100)
    assert [entry.offset for entry in found] == [1, 2, 3, 4]
    assert len(commands) == 3


async def test_a_hole_that_retention_made_is_told_as_it_is(
    mongo_store: MongoStore, database: Database, mongo_url: str
) -> None:
    await mongo_store.append(new_entries("a", 5))
    await database.entries.delete_many({"c": "a", "o": {"$in": [1, 2, 3]}})
    with recorded(mongo_url) as commands:
        found = await mongo_store.missed({"a": 1}, limit=100)
    assert [entry.offset for entry in found] == [4, 5]
    assert len(commands) == 4


async def test_what_was_filled_does_not_exceed_the_limit(
    mongo_store: MongoStore, holed: list[tuple[str, int]]
) -> None:
    await mongo_store.append(new_entries("a", 9))
    await mongo_store.append([new_entry("b", "1")])
    holed += [("a", 2)]
    found = await mongo_store.missed({"a": 0, "b": 0}, limit=4)
    assert [entry.offset for entry in found][:2] == [1, 2]
    assert len(found) <= 4


async def test_asked_one_by_one_a_server_tells_the_same(
    mongo_store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NX-27017 is asked so once an `$or` of many branches has taken long."""
    for number in range(20):
        await mongo_store.append(new_entries(f"channel {number:02}", 3))
    positions = {f"channel {number:02}": number % 4 for number in range(20)} | {"none": 0}
    limits = (1, 7, 30, 1000)
    together = [await mongo_store.missed(positions, limit=limit) for limit in limits]
    monkeypatch.setattr(Pace, "prefers_singles", lambda self, branches: True)
    assert [await mongo_store.missed(positions, limit=limit) for limit in limits] == together
    names = [f"channel {number:02}" for number in range(20)]
    answers = await mongo_store.append([new_entry(name, "m2") for name in names])
    assert [answer.offset for answer in answers] == [2] * 20
