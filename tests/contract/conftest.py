"""The drivers that every contract test runs against."""

import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from realtime.stores.mongo import MongoStore
from realtime.stores.sqlite import SQLiteStore
from tests.support.log_entries import (
    BackedUpStore,
    SharedLogFactory,
    SharedLogStore,
    Store,
)
from tests.support.memory_nodes import MemoryCluster, SharedStore, SharedStoreFactory
from tests.support.mongo_servers import ReadyMongoStore, mongo_database, shared_mongo


@pytest.fixture(scope="session")
def mongo_server_url() -> Iterator[str]:
    """The MongoDB-speaking server that all tests share."""
    with shared_mongo() as url:
        yield url


@pytest.fixture
def mongo_url(mongo_server_url: str) -> Iterator[str]:
    """An empty database of the test's own."""
    with mongo_database(mongo_server_url) as url:
        yield url


StoreFactory = Callable[[pytest.FixtureRequest], Store]


def _sqlite_file(request: pytest.FixtureRequest) -> SQLiteStore:
    folder: Path = request.getfixturevalue("tmp_path")
    return SQLiteStore(str(folder / "store.db"))


def _mongo(request: pytest.FixtureRequest) -> MongoStore:
    return ReadyMongoStore(request.getfixturevalue("mongo_url"))


# A driver joins the suite with a line here: a name, and how to make an unopened, empty store.
BACKED_UP_STORES: Final[dict[str, Callable[[pytest.FixtureRequest], BackedUpStore]]] = {
    "sqlite-file": _sqlite_file,
    "sqlite-memory": lambda request: SQLiteStore(":memory:"),
}
STORES: Final[dict[str, StoreFactory]] = {**BACKED_UP_STORES, "mongo": _mongo}


@pytest.fixture(params=STORES)
def unopened_store(request: pytest.FixtureRequest) -> Store:
    """An empty store of each driver; the test opens and closes it."""
    return STORES[request.param](request)


@pytest.fixture
async def store(unopened_store: Store) -> AsyncIterator[Store]:
    """An empty, open store of each driver."""
    await unopened_store.open()
    yield unopened_store
    await unopened_store.close()


@pytest.fixture(params=BACKED_UP_STORES)
async def backed_up_store(request: pytest.FixtureRequest) -> AsyncIterator[BackedUpStore]:
    """An empty, open store of each driver that can copy itself."""
    store = BACKED_UP_STORES[request.param](request)
    await store.open()
    yield store
    await store.close()


# The same for stores that several nodes share: a name, and what makes an unopened store of one
# more node. It is asked once a test, so all that the test makes with the answer share one backend.
SHARED_STORES: Final[dict[str, Callable[[pytest.FixtureRequest], Callable[[], SharedStore]]]] = {
    "memory": lambda request: MemoryCluster().node,
    "mongo": lambda request: functools.partial(_mongo, request),
}


@pytest.fixture(params=SHARED_STORES)
async def shared_stores(request: pytest.FixtureRequest) -> AsyncIterator[SharedStoreFactory]:
    """Makes open stores of one backend, each as another node would have it."""
    make = SHARED_STORES[request.param](request)
    async with contextlib.AsyncExitStack() as opened:

        async def one_more() -> SharedStore:
            store = make()
            await store.open()
            opened.push_async_callback(store.close)
            return store

        yield one_more


# And for the logs of stores that several nodes write.
SHARED_LOGS: Final[dict[str, Callable[[pytest.FixtureRequest], Callable[[], SharedLogStore]]]] = {
    "mongo": lambda request: functools.partial(_mongo, request),
}


@pytest.fixture(params=SHARED_LOGS)
async def shared_logs(request: pytest.FixtureRequest) -> AsyncIterator[SharedLogFactory]:
    """Makes open stores of one backend, each as another node would have it."""
    make = SHARED_LOGS[request.param](request)
    async with contextlib.AsyncExitStack() as opened:

        async def one_more() -> SharedLogStore:
            store = make()
            await store.open()
            opened.push_async_callback(store.close)
            return store

        yield one_more
