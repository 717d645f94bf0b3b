"""Copying a database while it runs, and putting a copy in the place of one.

Both copy page by page inside one read transaction, so the copy is one moment's state and appends
to the source neither wait nor start the copy again (https://www.sqlite.org/backup.html). Both
leave a single file: no write-ahead log belongs to it.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from typing import Final

from realtime.errors import StoreCorrupt, StoreError, StoreUnavailable
from realtime.stores.sqlite import schema
from realtime.stores.sqlite.database import open_read_only
from realtime.stores.sqlite.failures import store_error
from realtime.stores.sqlite.lock import DatabaseLock

_SLICE_PAGES: Final = 1024
"""Pages (4 MB) between two looks at `cancelled`."""

_BUSY_TIMEOUT_S: Final = 5.0
_PARTIAL: Final = ".partial"


def _not_cancelled() -> bool:
    return False


def backup(source: str, target: str, *, cancelled: Callable[[], bool] = _not_cancelled) -> None:
    """Write a copy of the database file `source` to `target`, which must not exist.

    `source` may be in use by a hub, here or in another process. `target` appears whole or not at
    all, on disk before this returns. `cancelled` is asked every few megabytes; when it says so,
    StoreUnavailable is raised. Raises StoreError of any kind. Blocks: call it in a thread.
    """
    source = os.path.realpath(source)
    try:
        with closing(open_read_only(source, timeout_s=_BUSY_TIMEOUT_S)) as connection:
            if schema.identify(connection, source) == 0:
                raise StoreCorrupt(f"database {source}: it is empty")
            copy_from(connection, target, cancelled=cancelled)
    except (sqlite3.Error, OSError) as error:
        raise store_error(error, source) from error


def copy_from(
    connection: sqlite3.Connection,
    target: str,
    *,
    cancelled: Callable[[], bool] = _not_cancelled,
) -> None:
    """The same over an open connection that has no transaction open."""
    partial = target + _PARTIAL
    _reserve(target)
    try:
        _write_copy(connection, partial, cancelled)
        _synchronize(partial)
        os.replace(partial, target)
    except BaseException as error:
        _remove(partial)
        _remove(target)
        if isinstance(error, sqlite3.Error | OSError):
            raise store_error(error, target) from error
        raise
    _synchronize(os.path.dirname(target) or ".")


def restore(source: str, target: str, *, force: bool) -> None:
    """Put a copy of `source`, with a new epoch, in the place of the database `target`.

    `source` is checked whole first: that it is ours, not too new, and sound. An existing `target`
    is replaced only with `force`, and never while a hub has it open. It is replaced in one step;
    only its write-ahead log goes before that, since SQLite would mix it into the new file. Raises
    StoreCorrupt, StoreTooNew, StoreUnavailable (in use), or StoreError. Blocks.
    """
    source, target = os.path.realpath(source), os.path.realpath(target)
    if source == target:
        raise StoreError(f"database {target}: it cannot be restored from itself")
    lock = DatabaseLock(target)
    try:
        lock.acquire()
        _restore_locked(source, target, force=force)
    except (sqlite3.Error, OSError) as error:
        raise store_error(error, target) from error
    finally:
        lock.release()


def _restore_locked(source: str, target: str, *, force: bool) -> None:
    if os.path.lexists(target) and not force:
        raise StoreError(f"database {target}: it exists; force replaces it")
    partial = target + _PARTIAL
    try:
        with closing(open_read_only(source, timeout_s=_BUSY_TIMEOUT_S)) as connection:
            _verify(connection, source)
            _remove(partial)
            _write_copy(connection, partial, _not_cancelled)
        with closing(sqlite3.connect(partial, isolation_level=None)) as copy:
            schema.renew_epoch(copy)
        _synchronize(partial)
    except BaseException as error:
        _remove(partial)
        if isinstance(error, sqlite3.Error | OSError):
            raise store_error(error, source) from error
        raise
    _remove(target, ("-wal", "-shm", "-journal"))
    os.replace(partial, target)
    _synchronize(os.path.dirname(target))


def _verify(connection: sqlite3.Connection, path: str) -> None:
    """Raise unless the database is ours, of a version we know, and undamaged."""
    if schema.identify(connection, path) == 0:
        raise StoreCorrupt(f"database {path}: it is empty")
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise StoreCorrupt(f"database {path}: it is damaged ({verdict})")
    schema.epoch(connection, path)


def _reserve(path: str) -> None:
    """Make an empty file, which is no database, so that nobody else takes the name."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise StoreError(f"file {path}: it exists; a backup replaces nothing") from None
    except OSError as error:
        raise store_error(error, path) from error


def _write_copy(source: sqlite3.Connection, path: str, cancelled: Callable[[], bool]) -> None:
    """Copy every page into a new file at `path` that needs no log beside it."""

    def look(status: int, remaining: int, total: int) -> None:
        if cancelled():
            raise StoreUnavailable("the backup was cancelled")

    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(path, isolation_level=None)) as copy:
        # One transaction around all slices: without it each append would start the copy again.
        source.execute("BEGIN")
        try:
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            source.backup(copy, pages=_SLICE_PAGES, progress=look)
        finally:
            source.execute("ROLLBACK")
        # The header came along and says WAL.
        copy.execute("PRAGMA journal_mode = DELETE")


def _remove(path: str, suffixes: Sequence[str] = ("", "-wal", "-shm", "-journal")) -> None:
    """Remove a database file, if it is there, and the files that SQLite keeps beside it."""
    for suffix in suffixes:
        with suppress(FileNotFoundError):
            os.remove(path + suffix)


def _synchronize(path: str) -> None:
    """Make a file's content, or a folder's entries, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
