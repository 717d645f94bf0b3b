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
        place, offset, at, kind, sender, client_id, hex(digest), ref, edited_at, deleted_at, stub,
        hex(info), hex(tags), length(data), n, counts, changed, pending, hex(summary)
    )),
    CAST(group_concat(data, '') AS BLOB)
"""
"""Two columns: rows made of `place`, which says whose they are, and an entry's columns."""

COLUMNS: Final = """
    e.offset, e.at, e.kind, e.sender, e.client_id, e.digest, e.ref, e.edited_at, e.deleted_at,
    e.stub, e.info, e.tags, e.data, e.n, e.counts, e.changed, e.pending, e.summary
"""
"""An entry's columns as they are kept."""

BLANKED: Final = """
    e.offset, e.at, e.kind, e.sender, e.client_id, e.digest, e.ref, e.edited_at, e.deleted_at,
    e.stub OR e.offset <= c.blanked_to AS stub,
    iif(e.offset <= c.blanked_to, NULL, e.info) AS info,
    iif(e.offset <= c.blanked_to, NULL, e.tags) AS tags,
    iif(e.offset <= c.blanked_to, x'', e.data) AS data,
    e.n, e.counts, e.changed, e.pending,
    iif(e.offset <= c.blanked_to, x'', e.summary) AS summary
"""
"""An entry's columns as they are once a truncate has been carried out; `c` is its channel."""


def waiting(places: str) -> str:
    """Two more columns: the edits and deletes that wait in the channels of `places`, packed.

    `places` is a statement of this package that gives (place, channel id).
    """
    rows = f"""
        SELECT w.place, {BLANKED} FROM ({places}) w
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
    ref: int
    edited_at: int
    deleted_at: int
    stub: int
    info: str
    tags: str
    length: int
    n: int
    counts: int
    changed: int
    pending: int
    summary: str


_decode_rows = msgspec.json.Decoder(list[_Row]).decode
_decode_info = msgspec.msgpack.Decoder(ClientInfo).decode
decode_tags: Final = msgspec.msgpack.Decoder(dict[str, str]).decode
encode: Final = msgspec.msgpack.Encoder().encode


def unpack(columns: Sequence[Any], channels: Sequence[str]) -> Sequence[Entry]:
    """The entries of a packed row, each with the name at its place, and what waits folded in."""
    packed, data, waiting, waiting_data = columns
    entries = list(_entries(_decode_rows(packed), data or b"", channels))
    if waiting == "[]":
        return entries
    return fold(entries, list(_entries(_decode_rows(waiting), waiting_data or b"", channels)))


def _entries(rows: Iterable[_Row], data: bytes, channels: Sequence[str]) -> Iterable[Entry]:
    start = 0
    for row in rows:
        end = start + row.length
        yield Entry(
            channel=channels[row.place],
            offset=row.offset,
            data=data[start:end],
            at=row.at,
            kind=row.kind,
            sender=row.sender,
            client_id=row.client_id,
            digest=bytes.fromhex(row.digest),
            ref=row.ref,
            info=_decode_info(bytes.fromhex(row.info)) if row.info else None,
            tags=decode_tags(bytes.fromhex(row.tags)) if row.tags else None,
            edited_at=row.edited_at,
            deleted_at=row.deleted_at,
            stub=bool(row.stub),
            n=row.n,
            counts=bool(row.counts),
            changed=row.changed,
            pending=bool(row.pending),
            summary=bytes.fromhex(row.summary),
        )
        start = end
