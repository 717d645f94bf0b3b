"""Answers that are lost, and a server that stops or dies: nothing acknowledged is lost or doubled.

These start a server of their own, whatever address is named for the others.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest

from realtime.errors import StoreUnavailable
from realtime.model import NewEntry
from realtime.stores.base import Appended
from realtime.stores.mongo import Timeouts
from tests.support.log_entries import NOW, head, kept, new_entries, new_entry, shown
from tests.support.mongo_servers import (
    SOCKETS_LEFT,
    MongoServer,
    ReadyMongoStore,
    database_url,
    mongo_server,
)
from tests.support.polling import eventually
from tests.support.proxy import Proxy, open_proxy

pytestmark = SOCKETS_LEFT

SHORT: Final = Timeouts(select_s=2.0, connect_s=1.0, socket_s=1.0, write_s=0.8, queue_s=2.0)
"""So that a server that stopped is noticed before the test's patience ends."""


@pytest.fixture
def server() -> Iterator[MongoServer]:
    """A server that may be stopped and killed."""
    with mongo_server() as server:
        yield server


@pytest.fixture
async def proxy(server: MongoServer) -> AsyncIterator[Proxy]:
    """What stands between the store and the server."""
    async with open_proxy(server.port) as proxy:
        yield proxy


@contextlib.asynccontextmanager
async def open_store(port: int, *, append_for_s: float = 60.0) -> AsyncIterator[ReadyMongoStore]:
    url = database_url(f"mongodb://127.0.0.1:{port}", "faults")
    store = ReadyMongoStore(url, timeouts=SHORT, append_for_s=append_for_s, close_timeout_s=2.0)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def reached(direct: ReadyMongoStore, channel: str, offset: int) -> None:
    """Wait until an entry is in the server, whoever has been told of it."""

    async def is_there() -> bool:
        return await head(direct, channel) >= offset

    await eventually(is_there, 10.0)


# A lost answer


@pytest.mark.parametrize("count", [1, 5])
async def test_an_append_whose_answer_was_lost_is_no_duplicate(
    server: MongoServer, proxy: Proxy, count: int
) -> None:
    """The entries reached the server; the node asks again and knows them for its own."""
    async with open_store(server.port) as direct, open_store(proxy.port) as store:
        await store.append([new_entry("a", "warm")])
        proxy.stall()
        batch = new_entries("a", count)
        appending = asyncio.ensure_future(store.append(batch))
        await reached(direct, "a", 1 + count)
        proxy.cut()
        proxy.resume()
        answers = await appending
        assert answers == [Appended(2 + n, NOW + n) for n in range(count)]
        assert store.statistics().unknown >= 1
        assert len(await kept(direct, "a")) == 1 + count


async def test_a_lost_answer_of_a_group_of_many_channels_is_found_again(
    server: MongoServer, proxy: Proxy
) -> None:
    async with open_store(server.port) as direct, open_store(proxy.port) as store:
        names = [f"channel {number}" for number in range(30)]
        await store.append([new_entry(name, "1") for name in names])
        # One of them was sent before, and one is written by another node meanwhile.
        await direct.append([new_entry(names[3], "2")])
        proxy.stall()
        appending = asyncio.ensure_future(store.append([new_entry(name, "2") for name in names]))
        await reached(direct, names[29], 2)
        await direct.append([new_entry(names[29], "other")])
        proxy.cut()
        proxy.resume()
        answers = await appending
        assert answers[3] == Appended(2, NOW, duplicate=True)
        assert [answers[n] for n in range(30) if n != 3] == [Appended(2, NOW)] * 29


async def test_an_entry_that_never_reached_the_server_is_stored_once_it_is_back(
    server: MongoServer, proxy: Proxy
) -> None:
    async with open_store(proxy.port) as store:
        await store.append([new_entry("a", "1")])
        proxy.refusing = True
        proxy.cut()
        appending = asyncio.ensure_future(store.append([new_entry("a", "2")]))

        async def has_failed() -> bool:
            return store.statistics().unknown >= 1

        await eventually(has_failed, 10.0)
        assert not appending.done()
        proxy.refusing = False
        assert await appending == [Appended(2, NOW)]


