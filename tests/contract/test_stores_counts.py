"""The contract of a store, for every driver: the number of each entry that counts."""

import asyncio

import pytest

from realtime.model import Retention
from realtime.stores.base import DEDUPE_TTL_MS, Appended, Conflict
from tests.support.log_entries import (
    KEEP_ALL,
    NOW,
    SharedLogFactory,
    Store,
    kept,
    new_entries,
    new_entry,
    shown,
    sweep_all,
)


async def head_n(store: Store, channel: str) -> int:
    """The `n` of the channel's head, read alone and with a page."""
    alone = await store.read(channel, limit=0, retention=KEEP_ALL, now_ms=NOW)
    page = await store.read(channel, limit=3, retention=KEEP_ALL, now_ms=NOW)
    assert alone.head_n == page.head_n
    return page.head_n


async def test_n_counts_the_entries_that_count_up_to_and_with_each(store: Store) -> None:
    counting = [True, False, False, True, True, False]
    answers = await store.append(
        [new_entry("a", str(place), counts=counts) for place, counts in enumerate(counting)]
    )
    assert answers == [
        Appended(offset + 1, NOW, n=n) for offset, n in enumerate([1, 1, 1, 2, 3, 3])
    ]
    entries = await shown(store, "a")
    assert [entry.n for entry in entries] == [1, 1, 1, 2, 3, 3]
    assert [entry.counts for entry in entries] == counting
    assert await head_n(store, "a") == 3


async def test_n_goes_on_from_batch_to_batch_in_each_channel(store: Store) -> None:
    for number in range(3):
        answers = await store.append(
            [new_entry(name, str(number), counts=name != "c") for name in "abc"]
        )
        assert [answer.n for answer in answers if isinstance(answer, Appended)] == [
            number + 1,
            number + 1,
            0,
        ]
    assert [await head_n(store, name) for name in "abcd"] == [3, 3, 0, 0]


async def test_a_batch_larger_than_a_statement_is_numbered_throughout(store: Store) -> None:
    batch = [new_entry("a", str(number), counts=number % 3 == 0) for number in range(300)]
    answers = await store.append(batch)
    expected = [number // 3 + 1 for number in range(300)]
    assert [answer.n for answer in answers if isinstance(answer, Appended)] == expected
    assert [entry.n for entry in await shown(store, "a")] == expected


async def test_a_duplicate_answers_the_n_of_the_first(store: Store) -> None:
    await store.append([new_entry("a", str(number), counts=True) for number in range(3)])
    again = [
        new_entry("a", "1", counts=True),
        new_entry("a", "new", counts=True),
        new_entry("a", "new", counts=True),
        new_entry("a", "0", counts=False),
    ]
    assert await store.append(again) == [
        Appended(2, NOW, duplicate=True, n=2),
        Appended(4, NOW, n=4),
        Appended(4, NOW, duplicate=True, n=4),
        Appended(1, NOW, duplicate=True, n=1),
    ]
    assert await head_n(store, "a") == 4


async def test_a_conflict_does_not_count(store: Store) -> None:
    await store.append([new_entry("a", "1", counts=True)])
    batch = [new_entry("a", "1", digest=b"other", counts=True), new_entry("a", "2", counts=True)]
    assert await store.append(batch) == [Conflict(1), Appended(2, NOW, n=2)]


@pytest.mark.parametrize("pending", [False, True])
async def test_entries_of_every_kind_share_a_batch(store: Store, pending: bool) -> None:
    batch = [
        new_entry("a", "1", counts=True),
        new_entry("a", "2", kind="edit", ref=1, pending=pending),
        new_entry("b", "1", pending=pending),
        new_entry("a", "3", kind="reaction", ref=1),
        new_entry("a", "4", counts=True, ref=1),
    ]
    await store.append(batch)
    assert [
        (entry.kind, entry.ref, entry.n, entry.counts, entry.pending)
        for entry in await shown(store, "a")
    ] == [
        ("message", 0, 1, True, False),
        ("edit", 1, 1, False, pending),
        ("reaction", 1, 1, False, False),
        ("message", 1, 2, True, False),
    ]
    assert [entry.pending for entry in await shown(store, "b")] == [pending]


async def test_a_head_that_is_a_stub_keeps_its_n(store: Store) -> None:
    await store.append([new_entry("a", str(number), counts=True) for number in range(3)])
    await sweep_all(store, lambda name: Retention(0, 0), now_ms=NOW + 2 * DEDUPE_TTL_MS)
    (stub,) = await kept(store, "a")
    assert (stub.stub, stub.offset, stub.n, stub.counts) == (True, 3, 3, True)
    assert await head_n(store, "a") == 3
    assert await store.append([new_entry("a", "next", counts=True)]) == [Appended(4, NOW, n=4)]


async def test_a_truncate_leaves_n_as_it_is(store: Store) -> None:
    await store.append([new_entry("a", str(number), counts=True) for number in range(3)])
    await store.truncate("a")
    assert [entry.n for entry in await kept(store, "a")] == [1, 2, 3]
    assert await head_n(store, "a") == 3
    assert await store.append([new_entry("a", "next", counts=True)]) == [Appended(4, NOW, n=4)]
    await sweep_all(store, lambda name: KEEP_ALL, now_ms=NOW)
    assert [entry.n for entry in await kept(store, "a")] == [1, 2, 3, 4]


async def test_many_tasks_on_one_channel_count_without_holes(store: Store) -> None:
    async def write(writer: int) -> None:
        for number in range(10):
            await store.append([new_entry("a", f"{writer}-{number}", counts=number % 2 == 0)])

    await asyncio.gather(*[write(writer) for writer in range(8)])
    n = 0
    for entry in await kept(store, "a"):
        n += entry.counts
        assert entry.n == n
    assert n == 40


async def test_two_nodes_that_write_one_channel_number_it_as_one(
    shared_logs: SharedLogFactory,
) -> None:
    stores = [await shared_logs() for _ in range(2)]

    async def write(node: int) -> None:
        for number in range(12):
            counts = [number % 3 == 0, node == 0]
            batch = [
                new_entry("a", f"{node}-{number}-{place}", counts=each)
                for place, each in enumerate(counts)
            ]
            offsets = [answer.offset for answer in await stores[node].append(batch)]
            # As the other hears it on the bus: now with its n, now from a node that says none.
            page = await stores[node].read(
                "a", after=offsets[-1] - 1, limit=1, retention=KEEP_ALL, now_ms=NOW
            )
            told = page.entries[0].n if number % 2 else -1
            stores[1 - node].heard("a", offsets[-1], told)

    await asyncio.gather(write(0), write(1))
    for store in stores:
        n = 0
        entries = await kept(store, "a")
        assert [entry.offset for entry in entries] == list(range(1, 49))
        for entry in entries:
            n += entry.counts
            assert entry.n == n
        assert await head_n(store, "a") == n


async def test_entries_that_never_said_so_do_not_count(store: Store) -> None:
    await store.append(new_entries("a", 5))
    assert [entry.n for entry in await shown(store, "a")] == [0] * 5
