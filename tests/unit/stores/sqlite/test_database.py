"""The file, its settings, and databases that must not be touched."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from realtime.errors import StoreCorrupt, StoreTooNew, StoreUnavailable
from realtime.stores.sqlite import schema
from realtime.stores.sqlite.database import Database


def database(path: Path | str) -> Database:
    return Database(str(path), busy_timeout_s=0.05)


def test_commits_are_synced_and_logged_ahead(tmp_path: Path) -> None:
    ours = database(tmp_path / "store.db")
    with closing(ours.writer()) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA fullfsync").fetchone() == (1,)
        assert connection.execute("PRAGMA checkpoint_fullfsync").fetchone() == (1,)
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (50,)
        assert connection.isolation_level is None
    ours.release()


def test_only_its_owner_may_read_the_files(tmp_path: Path) -> None:
    ours = database(tmp_path / "store.db")
    with closing(ours.writer()):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    ours.release()
    assert modes == dict.fromkeys(
        ["store.db", "store.db-wal", "store.db-shm", "store.db.lock"], 0o600
    )


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    ours = database(tmp_path / "store.db")
    with closing(ours.writer()), closing(ours.reader()) as reader:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM entries")
    ours.release()


@pytest.mark.parametrize("name", ["a?mode=memory", "a#b", "50%20", "a b", "ü😀", "a'b"])
def test_a_path_may_hold_any_characters(tmp_path: Path, name: str) -> None:
    ours = database(tmp_path / name)
    with closing(ours.writer()) as writer, closing(ours.reader()) as reader:
        assert schema.epoch(writer, name) == schema.epoch(reader, name)
    ours.release()
    assert (tmp_path / name).stat().st_size > 0


def test_two_names_of_one_file_are_one_database(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "store.db")
    first, second = database(tmp_path / "store.db"), database(tmp_path / "link.db")
    with closing(first.writer()):
        with pytest.raises(StoreUnavailable, match="in use by another hub"):
            second.writer()
    first.release()
    with closing(second.writer()):
        pass
    second.release()


@pytest.mark.parametrize("pragma", ["application_id = 7", "user_version = 9"])
def test_a_database_that_is_not_ours_is_left_exactly_as_it_is(tmp_path: Path, pragma: str) -> None:
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE a (b)")
        connection.execute(f"PRAGMA {pragma}")
        connection.commit()
    before = path.read_bytes()
    ours = database(path)
    with pytest.raises(StoreCorrupt):
        ours.writer()
    ours.release()
    assert path.read_bytes() == before


def test_a_newer_database_is_left_exactly_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    ours = database(path)
    with closing(ours.writer()) as connection:
        connection.execute("PRAGMA user_version = 7")
    before = path.read_bytes()
    known = len(schema.MIGRATIONS)
    with pytest.raises(StoreTooNew, match=f"version 7; this program knows versions up to {known}"):
        ours.writer()
    ours.release()
    assert path.read_bytes() == before
