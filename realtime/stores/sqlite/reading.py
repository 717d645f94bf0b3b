"""Reading logs: a page, or what many channels have after given positions. See `packing`."""

import functools
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from realtime.model import Entry, Retention
from realtime.stores.base import MISSED_CHANNELS_MAX, Page
from realtime.stores.sqlite.packing import BLANKED, COLUMNS, PACKED, unpack, waiting

_FAR: Final = 2**62
"""Larger than any offset and any time."""

_SHAPES: Final = (1, 10, 100, MISSED_CHANNELS_MAX)

_HEAD: Final = """
    WITH log (id, head, head_n, blanked_to) AS (
        SELECT c.id, coalesce(h.offset, 0), coalesce(h.n, 0), c.blanked_to
        FROM channels c LEFT JOIN entries h ON h.id = (
            SELECT e.id FROM entries e WHERE e.channel_id = c.id ORDER BY e.offset DESC LIMIT 1
        )
        WHERE c.name = ?
    )
"""

_SELECT_HEAD: Final = f"{_HEAD} SELECT head, head_n FROM log"  # noqa: S608 - constants only


def _select_page(direction: str) -> str:
    # Parameters: channel, after, size, before, the oldest time hidden, limit. Not a join: SQLite
    # would not see that `log` is one row, and sort all entries before it cuts.
    return f"""{_HEAD}
        SELECT (SELECT head FROM log), (SELECT head_n FROM log),
        {PACKED}, {waiting("SELECT 0 AS place, id FROM log")} FROM (
            SELECT 0 AS place, {COLUMNS} FROM entries e
            WHERE e.channel_id = (SELECT id FROM log)
            AND e.offset > (SELECT max(?, head - ?, blanked_to) FROM log) AND e.offset < ?
            AND e.at > ? AND e.stub = 0
            ORDER BY e.offset {direction} LIMIT ?
        )
    """  # noqa: S608 - made of this package's constants only


_SELECT_OLDEST: Final = _select_page("ASC")
_SELECT_NEWEST: Final = _select_page("DESC")

# Parameters: the channel's number, after, limit.
_SELECT_AFTER: Final = f"""
    WITH wanted (id, after) AS (VALUES (?, ?))
    SELECT {PACKED}, {waiting("SELECT 0 AS place, id FROM wanted")} FROM (
        SELECT 0 AS place, {BLANKED} FROM channels c CROSS JOIN entries e
        WHERE c.id = (SELECT id FROM wanted)
        AND e.channel_id = c.id AND e.offset > (SELECT after FROM wanted)
        ORDER BY e.offset LIMIT ?
    )
"""  # noqa: S608 - made of this package's constants only


class _Behind(msgspec.Struct, array_like=True, gc=False):
    """A channel that has entries after the position asked about."""

    name: str
    id: int
    after: int
    head: int


_decode_behind = msgspec.json.Decoder(list[_Behind]).decode


def read_page(
    connection: sqlite3.Connection,
    channel: str,
    *,
    after: int,
    before: int,
    limit: int,
    newest_first: bool,
    retention: Retention,
    now_ms: int,
) -> Page:
    """See base, `LogStore.read`. One statement, so one snapshot."""
    if limit <= 0:
        row = connection.execute(_SELECT_HEAD, (channel,)).fetchone()
        return Page((), *(row or (0, 0)))
    head, head_n, *columns = connection.execute(
        _SELECT_NEWEST if newest_first else _SELECT_OLDEST,
        (
            channel,
            after,
            retention.size if retention.size >= 0 else _FAR,
            before or _FAR,
            now_ms - retention.ttl_ms if retention.ttl_ms > 0 else -_FAR,
            limit,
        ),
    ).fetchone()
    return Page(unpack(columns, [channel]), head or 0, head_n or 0)


def read_missed(
    connection: sqlite3.Connection, positions: Mapping[str, int], *, limit: int
) -> Sequence[Entry]:
    """See base, `LogStore.missed`. When nothing is missed, one statement says so."""
    if limit <= 0:
        return []
    values: list[Any] = [value for position in positions.items() for value in position]
    sql, values = _filled(_select_behind, values, len(positions))
    (found,) = connection.execute(sql, values).fetchone()
    behind = sorted(_decode_behind(found), key=lambda channel: channel.name)
    entries: list[Entry] = []
    start = 0
    while start < len(behind) and len(entries) < limit:
        room = limit - len(entries)
        run = _run_that_fits(behind[start:], room)
        entries += _read_after(connection, run, room)
        start += len(run)
    return entries


def read_names(connection: sqlite3.Connection, *, after: str, limit: int) -> Sequence[str]:
    """See base, `CopySource.channels`: a channel is known from its first entry on, for ever."""
    rows = connection.execute(
        "SELECT name FROM channels WHERE name > ? ORDER BY name LIMIT ?", (after, max(limit, 0))
    )
    return [name for (name,) in rows]


def _run_that_fits(behind: Sequence[_Behind], room: int) -> Sequence[_Behind]:
    """As many channels as surely fit into `room` together, at least one.

    Several channels are sorted by SQLite before it cuts, so they must be few; a single one comes
    out of its index in order, however much follows.
    """
    for count, channel in enumerate(behind):
        room -= channel.head - channel.after
        if room < 0:
            return behind[: max(count, 1)]
    return behind


def _read_after(
    connection: sqlite3.Connection, run: Sequence[_Behind], limit: int
) -> Sequence[Entry]:
    names = [channel.name for channel in run]
    if len(run) == 1:
        values: list[Any] = [run[0].id, run[0].after]
        sql = _SELECT_AFTER
    else:
        values = [
            value
            for index, channel in enumerate(run)
            for value in (index, channel.id, channel.after)
        ]
        sql, values = _filled(_select_run, values, len(run))
    return unpack(connection.execute(sql, [*values, limit]).fetchone(), names)


def _filled(select: Callable[[int], str], values: list[Any], rows: int) -> tuple[str, list[Any]]:
    """A statement of one of a few shapes, its values filled with nulls, which match nothing."""
    shape = next(shape for shape in _SHAPES if shape >= rows)
    width = len(values) // rows if rows else 2
    return select(shape), values + [None] * ((shape - rows) * width)


@functools.cache
def _select_behind(rows: int) -> str:
    return f"""
        WITH wanted (name, after) AS (VALUES {", ".join(["(?, ?)"] * rows)}),
        behind AS (
            SELECT w.name, c.id, w.after, (
                SELECT e.offset FROM entries e WHERE e.channel_id = c.id
                ORDER BY e.offset DESC LIMIT 1
            ) AS head
            FROM wanted w CROSS JOIN channels c ON c.name = w.name
        )
        SELECT json_group_array(json_array(name, id, after, head)) FROM behind WHERE head > after
    """  # noqa: S608 - the only thing put in is a number of question marks


@functools.cache
def _select_run(rows: int) -> str:
    return f"""
        WITH wanted (place, id, after) AS (VALUES {", ".join(["(?, ?, ?)"] * rows)})
        SELECT {PACKED}, {waiting("SELECT place, id FROM wanted")} FROM (
            SELECT w.place, {BLANKED} FROM wanted w
            CROSS JOIN channels c ON c.id = w.id
            CROSS JOIN entries e ON e.channel_id = w.id AND e.offset > w.after
            ORDER BY w.place, e.offset LIMIT ?
        )
    """  # noqa: S608 - the only things put in are this package's constants and question marks
