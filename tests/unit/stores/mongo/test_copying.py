"""Taking over another store's logs, resumably, with its epoch and offsets."""

from typing import Any

import msgspec
import pytest

from realtime.errors import StoreError
from realtime.model import Change, Entry, Retention, Revocation
from realtime.rows import MEMBERS, MENTIONS, USERS, MemberRow, MentionRow, UserRow
from realtime.stores.base import DEDUPE_TTL_MS, Table
from realtime.stores.mongo import MongoStore
from realtime.stores.mongo.client import Database
from realtime.stores.sqlite import SQLiteStore
from realtime.stores.transfer import transfer
from tests.support.log_entries import (
    KEEP_ALL,
    NOW,
    head,
    kept,
    new_entries,
    new_entry,
    shown,
    sweep_all,
)
from tests.support.table_store import BYTES, INTEGERS, TEXTS, every, keep

LATER = NOW + DEDUPE_TTL_MS + 1
ENTRIES = [Entry("a", offset, b"x", NOW, client_id=f"m{offset}") for offset in (3, 4, 7)]
STUB = Entry("a", 1, b"", NOW, client_id="m1", stub=True)


async def opened(url: str) -> MongoStore:
    store = MongoStore(url)
    await store.open()
    return store


async def test_a_whole_sqlite_store_moves_with_epoch_offsets_and_orders(mongo_url: str) -> None:
    source, target = SQLiteStore(":memory:"), MongoStore(mongo_url)
    await source.open()
    await source.append([*new_entries("a", 500), new_entry("b\x00", "1", tags={"$": "\x00"})])
    await source.truncate("a")
    await source.append(new_entries("a", 3, first=501))
    await sweep_all(source, lambda name: Retention(100, 0), now_ms=NOW + 1)
    for user in ("ann", "bob"):
        await source.revoke(Revocation(user=user, at=NOW))
    await source.append([new_entry("c", "1", counts=True, pending=True, data=b"old")])
    await source.append([new_entry("c", "2", notify=True), new_entry("d", "1", notify=True)])
    await source.append([new_entry("d", "2")])
    await source.notified({"d": [1]})
    await source.change([Change("c", 1, 2, b"new", None, edited_at=NOW)])
    await source.summarise("c", 1, b"[1]", by=2)
    await keep(source, MEMBERS, *[MemberRow(name, f"{n:03}") for name in "ab" for n in range(400)])
    await keep(
        source, MENTIONS, *[MentionRow(text, text, number) for text in TEXTS for number in INTEGERS]
    )
    await keep(source, USERS, *[UserRow(f"{n}", custom=each) for n, each in enumerate(BYTES)])
    await transfer(source, target, told=lambda progress: None)
    await target.close()

    store = await opened(mongo_url)
    assert store.epoch == source.epoch
    for name in ("a", "b\x00", "c", "d"):
        assert list(await kept(store, name)) == list(await kept(source, name))
        assert list(await shown(store, name)) == list(await shown(source, name))
        assert await head(store, name) == await head(source, name)
    changed, waiting = await kept(store, "c")
    assert list(await store.notifiable(limit=9)) == [waiting]
    assert (changed.n, changed.counts, changed.pending, changed.summary) == (1, True, True, b"[1]")
    tables: list[Table[Any]] = [MEMBERS, MENTIONS, USERS]
    for table in tables:
        assert list(await every(store, table)) == list(await every(source, table))
    rows = await store.revocations(after=0, limit=9, now_ms=NOW)
    assert list(rows) == list(await source.revocations(after=0, limit=9, now_ms=NOW))
    assert await store.revoke(Revocation(user="eve", at=NOW)) == 3
    (answer,) = await store.append([new_entry("a", "next")])
    assert answer.offset == 504
    await source.close()
    await store.close()


