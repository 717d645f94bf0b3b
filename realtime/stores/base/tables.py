"""Tables beside the logs: typed rows, found by key or in the order of an index.

What a row means, and which there are, is `realtime.rows`; a driver makes of each `Table` what its
store calls one, with an index for the key and for each of `indexes`, and adds columns that a later
version declares. See `realtime.stores.base`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

SPANS_MAX: Final = 1_000
"""The most spans that one `find` may look through, and keys that one `get` may ask for."""

WRITES_MAX: Final = 2_000
"""The most writes of one `write`; a driver may carry them out in parts, so as not to hold up
others. No fewer than SPANS_MAX: what was read in one call can be changed in one."""

Row = TypeVar("Row", bound=msgspec.Struct)
Value = str | int | bytes
Key = tuple[Value, ...]


class Table(Generic[Row]):
    """A kind of rows. Two tables are the same if they have the same name.

    `row` is a frozen struct whose fields are text, integers (64 bits, signed) or bytes; those of
    `key`, the first ones, identify a row and are text or integers, the others have defaults. Each
    of `indexes` names fields in whose order rows can be found; `find` also takes the key. Names are
    short words of letters and `_`. Texts may hold any character; they sort by code point.
    """

    __slots__ = ("indexes", "key", "name", "row")

    def __init__(
        self,
        name: str,
        row: type[Row],
        *,
        key: tuple[str, ...],
        indexes: tuple[tuple[str, ...], ...] = (),
    ) -> None:
        self.name = name
        self.row = row
        self.key = key
        self.indexes = indexes

    def __repr__(self) -> str:
        return f"<Table {self.name}>"

    def key_of(self, row: Row) -> Key:
        """The row's key."""
        return tuple(getattr(row, field) for field in self.key)


class Span(msgspec.Struct, frozen=True):
    """A run of an index: rows whose first fields equal `equal`, in the index's order.

    The next field may be bounded, on either side, exclusively, by a value of its type.
    """

    equal: Key = ()
    after: Value | None = None
    before: Value | None = None


class Write(msgspec.Struct, frozen=True):
    """One row to be made or changed. Fields that are not named keep their value, or the default.

    `set` is always set; `initial` only in a row that is made by this; `highest` raises a field to a
    value and never lowers it; `add` adds to a field. No field is in two of them.

    The write is carried out or not as a whole: `absent`: only if there is no such row; `present`:
    only if there is; `below`: (field, value), only if there is no such row, or the field is lower
    than the value in it, which usually sets that field too; `equals`: only if the row is there and
    the fields have these values.
    """

    table: Table[Any]
    key: Key
    set: Mapping[str, Value] = {}
    initial: Mapping[str, Value] = {}
    highest: Mapping[str, int] = {}
    add: Mapping[str, int] = {}
    absent: bool = False
    present: bool = False
    below: tuple[str, int] | None = None
    equals: Mapping[str, Value] = {}


class Removal(msgspec.Struct, frozen=True):
    """One row to be removed; `equals`: only if these fields have these values."""

    table: Table[Any]
    key: Key
    equals: Mapping[str, Value] = {}


class TableStore(Protocol):
    """Rows beside the logs. What a call answers is durable, and what it reads was committed."""

    async def get(self, table: Table[Row], keys: Sequence[Key]) -> Sequence[Row]:
        """The rows with these keys that are there, in no order; at most SPANS_MAX. One read."""
        ...

    async def find(
        self,
        table: Table[Row],
        *spans: Span,
        by: tuple[str, ...] = (),
        limit: int,
        backwards: bool = False,
        merged: bool = False,
    ) -> Sequence[Row]:
        """Rows in any of these spans of the index `by` (() is the key), at most `limit`.

        In the order of `by`, then the key; `backwards` is the reverse of it. One read, of at most
        SPANS_MAX spans; without a span nothing is found, and Span() is everything.

        `merged`: the order begins with the field after those in `equal`, of which every span has
        the same number (else ValueError): the newest of many channels, whichever they are in. What
        `equal` names comes last in the order.
        """
        ...

    async def write(self, writes: Sequence[Write | Removal]) -> None:
        """Carry out at most WRITES_MAX writes, in any order, each by itself.

        When it raises, each has been carried out or not. Writes that make no difference when they
        are repeated (those without `add`, and those with a condition that they end) may be given
        again; a driver that does not know whether one was carried out repeats only these.
        """
        ...

    async def decide(self, write: Write | Removal) -> bool:
        """Carry out one write; answers whether its conditions held.

        For a row with the condition `absent` or `below` a repeat after a lost answer may say False
        of what it did itself: who must know reads the row.
        """
        ...
