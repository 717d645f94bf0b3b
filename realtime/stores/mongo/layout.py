"""Rows of tables as documents: which fields, which `_id`, in which order.

A document has every field of its row under the row's own name. A text begins with `_TEXT` and is
escaped, as keys are: one that is empty or looks like a number or a date is a trap in some servers.
Bytes are a text too, since servers that are built on JSON do not find a binary value again: JSON,
which they are as a rule, stays legible, and what is no UTF-8 is a character a byte.

The `_id` is a text made of the parts of the key, which sorts as they do. What separates them comes
before every character and every escape, so a part that begins with another part comes after it.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic

import msgspec

from realtime.errors import StoreCorrupt
from realtime.stores.base import Key, Row, Span, Table, Value
from realtime.stores.mongo.client import Document
from realtime.stores.mongo.documents import Faulty
from realtime.stores.mongo.pace import either
from realtime.stores.mongo.text import escape, unescape

_TEXT: Final = ":"
_BYTES: Final = "="
"""Begins bytes that are no UTF-8."""

_SEPARATOR: Final = "\x01\x01"
_AFTER_SEPARATOR: Final = "\x01\x02"
"""The first of what may come at the end of a part but a separator."""

_PART_ESCAPE: Final = str.maketrans({"\x00": "\x01\x02", "\x01": "\x01\x03"})
_CONTROLS: Final = re.compile("[\x00\x01]")

_ABSENT: Final = object()
"""What is found of a field that is not there."""

_INTEGERS: Final = range(-(2**63), 2**63)
_FIRST_INTEGER: Final = _INTEGERS.start


class Layout(Generic[Row]):
    """How the rows of one table are kept."""

    def __init__(self, table: Table[Row]) -> None:
        self.table = table
        fields = msgspec.structs.fields(table.row)
        self.defaults: Mapping[str, Value] = {
            field.name: field.default for field in fields if field.name not in table.key
        }
        self._types: Mapping[str, type] = {field.name: field.type for field in fields}
        self._columns = [(field.name, field.type) for field in fields]

    def id_of(self, key: Key) -> str:
        """The `_id` of the row with this key. Raises ValueError, TypeError."""
        if len(key) != len(self.table.key):
            raise ValueError(f"{self.table}: a key has {len(self.table.key)} parts")
        return _TEXT + _SEPARATOR.join([_part(value) for value in key])

    def stored(self, field: str, value: Value) -> str | int:
        """The value as the field has it. Raises ValueError, TypeError."""
        expected = self._types.get(field)
        if expected is None:
            raise ValueError(f"{self.table} has no field {field}")
        if not isinstance(value, expected):
            raise TypeError(f"{self.table}: {field} is not {type(value).__name__}")
        return _stored(value)

    def default(self, field: str) -> Value | None:
        """What the field is in a row that does not say; None for one of the key."""
        return self.defaults.get(field)

    def number(self, field: str) -> int:
        """The default of a field that is an integer. Raises TypeError for another one."""
        default = self.defaults.get(field)
        if not isinstance(default, int):
            raise TypeError(f"{self.table}: {field} is not a number that can be changed")
        return default

    def where(self, field: str, condition: Any, *, by_default: bool) -> Document:
        """Matches documents in which the field meets the condition; `by_default`: or is absent,
        since an older version did not have it."""
        told: Document = {field: condition}
        return either([told, {field: {"$exists": False}}]) if by_default else told

    def fields(self, values: Mapping[str, Value]) -> Document:
        """Each value as its field has it."""
        return {field: self.stored(field, value) for field, value in values.items()}

    def document(self, row: Row) -> Document:
        """The whole row."""
        values = msgspec.structs.asdict(row)
        return {"_id": self.id_of(self.table.key_of(row)), **self.fields(values)}

    def row(self, document: Document) -> Row:
        """The row; fields that an older version did not have are at their default, and those of a
        later one are left alone. Raises StoreCorrupt."""
        get = document.get
        values: list[Value] = []
        # Hundreds of rows at once are read by a client that comes back, field by field.
        try:
            for field, kind in self._columns:
                stored = get(field, _ABSENT)
                if stored is _ABSENT:
                    values.append(self.defaults[field])
                elif kind is int:
                    values.append(int(stored))
                else:
                    text = stored[1:]
                    text = unescape(text) if "\x01" in text else text
                    values.append(text if kind is str else _bytes(stored[0], text))
        except Faulty:
            # The error's own words may quote what somebody sent.
            raise StoreCorrupt(
                f"{self.table.name}: there is a row that this program cannot read"
            ) from None
        return self.table.row(*values)

    def order(self, by: tuple[str, ...]) -> tuple[str, ...]:
        """The fields in whose order rows are found; () is the key. Raises ValueError."""
        if by and by not in self.table.indexes:
            raise ValueError(f"{self.table}: no index on {', '.join(by)}")
        return in_order_of(self.table, by)

    def within(self, by: tuple[str, ...], span: Span) -> Document:
        """What matches the rows of a span that is of `by`. Raises ValueError, TypeError."""
        if not by:
            return self._within_key(span)
        wanted = self.fields(dict(zip(by, span.equal, strict=False)))
        if span.after is not None or span.before is not None:
            field = by[len(span.equal)]
            bounds = (("$gt", span.after), ("$lt", span.before))
            wanted[field] = {
                operator: self.stored(field, value)
                for operator, value in bounds
                if value is not None
            }
        return wanted

    def _within_key(self, span: Span) -> Document:
        if len(span.equal) == len(self.table.key):
            return {"_id": self.id_of(span.equal)}
        start = _TEXT + "".join([_part(value) + _SEPARATOR for value in span.equal])
        bounds: Document = {}
        if span.after is not None:
            bounds["$gte"] = start + _part(span.after) + _AFTER_SEPARATOR
        elif span.equal:
            bounds["$gte"] = start
        if span.before is not None:
            bounds["$lt"] = start + _part(span.before)
        elif span.equal:
            bounds["$lt"] = start.removesuffix(_SEPARATOR) + _AFTER_SEPARATOR
        return {"_id": bounds} if bounds else {}


@functools.lru_cache(maxsize=256)
def layout_of(table: Table[Row]) -> Layout[Row]:
    """The layout of a table."""
    return Layout(table)


def in_order_of(table: Table[Any], fields: Sequence[str]) -> tuple[str, ...]:
    """The fields, then those of the key that are not among them."""
    return (*fields, *[field for field in table.key if field not in fields])


def _part(value: Value) -> str:
    """A part of a key: sorts as the value does."""
    if isinstance(value, int):
        return f"{_checked(value) - _FIRST_INTEGER:016x}"
    if not isinstance(value, str):
        raise TypeError(f"a part of a key is a text or an integer, not {type(value).__name__}")
    return value.translate(_PART_ESCAPE) if _CONTROLS.search(value) else value


def _stored(value: Value) -> str | int:
    if isinstance(value, int):
        # A server would take True for something else than 1.
        return int(_checked(value))
    if isinstance(value, str):
        return _TEXT + escape(value)
    try:
        return _TEXT + escape(value.decode())
    except UnicodeDecodeError:
        return _BYTES + escape(value.decode("latin-1"))


def _bytes(first: str, text: str) -> bytes:
    return text.encode("latin-1" if first == _BYTES else "utf-8")


def _checked(value: int) -> int:
    if value not in _INTEGERS:
        raise ValueError("an integer has more than 64 bits")
    return value
