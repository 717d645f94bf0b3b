"""What retention takes: found by looking, taken away row by row, in short commands.

Whatever is found stays found, so nothing needs to be held between the two: an entry below the
head never becomes the head again, and time only goes on. Who sweeps with whom does not matter.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from pymongo import UpdateOne

from realtime.model import Retention
from realtime.stores.base import DEDUPE_TTL_MS, Swept
from realtime.stores.mongo.client import Collection, Database, Document
from realtime.stores.mongo.concurrency import over
from realtime.stores.mongo.documents import STUB
from realtime.stores.mongo.heads import read_head
from realtime.stores.mongo.pace import and_either
from realtime.stores.mongo.text import escape, key, unescape, unkey

CHANNELS_MAX: Final = 128
"""Channels that one slice looks at. An idle one costs a query or two, a few at a time."""

OLDEST: Final = 8
"""Entries of each channel that are looked at first. All there is to do for most channels is among
them, and they are few enough to read for nothing."""

_TAKEN_MAX: Final = 200
"""Rows that one command takes away, so that none holds up appends for long."""

_FOUND_MAX: Final = 1_000
"""Rows of one channel that one slice takes."""

_NEVER: Final = -(2**62)
"""Smaller than any offset and any time."""

_FIELDS: Final = {"c": 1, "o": 1, "a": 1, "stub": 1, "p": 1, "q": 1}


class _Row(NamedTuple):
    """An entry to take: `goes` altogether, or is blanked."""

    channel: str
    id: object
    offset: int
    goes: bool


class Oldest(NamedTuple):
    """The oldest entries of a channel; `whole`: it has no others."""

    documents: Sequence[Document]
    whole: bool


class _Log(NamedTuple):
    """A channel and what of it is hidden, as offsets and times up to which."""

    channel: str
    head: int
    hidden_to: int
    hidden_at: int
    forgotten_at: int

    def hides(self, document: Document) -> bool:
        """Whether it is a stub, or past its time."""
        return bool(
            document["stub"] or document["o"] <= self.hidden_to or document["a"] <= self.hidden_at
        )

    def rows(self, documents: Sequence[Document]) -> Iterator[_Row]:
        """Those about which anything is to be done. One that is pending waits: nobody sees it any
        more, but what is to follow from it needs what it says. So does one that people wait to be
        told of, as long as it is young."""
        for document in documents:
            young = document["a"] > self.forgotten_at
            if not document["stub"] and (document.get("p") or (document.get("q") and young)):
                continue
            goes = document["o"] < self.head and not young
            if goes or not document["stub"]:
                yield _Row(self.channel, document["_id"], int(document["o"]), goes)


async def sweep(
    database: Database,
    retention: Callable[[str], Retention],
    *,
    now_ms: int,
    after: str,
    limit: int,
) -> Swept:
    """See base, `LogStore.sweep`. Raises PyMongoError."""
    found = (
        await database.channels.find({"_id": {"$gt": key(after)}}, {"blanked_to": 1})
        .sort("_id", 1)
        .limit(CHANNELS_MAX)
        .batch_size(CHANNELS_MAX)
        .to_list()
    )
    names = [unkey(document["_id"]) for document in found]
    marks = {name: int(document["blanked_to"]) for name, document in zip(names, found, strict=True)}
    rules = {name: retention(name) for name in names}
    # A sweep leaves a mark where it leaves stubs: without mark or rule there is nothing to take.
    due = [name for name in names if marks[name] or rules[name].size >= 0 or rules[name].ttl_ms > 0]
    oldest = await read_oldest(database.entries, due)

    async def look(channel: str) -> list[_Row]:
        found_max = min(limit, _FOUND_MAX)
        log = _Log(
            channel,
            0,
            marks[channel],
            now_ms - rules[channel].ttl_ms if rules[channel].ttl_ms > 0 else _NEVER,
            now_ms - DEDUPE_TTL_MS,
        )
        return await _hidden(database.entries, log, rules[channel].size, oldest[channel], found_max)

    rows: list[_Row] = []
    for channel, more in zip(due, await over(due, look), strict=True):
        room = min(limit - len(rows), _FOUND_MAX)
        rows += more[:room]
        if len(more) >= room:
            # This channel may have more: the next slice begins with it again.
            changed = await _take_away(database, rows)
            index = names.index(channel)
            return Swept(changed, names[index - 1] if index else after)
    changed = await _take_away(database, rows)
    return Swept(changed, names[-1] if len(names) == CHANNELS_MAX else None)


async def truncate(database: Database, channel: str) -> None:
    """Blank the whole log at once, however long: a mark that every read heeds.

    The entries themselves are blanked by the sweeps that follow. Raises PyMongoError.
    """
    head = (await read_head(database.entries, channel)).offset
    if head:
        await database.channels.update_one({"_id": key(channel)}, {"$max": {"blanked_to": head}})


async def read_oldest(entries: Collection, channels: Sequence[str]) -> dict[str, Oldest]:
    """The oldest entries of each channel; `channels` are in order. Raises PyMongoError.

    One query tells all of many short logs. A long one takes its room; then the rest are asked
    for one by one, so that nothing is read in vain more than once.
    """
    if not channels:
        return {}
    limit = OLDEST * len(channels)
    found: dict[str, list[Document]] = {channel: [] for channel in channels}
    every = {"c": {"$in": [escape(channel) for channel in channels]}}
    for document in await _in_order(entries, every, limit):
        found[unescape(document["c"])].append(document)
    if sum(map(len, found.values())) < limit:
        return {channel: Oldest(documents, True) for channel, documents in found.items()}
    # The last that has any is cut off somewhere, and those after it were not reached.
    cut = max(index for index, channel in enumerate(channels) if found[channel])

    async def read(channel: str) -> list[Document]:
        return await _in_order(entries, {"c": escape(channel)}, OLDEST)

    rest = channels[cut:]
    found.update(zip(rest, await over(rest, read), strict=True))
    return {
        channel: Oldest(documents, channel not in rest or len(documents) < OLDEST)
        for channel, documents in found.items()
    }


async def _hidden(
    entries: Collection, log: _Log, size: int, oldest: Oldest, limit: int
) -> list[_Row]:
    """Rows to take, oldest first: those before the first that may still be seen."""
    documents = oldest.documents
    if not documents:
        return []
    if oldest.whole:
        head = int(documents[-1]["o"])
    elif size < 0 and not log.hides(documents[0]):
        return []
    else:
        head = (await read_head(entries, log.channel)).offset
    log = log._replace(head=head, hidden_to=max(log.hidden_to, head - size if size >= 0 else 0))
    end = next((n for n, document in enumerate(documents) if not log.hides(document)), None)
    if oldest.whole or end is not None:
        return list(log.rows(documents[:end]))[:limit]
    return list(log.rows(await _many_hidden(entries, log, limit)))


async def _many_hidden(entries: Collection, log: _Log, limit: int) -> list[Document]:
    """The same, asked of the server: stubs that must stay for now may come before all others."""
    channel = escape(log.channel)
    visible: dict[str, Any] = {"c": channel, "o": {"$gt": log.hidden_to}, "stub": 0}
    if log.hidden_at > _NEVER:
        visible["a"] = {"$gt": log.hidden_at}
    first = await _in_order(entries, visible, 1)
    # What was appended since the head was read waits for the next round.
    end = min(int(first[0]["o"]), log.head + 1) if first else log.head + 1
    due = and_either({"stub": 0}, {"a": {"$lte": log.forgotten_at}, "o": {"$lt": log.head}})
    return await _in_order(entries, {"c": channel, "o": {"$lt": end}, **due}, limit)


async def _in_order(entries: Collection, wanted: dict[str, Any], limit: int) -> list[Document]:
    cursor = entries.find(wanted, _FIELDS).sort([("c", 1), ("o", 1)])
    return await cursor.limit(limit).batch_size(limit).to_list()


async def _take_away(database: Database, rows: Sequence[_Row]) -> int:
    """Delete or blank the rows; how many have changed."""
    goes = [row.id for row in rows if row.goes]
    stays = [row.id for row in rows if not row.goes]
    changed = 0
    for ids in _chunks(goes):
        changed += (await database.entries.delete_many({"_id": {"$in": ids}})).deleted_count
    # The marks first: stubs are looked for only where there is one, or a retention.
    await _mark(database.channels, rows)
    for ids in _chunks(stays):
        blanked = await database.entries.update_many(
            {"_id": {"$in": ids}, "stub": 0}, {"$set": STUB}
        )
        changed += blanked.modified_count
    return changed


async def _mark(channels: Collection, rows: Sequence[_Row]) -> None:
    marks = {row.channel: row.offset for row in rows if not row.goes}
    if marks:
        await channels.bulk_write(
            [
                UpdateOne({"_id": key(channel)}, {"$max": {"blanked_to": offset}})
                for channel, offset in marks.items()
            ],
            ordered=False,
        )


def _chunks(ids: list[object]) -> Iterator[list[object]]:
    return (ids[start : start + _TAKEN_MAX] for start in range(0, len(ids), _TAKEN_MAX))
