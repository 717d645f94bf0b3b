"""Changes whose answers are lost, that meet others, or that are of an older version's entries."""

from collections.abc import Mapping
from typing import Any

import pytest

from realtime.model import Change, Entry, Retention
from realtime.stores.base import DEDUPE_TTL_MS
from realtime.stores.mongo import MongoStore, changing, reading
from realtime.stores.mongo.client import Database
from realtime.stores.mongo.documents import ADDED, STUB
from tests.support.log_entries import NOW, kept, new_entries, new_entry, shown, sweep_all
from tests.unit.stores.mongo.losing import losing
from tests.unit.stores.mongo.recording import name_of, recorded

LATER = NOW + DEDUPE_TTL_MS + 1


def edit(offset: int, by: int, data: bytes = b"new") -> Change:
    return Change("a", offset, by, data, {"edited_at": "1"}, edited_at=NOW + 1)


def delete(offset: int, by: int) -> Change:
    return Change("a", offset, by, b"{}", None, deleted_at=NOW + 2)


async def of(store: MongoStore, offset: int) -> Entry:
    """One entry of the channel."""
    (entry,) = await store.fetch({"a": [offset]})
    return entry


async def forget_fields(database: Database) -> None:
    """Have every entry be one of a version that did not have the added fields."""
    documents = await database.entries.find({}).to_list()
    await database.entries.delete_many({})
    await database.entries.insert_many(
        [{name: value for name, value in each.items() if name not in ADDED} for each in documents]
    )


# Lost answers


@pytest.mark.parametrize("change", [edit(1, 5), delete(1, 5)])
async def test_a_change_whose_answer_was_lost_is_known_again(
    mongo_store: MongoStore, database: Database, change: Change
) -> None:
    await mongo_store.append(new_entries("a", 2))
    database.entries = losing(database.entries, "update_one", times=2)
    assert await changing.change(database, [change], for_s=10.0) == [True]
    assert (await of(mongo_store, 1)).changed == 5
    database.entries = losing(database.entries, "update_one")
    earlier = edit(1, 4)
    assert await changing.change(database, [earlier], for_s=10.0) == [False]
    assert await changing.change(database, [change], for_s=10.0) == [False]


async def test_other_changes_whose_answers_were_lost_are_made_again(
    mongo_store: MongoStore, database: Database
) -> None:
    await mongo_store.append([new_entry("a", f"{n}", pending=True, tags={"x": "1"}) for n in "12"])
    await mongo_store.append([new_entry("b", "1", notify=True)])
    for method in ("update_one", "update_many", "bulk_write"):
        database.entries = losing(database.entries, method)
    assert await changing.summarise(database, "a", 1, b"[1]", by=3, for_s=10.0)
    await changing.blank(database, "a", [1], for_s=10.0)
    await changing.settle(database, "a", [1, 2], for_s=10.0)
    entry = await of(mongo_store, 1)
    assert (entry.data, entry.tags, entry.summary, entry.pending) == (b"{}", None, b"[1]", False)
    assert not (await of(mongo_store, 2)).pending
    await changing.disown(database, "a", [1], for_s=10.0)
    assert (await of(mongo_store, 1)).sender == ""
    database.entries = losing(database.entries, "bulk_write", times=2)
    await changing.notified(database, {"b": [1]}, for_s=10.0)
    assert not await mongo_store.notifiable(limit=1)


async def test_what_waits_and_was_made_a_stub_by_an_older_version_comes_as_a_stub(
    mongo_store: MongoStore, database: Database
) -> None:
    """It did not know the mark: so it is for `notified` to take it away."""
    await mongo_store.append([new_entry("a", "1", notify=True, data=b"secret")])
    await database.entries.update_one({"c": "a"}, {"$set": {**STUB, "q": 1}})
    (stub,) = await mongo_store.notifiable(limit=9)
    assert (stub.offset, stub.stub, stub.notify, stub.data) == (1, True, False, b"")
    await mongo_store.notified({"a": [1]})
    assert not await mongo_store.notifiable(limit=9)


async def test_marks_of_many_channels_are_one_command_and_what_waits_is_three_finds(
    mongo_url: str, mongo_store: MongoStore
) -> None:
    names = [f"channel {number}" for number in range(40)]
    await mongo_store.append([new_entry(name, "1", notify=True) for name in names])
    with recorded(mongo_url) as commands:
        assert len(await mongo_store.notifiable(limit=100)) == 40
        await mongo_store.notified(dict.fromkeys(names, (1, 2)))
        assert not await mongo_store.notifiable(limit=100)
    assert [name_of(command) for command in commands] == ["find"] * 3 + ["update", "find"]


