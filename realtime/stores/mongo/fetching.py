"""Finding entries one by one: see base, `ChangeStore`."""

from collections.abc import Collection, Mapping, Sequence

from realtime.model import Entry
from realtime.stores.base import FETCHED_MAX, MISSED_CHANNELS_MAX
from realtime.stores.mongo.client import Database, Document
from realtime.stores.mongo.concurrency import both
from realtime.stores.mongo.documents import to_entries
from realtime.stores.mongo.pace import either
from realtime.stores.mongo.reading import CURSOR_ROWS, folded, hidden, read_marks, read_pending
from realtime.stores.mongo.text import escape


async def fetch(
    database: Database, wanted: Mapping[str, Collection[int]], *, stubs: bool
) -> Sequence[Entry]:
    """See base. Raises PyMongoError, and ValueError for too many."""
    check(sum(map(len, wanted.values())))
    branches: list[Document] = [
        {"c": escape(channel), "o": among(offsets)}
        for channel, offsets in wanted.items()
        if offsets
    ]

    async def query(part: Sequence[Document]) -> list[Document]:
        return await database.entries.find(either(part)).batch_size(CURSOR_ROWS).to_list()

    answers = await database.pace.ask(branches, query, most=MISSED_CHANNELS_MAX)
    found = to_entries(document for answer in answers for document in answer)
    found.sort(key=lambda entry: (entry.channel, entry.offset))
    shown = await _shown(database, found)
    return shown if stubs else [entry for entry in shown if not entry.stub]


async def find_sent(database: Database, channel: str, sender: str, client_id: str) -> Entry | None:
    """See base. Raises PyMongoError."""
    key = {"c": escape(channel), "s": escape(sender), "i": escape(client_id)}
    document = await database.entries.find_one(key)
    shown = await _shown(database, to_entries([document] if document else []))
    # The keys of entries without a digest are there for the driver's own retries.
    return shown[0] if shown and shown[0].digest else None


async def sent_by(
    database: Database, channel: str, sender: str, *, after: int, limit: int, stubs: bool
) -> Sequence[Entry]:
    """See base. Raises PyMongoError."""
    if limit <= 0:
        return []
    marks = await read_marks(database, [channel])
    wanted: Document = {"c": escape(channel), "s": escape(sender), "o": {"$gt": after}}
    if not stubs:
        wanted |= {"o": {"$gt": max(after, marks.get(channel, 0))}, "stub": 0}
    cursor = database.entries.find(wanted).sort("o", 1).limit(limit)
    documents = await cursor.batch_size(min(limit, CURSOR_ROWS)).to_list()
    found = [hidden(entry, marks.get(channel, 0)) for entry in to_entries(documents)]
    return folded(found, await read_pending(database, [channel])) if found else found


async def pending(
    database: Database, *, channel: str | None, before_ms: int, limit: int
) -> Sequence[Entry]:
    """See base. Raises PyMongoError.

    What a truncate has taken is still in its entry: whoever follows up on that has to see it.
    """
    if limit <= 0:
        return []
    wanted: Document = {"p": 1, "a": {"$lt": before_ms}, "stub": 0}
    if channel is not None:
        wanted["c"] = escape(channel)
    cursor = database.entries.find(wanted).sort([("c", 1), ("o", 1)]).limit(limit)
    found = to_entries(await cursor.batch_size(min(limit, CURSOR_ROWS)).to_list())
    if not found:
        return found
    channels = dict.fromkeys([entry.channel for entry in found])
    return folded(found, await read_pending(database, channels))


async def notifiable(
    database: Database, *, after_ms: int, before_ms: int, limit: int
) -> Sequence[Entry]:
    """See base. Raises PyMongoError.

    A node of a version before 1.2 may have made a stub of one that waits: it comes too.
    """
    if limit <= 0:
        return []
    wanted: Document = {"q": 1}
    bounds = {
        operator: bound for operator, bound in (("$gt", after_ms), ("$lt", before_ms)) if bound
    }
    if bounds:
        wanted["a"] = bounds
    cursor = database.entries.find(wanted).sort("a", 1).limit(limit)
    documents = await cursor.batch_size(min(limit, CURSOR_ROWS)).to_list()
    return await _shown(database, to_entries(documents))


def check(count: int) -> None:
    """Raise ValueError for more entries than one call may name."""
    if count > FETCHED_MAX:
        raise ValueError(f"{count} entries, at most {FETCHED_MAX} expected")


def among(offsets: Collection[int]) -> int | Document:
    """What matches any of the offsets."""
    each = sorted(set(offsets))
    return each[0] if len(each) == 1 else {"$in": each}


async def _shown(database: Database, found: Sequence[Entry]) -> Sequence[Entry]:
    """The entries as truncates and pending events leave them."""
    if not found:
        return found
    channels = dict.fromkeys([entry.channel for entry in found])
    marks, events = await both(read_marks(database, channels), read_pending(database, channels))
    return folded([hidden(entry, marks.get(entry.channel, 0)) for entry in found], events)
