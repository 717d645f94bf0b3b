"""What a sweep reads and takes where logs are long, cut off, or begin with stubs that must stay."""

import pytest

from realtime.model import Retention
from realtime.stores.base import DEDUPE_TTL_MS
from realtime.stores.mongo import MongoStore, retention
from realtime.stores.mongo.client import Database
from tests.support.log_entries import (
    KEEP_ALL,
    NOW,
    kept,
    new_entries,
    new_entry,
    sweep_all,
)

LATER = NOW + DEDUPE_TTL_MS + 60_000
LONG = retention.OLDEST * 3


async def offsets(store: MongoStore, channel: str) -> list[int]:
    return [entry.offset for entry in await kept(store, channel)]


async def test_one_long_log_among_short_ones_is_swept_like_them(mongo_store: MongoStore) -> None:
    """Wherever the long one stands: it takes the room of those behind it in the first look."""
    for name in ("a", "d", "g"):
        await mongo_store.append(new_entries(name, LONG))
    for name in ("b", "c", "e", "f", "h"):
        await mongo_store.append(new_entries(name, 3))
    assert await sweep_all(mongo_store, lambda name: Retention(2, 0), now_ms=LATER) == (
        3 * (LONG - 2) + 5
    )
    for name in "adg":
        assert await offsets(mongo_store, name) == [LONG - 1, LONG]
    for name in "bcefh":
        assert await offsets(mongo_store, name) == [2, 3]


async def test_young_stubs_at_the_beginning_hide_nothing_behind_them(
    mongo_store: MongoStore,
) -> None:
    await mongo_store.append(new_entries("a", LONG, at=LATER))
    await sweep_all(mongo_store, lambda name: Retention(5, 0), now_ms=LATER + 100)
    assert len(await offsets(mongo_store, "a")) == LONG
    await mongo_store.append(new_entries("a", 4, first=LONG + 1, at=LATER))
    assert await sweep_all(mongo_store, lambda name: Retention(5, 0), now_ms=LATER + 100) == 4
    stubs = [entry.offset for entry in await kept(mongo_store, "a") if entry.stub]
    assert stubs == list(range(1, LONG))


async def test_stubs_of_an_earlier_rule_go_in_their_time_though_everything_is_kept_now(
    mongo_store: MongoStore,
) -> None:
    await mongo_store.append(new_entries("a", 6))
    assert await sweep_all(mongo_store, lambda name: Retention(2, 0), now_ms=NOW + 10) == 4
    assert await sweep_all(mongo_store, lambda name: KEEP_ALL, now_ms=LATER) == 4
    assert await offsets(mongo_store, "a") == [5, 6]


async def test_a_sweep_that_failed_half_way_is_completed_by_the_next(
    mongo_store: MongoStore, database: Database
) -> None:
    """The mark was set and the entries were not blanked: they are hidden, and go."""
    await mongo_store.append(new_entries("a", 6))
    await database.channels.update_one({"_id": ":a"}, {"$set": {"blanked_to": 4}})
    assert [entry.stub for entry in await kept(mongo_store, "a")] == [True] * 4 + [False] * 2
    assert await sweep_all(mongo_store, lambda name: KEEP_ALL, now_ms=LATER) == 4
    assert await offsets(mongo_store, "a") == [5, 6]


@pytest.mark.parametrize("limit", [1, 3, 7])
async def test_slices_of_any_size_end_at_the_same(mongo_store: MongoStore, limit: int) -> None:
    for name in ("a", "b", "c"):
        await mongo_store.append(new_entries(name, LONG if name == "b" else 4))
    await sweep_all(mongo_store, lambda name: Retention(1, 0), now_ms=LATER, limit=limit)
    assert [await offsets(mongo_store, name) for name in "abc"] == [[4], [LONG], [4]]


async def test_a_channel_that_has_a_name_and_no_entries_yet_is_passed_over(
    mongo_store: MongoStore, database: Database
) -> None:
    """Its first append is under way on some node."""
    await database.channels.insert_one({"_id": ":a", "blanked_to": 0})
    assert await sweep_all(mongo_store, lambda name: Retention(0, 1), now_ms=LATER) == 0
    assert [a.offset for a in await mongo_store.append([new_entry("a", "1")])] == [1]
