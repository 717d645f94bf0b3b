"""Writes of rows whose answers are lost, that meet others, or that find rows of other versions."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure

from realtime.errors import StoreUnavailable
from realtime.rows import CHANNELS, MEMBERS, USERS, ChannelRow, MemberRow, UserRow
from realtime.stores.base import Key, Removal, Row, Span, Table, Write
from realtime.stores.mongo import MongoStore, row_writing
from realtime.stores.mongo.client import Collection, Database
from realtime.stores.mongo.failures import DUPLICATE
from realtime.stores.mongo.layout import layout_of
from realtime.stores.mongo.row_writing import decide, may_repeat, write_all
from tests.support.table_store import keep, one
from tests.unit.stores.mongo.losing import losing

ANN: Key = ("room", "ann")


@pytest.fixture
def through(
    mongo_store: MongoStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[Collection], Collection]], Database]:
    """The database of the store, with every collection behind something."""

    def wrap(wrapped: Callable[[Collection], Collection]) -> Database:
        real = database.collection
        made: dict[str, Collection] = {}

        def collection(name: str) -> Collection:
            if name not in made:
                made[name] = wrapped(real(name))
            return made[name]

        monkeypatch.setattr(database, "collection", collection)
        return database

    return wrap


def ann(**fields: Any) -> MemberRow:
    """Ann's row in a room."""
    return MemberRow("room", "ann", **fields)


def write(**fields: Any) -> Write:
    """A write of Ann's row in a room."""
    return Write(MEMBERS, ANN, **fields)


# What may be repeated


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"set": {"read": 5}, "highest": {"delivered": 5}}, True),
        ({"add": {"read": 1}}, False),
        ({"add": {"read": 1}, "absent": True}, True),
        ({"add": {"read": 1}, "present": True}, False),
        ({"add": {"read": 1}, "below": ("offset", 5)}, False),
        ({"add": {"read": 1}, "below": ("offset", 5), "set": {"offset": 4}}, False),
        ({"add": {"read": 1}, "below": ("offset", 5), "set": {"offset": 5}}, True),
        ({"add": {"read": 1}, "below": ("offset", 5), "highest": {"offset": 6}}, True),
        ({"add": {"read": 1}, "equals": {"role": "a"}}, False),
        ({"add": {"read": 1}, "equals": {"role": "a"}, "set": {"role": "a"}}, False),
        ({"add": {"read": 1}, "equals": {"role": "a"}, "set": {"role": "b"}}, True),
    ],
)
def test_what_adds_is_repeated_only_where_it_ends_its_own_condition(
    fields: dict[str, Any], expected: bool
) -> None:
    assert may_repeat(write(**fields)) is expected


def test_a_removal_may_be_repeated() -> None:
    assert may_repeat(Removal(MEMBERS, ANN, equals={"role": "a"}))


@pytest.mark.parametrize(
    "fields",
    [
        {"set": {"role": "a"}, "highest": {"read": 5}},
        {"set": {"role": "a"}, "absent": True},
        {"set": {"role": "a", "offset": 5}, "add": {"read_n": 1}, "below": ("offset", 5)},
    ],
)
async def test_a_write_whose_answer_was_lost_is_done_once(
    mongo_store: MongoStore,
    through: Callable[[Callable[[Collection], Collection]], Database],
    fields: dict[str, Any],
) -> None:
    database = through(lambda real: losing(real, "bulk_write", times=2))
    await write_all(database, [write(**fields), Write(USERS, ("ann",))], for_s=10.0)
    row = await one(mongo_store, MEMBERS, *ANN)
    assert row is not None
    assert (row.role, row.read_n) == ("a", len(fields.get("add", ())))
    assert await one(mongo_store, USERS, "ann") == UserRow("ann")


