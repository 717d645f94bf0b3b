"""Presence entries: see base, `PresenceStore`."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from pymongo import DeleteOne, UpdateOne
from pymongo.errors import BulkWriteError, PyMongoError

from realtime.errors import StoreCorrupt
from realtime.model import ClientInfo
from realtime.stores.base import PRESENCE_CHANGES_MAX, PresenceEntry
from realtime.stores.mongo.client import Collection, Document
from realtime.stores.mongo.concurrency import over
from realtime.stores.mongo.documents import Faulty, encode
from realtime.stores.mongo.failures import only_duplicates
from realtime.stores.mongo.text import escape, key, unescape

_CURSOR_ROWS: Final = 1_000
"""Documents of one answer of the server."""

_decode_info = msgspec.msgpack.Decoder(ClientInfo).decode


async def change(
    presence: Collection, *, put: Sequence[PresenceEntry], remove: Sequence[PresenceEntry]
) -> None:
    """Put and remove, in any order. Raises PyMongoError, and ValueError for too many."""
    count = len(put) + len(remove)
    if count > PRESENCE_CHANGES_MAX:
        raise ValueError(f"{count} changes, at most {PRESENCE_CHANGES_MAX} expected")
    writes: list[UpdateOne | DeleteOne] = [DeleteOne(_own(entry)) for entry in remove]
    writes += [
        UpdateOne({"_id": _id(entry)}, {"$set": _fields(entry)}, upsert=True) for entry in put
    ]
    if not writes:
        return
    try:
        await presence.bulk_write(writes, ordered=False)
    except BulkWriteError as error:
        # Two upserts of one entry at once: whoever came second finds it there now.
        again = [writes[index] for index in only_duplicates(error)]
        await presence.bulk_write(again, ordered=False)


async def present(presence: Collection, channel: str, *, limit: int) -> Sequence[PresenceEntry]:
    """Entries of the channel. Raises PyMongoError."""
    return await _find(presence, {"c": escape(channel)}, limit)


async def of_node(presence: Collection, node: str, *, limit: int) -> Sequence[PresenceEntry]:
    """Entries of the node. Raises PyMongoError."""
    return await _find(presence, {"n": escape(node)}, limit)


async def take_away(
    presence: Collection, entries: Sequence[PresenceEntry]
) -> Sequence[PresenceEntry]:
    """Remove them one by one; those that were there to remove.

    Raises PyMongoError only if none was removed: what a call has removed it must answer, or nobody
    would ever announce that leave. What it could not is still there, for the next call.
    """
    failures: list[PyMongoError] = []

    async def take(entry: PresenceEntry) -> bool:
        try:
            return (await presence.delete_one(_own(entry))).deleted_count > 0
        except PyMongoError as error:
            failures.append(error)
            return False

    taken = await over(entries, take)
    removed = [entry for entry, was_there in zip(entries, taken, strict=True) if was_there]
    if failures and not removed:
        raise failures[0]
    return removed


def _id(entry: PresenceEntry) -> str:
    return key(entry.channel, entry.info.client)


def _own(entry: PresenceEntry) -> dict[str, Any]:
    """The entry if it is still this node's."""
    return {"_id": _id(entry), "n": escape(entry.node)}


def _fields(entry: PresenceEntry) -> Document:
    return {
        "n": escape(entry.node),
        "c": escape(entry.channel),
        "info": encode(entry.info),
        "hidden": int(entry.hidden),
        "announced": int(entry.announced),
    }


async def _find(
    presence: Collection, wanted: dict[str, Any], limit: int
) -> Sequence[PresenceEntry]:
    if limit <= 0:
        return []
    cursor = presence.find(wanted).limit(limit).batch_size(min(limit, _CURSOR_ROWS))
    return [_entry(document) for document in await cursor.to_list()]


def _entry(document: Document) -> PresenceEntry:
    try:
        return PresenceEntry(
            unescape(document["n"]),
            unescape(document["c"]),
            _decode_info(document["info"]),
            bool(document["hidden"]),
            bool(document["announced"]),
        )
    except Faulty:
        raise StoreCorrupt("presence: there is an entry that this program cannot read") from None
