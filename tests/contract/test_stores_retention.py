"""The contract of a store, for every driver: what retention and truncation take, and what stays."""

from realtime.model import ClientInfo, Retention
from realtime.stores.base import DEDUPE_TTL_MS, Appended, Conflict
from tests.support.log_entries import (
    KEEP_ALL,
    NOW,
    Store,
    head,
    kept,
    new_entries,
    new_entry,
    shown,
    sweep_all,
)

LATER = NOW + DEDUPE_TTL_MS + 60_000
"""When everything made at NOW is old enough to be forgotten."""


def size(count: int) -> Retention:
    """Keep the newest `count`, however old."""
    return Retention(count, 0)


async def offsets_kept(store: Store, channel: str) -> list[int]:
    return [entry.offset for entry in await kept(store, channel)]


async def test_old_entries_beyond_the_size_are_deleted(store: Store) -> None:
    await store.append(new_entries("a", 10))
    assert await sweep_all(store, lambda name: size(3), now_ms=LATER) == 7
    assert await offsets_kept(store, "a") == [8, 9, 10]
    assert [entry.offset for entry in await shown(store, "a")] == [8, 9, 10]


async def test_old_entries_beyond_the_ttl_are_deleted(store: Store) -> None:
    await store.append(new_entries("a", 5) + new_entries("a", 5, first=6, at=LATER))
    retention = Retention(-1, DEDUPE_TTL_MS + 10_000)
    assert await sweep_all(store, lambda name: retention, now_ms=LATER + 100) == 5
    assert await offsets_kept(store, "a") == [6, 7, 8, 9, 10]


async def test_young_entries_become_stubs_without_content(store: Store) -> None:
    info = ClientInfo("ann", "client")
    batch = [
        new_entry("a", str(number), data=b"text", info=info, tags={"a": "b"}) for number in range(3)
    ]
    await store.append(batch)
    now_ms = NOW + DEDUPE_TTL_MS - 1
    assert await sweep_all(store, lambda name: size(1), now_ms=now_ms) == 2
    first, second, third = await kept(store, "a")
    for stub in (first, second):
        assert stub.stub
        assert (stub.data, stub.info, stub.tags) == (b"", None, None)
        assert (stub.sender, stub.digest, stub.at) == ("user:ann", b"digest", NOW)
    assert (first.client_id, second.client_id) == ("0", "1")
    assert not third.stub
    assert third.data == b"text"


async def test_a_stub_that_grew_old_is_deleted(store: Store) -> None:
    await store.append(new_entries("a", 3))
    await sweep_all(store, lambda name: size(1), now_ms=NOW + 10)
    assert await offsets_kept(store, "a") == [1, 2, 3]
    assert await sweep_all(store, lambda name: size(1), now_ms=LATER) == 2
    assert await offsets_kept(store, "a") == [3]


async def test_stubs_are_never_shown(store: Store) -> None:
    await store.append(new_entries("a", 3))
    await sweep_all(store, lambda name: size(1), now_ms=NOW + 10)
    assert [entry.offset for entry in await shown(store, "a")] == [3]


async def test_a_retry_of_a_young_stub_is_recognised(store: Store) -> None:
    await store.append(new_entries("a", 3))
    await sweep_all(store, lambda name: size(0), now_ms=NOW + DEDUPE_TTL_MS - 1)
    assert await store.append([new_entry("a", "m1"), new_entry("a", "m2", digest=b"x")]) == [
        Appended(1, NOW, duplicate=True),
        Conflict(2),
    ]


async def test_the_head_becomes_a_stub_and_stays_whatever_its_age(store: Store) -> None:
    await store.append(new_entries("a", 4))
    for _ in range(3):
        await sweep_all(store, lambda name: size(0), now_ms=LATER * 2)
    (stub,) = await kept(store, "a")
    assert (stub.offset, stub.stub, stub.data) == (4, True, b"")
    assert await head(store, "a") == 4


async def test_offsets_go_on_after_everything_was_swept(store: Store) -> None:
    await store.append(new_entries("a", 4))
    await sweep_all(store, lambda name: size(0), now_ms=LATER)
    assert await store.append([new_entry("a", "new")]) == [Appended(5, NOW)]
    await sweep_all(store, lambda name: size(1), now_ms=LATER)
    assert await offsets_kept(store, "a") == [5]
    assert [entry.offset for entry in await shown(store, "a")] == [5]


async def test_a_round_with_nothing_left_to_do_changes_nothing(store: Store) -> None:
    await store.append(new_entries("a", 4) + new_entries("b", 4))
    await sweep_all(store, lambda name: size(1), now_ms=LATER)
    assert await sweep_all(store, lambda name: size(1), now_ms=LATER) == 0
    assert await sweep_all(store, lambda name: KEEP_ALL, now_ms=LATER) == 0


