"""Reading logs: a page, or what many channels have after given positions.

A result of N rows costs N + 2 hand-overs of the interpreter's lock (see `appending`): with the
loop thread at its limit a page of 100 entries took 4.5 ms that way. So each statement packs its
rows into one: numbers and texts as JSON, the data joined end to end with its lengths beside it;
0.8 ms for the same page. SQLite joins texts and blobs by length, so every byte survives.
"""

import functools
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from realtime.model import ClientInfo, Entry, Kind, Retention
from realtime.stores.base import MISSED_CHANNELS_MAX, Page

_FAR: Final = 2**62
"""Larger than any offset and any time."""

_SHAPES: Final = (1, 10, 100, MISSED_CHANNELS_MAX)

_PACKED: Final = """
    json_group_array(json_array(
        n, offset, at, kind, sender, client_id, hex(digest), ref, edited_at, deleted_at, stub,
        hex(info), hex(tags), length(data)
    )),
    CAST(group_concat(data, '') AS BLOB)
"""

_HEAD: Final = """
    WITH log (id, head, blanked_to) AS (
        SELECT c.id, coalesce((
            SELECT e.offset FROM entries e WHERE e.channel_id = c.id
            ORDER BY e.offset DESC LIMIT 1
        ), 0), c.blanked_to
        FROM channels c WHERE c.name = ?
    )
"""

_SELECT_HEAD: Final = f"{_HEAD} SELECT head FROM log"  # noqa: S608 - constants only


def _select_page(direction: str) -> str:
    # Parameters: channel, after, size, before, the oldest time hidden, limit. Not a join: SQLite
    # would not see that `log` is one row, and sort all entries before it cuts.
    return f"""{_HEAD}
        SELECT (SELECT head FROM log), {_PACKED} FROM (
            SELECT 0 AS n, e.* FROM entries e
            WHERE e.channel_id = (SELECT id FROM log)
            AND e.offset > (SELECT max(?, head - ?, blanked_to) FROM log) AND e.offset < ?
            AND e.at > ? AND e.stub = 0
            ORDER BY e.offset {direction} LIMIT ?
        )
    """  # noqa: S608 - made of this module's constants only


_SELECT_OLDEST: Final = _select_page("ASC")
_SELECT_NEWEST: Final = _select_page("DESC")

_BLANKED: Final = """
    e.offset, e.at, e.kind, e.sender, e.client_id, e.digest, e.ref, e.edited_at, e.deleted_at,
    e.stub OR e.offset <= c.blanked_to AS stub,
    iif(e.offset <= c.blanked_to, NULL, e.info) AS info,
    iif(e.offset <= c.blanked_to, NULL, e.tags) AS tags,
    iif(e.offset <= c.blanked_to, x'', e.data) AS data
"""
"""An entry's columns as they are once a truncate has been carried out."""

_SELECT_AFTER: Final = f"""
    SELECT {_PACKED} FROM (
        SELECT 0 AS n, {_BLANKED} FROM channels c CROSS JOIN entries e
        WHERE c.id = ? AND e.channel_id = c.id AND e.offset > ?
        ORDER BY e.offset LIMIT ?
    )
"""  # noqa: S608 - made of this module's constants only


class _Row(msgspec.Struct, array_like=True, gc=False):
    """A packed row; blobs that are small are hexadecimal."""

    n: int
    offset: int
    at: int
    kind: Kind
    sender: str
    client_id: str
    digest: str
    ref: int
    edited_at: int
    deleted_at: int
    stub: int
    info: str
    tags: str
    length: int


class _Behind(msgspec.Struct, array_like=True, gc=False):
    """A channel that has entries after the position asked about."""

    name: str
    id: int
    after: int
    head: int


_decode_rows = msgspec.json.Decoder(list[_Row]).decode
_decode_behind = msgspec.json.Decoder(list[_Behind]).decode
_decode_info = msgspec.msgpack.Decoder(ClientInfo).decode
_decode_tags = msgspec.msgpack.Decoder(dict[str, str]).decode


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
        return Page((), 0 if row is None else row[0])
    head, packed, data = connection.execute(
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
    return Page(_unpack(packed, data, [channel]), head or 0)


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


def _read_after(connection: sqlite3.Connection, run: Sequence[_Behind], limit: int) -> list[Entry]:
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
    packed, data = connection.execute(sql, [*values, limit]).fetchone()
    return _unpack(packed, data, names)


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
        WITH wanted (n, id, after) AS (VALUES {", ".join(["(?, ?, ?)"] * rows)})
        SELECT {_PACKED} FROM (
            SELECT w.n, {_BLANKED} FROM wanted w
            CROSS JOIN channels c ON c.id = w.id
            CROSS JOIN entries e ON e.channel_id = w.id AND e.offset > w.after
            ORDER BY w.n, e.offset LIMIT ?
        )
    """  # noqa: S608 - the only things put in are this module's constants and question marks


def _unpack(packed: str, data: bytes | None, channels: Sequence[str]) -> list[Entry]:
    return list(_entries(_decode_rows(packed), data or b"", channels))


def _entries(rows: Iterable[_Row], data: bytes, channels: Sequence[str]) -> Iterable[Entry]:
    start = 0
    for row in rows:
        end = start + row.length
        yield Entry(
            channel=channels[row.n],
            offset=row.offset,
            data=data[start:end],
            at=row.at,
            kind=row.kind,
            sender=row.sender,
            client_id=row.client_id,
            digest=bytes.fromhex(row.digest),
            ref=row.ref,
            info=_decode_info(bytes.fromhex(row.info)) if row.info else None,
            tags=_decode_tags(bytes.fromhex(row.tags)) if row.tags else None,
            edited_at=row.edited_at,
            deleted_at=row.deleted_at,
            stub=bool(row.stub),
        )
        start = end
