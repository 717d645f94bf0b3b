"""Where connections come from: the database's file, its lock and the settings of a connection."""

import os
import sqlite3
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from realtime.errors import StoreUnavailable
from realtime.stores.base import Table
from realtime.stores.sqlite import layout, schema
from realtime.stores.sqlite.lock import DatabaseLock

MEMORY: Final = ":memory:"

_STATEMENTS_CACHED: Final = 512
"""The appender alone has its insert in 64 sizes for each form in use: published messages, those of
`chat.send` and mixed ones are 3 x 64 (9 MB when all are in use)."""

_CHECKPOINT_PAGES: Final = 4000
"""The log is written back after 16 MB instead of SQLite's 4: fewer pauses, a little less work."""

_CACHE_KIB: Final = 16_384
_LOG_KEPT_BYTES: Final = 67_108_864


class Database:
    """One database: makes connections to it, and holds its lock from the first writer on.

    `path` is a file's or ":memory:", which lives and dies with its one connection.
    """

    def __init__(
        self, path: str, *, busy_timeout_s: float, tables: Sequence[Table[Any]] = ()
    ) -> None:
        self.in_memory = path == MEMORY
        # The real path, so that two names of one file meet in one lock.
        self.path = path if self.in_memory else os.path.realpath(path)
        self._busy_timeout_s = busy_timeout_s
        self._lock = DatabaseLock(self.path)
        self._tables = tables
        self._descriptor = -1

    def writer(self) -> sqlite3.Connection:
        """The connection that writes; creates the file and brings its schema up to date.

        Raises StoreError, sqlite3.Error or OSError, and changes nothing in a database that is not
        ours or too new.
        """
        if not self.in_memory:
            self._lock.acquire()
            self._make_file()
        connection = sqlite3.connect(
            self.path,
            timeout=self._busy_timeout_s,
            isolation_level=None,
            cached_statements=_STATEMENTS_CACHED,
        )
        try:
            found = schema.identify(connection, self.path)
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal" and not self.in_memory:
                raise StoreUnavailable(
                    f"database {self.path}: its file system has no shared memory for the WAL"
                )
            for pragma in (
                "synchronous = FULL",
                # On macOS fsync leaves data in the drive's cache; F_FULLFSYNC does not
                # (https://www.sqlite.org/pragma.html#pragma_fullfsync). Elsewhere no change.
                "fullfsync = ON",
                "checkpoint_fullfsync = ON",
                f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
                f"journal_size_limit = {_LOG_KEPT_BYTES}",
                f"cache_size = -{_CACHE_KIB}",
                "secure_delete = ON",
                "temp_store = MEMORY",
                "trusted_schema = OFF",
            ):
                connection.execute(f"PRAGMA {pragma}")
            schema.upgrade(connection, found)
            layout.complete(connection, self._tables)
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def descriptor(self) -> int:
        """The file itself, open for reading and writing as long as a connection may be."""
        return self._descriptor

    def _make_file(self) -> None:
        """Make the file here and not by SQLite, whose files all may read: messages are private.

        It stays open: to close it would give up the locks that this process's connections have on
        it (https://www.sqlite.org/howtocorrupt.html, 2.2).
        """
        if self._descriptor == -1 or not os.path.exists(self.path):
            self._close_file()
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _close_file(self) -> None:
        if self._descriptor != -1:
            os.close(self._descriptor)
            self._descriptor = -1

    def reader(self) -> sqlite3.Connection:
        """A connection that only reads. The writer must have been opened before."""
        connection = open_read_only(self.path, timeout_s=self._busy_timeout_s)
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA trusted_schema = OFF")
        return connection

    def release(self) -> None:
        """Give the lock back, when the writer's connection has been closed. Idempotent."""
        self._close_file()
        self._lock.release()


def open_read_only(path: str, *, timeout_s: float) -> sqlite3.Connection:
    """A connection to an existing file that cannot change it."""
    return sqlite3.connect(
        f"file:{quote(path)}?mode=ro", uri=True, timeout=timeout_s, isolation_level=None
    )
