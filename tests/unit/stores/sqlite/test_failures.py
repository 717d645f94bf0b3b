"""Each of SQLite's and the system's errors becomes the store's error that says what to do."""

import errno
import sqlite3
from pathlib import Path

import pytest

from realtime.errors import (
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)
from realtime.stores.sqlite.failures import store_error


def sqlite_error(code: int, name: str) -> sqlite3.Error:
    error = sqlite3.OperationalError("what it said")
    error.sqlite_errorcode = code
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("code", "name", "kind"),
    [
        (5, "SQLITE_BUSY", StoreUnavailable),
        (517, "SQLITE_BUSY_SNAPSHOT", StoreUnavailable),
        (6, "SQLITE_LOCKED", StoreUnavailable),
        (7, "SQLITE_NOMEM", StoreUnavailable),
        (10, "SQLITE_IOERR", StoreUnavailable),
        (1034, "SQLITE_IOERR_FSYNC", StoreUnavailable),
        (14, "SQLITE_CANTOPEN", StoreUnavailable),
        (13, "SQLITE_FULL", StoreFull),
        (8, "SQLITE_READONLY", StoreReadOnly),
        (1544, "SQLITE_READONLY_DIRECTORY", StoreReadOnly),
        (3, "SQLITE_PERM", StoreReadOnly),
        (11, "SQLITE_CORRUPT", StoreCorrupt),
        (779, "SQLITE_CORRUPT_INDEX", StoreCorrupt),
        (26, "SQLITE_NOTADB", StoreCorrupt),
        (1, "SQLITE_ERROR", StoreError),
    ],
)
def test_a_code_of_sqlite_becomes_one_of_ours(code: int, name: str, kind: type[StoreError]) -> None:
    error = store_error(sqlite_error(code, name), "/data/store.db")
    assert type(error) is kind
    assert str(error).startswith("database /data/store.db: ")
    assert str(error).endswith(f"(what it said, {name})")


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EACCES, StoreReadOnly),
        (errno.EROFS, StoreReadOnly),
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.ENOENT, StoreUnavailable),
        (errno.EISDIR, StoreUnavailable),
        (errno.EMFILE, StoreUnavailable),
    ],
)
def test_an_error_of_the_system_becomes_one_of_ours(number: int, kind: type[StoreError]) -> None:
    error = store_error(OSError(number, "what it said"), "/data/store.db")
    assert type(error) is kind
    assert "what it said" in str(error)


def test_an_error_without_a_code_is_a_plain_store_error() -> None:
    error = store_error(sqlite3.ProgrammingError("closed"), "x")
    assert type(error) is StoreError
    assert str(error) == "database x: SQLite reported an error (closed, ProgrammingError)"


def test_our_own_errors_pass_unchanged() -> None:
    error = StoreTooNew(3, 1)
    assert store_error(error, "x") is error


def test_a_real_file_that_is_no_database_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"not a database, but long enough to be looked at by SQLite" * 50)
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.DatabaseError) as raised:
        connection.execute("PRAGMA user_version")
    connection.close()
    assert isinstance(store_error(raised.value, str(path)), StoreCorrupt)


def test_a_real_read_only_connection_is_read_only(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "store.db").close()
    (tmp_path / "store.db").touch()
    connection = sqlite3.connect(f"file:{tmp_path / 'store.db'}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as raised:
        connection.execute("CREATE TABLE a (b)")
    connection.close()
    assert isinstance(store_error(raised.value, "x"), StoreReadOnly)
