"""An SQLite store as what another store is filled from."""

from collections.abc import AsyncIterator

import pytest

from realtime.model import ClientInfo, Retention
from realtime.stores.sqlite import SQLiteStore
from tests.support.log_entries import NOW, new_entries, new_entry, sweep_all


@pytest.fixture
async def store() -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(":memory:")
    await store.open()
    yield store
    await store.close()


async def test_channels_come_in_order_of_name_in_pages(store: SQLiteStore) -> None:
    names = ["z", "a", "chat:2", "chat:10", "é", "a\x00b", "😀"]
    for name in names:
        await store.append([new_entry(name, "1")])
    found: list[str] = []
    while page := await store.channels(after=found[-1] if found else "", limit=2):
        assert len(page) <= 2
        found += page
    assert found == sorted(names)


async def test_a_channel_whose_entries_are_all_gone_but_the_head_is_one(
    store: SQLiteStore,
) -> None:
    await store.append(new_entries("a", 3))
    await sweep_all(store, lambda channel: Retention(0, 0), now_ms=NOW + 10**9)
    assert await store.channels(after="", limit=10) == ["a"]
    (head,) = await store.entries("a", after=0, limit=10)
    assert (head.offset, head.stub, head.data) == (3, True, b"")


async def test_entries_come_as_they_are_kept(store: SQLiteStore) -> None:
    info = ClientInfo("ann", "c1", b'{"a":1}', b"[]")
    await store.append(
        [
            new_entry("a", "1", data=b"gone"),
            new_entry("a", "2", data=b"gone", tags={"k": "v"}, info=info),
        ]
    )
    await store.truncate("a")
    await store.append(
        [new_entry("a", "3", data=b"\x00 here", tags={"k": "v"}, info=info, ref=1, kind="edit")]
    )
    first, second, third = await store.entries("a", after=0, limit=10)
    for blanked in (first, second):
        assert (blanked.stub, blanked.data, blanked.info, blanked.tags) == (True, b"", None, None)
    assert (first.client_id, second.client_id, second.digest) == ("1", "2", b"digest")
    assert (third.offset, third.data, third.stub) == (3, b"\x00 here", False)
    assert (third.tags, third.info, third.ref, third.kind) == ({"k": "v"}, info, 1, "edit")


async def test_entries_come_in_pages_of_one_channel(store: SQLiteStore) -> None:
    await store.append(new_entries("a", 5))
    await store.append(new_entries("b", 5))
    found: list[int] = []
    while page := await store.entries("a", after=found[-1] if found else 0, limit=2):
        found += [entry.offset for entry in page]
    assert found == [1, 2, 3, 4, 5]
