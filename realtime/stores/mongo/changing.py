"""Changing entries after they were written: see base, `ChangeStore`.

Every change is one conditional update, or one that makes no difference when it is repeated. An
entry that a truncate has taken is as good as a stub, whether a sweep has carried that out or not.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from pymongo import UpdateMany, UpdateOne

from realtime.model import Change
from realtime.stores.base.folding import BLANK, KEPT_TAGS
from realtime.stores.mongo.client import Database, Document
from realtime.stores.mongo.concurrency import both, over
from realtime.stores.mongo.documents import decode_tags, encode_tags, is_lower
from realtime.stores.mongo.fetching import among, check
from realtime.stores.mongo.insisting import insist
from realtime.stores.mongo.pace import and_either
from realtime.stores.mongo.reading import read_marks
from realtime.stores.mongo.text import escape

_UNOWNED_TAGS: Final = tuple(tag for tag in KEPT_TAGS if tag != "client_id")
"""What stays of the tags of an entry that is nobody's: `client_id` is a name somebody gave it."""

_DISOWNED: Final = "disowned:"
"""Begins the client ids of entries that are nobody's."""


async def change(database: Database, changes: Sequence[Change], *, for_s: float) -> list[bool]:
    """See base. Raises PyMongoError or StoreUnavailable, and ValueError for too many."""
    check(len(changes))
    if not changes:
        return []
    done, marks = await both(
        over(changes, lambda each: _change(database, each, for_s)),
        read_marks(database, dict.fromkeys([each.channel for each in changes])),
    )
    return [
        was_done and each.offset > marks.get(each.channel, 0)
        for was_done, each in zip(done, changes, strict=True)
    ]


async def _change(database: Database, each: Change, for_s: float) -> bool:
    entry: Document = {"c": escape(each.channel), "o": each.offset}
    # As `Change.applies` has it.
    if each.deleted_at:
        applies = and_either({"d": 0}, {"x": {"$gt": each.by}})
    else:
        applies = {"d": 0, **is_lower("x", each.by)}
    fields: Document = {
        "data": each.data,
        "tags": encode_tags(each.tags),
        "x": each.by,
        "e": each.edited_at,
        "d": each.deleted_at,
    }
    if each.deleted_at:
        fields["sum"] = b""
    tries = 0

    async def attempt() -> bool:
        nonlocal tries
        tries += 1
        done = await database.entries.update_one({**entry, **applies, "stub": 0}, {"$set": fields})
        if done.matched_count or tries == 1:
            return done.matched_count > 0
        # It does not apply any more once it is carried out, which an earlier try may have done.
        found = await database.entries.find_one(entry, {"x": 1})
        return found is not None and found.get("x", 0) == each.by

    return await insist(attempt, for_s=for_s)


async def rewrite(
    database: Database,
    channel: str,
    offset: int,
    data: bytes,
    tags: dict[str, str] | None,
    changed: int,
    *,
    for_s: float,
) -> bool:
    """See base. Raises PyMongoError or StoreUnavailable. A repeat finds the same and does the same.

    An entry of an older version has no `x`: it is as one that was never changed.
    """
    wanted: Document = {"c": escape(channel), "o": offset, "stub": 0, "d": 0}
    wanted |= {"x": changed} if changed else is_lower("x", 1)

    async def attempt() -> bool:
        fields = {"data": data, "tags": encode_tags(tags)}
        return (await database.entries.update_one(wanted, {"$set": fields})).matched_count > 0

    done, marks = await both(insist(attempt, for_s=for_s), read_marks(database, [channel]))
    return done and offset > marks.get(channel, 0)