async def test_what_adds_is_not_repeated_and_is_there_once_or_not(
    mongo_store: MongoStore,
    through: Callable[[Callable[[Collection], Collection]], Database],
) -> None:
    database = through(lambda real: losing(losing(real, "bulk_write"), "update_one"))
    adds = Write(CHANNELS, ("room",), add={"members": 1})
    with pytest.raises(StoreUnavailable):
        await write_all(database, [adds, Write(CHANNELS, ("other",))], for_s=10.0)
    assert await one(mongo_store, CHANNELS, "room") == ChannelRow("room", members=1)
    with pytest.raises(StoreUnavailable):
        await decide(database, adds, for_s=10.0)
    assert await one(mongo_store, CHANNELS, "room") == ChannelRow("room", members=2)


async def test_a_decision_whose_answer_was_lost_is_made_again(
    mongo_store: MongoStore,
    through: Callable[[Callable[[Collection], Collection]], Database],
) -> None:
    database = through(lambda real: losing(losing(real, "update_one"), "delete_one"))
    assert await decide(database, write(set={"role": "a"}), for_s=10.0) is True
    assert await decide(database, write(set={"role": "b"}, equals={"role": "a"}), for_s=10.0)
    assert await one(mongo_store, MEMBERS, *ANN) == ann(role="b")
    assert await decide(database, Removal(MEMBERS, ANN), for_s=10.0) is True
    assert await one(mongo_store, MEMBERS, *ANN) is None


# What comes back of single writes


class _Answering:
    """A collection whose bulk writes are done, and answered as a test says."""

    def __init__(self, collection: Collection, errors: list[BulkWriteError]) -> None:
        self._collection = collection
        self._errors = errors

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    async def bulk_write(self, requests: list[Any], *, ordered: bool) -> object:
        """Done; the answer is the next error, if there is one."""
        assert not ordered
        done = await self._collection.bulk_write(requests, ordered=False)
        if self._errors:
            raise self._errors.pop(0)
        return done


def told(*codes: int, unconcerned: bool = False) -> BulkWriteError:
    """The answer that these things went wrong with the first writes."""
    concern = [{"code": 64, "errmsg": "waiting for replication timed out"}] * unconcerned
    return BulkWriteError(
        {
            "writeErrors": [{"index": index, "code": code} for index, code in enumerate(codes)],
            "writeConcernErrors": concern,
        }
    )


async def test_a_write_that_a_majority_may_not_have_is_repeated(
    mongo_store: MongoStore,
    through: Callable[[Callable[[Collection], Collection]], Database],
) -> None:
    errors = [told(unconcerned=True), told(112, unconcerned=True), told(91)]
    database = through(lambda real: cast(Collection, _Answering(real, errors)))
    await write_all(database, [write(set={"role": "a"}), write(highest={"read": 5})], for_s=10.0)
    assert not errors
    assert await one(mongo_store, MEMBERS, *ANN) == ann(role="a", read=5)


async def test_what_adds_and_may_not_stay_is_told(
    through: Callable[[Callable[[Collection], Collection]], Database],
) -> None:
    errors = [told(unconcerned=True)]
    database = through(lambda real: cast(Collection, _Answering(real, errors)))
    with pytest.raises(StoreUnavailable):
        await write_all(database, [write(add={"read": 1})], for_s=10.0)


async def test_what_no_repetition_can_mend_is_raised_at_once(
    through: Callable[[Callable[[Collection], Collection]], Database],
) -> None:
    errors = [told(DUPLICATE, 121), told(121)]
    database = through(lambda real: cast(Collection, _Answering(real, errors)))
    with pytest.raises(BulkWriteError):
        await write_all(database, [write(), write(set={"role": "a"})], for_s=10.0)
    assert len(errors) == 1


class _Racing:
    """A collection in which somebody else makes a row just before the first upsert of it."""

    def __init__(self, collection: Collection, theirs: dict[str, Any]) -> None:
        self._collection = collection
        self._theirs: dict[str, Any] | None = theirs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    async def update_one(self, *arguments: Any, **options: Any) -> object:
        """The first time: refused by the row that is there now."""
        if self._theirs is not None:
            theirs, self._theirs = self._theirs, None
            await self._collection.insert_one(theirs)
            raise OperationFailure("E11000 duplicate key", DUPLICATE)
        return await self._collection.update_one(*arguments, **options)


