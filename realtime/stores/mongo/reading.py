"""Reading logs: a page, or what many channels have after given positions.

There is no snapshot over several queries, nor always within one. So a page's head is read first,
and its entries up to that; and a hole in what many channels have is looked at once more before it
is believed: the entry at o + 1 is only made when o is taken, so who reads after o + 1 was seen sees
what is at o.

What pending edits and deletes make of the entries is folded in, so they are asked for too: beside
the head, or once entries were found. An event that is made and settled between two queries of one
read may be overlooked. It is not in the past of whoever asked, and comes to them in the log.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

import msgspec

from realtime.model import Entry, Retention
from realtime.stores.base import MISSED_CHANNELS_MAX, Page
from realtime.stores.base.folding import fold
from realtime.stores.mongo.client import Database, Document
from realtime.stores.mongo.concurrency import both, over
from realtime.stores.mongo.documents import to_entries
from realtime.stores.mongo.heads import Head, Heads, read_head
from realtime.stores.mongo.pace import either
from realtime.stores.mongo.text import escape, key, unescape, unkey

CURSOR_ROWS: Final = 1_000
"""Documents of one answer of the server; more come by and by, so that none is huge."""

PENDING_MAX: Final = 1_000
"""Pending events that one read folds in. There are a few, for as long as it takes to settle them;
where somebody died over more than that, the rest is folded when it is swept."""

_CHANGING: Final = ("edit", "delete")
"""Kinds of the events that change what a read shows."""


class Waiting(NamedTuple):
    """Pending edits and deletes, in order of channel and offset, and which of the messages that
    they edit are deleted already, by channel and offset."""

    events: Sequence[Entry]
    gone: Collection[tuple[str, int]] = frozenset()


async def read_page(
    database: Database,
    heads: Heads,
    channel: str,
    *,
    after: int,
    before: int,
    limit: int,
    newest_first: bool,
    retention: Retention,
    now_ms: int,
) -> Page:
    """See base, `LogStore.read`. Raises PyMongoError."""
    begun = heads.clock()
    if limit <= 0:
        head, head_n = await read_head(database.entries, channel)
        heads.rise(channel, Head(head, head_n), at=begun)
        return Page((), head, head_n)
    (head, head_n), (marks, pending) = await both(
        read_head(database.entries, channel),
        both(read_marks(database, [channel]), read_pending(database, [channel])),
    )
    heads.rise(channel, Head(head, head_n), at=begun)
    first = max(after, marks.get(channel, 0)) + 1
    if retention.size >= 0:
        first = max(first, head - retention.size + 1)
    last = min(before - 1, head) if before else head
    if first > last:
        return Page((), head, head_n)
    wanted: dict[str, Any] = {
        "c": escape(channel),
        "o": {"$gte": first, "$lte": last},
        "stub": 0,
    }
    if retention.ttl_ms > 0:
        wanted["a"] = {"$gt": now_ms - retention.ttl_ms}
    direction = -1 if newest_first else 1
    found = to_entries(await _in_order(database, wanted, limit, direction))
    return Page(folded(found, pending), head, head_n)


async def read_missed(
    database: Database, heads: Heads, positions: Mapping[str, int], *, limit: int
) -> Sequence[Entry]:
    """See base, `LogStore.missed`. When nothing is missed, one query says so."""
    if len(positions) > MISSED_CHANNELS_MAX:
        raise ValueError(
            f"positions: {len(positions)} channels, at most {MISSED_CHANNELS_MAX} expected"
        )
    if limit <= 0 or not positions:
        return []
    found = await _after(database, positions, limit)
    if not found:
        return found
    runs = {channel: list(run) for channel, run in groupby(found, key=lambda item: item.channel)}
    marks, pending = await both(read_marks(database, runs), read_pending(database, runs))
    holed = [channel for channel, run in runs.items() if _has_hole(run, positions[channel])]
    for channel, run in runs.items():
        heads.rise(channel, Head(run[-1].offset, run[-1].n))

    async def again(channel: str) -> list[Entry]:
        span = {"$gt": positions[channel], "$lte": runs[channel][-1].offset}
        return to_entries(await _in_order(database, {"c": escape(channel), "o": span}, limit))

    runs.update(zip(holed, await over(holed, again), strict=True))
    entries = [entry for run in runs.values() for entry in run][:limit]
    entries = [hidden(entry, marks.get(entry.channel, 0)) for entry in entries]
    return folded(entries, pending)


async def _after(database: Database, positions: Mapping[str, int], limit: int) -> list[Entry]:
    """Entries after the positions, in order of channel and offset."""
    branches: list[Document] = [
        {"c": escape(channel), "o": {"$gt": position}}
        for channel, position in sorted(positions.items())
    ]

    async def query(part: Sequence[Document]) -> list[Entry]:
        return to_entries(await _in_order(database, either(part), limit))

    def enough(answers: Sequence[Sequence[Entry]]) -> bool:
        return sum(map(len, answers)) >= limit

    answers = await database.pace.ask(branches, query, most=MISSED_CHANNELS_MAX, enough=enough)
    return [entry for entries in answers for entry in entries][:limit]


async def read_marks(database: Database, channels: Iterable[str]) -> dict[str, int]:
    """Up to where truncates have blanked these channels; those never truncated are left out."""
    keys = [key(channel) for channel in channels]
    found = (
        await database.channels.find(
            {"_id": keys[0] if len(keys) == 1 else {"$in": keys}, "blanked_to": {"$gt": 0}},
            {"blanked_to": 1},
        )
        .batch_size(CURSOR_ROWS)
        .to_list()
    )
    return {unkey(document["_id"]): int(document["blanked_to"]) for document in found}


async def read_pending(database: Database, channels: Iterable[str]) -> Waiting:
    """Edits and deletes in these channels that are not settled."""
    names = [escape(channel) for channel in channels]
    found = (
        await database.entries.find(
            {
                "p": 1,
                "c": names[0] if len(names) == 1 else {"$in": names},
                "k": {"$in": _CHANGING},
                "stub": 0,
            }
        )
        .sort([("c", 1), ("o", 1)])
        .limit(PENDING_MAX)
        .batch_size(PENDING_MAX)
        .to_list()
    )
    events = to_entries(found)
    edited: dict[str, set[int]] = {}
    for event in events:
        if event.kind == "edit":
            edited.setdefault(event.channel, set()).add(event.ref)
    return Waiting(events, await _read_gone(database, edited) if edited else frozenset())


async def _read_gone(
    database: Database, messages: Mapping[str, Collection[int]]
) -> Collection[tuple[str, int]]:
    """Which of these have been deleted: an edit that crossed that has no text to show."""
    branches: list[Document] = [
        {"c": escape(channel), "o": {"$in": sorted(offsets)}, "d": {"$gt": 0}}
        for channel, offsets in messages.items()
    ]

    async def query(part: Sequence[Document]) -> list[Document]:
        cursor = database.entries.find(either(part), {"_id": 0, "c": 1, "o": 1})
        return await cursor.batch_size(PENDING_MAX + 1).to_list()

    answers = await database.pace.ask(branches, query, most=MISSED_CHANNELS_MAX)
    return {
        (unescape(document["c"]), int(document["o"])) for answer in answers for document in answer
    }


def folded(entries: Sequence[Entry], waiting: Waiting) -> Sequence[Entry]:
    """The entries as pending events make them, those among the entries themselves included: they
    may have been made since the others were asked for."""
    events = {(event.channel, event.offset): event for event in waiting.events}
    for entry in entries:
        if entry.pending and entry.kind in _CHANGING:
            events[entry.channel, entry.offset] = entry
    if not events:
        return entries
    return fold(entries, [events[place] for place in sorted(events)], gone=waiting.gone)


async def _in_order(
    database: Database, wanted: Mapping[str, Any], limit: int, direction: int = 1
) -> list[Document]:
    cursor = database.entries.find(wanted).sort([("c", direction), ("o", direction)])
    return await cursor.limit(limit).batch_size(min(limit, CURSOR_ROWS)).to_list()


def _has_hole(run: Sequence[Entry], position: int) -> bool:
    return run[-1].offset - position != len(run)


def hidden(entry: Entry, blanked_to: int) -> Entry:
    """The entry as it is once a truncate has been carried out."""
    if entry.offset > blanked_to or entry.stub:
        return entry
    return msgspec.structs.replace(
        entry, data=b"", info=None, tags=None, stub=True, summary=b"", notify=False
    )
