"""Rows of real tables for tests of stores, and short ways to write and read them."""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from realtime.stores.base import Row, Span, Table, TableStore, Value, Write
from tests.support.log_entries import Store

LOWEST: Final = -(2**63)
HIGHEST: Final = 2**63 - 1
"""The ends of what an integer may be."""

INTEGERS: Final = (LOWEST, -(2**62), -1000, -1, 0, 1, 9, 10, 2**31, 2**53 + 1, 2**62, HIGHEST)
"""Some in order, such as are rounded, cut off or sorted as texts by somebody."""

TEXTS: Final = tuple(
    sorted(
        [
            "",
            " ",
            "\x00",
            "\x00\x00",
            "\x00a",
            "\x01",
            "\x01\x01",
            "\x01\x02",
            "\x02",
            "a",
            "a\x00",
            "a\x00b",
            "a\x01",
            "a\x01b",
            "a\x02",
            "aa",
            "a.b",
            "b",
            "$a",
            "$ne",
            "{}",
            "'",
            '"',
            "\\",
            "%",
            "_",
            "0",
            "1",
            "10",
            "9",
            "1e3",
            "2024-01-01",
            "2024-01-01T00:00:00Z",
            "null",
            "true",
            "é",
            "e\u0301",
            "ß",
            "\ud7ff",
            "\uffff",
            "😀",
            "\U0010ffff",
        ]
    )
)
"""Some in order, such as mean something to a server, or sort by something else than code points."""

BYTES: Final = (
    b"",
    b"\x00",
    b"a\x00b",
    b"{}",
    b'{"a": "\xc3\xa9"}',
    b"\xff\xfe",
    b"=",
    b":",
    bytes(range(256)),
)


class TabledStore(Store, TableStore, Protocol):
    """A store of each driver, with its tables."""


async def every(store: TableStore, table: Table[Row]) -> Sequence[Row]:
    """All rows, in order of the key."""
    return await store.find(table, Span(), limit=100_000)


async def one(store: TableStore, table: Table[Row], *key: Value) -> Row | None:
    """The row with this key."""
    found = await store.get(table, [key])
    return found[0] if found else None


async def keep(store: TableStore, table: Table[Row], *rows: Row) -> None:
    """Have these rows in the table, whole."""
    await store.write([whole(table, row) for row in rows])


def whole(table: Table[Row], row: Row) -> Write:
    """The write that makes the row what it is."""
    fields = {
        field: value
        for field, value in msgspec.structs.asdict(row).items()
        if field not in table.key
    }
    return Write(table, table.key_of(row), set=fields)
