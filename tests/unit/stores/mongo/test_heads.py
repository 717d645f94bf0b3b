"""How far logs go, as far as a node knows: never too high, and cheap to learn."""

import pytest

from realtime.stores.mongo import MongoStore, heads
from realtime.stores.mongo.client import Database
from realtime.stores.mongo.heads import Heads, read_head
from tests.support.log_entries import new_entries, new_entry
from tests.unit.stores.mongo.recording import name_of, recorded


def test_a_head_only_rises(database: Database) -> None:
    known = Heads(database)
    assert known.known("a") == 0
    assert not known.rise("a", 5)
    assert known.rise("a", 7)
    assert not known.rise("a", 7)
    assert not known.rise("a", 6)
    assert known.known("a") == 7


def test_only_so_many_heads_are_remembered(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "HEADS_MAX", 10)
    known = Heads(database)
    for number in range(15):
        known.rise(f"{number}", 1)
    assert len(known) == 10
    assert known.known("4") == 0
    assert known.known("5") == 1


async def test_heads_of_new_and_old_channels_are_learned_together(
    mongo_store: MongoStore, database: Database, mongo_url: str
) -> None:
    await mongo_store.append(new_entries("old", 4))
    known = Heads(database)
    with recorded(mongo_url) as commands:
        await known.learn(["new 1", "old", "new 2"])
    assert [known.known(name) for name in ("new 1", "old", "new 2")] == [0, 4, 0]
    # Which have a name, the head of the one that has, and names for the others.
    assert [name_of(command) for command in commands] == ["find", "find", "insert"]
    names = [document["_id"] for document in await database.channels.find({}).to_list()]
    assert sorted(names) == [":new 1", ":new 2", ":old"]
    with recorded(mongo_url) as commands:
        await known.learn(["old"])
    assert commands == []


async def test_a_name_that_is_there_is_no_error_and_keeps_its_mark(
    mongo_store: MongoStore, database: Database
) -> None:
    await mongo_store.append([new_entry("a", "1")])
    await mongo_store.truncate("a")
    await Heads(database).name(["a", "b"])
    found = await database.channels.find({}).sort("_id", 1).to_list()
    assert [(row["_id"], row["blanked_to"]) for row in found] == [(":a", 1), (":b", 0)]


async def test_one_look_tells_how_far_many_channels_have_come(
    mongo_store: MongoStore, database: Database, mongo_url: str
) -> None:
    for name, count in (("a", 3), ("b", 7), ("c", 1)):
        await mongo_store.append(new_entries(name, count))
    known = Heads(database)
    known.rise("a", 3)
    known.rise("b", 2)
    with recorded(mongo_url) as commands:
        await known.catch_up(["a", "b", "c"])
    assert len(commands) == 1
    assert [known.known(name) for name in "abc"] == [3, 7, 1]


async def test_who_is_far_behind_asks_for_the_heads(
    mongo_store: MongoStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "_FOLLOWED_MAX", 5)
    for name in ("a", "b"):
        await mongo_store.append(new_entries(name, 40))
    known = Heads(database)
    await known.catch_up(["a", "b"])
    assert [known.known(name) for name in "ab"] == [40, 40]


async def test_the_head_of_nothing_is_zero(database: Database) -> None:
    assert await read_head(database.entries, "a") == 0