async def test_each_channel_has_its_own_retention(store: Store) -> None:
    for name in ("a", "b", "c"):
        await store.append(new_entries(name, 4))
    rules = {"a": size(1), "b": KEEP_ALL, "c": size(3)}
    await sweep_all(store, rules.__getitem__, now_ms=LATER)
    assert await offsets_kept(store, "a") == [4]
    assert await offsets_kept(store, "b") == [1, 2, 3, 4]
    assert await offsets_kept(store, "c") == [2, 3, 4]


async def test_a_slice_changes_at_most_its_limit_and_says_where_to_go_on(store: Store) -> None:
    for name in ("a", "b", "c"):
        await store.append(new_entries(name, 6))
    slices, after = [], ""
    while True:
        swept = await store.sweep(lambda name: size(1), now_ms=LATER, after=after, limit=4)
        slices.append(swept.changed)
        if swept.next_channel is None:
            break
        after = swept.next_channel
    assert max(slices) <= 4
    assert sum(slices) == 15
    assert [await offsets_kept(store, name) for name in ("a", "b", "c")] == [[6], [6], [6]]


async def test_a_sweep_goes_through_more_channels_than_a_slice_holds(store: Store) -> None:
    names = [f"channel {number:04}" for number in range(600)]
    await store.append([new_entry(name, "1") for name in names])
    await store.append([new_entry(name, "2") for name in names])
    assert await sweep_all(store, lambda name: size(1), now_ms=LATER, limit=250) == 600
    missed = await store.missed(dict.fromkeys(names[:500], 0), limit=10_000)
    assert {entry.offset for entry in missed} == {2}


async def test_appends_between_slices_are_not_swept_by_mistake(store: Store) -> None:
    await store.append(new_entries("a", 6))
    await store.sweep(lambda name: size(2), now_ms=LATER, limit=3)
    await store.append(new_entries("a", 2, first=7, at=LATER))
    await sweep_all(store, lambda name: size(2), now_ms=LATER)
    assert [entry.offset for entry in await shown(store, "a")] == [7, 8]


# Truncating


async def test_truncate_hides_everything_at_once_and_keeps_head_and_epoch(store: Store) -> None:
    await store.append(new_entries("a", 5) + new_entries("b", 1))
    epoch = store.epoch
    await store.truncate("a")
    assert list(await shown(store, "a")) == []
    assert await head(store, "a") == 5
    assert store.epoch == epoch
    assert len(await shown(store, "b")) == 1


async def test_truncated_entries_are_stubs_without_content(store: Store) -> None:
    info = ClientInfo("ann", "client")
    await store.append([new_entry("a", "1", data=b"text", info=info, tags={"a": "b"})])
    await store.append(new_entries("b", 2))
    await store.truncate("a")
    for entries in (await kept(store, "a"), await store.missed({"a": 0, "b": 0}, limit=1)):
        (stub,) = entries
        assert (stub.stub, stub.data, stub.info, stub.tags) == (True, b"", None, None)
    both = await store.missed({"a": 0, "b": 0}, limit=100)
    assert [entry.stub for entry in both] == [True, False, False]


async def test_what_comes_after_a_truncate_is_shown(store: Store) -> None:
    await store.append(new_entries("a", 3))
    await store.truncate("a")
    await store.append(new_entries("a", 2, first=4))
    assert [entry.offset for entry in await shown(store, "a")] == [4, 5]
    assert [entry.stub for entry in await kept(store, "a")] == [True, True, True, False, False]


async def test_a_retry_of_a_truncated_entry_is_recognised(store: Store) -> None:
    await store.append(new_entries("a", 3))
    await store.truncate("a")
    assert await store.append([new_entry("a", "m2")]) == [Appended(2, NOW + 1, duplicate=True)]


async def test_truncated_entries_are_swept_like_any_other(store: Store) -> None:
    await store.append(new_entries("a", 3))
    await store.truncate("a")
    assert await sweep_all(store, lambda name: KEEP_ALL, now_ms=NOW + 10) == 3
    assert await offsets_kept(store, "a") == [1, 2, 3]
    assert await sweep_all(store, lambda name: KEEP_ALL, now_ms=LATER) == 2
    assert await offsets_kept(store, "a") == [3]


async def test_truncating_a_channel_that_nobody_wrote_to_does_nothing(store: Store) -> None:
    await store.truncate("a")
    assert await store.append([new_entry("a", "1")]) == [Appended(1, NOW)]
    assert len(await shown(store, "a")) == 1


async def test_a_channel_truncated_twice_stays_blank(store: Store) -> None:
    await store.append(new_entries("a", 2))
    await store.truncate("a")
    await sweep_all(store, lambda name: KEEP_ALL, now_ms=LATER)
    await store.truncate("a")
    assert list(await shown(store, "a")) == []
    assert await head(store, "a") == 2