async def summarise(
    database: Database, channel: str, offset: int, summary: bytes, *, by: int, for_s: float
) -> bool:
    """See base. Raises PyMongoError or StoreUnavailable."""
    wanted = {"c": escape(channel), "o": offset, "stub": 0, "d": 0, **is_lower("by", by + 1)}

    async def attempt() -> bool:
        fields = {"sum": summary, "by": by}
        return (await database.entries.update_one(wanted, {"$set": fields})).matched_count > 0

    done, marks = await both(insist(attempt, for_s=for_s), read_marks(database, [channel]))
    return done and offset > marks.get(channel, 0)


async def blank(
    database: Database, channel: str, offsets: Collection[int], *, for_s: float
) -> None:
    """See base. Raises PyMongoError or StoreUnavailable, and ValueError for too many."""

    def emptied(document: Mapping[str, Any]) -> Document:
        return {"data": BLANK, "tags": _left(document["tags"], KEPT_TAGS)}

    await _rewrite(database, channel, offsets, emptied, for_s)


async def disown(
    database: Database, channel: str, offsets: Collection[int], *, for_s: float
) -> None:
    """See base. Raises PyMongoError or StoreUnavailable, and ValueError for too many."""

    def emptied(document: Mapping[str, Any]) -> Document:
        fields: Document = {
            "data": BLANK,
            "tags": _left(document["tags"], _UNOWNED_TAGS),
            "sum": b"",
            "g": b"",
            "info": b"",
            "d": document["d"] or document["a"],
            "q": 0,
        }
        if document["s"] or not document["i"].startswith(_DISOWNED):
            # A key that nobody can guess, so that no retry finds it and no sender has it already.
            fields |= {"s": "", "i": _DISOWNED + uuid4().hex}
        return fields

    await _rewrite(database, channel, offsets, emptied, for_s)


async def settle(
    database: Database, channel: str, offsets: Collection[int], *, for_s: float
) -> None:
    """See base. Raises PyMongoError or StoreUnavailable, and ValueError for too many."""
    check(len(offsets))
    if not offsets:
        return
    wanted = {"c": escape(channel), "o": among(offsets), "p": 1}

    async def attempt() -> bool:
        await database.entries.update_many(wanted, {"$set": {"p": 0}})
        return True

    await insist(attempt, for_s=for_s)


async def notified(
    database: Database, marks: Mapping[str, Collection[int]], *, for_s: float
) -> None:
    """See base. Raises PyMongoError or StoreUnavailable, and ValueError for too many."""
    check(sum(map(len, marks.values())))
    updates = [
        UpdateMany({"c": escape(channel), "o": among(offsets), "q": 1}, {"$set": {"q": 0}})
        for channel, offsets in marks.items()
        if offsets
    ]
    if not updates:
        return

    async def attempt() -> bool:
        await database.entries.bulk_write(updates, ordered=False)
        return True

    await insist(attempt, for_s=for_s)


async def _rewrite(
    database: Database,
    channel: str,
    offsets: Collection[int],
    rewritten: Callable[[Mapping[str, Any]], Document],
    for_s: float,
) -> None:
    """Give these entries the fields that follow from those they have."""
    check(len(offsets))
    if not offsets:
        return
    wanted = {"c": escape(channel), "o": among(offsets), "stub": 0}
    fields = {"s": 1, "i": 1, "a": 1, "d": 1, "tags": 1, "x": 1}

    async def attempt() -> bool | None:
        cursor = database.entries.find(wanted, fields).batch_size(len(offsets) + 1)
        updates = [
            # What was changed meanwhile has other tags.
            UpdateOne(
                {"_id": document["_id"], "x": document.get("x", {"$exists": False})},
                {"$set": rewritten(document)},
            )
            for document in await cursor.to_list()
        ]
        if not updates:
            return True
        done = await database.entries.bulk_write(updates, ordered=False)
        return True if done.matched_count == len(updates) else None

    await insist(attempt, for_s=for_s)


def _left(tags: bytes, kept: Collection[str]) -> bytes:
    """The tags, as they are kept, without all others."""
    each = decode_tags(tags) if tags else {}
    return encode_tags({tag: text for tag, text in each.items() if tag in kept} or None)
