"""The one place where SQLite's and the operating system's errors become the store's.

SQLite's result codes: https://www.sqlite.org/rescode.html. The primary code is the low byte.
"""

import errno
import sqlite3
from typing import Final

import msgspec

from realtime.errors import (
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)

_BY_CODE: Final[dict[int, tuple[type[StoreError], str]]] = {
    sqlite3.SQLITE_BUSY: (StoreUnavailable, "another process holds it locked"),
    sqlite3.SQLITE_LOCKED: (StoreUnavailable, "it is locked"),
    sqlite3.SQLITE_PROTOCOL: (StoreUnavailable, "its locks are contended"),
    sqlite3.SQLITE_NOMEM: (StoreUnavailable, "out of memory"),
    sqlite3.SQLITE_INTERRUPT: (StoreUnavailable, "interrupted"),
    sqlite3.SQLITE_IOERR: (StoreUnavailable, "the disk reported an error"),
    sqlite3.SQLITE_CANTOPEN: (StoreUnavailable, "it cannot be opened"),
    sqlite3.SQLITE_FULL: (StoreFull, "no space is left"),
    sqlite3.SQLITE_READONLY: (StoreReadOnly, "it may not be written"),
    sqlite3.SQLITE_PERM: (StoreReadOnly, "access is denied"),
    sqlite3.SQLITE_CORRUPT: (StoreCorrupt, "it is damaged"),
    sqlite3.SQLITE_NOTADB: (StoreCorrupt, "it is not an SQLite database"),
}

_BY_ERRNO: Final[dict[int, tuple[type[StoreError], str]]] = {
    errno.EACCES: (StoreReadOnly, "access is denied"),
    errno.EPERM: (StoreReadOnly, "access is denied"),
    errno.EROFS: (StoreReadOnly, "its file system is read-only"),
    errno.ENOSPC: (StoreFull, "no space is left"),
    errno.EDQUOT: (StoreFull, "the quota is used up"),
    errno.ENOENT: (StoreUnavailable, "the file or its folder does not exist"),
    errno.EISDIR: (StoreUnavailable, "it is a folder"),
    errno.ENOTDIR: (StoreUnavailable, "a part of its path is not a folder"),
}


Failure = sqlite3.Error | OSError | msgspec.DecodeError | StoreError
"""Whatever is the database's fault, and not a mistake in what a caller gave."""


def store_error(error: Failure, path: str) -> StoreError:
    """What happened to the database at `path`, as one of the store's own errors.

    The text has the path, what it means and the library's own words, which name tables and
    columns but never values. A code that is not in the tables becomes a plain StoreError.
    """
    if isinstance(error, StoreError):
        return error
    if isinstance(error, msgspec.DecodeError):
        # Its own words may quote what somebody sent.
        return StoreCorrupt(f"database {path}: it holds a row that this program cannot read")
    if isinstance(error, sqlite3.Error):
        # Errors that the Python module finds by itself have no code.
        code = getattr(error, "sqlite_errorcode", None)
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        known = _BY_CODE.get(code & 0xFF) if isinstance(code, int) else None
        said = f"{error}, {name}"
    else:
        known = _BY_ERRNO.get(error.errno) if error.errno is not None else None
        if known is None:
            known = (StoreUnavailable, "the operating system reported an error")
        said = error.strerror or type(error).__name__
    kind, meaning = known or (StoreError, "SQLite reported an error")
    return kind(f"database {path}: {meaning} ({said})")
