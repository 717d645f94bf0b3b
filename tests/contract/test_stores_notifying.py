"""The contract of a store, for every driver: what people wait to be told of, until they are."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import pymongo
import pytest

from realtime.model import Change, Entry, Retention
from realtime.stores.base import DEDUPE_TTL_MS, FETCHED_MAX, Appended, Conflict
from tests.contract.conftest import STORES
from tests.contract.test_stores import HOSTILE
from tests.support.log_entries import (
    KEEP_ALL,
    NOW,
    ChangingStore,
    event,
    kept,
    new_entries,
    new_entry,
    shown,
    sweep_all,
)

YOUNG: Final = NOW + DEDUPE_TTL_MS - 1
LATER: Final = NOW + DEDUPE_TTL_MS + 60_000
NOTHING: Final = Retention(0, 0)


async def waiting(store: ChangingStore, **options: int) -> list[str]:
    """What waits, as channel and offset."""
    found = await store.notifiable(**{"limit": 100, **options})
    return [f"{entry.channel}{entry.offset}" for entry in found]


async def test_what_waits_is_found_oldest_first_until_it_is_notified(store: ChangingStore) -> None:
    await store.append(
        [
            new_entry("b", "1", at=NOW + 5, notify=True, counts=True),
            new_entry("a", "1", at=NOW + 1),
            new_entry("a", "2", at=NOW + 9, notify=True),
            new_entry("\x00", "1", at=NOW + 4, notify=True, kind="member", pending=True),
            new_entry("a", "3", at=NOW + 3, notify=True, counts=True, ref=1),
        ]
    )
    assert await waiting(store) == ["a3", "\x001", "b1", "a2"]
    assert await waiting(store, limit=2) == ["a3", "\x001"]
    assert await waiting(store, limit=0) == []
    assert await waiting(store, after_ms=NOW + 4) == ["b1", "a2"]
    assert await waiting(store, before_ms=NOW + 5) == ["a3", "\x001"]
    assert await waiting(store, after_ms=NOW + 3, before_ms=NOW + 9, limit=1) == ["\x001"]
    await store.notified({"a": [1, 3, 99], "b": [1], "nowhere": [1]})
    await store.notified({"a": [3], "b": []})
    assert await waiting(store) == ["\x001", "a2"]
    assert [entry.notify for entry in await shown(store, "a")] == [False, True, False]
    await store.notified({"a": [2], "\x00": [1]})
    assert await waiting(store) == []


async def test_what_waits_is_told_whole_and_the_same_by_every_read(store: ChangingStore) -> None:
    await store.append([new_entry("b", "1", notify=True, data=b"other", at=NOW + 1)])
    sent = new_entry("a", "1", tags={"mentions": '["bob"]'}, data=b"x", counts=True, notify=True)
    await store.append([sent])
    first, _ = await store.notifiable(limit=9)
    assert first == Entry(
        "a",
        1,
        b"x",
        NOW,
        sender="user:ann",
        client_id="1",
        digest=b"digest",
        tags={"mentions": '["bob"]'},
        n=1,
        counts=True,
        notify=True,
    )
    for found in (
        await shown(store, "a"),
        await kept(store, "a"),
        await store.fetch({"a": [1]}),
        await store.sent_by("a", "user:ann", after=0, limit=9),
        [await store.find_sent("a", "user:ann", "1")],
    ):
        assert list(found) == [first]


async def test_a_retry_marks_nothing_anew(store: ChangingStore) -> None:
    await store.append([new_entry("a", "1", notify=True), new_entry("a", "2")])
    await store.notified({"a": [1]})
    assert await store.append(
        [
            new_entry("a", "1", notify=True),
            new_entry("a", "2", notify=True),
            new_entry("a", "2", notify=True, digest=b"other"),
        ]
    ) == [Appended(1, NOW, duplicate=True), Appended(2, NOW, duplicate=True), Conflict(2)]
    assert await waiting(store) == []


async def test_notified_says_nothing_of_what_else_waits(store: ChangingStore) -> None:
    await store.append([new_entry("a", "1", notify=True, pending=True)])
    await store.notified({"a": [1]})
    assert [entry.pending for entry in await store.pending(before_ms=NOW + 1, limit=9)] == [True]
    await store.append([new_entry("a", "2", notify=True, pending=True)])
    await store.settle("a", [1, 2])
    assert await waiting(store) == ["a2"]


async def test_any_text_is_the_name_of_a_channel(store: ChangingStore) -> None:
    names = list(dict.fromkeys(HOSTILE))
    await store.append([new_entry(name, name, notify=True, data=name.encode()) for name in names])
    found = await store.notifiable(limit=100)
    assert {entry.channel: entry.data.decode() for entry in found} == {name: name for name in names}
    for name in names:
        await store.notified({name: [1]})
        names_left = {entry.channel for entry in await store.notifiable(limit=100)}
        assert name not in names_left
    assert await waiting(store) == []


async def test_many_channels_are_found_and_notified_at_once(store: ChangingStore) -> None:
    names = [f"channel {number:03}" for number in range(300)]
    batch = [new_entry(name, client_id, notify=True) for name in names for client_id in "123"]
    for start in range(0, len(batch), 100):
        await store.append(batch[start : start + 100])
    marks = dict.fromkeys(names, (1, 3))
    assert len(await store.notifiable(limit=FETCHED_MAX)) == 900
    await store.notified(marks)
    left = await store.notifiable(limit=FETCHED_MAX)
    assert sorted((entry.channel, entry.offset) for entry in left) == [(name, 2) for name in names]


async def test_as_many_marks_as_may_be_named_and_no_more(store: ChangingStore) -> None:
    await store.append([new_entry("a", "1", notify=True)])
    await store.notified({})
    await store.notified({"a": range(1, FETCHED_MAX + 1)})
    assert await waiting(store) == []
    await store.notified({f"{number}": [1] for number in range(FETCHED_MAX)})
    with pytest.raises(ValueError, match="1001"):
        await store.notified({"a": range(FETCHED_MAX), "b": [1]})


async def test_two_who_take_the_same_marks_away_do_each_other_no_harm(
    store: ChangingStore,
) -> None:
    await store.append([new_entry("a", str(number), notify=True) for number in range(20)])
    await asyncio.gather(*[store.notified({"a": range(1, 20)}) for _ in range(5)])
    assert await waiting(store) == ["a20"]


# What became of it meanwhile


async def test_what_waits_is_shown_as_edits_and_deletes_left_it(store: ChangingStore) -> None:
    """Carried out or not: the text that was taken back is sent to no phone."""
    await store.append(
        [new_entry("a", f"{number}", at=NOW + number, notify=True) for number in range(4)]
    )
    await store.change([Change("a", 1, 9, b"edited", None, edited_at=NOW)])
    await store.change([Change("a", 2, 9, b"{}", None, deleted_at=NOW)])
    await store.append([event("a", "e", "edit", 3, data=b"new"), event("a", "d", "delete", 4)])
    found = await store.notifiable(limit=9)
    assert [(entry.data, entry.deleted_at > 0) for entry in found] == [
        (b"edited", False),
        (b"{}", True),
        (b"new", False),
        (b"{}", True),
    ]
    assert all(entry.notify for entry in found)


async def test_what_is_blanked_may_still_be_told_of_and_what_is_disowned_not(
    store: ChangingStore,
) -> None:
    await store.append([new_entry("a", "1", notify=True), new_entry("a", "2", notify=True)])
    await store.blank("a", [1])
    await store.disown("a", [2])
    assert await waiting(store) == ["a1"]
    assert [entry.notify for entry in await shown(store, "a")] == [True, False]


async def test_what_a_truncate_took_has_no_text_and_waits_until_it_is_notified(
    store: ChangingStore,
) -> None:
    await store.append([new_entry("a", "1", notify=True, data=b"secret"), new_entry("b", "1")])
    await store.truncate("a")
    (stub,) = await store.notifiable(limit=9)
    assert (stub.channel, stub.offset, stub.stub, stub.data) == ("a", 1, True, b"")
    assert [entry.notify for entry in [stub, *await kept(store, "a")]] == [False, False]
    await store.notified({"a": [1]})
    assert await waiting(store) == []
    assert await sweep_all(store, lambda name: KEEP_ALL, now_ms=YOUNG) == 1


async def test_sweeping_leaves_what_waits_for_a_while_and_then_takes_it(
    store: ChangingStore,
) -> None:
    await store.append(
        [
            new_entry("a", "1", notify=True, data=b"one"),
            new_entry("a", "2", data=b"two"),
            new_entry("a", "3", notify=True, data=b"three"),
            new_entry("a", "4", notify=True, data=b"four"),
        ]
    )
    assert await sweep_all(store, lambda name: NOTHING, now_ms=YOUNG) == 1
    assert await waiting(store) == ["a1", "a3", "a4"]
    await store.notified({"a": [1]})
    assert await sweep_all(store, lambda name: NOTHING, now_ms=YOUNG) == 1
    assert await waiting(store) == ["a3", "a4"]
    assert await sweep_all(store, lambda name: NOTHING, now_ms=LATER) == 4
    (head,) = await kept(store, "a")
    assert (head.offset, head.stub, head.notify) == (4, True, False)
    assert await waiting(store) == []


async def test_many_that_wait_do_not_hold_up_the_sweep_of_what_is_older(
    store: ChangingStore,
) -> None:
    old = new_entries("a", 30, at=NOW)
    young = [new_entry("a", f"n{n}", at=LATER, notify=True) for n in range(30)]
    await store.append([*old, *young, new_entry("a", "last", at=LATER)])
    assert await sweep_all(store, lambda name: Retention(1, 0), now_ms=LATER + 1, limit=7) == 30
    assert len(await waiting(store)) == 30


# What is on the disk


def _marks_in_sqlite(request: pytest.FixtureRequest) -> Mapping[int, int]:
    folder: Path = request.getfixturevalue("tmp_path")
    with contextlib.closing(sqlite3.connect(folder / "store.db")) as connection:
        return dict(connection.execute("SELECT offset, notify FROM entries").fetchall())


def _marks_in_mongo(request: pytest.FixtureRequest) -> Mapping[int, int]:
    url = request.getfixturevalue("mongo_url")
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(url)
    with contextlib.closing(client):
        return {each["o"]: each["q"] for each in client.get_default_database().entries.find({})}


# A driver joins with a line here: its name, and what reads its marks behind its back.
MARKS: Final[dict[str, Callable[[pytest.FixtureRequest], Mapping[int, int]]]] = {
    "sqlite-file": _marks_in_sqlite,
    "mongo": _marks_in_mongo,
}


@pytest.mark.parametrize("driver", MARKS)
async def test_a_mark_is_on_the_disk_with_its_entry_and_goes_with_its_content(
    request: pytest.FixtureRequest, driver: str
) -> None:
    store = cast(ChangingStore, STORES[driver](request))
    await store.open()
    marks = MARKS[driver]
    await store.append([new_entry("a", f"{number}", notify=number > 1) for number in range(1, 7)])
    assert marks(request) == {1: 0, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1}
    await store.notified({"a": [2]})
    await store.disown("a", [3])
    assert marks(request) == {1: 0, 2: 0, 3: 0, 4: 1, 5: 1, 6: 1}
    await sweep_all(store, lambda name: Retention(2, 0), now_ms=LATER)
    assert marks(request) == {5: 1, 6: 1}
    await sweep_all(store, lambda name: NOTHING, now_ms=LATER)
    assert marks(request) == {6: 0}
    await store.close()