@pytest.mark.parametrize(
    ("fields", "holds"),
    [
        ({"add": {"read": 1}}, True),
        ({"set": {"role": "a", "offset": 8}, "below": ("offset", 8)}, True),
        ({"set": {"role": "a", "offset": 7}, "below": ("offset", 7)}, False),
        ({"set": {"role": "a"}, "absent": True}, False),
    ],
)
async def test_who_makes_a_row_at_the_same_moment_is_looked_at(
    mongo_store: MongoStore,
    through: Callable[[Callable[[Collection], Collection]], Database],
    fields: dict[str, Any],
    holds: bool,
) -> None:
    theirs = layout_of(MEMBERS).document(ann(offset=7, read=1))
    database = through(lambda real: cast(Collection, _Racing(real, theirs)))
    assert await decide(database, write(**fields), for_s=10.0) is holds
    row = await one(mongo_store, MEMBERS, *ANN)
    assert row is not None
    assert row.read == 1 + fields.get("add", {}).get("read", 0)
    assert row.role == ("a" if holds and "set" in fields else "")


# Rows of an older version


async def forget_fields(database: Database, table: Table[Row], *fields: str) -> None:
    """Have every row be one of a version that did not have these fields."""
    collection = database.collection(table.name)
    for document in await collection.find({}).to_list():
        await collection.replace_one(
            {"_id": document["_id"]},
            {name: value for name, value in document.items() if name not in (*fields, "_id")},
        )


@pytest.mark.parametrize(
    ("fields", "holds"),
    [
        ({"below": ("offset", 1)}, True),
        ({"below": ("offset", 0)}, False),
        ({"equals": {"offset": 0, "sent_id": "", "role": "owner"}}, True),
        ({"equals": {"offset": 1}}, False),
        ({"equals": {"offset": 0, "role": "x"}}, False),
    ],
)
async def test_a_condition_on_a_field_that_is_not_there_is_one_on_its_default(
    mongo_store: MongoStore, database: Database, fields: dict[str, Any], holds: bool
) -> None:
    others = [MemberRow("room", "bob", role="owner"), MemberRow("a", "ann", role="owner")]
    await keep(mongo_store, MEMBERS, ann(role="owner"), *others)
    await forget_fields(database, MEMBERS, "offset", "sent_id")
    assert await mongo_store.decide(write(set={"unread": 1}, **fields)) is holds
    found = await mongo_store.find(MEMBERS, Span(), limit=9)
    assert [row.user for row in found if row.unread] == ["ann"] * holds
    assert [row.channel for row in found if row.unread] == ["room"] * holds
    await mongo_store.write([write(set={"unread": 2}, **fields)])
    row = await one(mongo_store, MEMBERS, *ANN)
    assert row is not None
    assert row.unread == 2 * holds


async def test_a_field_that_is_not_there_rises_and_sums_from_its_default(
    mongo_store: MongoStore, database: Database
) -> None:
    await keep(mongo_store, MEMBERS, ann(role="owner", read=5))
    await forget_fields(database, MEMBERS, "read", "read_n")
    await mongo_store.write([write(highest={"read": 3}, add={"read_n": 2})])
    assert await one(mongo_store, MEMBERS, *ANN) == ann(role="owner", read=3, read_n=2)


# Bounds


async def test_a_server_that_is_away_is_given_up_in_time(
    through: Callable[[Callable[[Collection], Collection]], Database],
) -> None:
    database = through(lambda real: losing(real, "bulk_write", times=1_000))
    with pytest.raises(AutoReconnect):
        await write_all(database, [write()], for_s=0.2)


def test_a_group_is_written_by_as_few_commands_as_there_are_forms() -> None:
    """One for what is made or changed and one for what is removed."""
    steps = [
        row_writing._step(each) for each in (write(), write(absent=True), Removal(MEMBERS, ANN))
    ]
    assert [type(step.request).__name__ for step in steps] == [
        "UpdateOne",
        "UpdateOne",
        "DeleteOne",
    ]
