"""The contract of a store, for every driver: reading pages and catching up."""

import asyncio

import pytest

from realtime.model import Retention
from realtime.stores.base import MISSED_CHANNELS_MAX
from tests.support.log_entries import KEEP_ALL, NOW, Store, head, new_entries, new_entry

# Reading


async def test_a_channel_that_nobody_wrote_to_is_empty_with_head_zero(store: Store) -> None:
    page = await store.read("a", limit=10, retention=KEEP_ALL, now_ms=NOW)
    assert (list(page.entries), page.head) == ([], 0)
    assert await head(store, "a") == 0


@pytest.mark.parametrize(
    ("after", "before", "limit", "newest_first", "offsets"),
    [
        (0, 0, 100, False, [1, 2, 3, 4, 5, 6]),
        (0, 0, 100, True, [6, 5, 4, 3, 2, 1]),
        (2, 0, 100, False, [3, 4, 5, 6]),
        (0, 5, 100, False, [1, 2, 3, 4]),
        (2, 5, 100, False, [3, 4]),
        (2, 5, 100, True, [4, 3]),
        (0, 0, 2, False, [1, 2]),
        (0, 0, 2, True, [6, 5]),
        (3, 0, 2, False, [4, 5]),
        (0, 4, 2, True, [3, 2]),
        (6, 0, 100, False, []),
        (9, 0, 100, False, []),
        (0, 1, 100, True, []),
        (4, 3, 100, False, []),
        (0, 0, 0, False, []),
    ],
)
async def test_pages_go_both_ways_between_after_and_before(
    store: Store, after: int, before: int, limit: int, newest_first: bool, offsets: list[int]
) -> None:
    await store.append(new_entries("a", 6) + new_entries("b", 3))
    page = await store.read(
        "a",
        after=after,
        before=before,
        limit=limit,
        newest_first=newest_first,
        retention=KEEP_ALL,
        now_ms=NOW,
    )
    assert [entry.offset for entry in page.entries] == offsets
    assert page.head == 6


@pytest.mark.parametrize(
    ("retention", "now_ms", "offsets"),
    [
        (Retention(2, 0), NOW, [5, 6]),
        (Retention(100, 0), NOW, [1, 2, 3, 4, 5, 6]),
        (Retention(0, 0), NOW, []),
        # Entry n was made at NOW + n - 1, and is hidden from its ttl on.
        (Retention(-1, 1000), NOW + 1000, [2, 3, 4, 5, 6]),
        (Retention(-1, 1000), NOW + 1004, [6]),
        (Retention(-1, 1000), NOW + 1005, []),
        (Retention(2, 1000), NOW + 1004, [6]),
        (Retention(1, 1000), NOW, [6]),
    ],
)
async def test_what_retention_hides_is_left_out_before_any_sweep(
    store: Store, retention: Retention, now_ms: int, offsets: list[int]
) -> None:
    await store.append(new_entries("a", 6))
    page = await store.read("a", limit=100, retention=retention, now_ms=now_ms)
    assert [entry.offset for entry in page.entries] == offsets
    assert page.head == 6
    newest = await store.read("a", limit=2, newest_first=True, retention=retention, now_ms=now_ms)
    assert [entry.offset for entry in newest.entries] == offsets[::-1][:2]


async def test_a_page_and_its_head_belong_together_while_appends_go_on(store: Store) -> None:
    async def write() -> None:
        for number in range(1, 60):
            await store.append([new_entry("a", str(number))])

    writing = asyncio.gather(write())
    while not writing.done():
        page = await store.read("a", limit=1000, retention=KEEP_ALL, now_ms=NOW)
        assert [entry.offset for entry in page.entries] == list(range(1, page.head + 1))
    await writing


# Catching up


async def test_missed_is_sorted_by_channel_then_offset(store: Store) -> None:
    await store.append(new_entries("b", 3) + new_entries("a", 2) + new_entries("c", 1))
    missed = await store.missed({"c": 0, "b": 1, "a": 0, "never written": 0}, limit=100)
    assert [(entry.channel, entry.offset) for entry in missed] == [
        ("a", 1),
        ("a", 2),
        ("b", 2),
        ("b", 3),
        ("c", 1),
    ]
    assert [entry.data for entry in missed] == [b'"1"', b'"2"', b'"2"', b'"3"', b'"1"']


async def test_nothing_is_missed_at_or_beyond_the_head(store: Store) -> None:
    await store.append(new_entries("a", 2) + new_entries("b", 2))
    assert list(await store.missed({"a": 2, "b": 9}, limit=100)) == []
    assert list(await store.missed({}, limit=100)) == []


async def test_missed_stops_at_its_limit_and_goes_on_from_what_came(store: Store) -> None:
    for name, count in (("a", 5), ("b", 1), ("c", 7), ("d", 2)):
        await store.append(new_entries(name, count))
    positions = {"a": 1, "b": 0, "c": 0, "d": 0}
    seen: list[tuple[str, int]] = []
    while missed := await store.missed(positions, limit=3):
        assert len(missed) <= 3
        for entry in missed:
            seen.append((entry.channel, entry.offset))
            positions[entry.channel] = entry.offset
    assert seen == [
        *[("a", offset) for offset in range(2, 6)],
        ("b", 1),
        *[("c", offset) for offset in range(1, 8)],
        ("d", 1),
        ("d", 2),
    ]


async def test_missed_takes_as_many_channels_as_promised_and_refuses_more(store: Store) -> None:
    names = [f"channel {number:03}" for number in range(MISSED_CHANNELS_MAX)]
    await store.append([new_entry(name, "1") for name in names])
    missed = await store.missed(dict.fromkeys(names, 0), limit=10_000)
    assert [entry.channel for entry in missed] == names
    with pytest.raises(ValueError, match="501 channels, at most 500"):
        await store.missed(dict.fromkeys([*names, "one more"], 0), limit=1)
