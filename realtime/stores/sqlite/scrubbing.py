"""Making sure that what was taken away is not left in the database's files.

`secure_delete` overwrites what is deleted, where it was. Two places it does not reach. Frames of
the write-ahead log keep what was there before, until the log is emptied. And when a page of a tree
is split, the cells that move to another page leave their bytes behind in the unused middle of the
old one: if such a row is deleted later, only the cell is overwritten and not the copy.

`VACUUM` helps, but writes the whole database anew, and appends wait for it: 12 s a GB. So the
middles are overwritten in place. The file format (https://www.sqlite.org/fileformat2.html, 1.6)
gives the bytes between the cell pointers and the first cell no meaning, nor those of free pages, so
that nothing that a page says is touched, and a crash anywhere leaves a sound database. It is done a
slice of pages at a time, each with the log empty and the write lock held, so that no page is newer
anywhere else than in the file; and the writer, the only one who writes pages back, forgets what it
had in memory of them.
"""

import os
import sqlite3
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from realtime.errors import StoreUnavailable

SLICE_PAGES: Final = 4096
"""Pages (16 MB) that one slice looks at: about 15 ms, in which appends wait."""

_READ_PAGES: Final = 256
_READERS_WAIT_MS: Final = 100
"""How long the writer waits for readers of an older snapshot to end, before it goes on writing."""

_TREE_PAGES: Final = {2: 12, 5: 12, 10: 8, 13: 8}
"""The first byte of a page of a tree, and how long its header is.

All other pages begin with the number of a page, and so with 0 or 1 up to PAGES_MAX. Those that a
database with `auto_vacuum` has beside them may begin with anything.
"""

PAGES_MAX: Final = 0x0200_0000
"""From here on (128 GB) the first byte does not say any more what a page is."""


class _Geometry(NamedTuple):
    """The sizes of the database's pages in bytes, `usable` without what is reserved; how many.

    `told`: the first byte of each says what it is.
    """

    size: int
    usable: int
    pages: int
    told: bool


def empty_log(connection: sqlite3.Connection, *, wait_ms: int = 20) -> bool:
    """Write the log back into the database and cut it to nothing; no transaction may be open.

    False if readers were in the way for so long: the log is written back as far as possible.
    """
    (before,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {int(wait_ms)}")
    try:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(before)}")
    return not busy


def scrub_slice(
    connection: sqlite3.Connection, path: str, descriptor: int, *, after: int
) -> int | None:
    """Overwrite what means nothing in the pages that follow `after`; answers how far it came.

    None: that was the last slice. `descriptor` is of the database's file and must stay open for as
    long as any connection to it: to close it would take away the locks of all of them. Call it on
    the writer's thread, outside of a transaction. Raises StoreUnavailable where a reader of an old
    snapshot was in the way: try again later.
    """
    _empty_log_or_raise(connection, path)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if os.path.getsize(f"{path}-wal"):
            raise StoreUnavailable(f"database {path}: another process writes to it")
        geometry = _geometry(connection, descriptor)
        if not geometry.told:
            connection.execute("ROLLBACK")
            connection.execute("VACUUM")
            _empty_log_or_raise(connection, path)
            return None
        last = min(after + SLICE_PAGES, geometry.pages)
        written = False
        for start, end in _meaningless(descriptor, geometry, after + 1, last):
            os.pwrite(descriptor, bytes(end - start), start)
            written = True
        if written:
            os.fsync(descriptor)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        # Pages in memory still have what was overwritten, and would be written back with it.
        connection.execute("PRAGMA shrink_memory")
    return last if last < geometry.pages else None


def _empty_log_or_raise(connection: sqlite3.Connection, path: str) -> None:
    if not empty_log(connection, wait_ms=_READERS_WAIT_MS):
        raise StoreUnavailable(f"database {path}: a long read is in the way of scrubbing")


def _geometry(connection: sqlite3.Connection, descriptor: int) -> _Geometry:
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    (count,) = connection.execute("PRAGMA page_count").fetchone()
    (auto_vacuum,) = connection.execute("PRAGMA auto_vacuum").fetchone()
    (reserved,) = os.pread(descriptor, 1, 20)
    return _Geometry(size, size - reserved, count, not auto_vacuum and count < PAGES_MAX)


def _meaningless(
    descriptor: int, geometry: _Geometry, first: int, last: int
) -> Iterator[tuple[int, int]]:
    """Where there are bytes without a meaning that are not zero, in these pages of the file."""
    size = geometry.size
    free = _free_pages(descriptor, geometry, first, last)
    for start in range(first, last + 1, _READ_PAGES):
        count = min(_READ_PAGES, last + 1 - start)
        pages = os.pread(descriptor, count * size, (start - 1) * size)
        for number in range(start, start + count):
            page = pages[(number - start) * size : (number - start + 1) * size]
            if number in free:
                begin, end = free[number], geometry.usable
            else:
                begin, end = _middle(page, geometry.usable, 100 if number == 1 else 0)
            if page.count(0, begin, end) < end - begin:
                yield (number - 1) * size + begin, (number - 1) * size + end


def _middle(page: bytes, usable: int, header: int) -> tuple[int, int]:
    """Between the pointers of a tree's page and its first cell; nothing of any other page."""
    length = _TREE_PAGES.get(page[header] if header < len(page) else 0)
    if length is None:
        return 0, 0
    free, cells, content = struct.unpack_from(">HHH", page, header + 1)
    begin = header + length + 2 * cells
    end = content or 65_536
    if not begin <= end <= usable or 0 < free < end:
        return 0, 0
    if cells and min(struct.unpack_from(f">{cells}H", page, begin - 2 * cells)) < end:
        return 0, 0
    return begin, end


def _free_pages(descriptor: int, geometry: _Geometry, first: int, last: int) -> dict[int, int]:
    """Those of these pages that nothing uses, and from which byte on each says nothing.

    A list of trunks that each name the next one and some leaves (file format, 1.5).
    """
    free: dict[int, int] = {}
    (trunk,) = struct.unpack(">I", os.pread(descriptor, 4, 32))
    for _ in range(geometry.pages):
        if not 0 < trunk <= geometry.pages:
            break
        page = os.pread(descriptor, geometry.size, (trunk - 1) * geometry.size)
        following, count = struct.unpack_from(">II", page)
        if count > geometry.usable // 4 - 2:
            break
        leaves = struct.unpack_from(f">{count}I", page, 8)
        free.update((leaf, 0) for leaf in leaves if first <= leaf <= last)
        if first <= trunk <= last:
            free[trunk] = 8 + 4 * count
        trunk = following
    return free
