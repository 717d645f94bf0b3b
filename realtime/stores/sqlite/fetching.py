"""Finding entries one by one: see base, `ChangeStore`. Each is one statement, see `packing`."""

import functools
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from realtime.model import Entry
from realtime.stores.base import FETCHED_MAX
from realtime.stores.sqlite.packing import BLANKED, COLUMNS, PACKED, unpack, waiting

SHAPES: Final = (1, 10, 100, FETCHED_MAX)
"""How many channels a statement may name: few different numbers, so that it stays prepared."""

_CHANNEL: Final = "SELECT 0 AS place, id FROM channels WHERE name = :channel"

_SELECT_SENT: Final = f"""
    SELECT {PACKED}, {waiting(_CHANNEL)} FROM (
        SELECT 0 AS place, {BLANKED} FROM channels c
        CROSS JOIN entries e INDEXED BY entries_by_client_id
        WHERE c.name = :channel AND e.digest != x''
        AND e.channel_id = c.id AND e.sender = :sender AND e.client_id = :client_id
    )
"""  # noqa: S608 - made of this package's constants only

_SELECT_SENT_BY: Final = f"""
    SELECT {PACKED}, {waiting(_CHANNEL)} FROM (
        SELECT 0 AS place, {BLANKED} FROM channels c CROSS JOIN entries e
        WHERE c.name = :channel AND e.channel_id = c.id
        AND e.sender = :sender AND e.offset > :after
        AND (:stubs OR (e.offset > c.blanked_to AND e.stub = 0))
        ORDER BY e.offset LIMIT :limit
    )
"""  # noqa: S608 - made of this package's constants only

# The names come along, since nobody has given them. What a truncate has taken is still in its
# entry: whoever follows up on that has to see what it said.
_SELECT_PENDING: Final = f"""
    WITH found AS MATERIALIZED (
        SELECT dense_rank() OVER (ORDER BY c.name) - 1 AS place, c.id, c.name, {COLUMNS}
        FROM entries e INDEXED BY entries_pending CROSS JOIN channels c ON c.id = e.channel_id
        WHERE e.pending = 1 AND e.at < :before
        AND (:channel IS NULL OR c.name = :channel)
        ORDER BY c.name, e.offset LIMIT :limit
    )
    SELECT (SELECT json_group_array(name) FROM (SELECT DISTINCT name FROM found ORDER BY place)),
    {PACKED}, {waiting("SELECT DISTINCT place, id FROM found")}
    FROM (SELECT * FROM found ORDER BY place, offset)
"""  # noqa: S608 - made of this package's constants only

# Cut first: much may wait, and only what is answered is looked at whole.
_SELECT_NOTIFIABLE: Final = f"""
    WITH oldest AS MATERIALIZED (
        SELECT e.id, e.channel_id FROM entries e INDEXED BY entries_notifiable
        WHERE e.notify = 1 AND e.at > :after AND e.at < :before
        ORDER BY e.at LIMIT :limit
    ),
    found AS MATERIALIZED (
        SELECT dense_rank() OVER (ORDER BY c.name) - 1 AS place, c.id, c.name, {BLANKED}
        FROM oldest o CROSS JOIN channels c ON c.id = o.channel_id
        CROSS JOIN entries e ON e.id = o.id
    )
    SELECT (SELECT json_group_array(name) FROM (SELECT DISTINCT name FROM found ORDER BY place)),
    {PACKED}, {waiting("SELECT DISTINCT place, id FROM found")}
    FROM (SELECT * FROM found ORDER BY at)
"""  # noqa: S608 - made of this package's constants only

_FAR: Final = 2**62
"""Larger than any time."""

_decode_names = msgspec.json.Decoder(list[str]).decode
_encode = msgspec.json.Encoder().encode


def fetch(
    connection: sqlite3.Connection, wanted: Mapping[str, Collection[int]], *, stubs: bool
) -> Sequence[Entry]:
    """See base."""
    channels = sorted(wanted)
    if not channels:
        return []
    values: list[Any] = [
        value
        for place, channel in enumerate(channels)
        for value in (place, channel, offsets_text(wanted[channel]))
    ]
    shape = next(shape for shape in SHAPES if shape >= len(channels))
    values += [None] * ((shape - len(channels)) * 3)
    columns = connection.execute(_select_wanted(shape), [*values, stubs]).fetchone()
    return unpack(columns, channels)


def find_sent(
    connection: sqlite3.Connection, channel: str, sender: str, client_id: str
) -> Entry | None:
    """See base."""
    values = {"channel": channel, "sender": sender, "client_id": client_id}
    found = unpack(connection.execute(_SELECT_SENT, values).fetchone(), [channel])
    return found[0] if found else None


def sent_by(
    connection: sqlite3.Connection,
    channel: str,
    sender: str,
    *,
    after: int,
    limit: int,
    stubs: bool,
) -> Sequence[Entry]:
    """See base."""
    values = {
        "channel": channel,
        "sender": sender,
        "after": after,
        "limit": max(limit, 0),
        "stubs": stubs,
    }
    return unpack(connection.execute(_SELECT_SENT_BY, values).fetchone(), [channel])


def pending(
    connection: sqlite3.Connection, *, channel: str | None, before_ms: int, limit: int
) -> Sequence[Entry]:
    """See base."""
    values = {"channel": channel, "before": before_ms, "limit": max(limit, 0)}
    names, *columns = connection.execute(_SELECT_PENDING, values).fetchone()
    return unpack(columns, _decode_names(names))


def notifiable(
    connection: sqlite3.Connection, *, after_ms: int, before_ms: int, limit: int
) -> Sequence[Entry]:
    """See base."""
    values = {"after": after_ms or -_FAR, "before": before_ms or _FAR, "limit": max(limit, 0)}
    names, *columns = connection.execute(_SELECT_NOTIFIABLE, values).fetchone()
    return unpack(columns, _decode_names(names))


def offsets_text(offsets: Collection[int]) -> str:
    """Offsets as a value that `json_each` takes apart."""
    return _encode(sorted(set(offsets))).decode()


@functools.cache
def _select_wanted(rows: int) -> str:
    return f"""
        WITH wanted (place, name, offsets) AS (VALUES {", ".join(["(?, ?, ?)"] * rows)}),
        log (place, id, offsets) AS MATERIALIZED (
            SELECT w.place, c.id, w.offsets FROM wanted w CROSS JOIN channels c ON c.name = w.name
        )
        SELECT {PACKED}, {waiting("SELECT place, id FROM log")} FROM (
            SELECT l.place, {BLANKED} FROM log l
            CROSS JOIN json_each(l.offsets) o
            CROSS JOIN channels c ON c.id = l.id
            CROSS JOIN entries e ON e.channel_id = l.id AND e.offset = o.value
            WHERE ? OR NOT (e.stub OR e.offset <= c.blanked_to)
            ORDER BY l.place, e.offset
        )
    """  # noqa: S608 - the only things put in are this package's constants and question marks
