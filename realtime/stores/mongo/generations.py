"""Things that change hands: what holds is the newest of a row of documents, one a change.

Not every server that speaks the protocol makes a conditional update of one document atomic: of
ten such updates at once, FerretDB 1 on SQLite told five that theirs was done. A unique key is kept
by all of them. So a change is an insert behind the newest document, as an entry's is behind the
head of its channel: of several callers who have seen the same one, exactly one succeeds.

Documents before the newest are taken away. So an insert may also find a place that was free
again, behind a document that is long gone; who looks again and is not the newest has lost. Where
a name may go altogether, and begin again at 1, that is not enough: see `follow`.
"""

from typing import Final, NamedTuple

from pymongo.errors import PyMongoError

from realtime.stores.mongo.client import Collection, Document
from realtime.stores.mongo.failures import is_duplicate
from realtime.stores.mongo.text import key

_DIGITS: Final = 16
"""So many digits has each number, so that texts sort as numbers."""

_AFTER_DIGITS: Final = ":"


class Generation(NamedTuple):
    """The newest document of a name: its number, counted from 1, and its fields."""

    number: int
    fields: Document


async def newest(collection: Collection, name: str) -> Generation | None:
    """What holds now, None if there is nothing. Raises PyMongoError."""
    found = (
        await collection.find({"_id": {"$gt": key(name, ""), "$lt": key(name, _AFTER_DIGITS)}})
        .sort("_id", -1)
        .limit(1)
        .to_list()
    )
    return Generation(number_of(found[0]), found[0]) if found else None


async def succeed(collection: Collection, name: str, number: int, fields: Document) -> bool:
    """Make `fields` the newest after `number`, 0 for none. False: somebody else was faster.

    Raises PyMongoError; the change may be done then.
    """
    own = _id(name, number + 1)
    try:
        await collection.insert_one({"_id": own, **fields})
    except PyMongoError as error:
        if not is_duplicate(error):
            raise
        return False
    now = await newest(collection, name)
    if now is not None and now.number == number + 1:
        return True
    await collection.delete_one({"_id": own})
    return False


async def follow(collection: Collection, name: str, now: Generation, fields: Document) -> bool:
    """`succeed` for names that may have begun again since `now` was read; takes `now` away.

    False also where that very document is not there any more. Raises PyMongoError; the change may
    be done then.
    """
    if not await succeed(collection, name, now.number, fields):
        return False
    if (await collection.delete_one(now.fields)).deleted_count:
        return True
    await collection.delete_one({"_id": _id(name, now.number + 1)})
    return False


async def forget_last(collection: Collection, name: str, number: int) -> None:
    """Take away everything up to this number, the newest last: until then it holds. Raises
    PyMongoError."""
    await forget_before(collection, name, number)
    await collection.delete_one({"_id": _id(name, number)})


async def forget_before(collection: Collection, name: str, number: int) -> int:
    """Take away the documents before this number; how many. Raises PyMongoError."""
    older = {"$gt": key(name, ""), "$lt": _id(name, number)}
    return (await collection.delete_many({"_id": older})).deleted_count


async def forget(collection: Collection, name: str) -> None:
    """Take away everything about a name. Raises PyMongoError."""
    every = {"$gt": key(name, ""), "$lt": key(name, _AFTER_DIGITS)}
    await collection.delete_many({"_id": every})


def number_of(document: Document) -> int:
    """A document's number."""
    return int(document["_id"][-_DIGITS:])


def _id(name: str, number: int) -> str:
    return key(name, f"{number:0{_DIGITS}}")
