"""The contract of a store, for every driver: opening, closing and backing up."""

import asyncio
from pathlib import Path

import pytest

from realtime.errors import StoreError
from tests.support.log_entries import (
    KEEP_ALL,
    NOW,
    BackedUpStore,
    Store,
    new_entries,
    new_entry,
)

# Opening and closing


async def test_the_epoch_is_made_of_letters(store: Store) -> None:
    assert len(store.epoch) >= 8
    assert store.epoch.isascii()
    assert store.epoch.isalpha()


async def test_a_store_that_is_not_open_answers_nothing(unopened_store: Store) -> None:
    with pytest.raises(StoreError, match="not open"):
        await unopened_store.append([new_entry("a", "1")])
    with pytest.raises(StoreError, match="not open"):
        _ = unopened_store.epoch
    await unopened_store.close()


async def test_closing_finishes_what_was_begun_and_is_idempotent(unopened_store: Store) -> None:
    await unopened_store.open()
    appending = [
        asyncio.ensure_future(unopened_store.append([new_entry("a", str(number))]))
        for number in range(10)
    ]
    await asyncio.sleep(0)
    await asyncio.gather(unopened_store.close(), unopened_store.close())
    answers = await asyncio.gather(*appending)
    assert [answer.offset for (answer,) in answers] == list(range(1, 11))
    await unopened_store.close()


async def test_every_method_fails_clearly_after_close(unopened_store: Store) -> None:
    store = unopened_store
    await store.open()
    await store.close()
    for call in (
        lambda: store.append([new_entry("a", "1")]),
        lambda: store.append([]),
        lambda: store.read("a", limit=1, retention=KEEP_ALL, now_ms=NOW),
        lambda: store.missed({"a": 0}, limit=1),
        lambda: store.truncate("a"),
        lambda: store.sweep(lambda name: KEEP_ALL, now_ms=NOW, limit=1),
        lambda: store.revocations(after=0, limit=1, now_ms=NOW),
        lambda: store.claim("s", "k", b"", until_ms=NOW),
        lambda: store.open(),
    ):
        with pytest.raises(StoreError):
            await call()


# Backing up


async def test_a_closed_store_makes_no_backup(
    backed_up_store: BackedUpStore, tmp_path: Path
) -> None:
    await backed_up_store.close()
    with pytest.raises(StoreError, match="closed"):
        await backed_up_store.backup(str(tmp_path / "copy"))
    assert not (tmp_path / "copy").exists()


async def test_a_backup_is_one_new_file(backed_up_store: BackedUpStore, tmp_path: Path) -> None:
    await backed_up_store.append(new_entries("a", 100))
    folder = tmp_path / "backups"
    folder.mkdir()
    await backed_up_store.backup(str(folder / "copy"))
    assert [path.name for path in folder.iterdir()] == ["copy"]
    assert (folder / "copy").stat().st_size > 0


async def test_a_backup_replaces_nothing(backed_up_store: BackedUpStore, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"precious")
    with pytest.raises(StoreError, match="exists"):
        await backed_up_store.backup(str(target))
    assert target.read_bytes() == b"precious"


async def test_a_backup_that_fails_leaves_nothing_behind(
    backed_up_store: BackedUpStore, tmp_path: Path
) -> None:
    with pytest.raises(StoreError):
        await backed_up_store.backup(str(tmp_path / "no such folder" / "copy"))
    assert not (tmp_path / "no such folder").exists()
    await backed_up_store.append(new_entries("a", 1))


async def test_appends_go_on_during_a_backup(
    backed_up_store: BackedUpStore, tmp_path: Path
) -> None:
    await backed_up_store.append(new_entries("a", 100))
    backing_up = asyncio.ensure_future(backed_up_store.backup(str(tmp_path / "copy")))
    for number in range(20):
        await backed_up_store.append([new_entry("b", str(number))])
    await backing_up
