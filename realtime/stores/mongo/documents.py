"""Entries as documents, and back.

Names of fields are short: they are stored with each entry. Every field is always there, because
not every server matches `$ne` or null with a field that is absent; those that an older version did
not have, `ADDED`, are what is said there where they are absent. What clients name freely, tags and
the parts of info, is one binary value: no key of theirs ever becomes the name of a field.
"""

from collections.abc import Iterable
from typing import Final, cast

import msgspec
from bson import ObjectId

from realtime.errors import StoreCorrupt
from realtime.model import ClientInfo, Entry, Kind, NewEntry
from realtime.stores.mongo.client import Document
from realtime.stores.mongo.pace import and_either
from realtime.stores.mongo.text import escape, unescape

STUB: Final[Document] = {"stub": 1, "info": b"", "tags": b"", "data": b"", "sum": b"", "q": 0}
"""What the fields of an entry are set to that retention has taken."""

ADDED: Final[Document] = {"n": 0, "u": 0, "x": 0, "p": 0, "sum": b"", "by": 0, "q": 0}
"""Fields that came after version 1.0, and what they are in a document without them.

`n`, `u` (counts), `x` (changed), `p` (pending) and, since 1.2, `q` (notify) are as in an `Entry`;
`by` is the offset of the last event that `sum`, the summary, was made of.
"""

encode: Final = msgspec.msgpack.Encoder().encode
_decode_info = msgspec.msgpack.Decoder(ClientInfo).decode
decode_tags: Final = msgspec.msgpack.Decoder(dict[str, str]).decode

Faulty = (KeyError, TypeError, ValueError, AttributeError, msgspec.MsgspecError)
"""What comes of reading a document that another program has made or changed."""


def from_new(entry: NewEntry) -> Document:
    """A document without its place, `o` and `n`. Its `_id` is this very call's: whoever finds it
    again after a lost answer knows that it is what was to be inserted."""
    return {
        "_id": ObjectId(),
        "c": escape(entry.channel),
        "o": 0,
        "s": escape(entry.sender),
        "i": escape(entry.client_id),
        "k": entry.kind,
        "g": entry.digest,
        "a": entry.at,
        "r": entry.ref,
        "e": 0,
        "d": 0,
        "stub": 0,
        "info": b"" if entry.info is None else encode(entry.info),
        "tags": encode_tags(entry.tags),
        "data": entry.data,
        "n": 0,
        "u": int(entry.counts),
        "x": 0,
        "p": int(entry.pending),
        "sum": b"",
        "by": 0,
        "q": int(entry.notify),
    }


def from_entry(entry: Entry) -> Document:
    """A document with the entry's own offset and all that has happened to it."""
    return {
        "_id": ObjectId(),
        "c": escape(entry.channel),
        "o": entry.offset,
        "s": escape(entry.sender),
        "i": escape(entry.client_id),
        "k": entry.kind,
        "g": entry.digest,
        "a": entry.at,
        "r": entry.ref,
        "e": entry.edited_at,
        "d": entry.deleted_at,
        "stub": int(entry.stub),
        "info": b"" if entry.info is None else encode(entry.info),
        "tags": encode_tags(entry.tags),
        "data": entry.data,
        "n": entry.n,
        "u": int(entry.counts),
        "x": entry.changed,
        "p": int(entry.pending),
        "sum": entry.summary,
        "by": 0,
        "q": int(entry.notify),
    }


def encode_tags(tags: dict[str, str] | None) -> bytes:
    """As they are kept."""
    return b"" if tags is None else encode(tags)


def is_lower(field: str, limit: int) -> Document:
    """Matches documents in which an added number is lower, or absent and therefore 0."""
    told: Document = {field: {"$lt": limit}}
    return and_either(told, {field: {"$exists": False}}) if limit > 0 else told


def to_entry(document: Document, *, blanked_to: int = 0) -> Entry:
    """The entry; a stub if it is at or below `blanked_to`. Raises StoreCorrupt.

    Fields that this version does not know are left alone.
    """
    try:
        offset = int(document["o"])
        stub = bool(document["stub"]) or offset <= blanked_to
        info, tags = document["info"], document["tags"]
        return Entry(
            channel=unescape(document["c"]),
            offset=offset,
            data=b"" if stub else bytes(document["data"]),
            at=int(document["a"]),
            # A kind of a later version is passed on by its name.
            kind=cast(Kind, document["k"]),
            sender=unescape(document["s"]),
            client_id=unescape(document["i"]),
            digest=bytes(document["g"]),
            ref=int(document["r"]),
            info=_decode_info(info) if info and not stub else None,
            tags=decode_tags(tags) if tags and not stub else None,
            edited_at=int(document["e"]),
            deleted_at=int(document["d"]),
            stub=stub,
            n=int(document.get("n", 0)),
            counts=bool(document.get("u", 0)),
            changed=int(document.get("x", 0)),
            pending=bool(document.get("p", 0)),
            summary=b"" if stub else bytes(document.get("sum", b"")),
            notify=bool(document.get("q", 0)) and not stub,
        )
    except Faulty:
        # The error's own words may quote what somebody sent.
        raise StoreCorrupt("entries: there is a document that this program cannot read") from None


def to_entries(documents: Iterable[Document]) -> list[Entry]:
    """Each as an entry."""
    return [to_entry(document) for document in documents]