# A server that stops


async def test_while_the_server_stands_still_nothing_is_acknowledged(server: MongoServer) -> None:
    async with open_store(server.port) as store:
        await store.append([new_entry("a", "1")])
        server.pause()
        try:
            appending = asyncio.ensure_future(store.append([new_entry("a", "2")]))
            done, _ = await asyncio.wait([appending], timeout=3.0)
            assert not done
        finally:
            server.resume()
        assert await asyncio.wait_for(appending, 20.0) == [Appended(2, NOW)]
        assert [entry.client_id for entry in await shown(store, "a")] == ["1", "2"]


async def test_a_server_that_stays_away_is_given_up_in_time(server: MongoServer) -> None:
    async with open_store(server.port, append_for_s=1.0) as store:
        await store.append([new_entry("a", "1")])
        server.pause()
        try:
            began = time.monotonic()
            with pytest.raises(StoreUnavailable, match="given up after 1 s"):
                await store.append([new_entry("a", "2")])
            with pytest.raises(StoreUnavailable, match=r"MongoDB 127\.0\.0\.1"):
                await head(store, "a")
            assert time.monotonic() - began < 15.0
        finally:
            server.resume()
        # Absent, or there once: the same entry may be given again.
        (answer,) = await store.append([new_entry("a", "2")])
        assert answer.offset == 2
        assert len(await kept(store, "a")) == 2


async def test_a_store_whose_server_stands_still_closes_in_time(server: MongoServer) -> None:
    url = database_url(server.url, "faults")
    store = ReadyMongoStore(url, timeouts=SHORT, close_timeout_s=0.5)
    await store.open()
    server.pause()
    try:
        appending = asyncio.ensure_future(store.append([new_entry("a", "1")]))
        await asyncio.sleep(0)
        began = time.monotonic()
        await store.close()
        assert time.monotonic() - began < 5.0
        with pytest.raises(StoreUnavailable, match="closed"):
            await appending
    finally:
        server.resume()


# A server that dies


@pytest.mark.timeout(120)
async def test_a_server_killed_under_load_loses_and_doubles_nothing(server: MongoServer) -> None:
    """Acked is stored, what was not acked is absent or there once, and there is no hole."""
    acked: dict[tuple[str, str], int] = {}
    names = ["a", "b", "c"]

    async def write(store: ReadyMongoStore, node: int, until: float) -> None:
        number = 0
        while time.monotonic() < until:
            number += 1
            size = 1 + number % 3
            batch: list[NewEntry] = [
                new_entry(name, f"{node}-{number}-{place}")
                for name in names
                for place in range(size)
            ]
            for entry, answer in zip(batch, await store.append(batch), strict=True):
                assert isinstance(answer, Appended)
                assert not answer.duplicate
                acked[(entry.channel, entry.client_id)] = answer.offset

    async with open_store(server.port) as one, open_store(server.port) as other:
        until = time.monotonic() + 5.0
        writing = asyncio.gather(write(one, 1, until), write(other, 2, until))
        for _ in range(3):
            await asyncio.sleep(1.0)
            await asyncio.to_thread(server.restart)
        await asyncio.wait_for(writing, 60.0)
        # The faults have hit appends, and not the time between them.
        assert one.statistics().unknown + other.statistics().unknown > 0
        for name in names:
            entries = await kept(one, name)
            assert [entry.offset for entry in entries] == list(range(1, len(entries) + 1))
            stored = {entry.client_id: entry.offset for entry in entries}
            assert len(stored) == len(entries)
            own = {client: offset for (channel, client), offset in acked.items() if channel == name}
            assert own == stored
