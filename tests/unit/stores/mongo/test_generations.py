"""Things that change hands, on servers whose conditional updates are not atomic.

Of ten conditional updates of one document at once, FerretDB 1.24 on SQLite said of five that they
were done. So leases and tasks are rows of inserts, of which a unique key lets one through.
"""

import asyncio

import pytest
from pymongo.errors import AutoReconnect

from realtime.stores.base import NodeInfo
from realtime.stores.mongo import MongoStore, nodes
from realtime.stores.mongo.client import Database
from realtime.stores.mongo.generations import Generation, forget_before, newest, succeed
from tests.unit.stores.mongo.losing import losing

ANN = NodeInfo("ann", "1")


async def test_of_many_that_follow_the_same_one_exactly_one_succeeds(database: Database) -> None:
    for number in range(5):
        answers = await asyncio.gather(
            *[succeed(database.tasks, "a", number, {"holder": f"{n}"}) for n in range(10)]
        )
        assert sum(answers) == 1
        now = await newest(database.tasks, "a")
        assert now is not None
        assert (now.number, now.fields["holder"]) == (number + 1, f"{answers.index(True)}")


async def test_who_slept_and_finds_an_old_place_free_has_lost(database: Database) -> None:
    for number in range(3):
        assert await succeed(database.tasks, "a", number, {"holder": f"{number}"})
    assert await forget_before(database.tasks, "a", 3) == 2
    assert not await succeed(database.tasks, "a", 1, {"holder": "sleeper"})
    now = await newest(database.tasks, "a")
    assert now is not None
    assert (now.number, now.fields["holder"]) == (3, "2")
    assert len(await database.tasks.find({}).to_list()) == 1


async def test_names_that_begin_alike_have_nothing_to_do_with_each_other(
    database: Database,
) -> None:
    for name in ("a", "a:", "a\x01", "a\x00", "", "a1"):
        assert await newest(database.tasks, name) is None
        assert await succeed(database.tasks, name, 0, {"holder": name or "nobody"})
    for name in ("a", "a:", "a\x01", "a\x00", "", "a1"):
        now = await newest(database.tasks, name)
        assert now is not None
        assert now.number == 1


async def test_beats_leave_one_document(mongo_store: MongoStore, database: Database) -> None:
    await mongo_store.register("n", ANN)
    for _ in range(5):
        assert await mongo_store.beat("n", ANN)
    assert len(await database.nodes.find({}).to_list()) == 1


async def test_a_node_that_slept_through_its_own_end_does_not_come_back(
    mongo_store: MongoStore, database: Database
) -> None:
    """It read its lease, and before it could beat it was condemned, swept and gone."""
    await mongo_store.register("n", ANN)
    slept = await newest(database.nodes, "n")
    assert slept is not None
    assert await mongo_store.condemn("n", 1)
    await mongo_store.depart("n")
    assert not await nodes.beat_after(database.nodes, "n", slept, ANN)
    assert list(await mongo_store.nodes()) == []


async def test_a_condemnation_by_an_old_beat_is_none(
    mongo_store: MongoStore, database: Database
) -> None:
    """The observer slept: the place behind the beat it has seen is free again."""
    await mongo_store.register("n", ANN)
    for _ in range(3):
        await mongo_store.beat("n", ANN)
    fields = {"node": "n", "beat": 1, "condemned": 1, "info": b""}
    assert not await succeed(database.nodes, "n", 1, fields)
    assert [(lease.beat, lease.condemned) for lease in await mongo_store.nodes()] == [(4, False)]


async def test_a_released_task_leaves_nothing(mongo_store: MongoStore, database: Database) -> None:
    """Or each node that ever died would leave the task of its sweep behind."""
    for number in range(5):
        assert await mongo_store.take("t", f"n{number}", before=f"n{number - 1}" if number else "")
    assert len(await database.tasks.find({}).to_list()) == 1
    await mongo_store.release("t", "n4")
    assert await database.tasks.find({}).to_list() == []


async def read(database: Database) -> Generation:
    """The task "t" as somebody reads it who then falls asleep."""
    now = await newest(database.tasks, "t")
    assert now is not None
    return now


async def test_who_slept_while_a_task_was_released_does_not_take_it_from_the_next_holder(
    mongo_store: MongoStore, database: Database
) -> None:
    """Whether the numbers have come as far as those that the sleeper knows, or not."""
    await mongo_store.take("t", "n1", before="")
    first = await read(database)
    await mongo_store.take("t", "n2", before="n1")
    second = await read(database)
    await mongo_store.release("t", "n2")
    for slept in (first, second):
        assert not await nodes.take_after(database.tasks, "t", slept, "sleeper")
    assert await mongo_store.take("t", "n3", before="")
    for slept in (first, second):
        assert not await nodes.take_after(database.tasks, "t", slept, "sleeper")
        assert await mongo_store.holder("t") == "n3"
    assert len(await database.tasks.find({}).to_list()) == 1


async def test_who_slept_while_releasing_does_not_release_what_another_holds(
    mongo_store: MongoStore, database: Database
) -> None:
    await mongo_store.take("t", "n1", before="")
    slept = await read(database)
    await mongo_store.release("t", "n1")
    await mongo_store.take("t", "n2", before="")
    await nodes.release_after(database.tasks, "t", slept)
    assert await mongo_store.holder("t") == "n2"


async def test_a_release_that_was_cut_off_leaves_the_task_to_anybody(
    mongo_store: MongoStore, database: Database
) -> None:
    await mongo_store.take("t", "n1", before="")
    with pytest.raises(AutoReconnect):
        await nodes.release(losing(database.tasks, "delete_many"), "t", "n1")
    assert await mongo_store.holder("t") == ""
    assert await mongo_store.take("t", "n2", before="")
    await mongo_store.release("t", "n2")
    assert await database.tasks.find({}).to_list() == []
