"""Many entries in one row of a result, with the changes of them that still wait.

A result of N rows costs N + 2 hand-overs of the interpreter's lock (see `appending`): with the
loop thread at its limit a page of 100 entries took 4.5 ms that way. So each statement packs its
rows into one: numbers and texts as JSON, the data joined end to end with its lengths beside it;
0.8 ms for the same page. SQLite joins texts and blobs by length, so every byte survives.

Beside the entries go the edits and deletes of their channels that nobody has carried out yet: in
the same statement, so of the same moment. Where none waits, which is nearly always, that is two
looks into an empty index.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from realtime.model import ClientInfo, Entry, Kind
from realtime.stores.base.folding import fold

PACKED: Final = """
    json_group_array(json_array(
        place, offset, at, kind, sender, client_id, hex(digest),
        stub + 2 * counts + 4 * pending + 8 * notify, hex(info), hex(tags), length(data), n,
        CASE WHEN ref OR changed OR edited_at OR deleted_at OR length(summary)
        THEN ref || ' ' || changed || ' ' || edited_at || ' ' || deleted_at || ' ' || hex(summary)
        ELSE '' END
    )),
    CAST(group_concat(data, '') AS BLOB)
"""
"""Two columns: rows made of `place`, which says whose they are, and an entry's columns."""

COLUMNS: Final = """
    e.offset, e.at, e.kind, e.sender, e.client_id, e.digest, e.ref, e.edited_at, e.deleted_at,
    e.stub, e.info, e.tags, e.data, e.n, e.counts, e.changed, e.pending, e.summary,
    e.notify
"""
"""An entry's columns as they are kept."""


def _blanked(deleted_at: str) -> str:
    return f"""
        e.offset, e.at, e.kind, e.sender, e.client_id, e.digest, e.ref, e.edited_at,
        {deleted_at} AS deleted_at,
        e.stub OR e.offset <= c.blanked_to AS stub,
        iif(e.offset <= c.blanked_to, NULL, e.info) AS info,
        iif(e.offset <= c.blanked_to, NULL, e.tags) AS tags,
        iif(e.offset <= c.blanked_to, x'', e.data) AS data,
        e.n, e.counts, e.changed, e.pending,
        iif(e.offset <= c.blanked_to, x'', e.summary) AS summary,
        iif(e.offset <= c.blanked_to, 0, e.notify) AS notify
    """


BLANKED: Final = _blanked("e.deleted_at")
"""An entry's columns as they are once a truncate has been carried out; `c` is its channel."""

_WAITING: Final = _blanked("""
    coalesce((
        SELECT m.deleted_at FROM entries m WHERE m.channel_id = e.channel_id AND m.offset = e.ref
    ), 0)
""")
"""The columns of an event that waits, with when the message was deleted that it is about."""


def waiting(places: str) -> str:
    """Two more columns: the edits and deletes that wait in the channels of `places`, packed.

    `places` is a statement of this package that gives (place, channel id).
    """
    rows = f"""
        SELECT w.place, {_WAITING} FROM ({places}) w
        CROSS JOIN entries e INDEXED BY entries_pending
        ON e.channel_id = w.id AND e.pending = 1 AND e.kind IN ('edit', 'delete')
        CROSS JOIN channels c ON c.id = w.id
        ORDER BY w.place, e.offset
    """  # noqa: S608 - made of this package's constants only
    described, data = PACKED.rsplit(",\n", 1)
    return f"(SELECT {described} FROM ({rows})), (SELECT {data} FROM ({rows}))"  # noqa: S608


class _Row(msgspec.Struct, array_like=True, gc=False):
    """A packed row; blobs that are small are hexadecimal."""

    place: int
    offset: int
    at: int
    kind: Kind
    sender: str
    client_id: str
    digest: str
    flags: int
    info: str
    tags: str
    length: int
    n: int
    rest: str
    """What most entries do not have: ref, changed, edited_at, deleted_at, summary; "" for none."""


_decode_rows = msgspec.json.Decoder(list[_Row]).decode
_decode_info = msgspec.msgpack.Decoder(ClientInfo).decode
decode_tags: Final = msgspec.msgpack.Decoder(dict[str, str]).decode
encode: Final = msgspec.msgpack.Encoder().encode


_NO_REST: Final = (0, 0, 0, 0, b"")


def unpack(columns: Sequence[Any], channels: Sequence[str]) -> Sequence[Entry]:
    """The entries of a packed row, each with the name at its place, and what waits folded in."""
    packed, data, waiting, waiting_data = columns
    entries = list(_entries(_decode_rows(packed), data or b"", channels))
    if waiting == "[]":
        return entries
    events = list(_entries(_decode_rows(waiting), waiting_data or b"", channels))
    gone = {(event.channel, event.ref) for event in events if event.deleted_at}
    return fold(entries, events, gone=gone)


def _entries(rows: Iterable[_Row], data: bytes, channels: Sequence[str]) -> Iterable[Entry]:
    start = 0
    for row in rows:
        end = start + row.length
        flags = row.flags
        digest = bytes.fromhex(row.digest)
        info = _decode_info(bytes.fromhex(row.info)) if row.info else None
        tags = decode_tags(bytes.fromhex(row.tags)) if row.tags else None
        ref, changed, edited_at, deleted_at, summary = _rest(row.rest) if row.rest else _NO_REST
        yield Entry(
            channels[row.place],
            row.offset,
            data[start:end],
            row.at,
            row.kind,
            row.sender,
            row.client_id,
            digest,
            ref,
            info,
            tags,
            edited_at,
            deleted_at,
            flags & 1 != 0,
            row.n,
            flags & 2 != 0,
            changed,
            flags & 4 != 0,
            summary,
            flags & 8 != 0,
        )
        start = end


def _rest(packed: str) -> tuple[int, int, int, int, bytes]:
    ref, changed, edited_at, deleted_at, summary = packed.split(" ")
    return int(ref), int(changed), int(edited_at), int(deleted_at), bytes.fromhex(summary)