async def test_a_change_between_reading_and_blanking_is_not_undone(
    mongo_store: MongoStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mongo_store.append([new_entry("a", "1", tags={"kind": "x", "mentions": "[]"})])
    real, changes = changing._left, [delete(1, 7)]

    def left(tags: bytes, kept: Any) -> bytes:
        if changes:
            # As another node does at this moment: not awaited before the next try begins.
            pending.append(changes.pop())
        return real(tags, kept)

    pending: list[Change] = []
    real_write = type(database.entries).bulk_write

    async def bulk_write(self: Any, *arguments: Any, **options: Any) -> Any:
        while pending:
            assert await mongo_store.change([pending.pop()]) == [True]
        return await real_write(self, *arguments, **options)

    monkeypatch.setattr(changing, "_left", left)
    monkeypatch.setattr(type(database.entries), "bulk_write", bulk_write)
    await changing.blank(database, "a", [1], for_s=10.0)
    entry = await of(mongo_store, 1)
    assert (entry.changed, entry.deleted_at, entry.tags) == (7, NOW + 2, None)


# Entries of an older version


async def test_entries_of_an_older_version_are_changed_like_others(
    mongo_store: MongoStore, database: Database
) -> None:
    await mongo_store.append([*new_entries("a", 4), *new_entries("b", 4)])
    await forget_fields(database)
    assert await mongo_store.change([edit(1, 9), delete(2, 9)]) == [True, True]
    assert await mongo_store.change([edit(1, 8), edit(1, 10)]) == [False, True]
    assert await mongo_store.summarise("a", 3, b"[]", by=5)
    await mongo_store.blank("a", [4])
    await mongo_store.disown("a", [4])
    await mongo_store.settle("a", [1, 2, 3, 4])
    told = {entry.offset: (entry.data, entry.changed) for entry in await shown(mongo_store, "a")}
    assert told == {1: (b"new", 10), 2: (b"{}", 9), 3: (b'"3"', 0), 4: (b"{}", 0)}
    assert (await of(mongo_store, 3)).summary == b"[]"
    others = [entry.data for entry in await shown(mongo_store, "b")]
    assert others == [b'"1"', b'"2"', b'"3"', b'"4"']


# Retention


async def test_what_is_pending_is_not_swept_before_it_is_settled(mongo_store: MongoStore) -> None:
    await mongo_store.append([new_entry("a", "1", data=b"what follows", pending=True)])
    await mongo_store.append(new_entries("a", 3, first=2))
    for now_ms in (NOW + 10, LATER):
        await sweep_all(mongo_store, lambda name: Retention(1, 0), now_ms=now_ms)
        page = await mongo_store.read("a", limit=9, retention=Retention(1, 0), now_ms=now_ms)
        assert [entry.offset for entry in page.entries] == [4]
        (left,) = await mongo_store.pending(before_ms=now_ms, limit=9)
        assert (left.offset, left.data) == (1, b"what follows")
    await mongo_store.settle("a", [1])
    await sweep_all(mongo_store, lambda name: Retention(1, 0), now_ms=LATER)
    assert [entry.offset for entry in await kept(mongo_store, "a")] == [4]


async def test_a_stub_that_an_older_node_made_of_what_was_pending_goes_in_its_time(
    mongo_store: MongoStore, database: Database
) -> None:
    await mongo_store.append([new_entry("a", "1", pending=True), new_entry("a", "2")])
    await mongo_store.truncate("a")
    await database.entries.update_one({"c": "a", "o": 1}, {"$set": {"stub": 1, "data": b""}})
    assert list(await mongo_store.pending(before_ms=LATER, limit=9)) == []
    await sweep_all(mongo_store, lambda name: Retention(-1, 0), now_ms=LATER)
    assert [entry.offset for entry in await kept(mongo_store, "a")] == [2]


# Folding


async def test_an_event_among_the_entries_is_folded_though_nobody_knew_that_it_waits(
    mongo_store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was made after the others were asked for."""
    await mongo_store.append([new_entry("a", "1", data=b"old")])
    await mongo_store.append([new_entry("a", "2", kind="edit", ref=1, data=b"new", pending=True)])

    async def nothing(database: Database, channels: object) -> reading.Waiting:
        return reading.Waiting([])

    monkeypatch.setattr(reading, "read_pending", nothing)
    assert [entry.data for entry in await shown(mongo_store, "a")] == [b"new", b"new"]
    assert [entry.data for entry in await kept(mongo_store, "a")] == [b"new", b"new"]


async def test_an_edit_that_crossed_a_delete_shows_no_text(mongo_store: MongoStore) -> None:
    """The delete is settled, and who carries out the edit has not come to it yet."""
    await mongo_store.append([new_entry("a", "1"), new_entry("a", "2"), *new_entries("b", 1)])
    await mongo_store.change([delete(1, 3)])
    edits = [
        new_entry(channel, f"edit {ref}", kind="edit", ref=ref, data=b"taken back", pending=True)
        for channel, ref in (("a", 1), ("a", 2), ("b", 1))
    ]
    await mongo_store.append(edits)
    expected = [b"{}", b"taken back", b"{}", b"taken back"]
    assert [entry.data for entry in await shown(mongo_store, "a")] == expected
    assert [entry.data for entry in await kept(mongo_store, "a")] == expected
    found = await mongo_store.fetch({"a": [3, 4], "b": [2]})
    assert [entry.data for entry in found] == [b"{}", b"taken back", b"taken back"]
    waiting = await mongo_store.pending(before_ms=LATER, limit=9)
    assert [entry.data for entry in waiting] == [b"{}", b"taken back", b"taken back"]


async def test_an_idle_look_costs_one_command_and_no_more_is_asked_for(
    mongo_store: MongoStore, mongo_url: str
) -> None:
    with recorded(mongo_url) as commands:
        assert not await mongo_store.fetch({"a": [1, 2]})
        assert await mongo_store.find_sent("a", "user:ann", "1") is None
        assert not await mongo_store.pending(before_ms=NOW, limit=9)
        assert not await mongo_store.missed({"a": 0}, limit=9)
    assert [name_of(command) for command in commands] == ["find"] * 4


async def test_what_waits_is_asked_for_in_the_order_of_its_index(
    mongo_store: MongoStore, mongo_url: str
) -> None:
    """Equal `p`, then `c`, then `o`: no server has to sort, or to look at what does not wait."""
    await mongo_store.append([new_entry("a", "1", pending=True)])
    with recorded(mongo_url) as commands:
        await mongo_store.pending(before_ms=NOW, limit=9)
        await shown(mongo_store, "a")
    asked: list[Mapping[str, Any]] = [
        command for command in commands if "p" in command.get("filter", {})
    ]
    assert len(asked) == 2
    for command in asked:
        assert command["filter"]["p"] == 1
        assert list(command["sort"]) == ["c", "o"]