async def test_a_copy_is_resumed_from_what_is_there(mongo_url: str) -> None:
    for _ in range(2):
        target = MongoStore(mongo_url)
        await target.begin_copy("epoch")
        await target.put_entries(ENTRIES[:2])
        await target.put_entries(ENTRIES[:2])
        assert await target.copied_to("a") == 4
        assert await target.copied_to("b") == 0
        await target.put_revocations([Revocation(user="ann", seq=5)])
        await target.close()
    target = MongoStore(mongo_url)
    await target.begin_copy("epoch")
    await target.put_entries(ENTRIES[1:])
    await target.put_entries([])
    await target.finish_copy()
    await target.close()
    store = await opened(mongo_url)
    assert list(await kept(store, "a")) == ENTRIES
    assert await store.revoke(Revocation(user="bob", at=NOW)) == 6
    await store.close()


async def test_rows_are_resumed_behind_those_that_are_there(mongo_url: str) -> None:
    rows = [MentionRow("ann", "room", number) for number in (-7, 2, 10)]
    for _ in range(2):
        target = MongoStore(mongo_url)
        await target.begin_copy("epoch")
        await target.put_rows(MENTIONS, rows[:2])
        assert await target.rows_copied_to(MENTIONS) == ("ann", "room", 2)
        assert await target.rows_copied_to(USERS) is None
        await target.close()
    target = MongoStore(mongo_url)
    await target.begin_copy("epoch")
    await target.put_rows(MENTIONS, rows[1:])
    await target.put_rows(MENTIONS, [])
    await target.finish_copy()
    await target.close()
    store = await opened(mongo_url)
    assert list(await every(store, MENTIONS)) == rows
    await store.close()


async def test_a_store_with_rows_is_not_copied_into(mongo_url: str) -> None:
    target = MongoStore(mongo_url)
    await target.init()
    await target.open()
    await keep(target, USERS, UserRow("ann"))
    with pytest.raises(StoreError, match="only an empty store"):
        await target.begin_copy("epoch")
    await target.close()


async def test_no_hub_uses_a_store_before_all_is_there(mongo_url: str) -> None:
    target = MongoStore(mongo_url)
    await target.begin_copy("epoch")
    with pytest.raises(StoreError, match="half copied"):
        await opened(mongo_url)
    await target.finish_copy()
    await target.finish_copy()
    store = await opened(mongo_url)
    assert store.epoch == "epoch"
    await store.close()
    await target.close()


async def test_only_an_empty_store_is_copied_into(mongo_url: str) -> None:
    target = MongoStore(mongo_url)
    await target.init()
    await target.open()
    await target.append([new_entry("a", "1")])
    with pytest.raises(StoreError, match="only an empty store"):
        await target.begin_copy("epoch")
    assert await target.check_epoch() == target.epoch
    await target.close()


async def test_a_second_source_is_refused(mongo_url: str) -> None:
    target = MongoStore(mongo_url)
    await target.begin_copy("epoch")
    with pytest.raises(StoreError, match="another store's copy"):
        await target.begin_copy("other")
    await target.close()


async def test_a_finished_copy_with_entries_is_not_begun_again(mongo_url: str) -> None:
    target = MongoStore(mongo_url)
    await target.begin_copy("epoch")
    await target.put_entries(ENTRIES)
    await target.finish_copy()
    with pytest.raises(StoreError, match="only an empty store"):
        await target.begin_copy("epoch")
    await target.close()


async def test_stubs_that_were_copied_are_swept_in_their_time(mongo_url: str) -> None:
    target = MongoStore(mongo_url)
    await target.begin_copy("epoch")
    await target.put_entries([STUB, msgspec.structs.replace(STUB, offset=2, client_id="m2")])
    await target.put_entries(ENTRIES)
    await target.finish_copy()
    await target.close()
    store = await opened(mongo_url)
    assert await sweep_all(store, lambda name: KEEP_ALL, now_ms=LATER) == 2
    assert list(await kept(store, "a")) == ENTRIES
    await store.close()


async def test_copied_channels_have_names_to_walk(mongo_url: str, database: Database) -> None:
    target = MongoStore(mongo_url)
    await target.begin_copy("epoch")
    await target.put_entries(ENTRIES)
    await target.close()
    assert [document["_id"] for document in await database.channels.find({}).to_list()] == [":a"]
