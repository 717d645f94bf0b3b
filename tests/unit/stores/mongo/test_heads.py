"""How far logs go, as far as a node knows: never too high, and cheap to learn."""

import asyncio
from collections.abc import Callable

import pytest

from realtime.model import Retention
from realtime.stores.base import DEDUPE_TTL_MS, Appended
from realtime.stores.mongo import MongoStore, heads
from realtime.stores.mongo.appending import INSERTS_MAX
from realtime.stores.mongo.client import Database
from realtime.stores.mongo.documents import ADDED, from_new
from realtime.stores.mongo.heads import Head, Heads, read_head
from tests.support.log_entries import NOW, new_entries, new_entry, sweep_all
from tests.support.mongo_servers import ReadyMongoStore
from tests.unit.stores.mongo.recording import name_of, recorded


def test_a_head_only_rises(database: Database) -> None:
    known = Heads(database)
    assert known.known("a") == 0
    assert not known.rise("a", Head(5, 2), at=0.0)
    assert known.rise("a", Head(7, 3))
    assert not known.rise("a", Head(7, 3))
    assert not known.rise("a", Head(6, 3))
    assert known.known("a") == 7
    assert known.last("a") == (7, 3)


def test_of_an_entry_without_an_n_nothing_is_taken(database: Database) -> None:
    known = Heads(database)
    assert not known.hear("a", 9)
    assert known.last("a") == (0, 0)
    known.rise("a", Head(5, 2), at=0.0)
    assert known.hear("a", 7)
    assert not known.hear("a", 6)
    assert known.known("a") == 7, "nobody may take the offset"
    assert known.last("a") == (5, 2), "and nobody is numbered behind it"
    assert not known.rise("a", Head(7, 3))
    assert known.last("a") == (7, 3)


def test_only_so_many_heads_are_remembered(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "HEADS_MAX", 10)
    known = Heads(database)
    for number in range(15):
        known.rise(f"{number}", Head(1, 0), at=0.0)
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
    known.rise("a", Head(3, 0), at=known.clock())
    known.rise("b", Head(2, 0), at=known.clock())
    known.rise("c", Head(0, 0), at=known.clock())
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
    assert await read_head(database.entries, "a") == (0, 0)


async def test_a_head_is_read_where_an_entry_was_heard_of_without_its_n(
    mongo_store: MongoStore, make_store: Callable[..., ReadyMongoStore], mongo_url: str
) -> None:
    """As of a node of an older version."""
    other = make_store()
    await other.open()
    await mongo_store.append([new_entry("a", "1", counts=True)])
    await other.append([new_entry("a", "2", counts=True), new_entry("a", "3", counts=True)])
    mongo_store.heard("a", 3)
    with recorded(mongo_url) as commands:
        assert await mongo_store.append([new_entry("a", "4", counts=True)]) == [
            Appended(4, NOW, n=4)
        ]
    assert [name_of(command) for command in commands] == ["find", "insert"]
    mongo_store.heard("a", 4)
    mongo_store.heard("a", 4, 4)
    with recorded(mongo_url) as commands:
        await mongo_store.append([new_entry("a", "5")])
    assert [name_of(command) for command in commands] == ["insert"]


async def test_the_entry_behind_one_of_an_older_version_counts_from_nothing(
    mongo_store: MongoStore, database: Database
) -> None:
    await mongo_store.append([new_entry("a", "1", counts=True)])
    old = from_new(new_entry("a", "2"))
    await database.entries.insert_one(
        {field: value for field, value in old.items() if field not in ADDED} | {"o": 2}
    )
    answers = await mongo_store.append([new_entry("a", "3", counts=True)])
    assert answers == [Appended(3, NOW, n=1)]


# How long a head is believed


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_only_who_saw_the_head_makes_it_fresh(database: Database) -> None:
    clock = Clock()
    known = Heads(database, clock=clock)
    assert not known.rise("a", Head(9, 0))
    assert known.known("a") == 0, "that an entry exists says nothing of the one behind it"
    known.rise("a", Head(9, 0), at=clock.now)
    assert known.is_fresh("a")
    clock.now += heads.TRUST_S
    assert not known.is_fresh("a")
    known.rise("a", Head(12, 0))
    assert known.known("a") == 12
    assert not known.is_fresh("a")
    known.rise("a", Head(12, 0), at=clock.now)
    assert known.is_fresh("a")
    known.rise("a", Head(12, 0), at=clock.now - 100.0)
    assert known.is_fresh("a"), "an older sight takes nothing back"


async def test_a_head_that_is_not_fresh_is_read_again(
    mongo_store: MongoStore, database: Database, mongo_url: str
) -> None:
    clock = Clock()
    known = Heads(database, clock=clock)
    await mongo_store.append(new_entries("a", 4))
    await known.learn(["a", "b"])
    clock.now += heads.TRUST_S + 1.0
    await mongo_store.append(new_entries("a", 3, first=5))
    with recorded(mongo_url) as commands:
        await known.learn(["a", "b"])
        await known.learn(["a", "b"])
    assert known.known("a") == 7
    assert known.known("b") == 0
    assert [name_of(command) for command in commands].count("find") == 2


async def test_who_comes_back_after_retention_has_freed_old_offsets_goes_on_at_the_head(
    mongo_store: MongoStore, make_store: Callable[..., ReadyMongoStore]
) -> None:
    """Behind a head of long ago there is room again, once what was there was swept."""
    clock = Clock()
    late = make_store(clock=clock)
    await late.open()
    await late.append([new_entry("a", "late 1", at=NOW)])
    await mongo_store.append(new_entries("a", 10, first=2))
    long_after = NOW + 2 * DEDUPE_TTL_MS
    await sweep_all(mongo_store, lambda name: Retention(3, 0), now_ms=long_after)
    clock.now += 2 * DEDUPE_TTL_MS / 1000
    answers = await late.append([new_entry("a", "late 2"), new_entry("a", "late 3")])
    assert [answer.offset for answer in answers] == [12, 13]


async def test_an_insert_that_has_waited_for_too_long_begins_anew(
    mongo_store: MongoStore, make_store: Callable[..., ReadyMongoStore]
) -> None:
    """As where the process was stopped between learning the heads and inserting behind them."""
    clock = Clock()
    late = make_store(clock=clock)
    await late.open()
    await late.append([new_entry("a", "late 1", at=NOW)])
    appender = late._appender
    assert appender is not None
    for _ in range(INSERTS_MAX):
        await appender._inserts.acquire()
    appending = asyncio.ensure_future(late.append([new_entry("a", "late 2")]))
    await asyncio.sleep(0.05)
    await mongo_store.append(new_entries("a", 10, first=2))
    await sweep_all(mongo_store, lambda name: Retention(3, 0), now_ms=NOW + 2 * DEDUPE_TTL_MS)
    clock.now += 2 * DEDUPE_TTL_MS / 1000
    for _ in range(INSERTS_MAX):
        appender._inserts.release()
    (answer,) = await appending
    assert answer.offset == 12
