"""The part of the store that finds what no row leads to: see base, `PersonalStore`."""

from realtime.stores.base import CHANNELS_LOOKED_AT_MAX, Found
from realtime.stores.mongo import revocations
from realtime.stores.mongo.calling import Calling
from realtime.stores.mongo.client import Database
from realtime.stores.mongo.concurrency import over
from realtime.stores.mongo.text import escape, key, unkey


class PersonalData(Calling):
    """PersonalStore. `forget_user` tries again for `write_for_s`."""

    async def channels_with(self, sender: str, *, after: str, limit: int) -> Found:
        """See base. One query for each channel, some at a time."""
        if not 0 < limit <= CHANNELS_LOOKED_AT_MAX:
            raise ValueError(f"limit: {limit}, 1 to {CHANNELS_LOOKED_AT_MAX} expected")
        return await self._call(lambda database: _channels_with(database, sender, after, limit))

    async def forget_user(self, user: str) -> int:
        """See base."""
        return await self._call(
            lambda database: revocations.forget(database.revocations, user, for_s=self._write_for_s)
        )


async def _channels_with(database: Database, sender: str, after: str, limit: int) -> Found:
    found = (
        await database.channels.find({"_id": {"$gt": key(after)}}, {"_id": 1})
        .sort("_id", 1)
        .limit(limit)
        .batch_size(limit)
        .to_list()
    )
    names = [unkey(document["_id"]) for document in found]

    async def has_any(channel: str) -> bool:
        wanted = {"c": escape(channel), "s": escape(sender)}
        return await database.entries.find_one(wanted, {"_id": 1}) is not None

    have = await over(names, has_any)
    return Found(
        [name for name, has in zip(names, have, strict=True) if has],
        names[-1] if len(names) == limit else None,
    )
