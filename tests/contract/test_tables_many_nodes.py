"""The contract of tables that several nodes write at once: one of them decides."""

import asyncio
from typing import Protocol, cast

from realtime.rows import CHANNELS, MEMBERS, ChannelRow
from realtime.stores.base import Removal, TableStore, Write
from tests.support.log_entries import SharedLogFactory, SharedLogStore
from tests.support.table_store import one


class SharedTables(SharedLogStore, TableStore, Protocol):
    """A store that several nodes write, as one of them has it."""


async def opened(shared_logs: SharedLogFactory, count: int) -> list[SharedTables]:
    """The stores of so many nodes."""
    return [cast(SharedTables, await shared_logs()) for _ in range(count)]


async def test_of_two_nodes_that_make_a_row_at_once_one_does(shared_logs: SharedLogFactory) -> None:
    stores = await opened(shared_logs, 2)
    for number in range(30):
        key = ("room", f"{number}")
        told = await asyncio.gather(
            *[
                store.decide(Write(MEMBERS, key, set={"role": f"{node}"}, absent=True))
                for node, store in enumerate(stores)
            ]
        )
        assert sorted(told) == [False, True]
        for store in stores:
            row = await one(store, MEMBERS, *key)
            assert row is not None
            assert row.role == f"{told.index(True)}"


async def test_of_two_nodes_that_take_a_row_at_once_one_does(shared_logs: SharedLogFactory) -> None:
    stores = await opened(shared_logs, 2)
    for number in range(30):
        key = ("room", f"{number}")
        await stores[0].write([Write(MEMBERS, key, set={"role": "free"})])
        takes: list[Write | Removal] = [
            Write(MEMBERS, key, set={"role": "taken"}, equals={"role": "free"}),
            Removal(MEMBERS, key, equals={"role": "free"}),
        ]
        told = await asyncio.gather(
            *[store.decide(take) for store, take in zip(stores, takes, strict=True)]
        )
        assert sorted(told) == [False, True]


async def test_sums_of_several_nodes_lose_nothing(shared_logs: SharedLogFactory) -> None:
    stores = await opened(shared_logs, 3)
    write = Write(CHANNELS, ("room",), add={"members": 1}, highest={"head": 7})
    await asyncio.gather(*[store.write([write]) for store in stores for _ in range(15)])
    for store in stores:
        assert await one(store, CHANNELS, "room") == ChannelRow("room", members=45, head=7)


async def test_the_highest_event_of_several_nodes_is_what_stays(
    shared_logs: SharedLogFactory,
) -> None:
    """However often, late and out of order each is folded."""
    stores = await opened(shared_logs, 3)
    for round in range(5):
        key = ("room", f"{round}")
        writes = [
            Write(MEMBERS, key, set={"role": f"{n}", "offset": n}, below=("offset", n))
            for n in (3, 1, 7, 5, 2, 6, 4)
        ]
        await asyncio.gather(*[store.write(writes) for store in stores])
        row = await one(stores[0], MEMBERS, *key)
        assert row is not None
        assert (row.role, row.offset) == ("7", 7)
