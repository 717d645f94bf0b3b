"""What `init` makes and `open` checks."""

from collections.abc import AsyncIterator

import pytest

from realtime.errors import StoreCorrupt, StoreError, StoreTooNew
from realtime.stores.base import Appended
from realtime.stores.mongo import MongoStore, schema
from realtime.stores.mongo.client import Database
from tests.support.log_entries import NOW, new_entry


@pytest.fixture
async def store(mongo_url: str) -> AsyncIterator[MongoStore]:
    """A store of the test's database, not set up."""
    store = MongoStore(mongo_url)
    yield store
    await store.close()


async def change_meta(database: Database, change: dict[str, object]) -> None:
    await database.meta.update_one({"_id": schema.STORE}, {"$set": change})


async def test_a_database_that_is_not_set_up_says_what_to_run(store: MongoStore) -> None:
    with pytest.raises(StoreError, match="run `realtime store init`"):
        await store.open()


async def test_init_may_be_repeated_and_keeps_the_epoch(mongo_url: str) -> None:
    epochs = set()
    for _ in range(3):
        store = MongoStore(mongo_url)
        await store.init()
        await store.init()
        await store.open()
        epochs.add(store.epoch)
        assert await store.check_epoch() == store.epoch
        await store.close()
    assert len(epochs) == 1


async def test_init_beside_a_running_hub_disturbs_nothing(mongo_url: str) -> None:
    hub, release = MongoStore(mongo_url), MongoStore(mongo_url)
    await hub.init()
    await hub.open()
    await hub.append([new_entry("a", "1")])
    await release.init()
    await release.close()
    assert [answer.offset for answer in await hub.append([new_entry("a", "2")])] == [2]
    await hub.close()


async def test_a_newer_major_is_refused_by_open_and_by_init(
    store: MongoStore, database: Database, mongo_url: str
) -> None:
    await store.init()
    await change_meta(database, {"major": schema.MAJOR + 1})
    with pytest.raises(StoreTooNew) as caught:
        await store.init()
    assert (caught.value.found, caught.value.known) == (schema.MAJOR + 1, schema.MAJOR)
    with pytest.raises(StoreTooNew):
        await store.open()


async def test_a_newer_minor_and_unknown_fields_are_fine(
    store: MongoStore, database: Database
) -> None:
    """Two versions of the program run side by side."""
    await store.init()
    await change_meta(database, {"minor": schema.MINOR + 1, "feature": {"x": 1}})
    await store.open()
    await store.append([new_entry("a", "1")])
    await database.entries.update_one({"c": "a", "o": 1}, {"$set": {"later": "field"}})
    (entry,) = await store.missed({"a": 0}, limit=1)
    assert entry.client_id == "1"


async def test_init_says_which_minor_version_the_store_is_of_and_never_a_lower_one(
    store: MongoStore, database: Database
) -> None:
    await store.init()
    for before, after in ((0, schema.MINOR), (schema.MINOR + 1, schema.MINOR + 1)):
        await change_meta(database, {"minor": before})
        await store.init()
        found = await database.meta.find_one({"_id": schema.STORE})
        assert found is not None
        assert found["minor"] == after


async def test_a_meta_document_of_another_program_is_corrupt(
    store: MongoStore, database: Database
) -> None:
    await database.meta.insert_one({"_id": schema.STORE, "version": "x"})
    with pytest.raises(StoreCorrupt, match="not one of ours"):
        await store.open()


@pytest.mark.parametrize("missing", range(len(schema.INDEXES)))
async def test_a_missing_index_is_named(
    store: MongoStore, database: Database, missing: int
) -> None:
    await store.init()
    index = schema.INDEXES[missing]
    collection = database.collection(index.collection)
    for name, found in (await collection.index_information()).items():
        if [field for field, _ in found["key"]] == list(index.fields):
            await collection.drop_index(name)
    with pytest.raises(StoreError, match=f"{index.collection} has no .*index on") as caught:
        await store.open()
    assert ", ".join(index.fields) in str(caught.value)


async def test_an_index_that_is_not_unique_does_not_count(
    store: MongoStore, database: Database
) -> None:
    await store.init()
    for name, found in (await database.entries.index_information()).items():
        if [field for field, _ in found["key"]] == ["c", "o"]:
            await database.entries.drop_index(name)
    await database.entries.create_index([("c", 1), ("o", 1)])
    with pytest.raises(StoreError, match="no unique index on c, o"):
        await store.open()


async def test_an_index_by_any_name_counts(store: MongoStore, database: Database) -> None:
    """NX-27017 and FerretDB have names of their own, and an operator may have made it by hand."""
    await database.entries.create_index([("c", 1), ("o", 1)], unique=True, name="mine")
    await store.init()
    await store.open()
    assert await store.append([new_entry("a", "1")]) == [Appended(1, NOW)]


async def test_a_half_copied_store_is_refused_with_what_to_do(
    store: MongoStore, database: Database
) -> None:
    await store.init()
    await change_meta(database, {"copying": 1})
    with pytest.raises(StoreError, match="run the same `realtime store copy` again"):
        await store.open()


async def test_an_epoch_that_changed_under_a_hub_is_seen(
    store: MongoStore, database: Database
) -> None:
    await store.init()
    await store.open()
    await change_meta(database, {"epoch": "another"})
    assert await store.check_epoch() == "another" != store.epoch
    await database.meta.delete_one({"_id": schema.STORE})
    with pytest.raises(StoreCorrupt, match="meta document is gone"):
        await store.check_epoch()
