"""A database belongs to one hub or restore at a time."""

import os
from pathlib import Path

import pytest

from realtime.errors import StoreUnavailable
from realtime.stores.sqlite.lock import DatabaseLock


def test_a_second_holder_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    database = str(tmp_path / "store.db")
    first, second = DatabaseLock(database), DatabaseLock(database)
    first.acquire()
    with pytest.raises(StoreUnavailable) as raised:
        second.acquire()
    assert str(raised.value) == (
        f"database {database}: in use by another hub or restore"
        f" (process {os.getpid()} holds {database}.lock)"
    )
    first.release()


def test_after_release_it_can_be_taken_again(tmp_path: Path) -> None:
    database = str(tmp_path / "store.db")
    first, second = DatabaseLock(database), DatabaseLock(database)
    first.acquire()
    first.acquire()
    first.release()
    first.release()
    second.acquire()
    with pytest.raises(StoreUnavailable):
        first.acquire()
    second.release()


def test_a_lock_file_that_nobody_holds_is_no_obstacle(tmp_path: Path) -> None:
    """As a killed hub leaves it."""
    (tmp_path / "store.db.lock").write_text("99999999 and more\n")
    lock = DatabaseLock(str(tmp_path / "store.db"))
    lock.acquire()
    assert (tmp_path / "store.db.lock").read_text() == f"{os.getpid()}\n"
    lock.release()


def test_refusing_does_not_leak_a_descriptor(tmp_path: Path) -> None:
    database = str(tmp_path / "store.db")
    first, second = DatabaseLock(database), DatabaseLock(database)
    first.acquire()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        with pytest.raises(StoreUnavailable):
            second.acquire()
    assert len(os.listdir("/proc/self/fd")) == before
    first.release()
