"""What retention takes: found by a reader, taken away by the writer in short transactions.

Whatever is found stays found, so nothing needs to be held between the two: an entry below the
head never becomes the head again, time only goes on, and the id of a row is not given twice,
since the row with the highest id is its channel's head.
"""

import sqlite3
from collections.abc import Callable
from typing import Final

import msgspec

from realtime.model import Retention
from realtime.stores.base import DEDUPE_TTL_MS, Swept

CHANNELS_MAX: Final = 256
"""Channels that one slice looks at. Idle ones cost next to nothing: one statement for all."""

_NEVER: Final = -(2**62)
"""Smaller than any offset and any time."""

_SELECT_CHANNELS: Final = """
    SELECT json_group_array(json_array(name, id, head, blanked_to)) FROM (
        SELECT c.name, c.id, c.blanked_to, (
            SELECT e.offset FROM entries e WHERE e.channel_id = c.id
            ORDER BY e.offset DESC LIMIT 1
        ) AS head
        FROM channels c WHERE c.name > ? ORDER BY c.name LIMIT ?
    )
"""

# Whether the oldest entry is past its time and anything can still be done about the channel.
_SELECT_DUE: Final = """
    WITH log (n, id, head, hidden_to, hidden_at) AS (
        SELECT key, json_extract(value, '$[0]'), json_extract(value, '$[1]'),
            json_extract(value, '$[2]'), json_extract(value, '$[3]')
        FROM json_each(?)
    )
    SELECT json_group_array(l.n) FROM log l CROSS JOIN entries e
    ON e.channel_id = l.id AND e.offset = (
        SELECT o.offset FROM entries o WHERE o.channel_id = l.id ORDER BY o.offset LIMIT 1
    )
    WHERE (e.stub OR e.offset <= l.hidden_to OR e.at <= l.hidden_at)
    AND NOT (e.stub AND e.offset = l.head)
"""

# Stubs and hidden entries are the oldest: the first visible one ends the search. What waits for its
# consequences is left to them for a while: a member who was let in is not to be forgotten.
_SELECT_HIDDEN: Final = """
    SELECT json_group_array(json_array(id, goes)) FROM (
        SELECT e.id, e.offset < :head AND e.at <= :forgotten_at AS goes FROM entries e
        WHERE e.channel_id = :id AND e.offset < coalesce((
            SELECT v.offset FROM entries v
            WHERE v.channel_id = :id AND v.offset > :hidden_to AND v.at > :hidden_at AND v.stub = 0
            ORDER BY v.offset LIMIT 1
        ), :head + 1) AND (goes OR e.stub = 0) AND (
            e.at <= :forgotten_at OR (e.pending = 0 AND e.notify = 0)
        )
        ORDER BY e.offset LIMIT :limit
    )
"""

_DELETE: Final = "DELETE FROM entries WHERE id IN (SELECT value FROM json_each(?))"
_BLANK: Final = """
    UPDATE entries SET data = x'', info = NULL, tags = NULL, summary = x'', stub = 1,
        pending = 0, notify = 0
    WHERE id IN (SELECT value FROM json_each(?)) AND stub = 0
"""


class _Log(msgspec.Struct, array_like=True, gc=False):
    name: str
    id: int
    head: int
    blanked_to: int


class Slice(msgspec.Struct, frozen=True):
    """The rows that one slice takes: deleted, or blanked into stubs. Then where to go on."""

    deleted: list[int]
    blanked: list[int]
    next_channel: str | None


_decode_logs = msgspec.json.Decoder(list[_Log]).decode
_decode_due = msgspec.json.Decoder(list[int]).decode
_decode_hidden = msgspec.json.Decoder(list[tuple[int, int]]).decode
_encode = msgspec.json.Encoder().encode


def find_hidden(
    connection: sqlite3.Connection,
    retention: Callable[[str], Retention],
    *,
    now_ms: int,
    after: str,
    limit: int,
) -> Slice:
    """The next slice after the channel `after`: at most `limit` rows of CHANNELS_MAX channels."""
    (found,) = connection.execute(_SELECT_CHANNELS, (after, CHANNELS_MAX)).fetchone()
    logs = _decode_logs(found)
    bounds = [_bounds(log, retention(log.name), now_ms) for log in logs]
    asked = [
        (log.id, log.head, hidden_to, hidden_at)
        for log, (hidden_to, hidden_at) in zip(logs, bounds, strict=True)
    ]
    (due,) = connection.execute(_SELECT_DUE, (_encode(asked).decode(),)).fetchone()
    deleted: list[int] = []
    blanked: list[int] = []
    for index in sorted(_decode_due(due)):
        room = limit - len(deleted) - len(blanked)
        (found,) = connection.execute(
            _SELECT_HIDDEN,
            {
                "id": logs[index].id,
                "head": logs[index].head,
                "hidden_to": bounds[index][0],
                "hidden_at": bounds[index][1],
                "forgotten_at": now_ms - DEDUPE_TTL_MS,
                "limit": room,
            },
        ).fetchone()
        hidden = _decode_hidden(found)
        deleted += [id for id, goes in hidden if goes]
        blanked += [id for id, goes in hidden if not goes]
        if len(hidden) >= room:
            # This channel may have more: the next slice begins with it again.
            return Slice(deleted, blanked, logs[index - 1].name if index else after)
    return Slice(deleted, blanked, logs[-1].name if len(logs) == CHANNELS_MAX else None)


def take_away(connection: sqlite3.Connection, found: Slice) -> Swept:
    """Delete and blank what was found; in the caller's transaction."""
    changed = 0
    for sql, ids in ((_DELETE, found.deleted), (_BLANK, found.blanked)):
        if ids:
            changed += connection.execute(sql, (_encode(ids).decode(),)).rowcount
    return Swept(changed, found.next_channel)


def truncate(connection: sqlite3.Connection, channel: str) -> None:
    """Blank the whole log at once, however long: a mark that every read heeds.

    The entries themselves are blanked on disk by the sweeps that follow.
    """
    connection.execute(
        """
        UPDATE channels SET blanked_to = coalesce((
            SELECT e.offset FROM entries e WHERE e.channel_id = channels.id
            ORDER BY e.offset DESC LIMIT 1
        ), 0)
        WHERE name = ?
        """,
        (channel,),
    )


def _bounds(log: _Log, retention: Retention, now_ms: int) -> tuple[int, int]:
    """Up to which offset, and up to which time, entries are hidden."""
    hidden_to = log.head - retention.size if retention.size >= 0 else _NEVER
    hidden_at = now_ms - retention.ttl_ms if retention.ttl_ms > 0 else _NEVER
    return max(hidden_to, log.blanked_to), hidden_at
