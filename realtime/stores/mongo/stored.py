"""Which entries are there already, looked up by the keys that make a retry a retry."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from realtime.model import NewEntry
from realtime.stores.base import Appended, Conflict
from realtime.stores.mongo.client import Collection, Document
from realtime.stores.mongo.heads import Head, head_of
from realtime.stores.mongo.pace import Pace, either
from realtime.stores.mongo.text import escape, unescape

LOOKUP_MAX: Final = 100
"""Keys in one query."""

_FIELDS: Final = {"c": 1, "s": 1, "i": 1, "o": 1, "n": 1, "a": 1, "g": 1}

Key = tuple[str, str, str]
"""Channel, sender and client id."""


class Stored(NamedTuple):
    """The entry that has a key. `id` is its document's: it tells who inserted it."""

    head: Head
    at: int
    digest: bytes
    id: object

    def repeated_by(self, entry: NewEntry) -> Appended | Conflict:
        """The answer to an entry that comes with the same key."""
        offset, n = self.head
        if self.digest == entry.digest:
            return Appended(offset, self.at, duplicate=True, n=n)
        return Conflict(offset)


def key_of(entry: NewEntry) -> Key:
    """What is unique about an entry."""
    return (entry.channel, entry.sender, entry.client_id)


async def find_stored(entries: Collection, pace: Pace, keys: Sequence[Key]) -> dict[Key, Stored]:
    """The entries that a majority has under these keys. Raises PyMongoError."""
    branches = _branches(keys)

    async def query(part: Sequence[Document]) -> list[Document]:
        # One more than there can be, or a full answer would be followed by an empty one.
        return await entries.find(either(part), _FIELDS).batch_size(LOOKUP_MAX + 1).to_list()

    return {
        (unescape(found["c"]), unescape(found["s"]), unescape(found["i"])): Stored(
            head_of(found), int(found["a"]), bytes(found["g"]), found["_id"]
        )
        for documents in await pace.ask(branches, query, most=LOOKUP_MAX)
        for found in documents
    }


def _branches(keys: Iterable[Key]) -> list[Document]:
    """A resent outbox is one sender's in one channel: then it is one scan of the index."""
    groups: dict[tuple[str, str], list[str]] = {}
    for channel, sender, client_id in keys:
        groups.setdefault((escape(channel), escape(sender)), []).append(escape(client_id))
    return [
        {"c": channel, "s": sender, "i": {"$in": ids[start : start + LOOKUP_MAX]}}
        if len(ids) > 1
        else {"c": channel, "s": sender, "i": ids[0]}
        for (channel, sender), ids in groups.items()
        for start in range(0, len(ids), LOOKUP_MAX)
    ]
