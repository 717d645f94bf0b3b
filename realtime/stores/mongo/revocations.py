"""The revocations log: see base, `RevocationStore`. The same sequencer as a channel's.

A row's `_id` is its seq, inserted as the highest one + 1, so who loses the race for it reads on.
That holds for as long as the seq is taken: a row that is swept frees it, and one inserted there
would be below what others have applied, and never be seen. So no row goes before `KEPT_MS`, and
nothing is inserted behind a highest that was read longer ago than `TRUST_S`, by far the shorter
time; what is left between the two is for clocks of nodes that differ, and for an insert that is on
its way.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final
from uuid import uuid4

import msgspec
from pymongo.errors import BulkWriteError, PyMongoError

from realtime.model import Revocation, forgotten_name
from realtime.stores.mongo.client import Collection, Document
from realtime.stores.mongo.documents import Faulty, encode
from realtime.stores.mongo.failures import is_duplicate, only_duplicates
from realtime.stores.mongo.heads import boot_clock
from realtime.stores.mongo.insisting import insist
from realtime.stores.mongo.pace import and_either

logger = logging.getLogger(__name__)

TRUST_S: Final = 10.0
"""How long what was read as the highest row is believed to be that, in seconds."""

KEPT_MS: Final = 300_000
"""How long a row is kept after its time has passed, in milliseconds."""

_SWEPT_MAX: Final = 100
"""Rows whose time has passed that one insert takes away, so that none takes long."""

_PAGE: Final = 500
"""Rows in memory at once where all are looked at."""

_decode = msgspec.msgpack.Decoder(Revocation).decode
_decode_any = msgspec.msgpack.Decoder(dict[str, Any]).decode


async def insert(
    rows: Collection,
    revocation: Revocation,
    *,
    for_s: float,
    clock: Callable[[], float] = boot_clock,
) -> int:
    """Store it under the next seq and answer that. Raises PyMongoError or StoreUnavailable.

    `clock` is in seconds, and goes on while the process is stopped.
    """
    await _sweep(rows, revocation.at)
    own = uuid4().hex
    read_at = clock()
    highest = await _highest(rows)
    first = highest + 1

    async def attempt() -> int | None:
        nonlocal highest, read_at
        while True:
            if clock() - read_at >= TRUST_S:
                stored = await rows.find_one({"_id": {"$gte": first}, "by": own}, {"_id": 1})
                if stored is not None:
                    return int(stored["_id"])
                read_at = clock()
                highest = max(highest, await _highest(rows))
            seq = highest + 1
            try:
                await rows.insert_one(_document(revocation, seq, own))
            except PyMongoError as error:
                if not is_duplicate(error):
                    raise
            else:
                return seq
            found = await rows.find_one({"_id": seq}, {"by": 1})
            if found is None:
                # Taken by a row that a majority does not have yet: perhaps this one.
                return None
            if found["by"] == own:
                return seq
            read_at = clock()
            highest = max(seq, await _highest(rows))

    return await insist(attempt, for_s=for_s)


async def put(rows: Collection, revocations: Iterable[Revocation]) -> None:
    """Keep rows at their own seqs, where they are not yet. Raises PyMongoError."""
    documents = [_document(row, row.seq, uuid4().hex) for row in revocations]
    if not documents:
        return
    try:
        await rows.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        only_duplicates(error)


async def select(rows: Collection, *, after: int, limit: int, now_ms: int) -> Sequence[Revocation]:
    """Those still in force with seq > after, in order. Raises PyMongoError.

    One that this version cannot read is "unknown": the others count, and a page is whole.
    """
    if limit <= 0:
        return []
    found = (
        await rows.find(
            {"_id": {"$gt": after}, **and_either({"until": 0}, {"until": {"$gt": now_ms}})},
        )
        .sort("_id", 1)
        .limit(limit)
        .to_list()
    )
    return [_revocation(document) for document in found]


async def forget(rows: Collection, user: str, *, for_s: float) -> int:
    """Take the user out of every row; how many there were.

    Raises PyMongoError or StoreUnavailable.
    """
    forgotten = after = 0
    while user:
        page = await rows.find({"_id": {"$gt": after}}).sort("_id", 1).limit(_PAGE).to_list()
        for document in page:
            silent = _forgotten(document["row"], user)
            if silent is not None:
                await _replace(rows, document["_id"], silent, for_s=for_s)
                forgotten += 1
        if len(page) < _PAGE:
            break
        after = page[-1]["_id"]
    return forgotten


async def _replace(rows: Collection, seq: int, row: bytes, *, for_s: float) -> None:
    async def attempt() -> bool:
        await rows.update_one({"_id": seq}, {"$set": {"row": row}})
        return True

    await insist(attempt, for_s=for_s)


def _forgotten(row: bytes, user: str) -> bytes | None:
    """A row of the user's without the name, of a later version too; None where it is not."""
    try:
        said = _decode_any(row)
        if said.get("user", "") != user:
            return None
        # Fields of a later version stay.
        said |= {"user": forgotten_name(user), "client": "", "whitelist": (), "reason": ""}
        return encode(said)
    except Faulty:
        return None


def _revocation(document: Document) -> Revocation:
    seq = int(document["_id"])
    try:
        return msgspec.structs.replace(_decode(document["row"]), seq=seq)
    except Faulty:
        # The error's own words may quote what it says.
        logger.warning("revocation %s is of a later version: it says nothing to this one", seq)
        return Revocation(seq=seq, act="unknown")


def _document(revocation: Revocation, seq: int, by: str) -> Document:
    return {"_id": seq, "by": by, "until": revocation.until, "row": encode(revocation)}


async def _highest(rows: Collection) -> int:
    found = await rows.find({}, {"_id": 1}).sort("_id", -1).limit(1).to_list()
    return int(found[0]["_id"]) if found else 0


async def _sweep(rows: Collection, now_ms: int) -> None:
    """Take away some rows whose time has long passed, but never the highest: it holds the seq."""
    found = (
        await rows.find({"until": {"$gt": 0, "$lte": now_ms - KEPT_MS}}, {"_id": 1})
        .sort("_id", 1)
        .limit(_SWEPT_MAX)
        .to_list()
    )
    if found:
        highest = await _highest(rows)
        old = [document["_id"] for document in found if document["_id"] != highest]
        if old:
            await rows.delete_many({"_id": {"$in": old}})
