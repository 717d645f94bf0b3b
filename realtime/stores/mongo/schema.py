"""What a database of ours has in it: one document about the store, and the indexes.

The document in `meta` has the schema's version, the epoch, and whether a copy into the store has
begun and not ended. A minor version only adds what older programs may leave alone.
"""

import secrets
import string
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from pymongo.errors import PyMongoError

from realtime.errors import StoreCorrupt, StoreError, StoreTooNew
from realtime.rows import TABLES
from realtime.stores.mongo.client import Database
from realtime.stores.mongo.concurrency import over
from realtime.stores.mongo.failures import is_duplicate
from realtime.stores.mongo.layout import in_order_of

MAJOR: Final = 1
"""Raised when an older program could not work with the store any more."""

MINOR: Final = 2
"""Raised when something is added that older programs may ignore."""

STORE: Final = "store"
"""The `_id` of the document in `meta`."""

_EPOCH_LETTERS: Final = 10


class Index(NamedTuple):
    """An index that must be there, whatever its name: servers make up names of their own."""

    collection: str
    fields: Sequence[str]
    unique: bool


INDEXES: Final = (
    Index("entries", ("c", "o"), True),
    Index("entries", ("c", "s", "i"), True),
    Index("entries", ("p", "c", "o"), False),
    Index("entries", ("q", "a"), False),
    Index("revocations", ("until",), False),
    Index("claims", ("until",), False),
    Index("presence", ("c",), False),
    Index("presence", ("n",), False),
    # The rest of the key comes last, so that what is found is in order.
    *[
        Index(table.name, in_order_of(table, fields), False)
        for table in TABLES
        for fields in table.indexes
    ],
)


class Meta(NamedTuple):
    """The document about the store."""

    major: int
    epoch: str
    copying: bool


async def prepare(database: Database) -> Meta:
    """Make what is not there yet. Idempotent, and safe while others do the same or work with it.

    Raises StoreTooNew before anything is made, StoreError and PyMongoError.
    """
    await read_meta(database)
    # One that is there under another name would be refused as a conflict.
    for index in await _missing(database):
        await database.collection(index.collection).create_index(
            [(field, 1) for field in index.fields], unique=index.unique
        )
    # Last, so that a store which says what it is has all that it needs.
    await database.meta.update_one(
        {"_id": STORE, "minor": {"$lt": MINOR}}, {"$set": {"minor": MINOR}}
    )
    try:
        await database.meta.insert_one(
            {"_id": STORE, "major": MAJOR, "minor": MINOR, "epoch": _new_epoch(), "copying": 0}
        )
    except PyMongoError as error:
        if not is_duplicate(error):
            raise
    meta = await read_meta(database)
    if meta is None:
        raise StoreError(f"{database.place}: what was just made cannot be read back")
    return meta


async def renew_epoch(database: Database) -> None:
    """Give the store a new epoch: whoever has brought a backup back must. Raises PyMongoError."""
    await database.meta.update_one({"_id": STORE}, {"$set": {"epoch": _new_epoch()}})


async def check(database: Database) -> Meta:
    """That the store may be used. Raises StoreTooNew, StoreError with what to do, PyMongoError."""
    meta = await read_meta(database)
    place = database.place
    if meta is None:
        raise StoreError(f"{place}: the store is not set up; run `realtime store init`")
    if meta.copying:
        raise StoreError(
            f"{place}: the store is half copied; run the same `realtime store copy` again"
        )
    for index in await _missing(database):
        kind = "unique index" if index.unique else "index"
        raise StoreError(
            f"{place}: the collection {index.collection} has no {kind} on"
            f" {', '.join(index.fields)}; run `realtime store init`"
        )
    return meta


async def read_meta(database: Database) -> Meta | None:
    """The document about the store, None where there is none. Raises StoreTooNew, StoreCorrupt."""
    found = await database.meta.find_one({"_id": STORE})
    if found is None:
        return None
    try:
        meta = Meta(int(found["major"]), str(found["epoch"]), bool(found["copying"]))
    except (KeyError, TypeError, ValueError):
        meta = Meta(0, "", False)
    if meta.major > MAJOR:
        raise StoreTooNew(meta.major, MAJOR)
    if meta.major < 1 or not meta.epoch:
        raise StoreCorrupt(f"{database.place}: its meta document is not one of ours")
    return meta


async def _missing(database: Database) -> list[Index]:
    names = list(dict.fromkeys([index.collection for index in INDEXES]))

    async def read(name: str) -> list[Mapping[str, Any]]:
        return list(await (await database.collection(name).list_indexes()).to_list())

    there = dict(zip(names, await over(names, read), strict=True))
    return [
        index
        for index in INDEXES
        if not any(_matches(found, index) for found in there[index.collection])
    ]


def _matches(found: Mapping[str, Any], index: Index) -> bool:
    """By key pattern and uniqueness. One over a part of the documents proves nothing."""
    pattern = [(field, 1) for field in index.fields]
    if list(dict(found["key"]).items()) != pattern or "partialFilterExpression" in found:
        return False
    return bool(found.get("unique")) if index.unique else True


def _new_epoch() -> str:
    return "".join(secrets.choice(string.ascii_letters) for _ in range(_EPOCH_LETTERS))
