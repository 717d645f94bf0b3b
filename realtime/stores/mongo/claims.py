"""The claims of server API calls: see base, `IdempotencyStore`."""

from typing import Final
from uuid import uuid4

import msgspec
from pymongo.errors import PyMongoError

from realtime.stores.mongo.client import Collection
from realtime.stores.mongo.failures import is_duplicate
from realtime.stores.mongo.insisting import insist
from realtime.stores.mongo.text import key

_SWEPT_MAX: Final = 200
"""Claims whose time has passed that one sweep takes away, so that none takes long."""

SWEEP_EVERY: Final = 50
"""Claims from one sweep to the next."""


class _Claimed(msgspec.Struct, frozen=True, gc=False):
    """By whom: None is the caller itself, else the digest of who did."""

    digest: bytes | None


async def claim(
    claims: Collection,
    scope: str,
    name: str,
    digest: bytes,
    *,
    until_ms: int,
    now_ms: int,
    for_s: float,
) -> bytes | None:
    """Claim it, or answer the digest of who did. Raises PyMongoError or StoreUnavailable."""
    id = key(scope, name)
    # A claim whose answer was lost is known again by it, and not taken for another's.
    # A text: NX-27017 finds nothing by an ObjectId that is not in `_id`.
    own = uuid4().hex
    mine = {"by": own, "digest": digest, "until": until_ms}

    async def attempt() -> _Claimed | None:
        try:
            await claims.insert_one({"_id": id, **mine})
        except PyMongoError as error:
            if not is_duplicate(error):
                raise
        else:
            return _Claimed(None)
        found = await claims.find_one({"_id": id})
        if found is None:
            # Swept since, or not yet with a majority.
            return None
        if found["by"] == own:
            return _Claimed(None)
        if found["until"] > now_ms:
            return _Claimed(bytes(found["digest"]))
        taken = await claims.update_one({"_id": id, "by": found["by"]}, {"$set": mine})
        return _Claimed(None) if taken.matched_count else None

    return (await insist(attempt, for_s=for_s)).digest


async def sweep(claims: Collection, now_ms: int) -> None:
    """Take away some claims whose time has passed. Raises PyMongoError."""
    past = {"$lte": now_ms}
    found = await claims.find({"until": past}, {"_id": 1}).limit(_SWEPT_MAX).to_list()
    if found:
        ids = [document["_id"] for document in found]
        # Looked at again: one may have been taken over since.
        await claims.delete_many({"_id": {"$in": ids}, "until": past})
