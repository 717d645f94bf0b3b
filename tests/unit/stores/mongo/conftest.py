"""A database of the test's own on the server that these tests share."""

import gc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from realtime.stores.mongo.client import DEFAULT_TIMEOUTS, Database
from tests.support.mongo_servers import ReadyMongoStore, mongo_database, shared_mongo


@pytest.fixture(autouse=True)
def _collected(request: pytest.FixtureRequest) -> Iterator[None]:
    """Where PyMongo leaves sockets to the collector, have it find them within the test."""
    yield
    if request.node.get_closest_marker("filterwarnings"):
        gc.collect()


@pytest.fixture(scope="session")
def mongo_server_url() -> Iterator[str]:
    """The MongoDB-speaking server."""
    with shared_mongo() as url:
        yield url


@pytest.fixture
def mongo_url(mongo_server_url: str) -> Iterator[str]:
    """An empty database."""
    with mongo_database(mongo_server_url) as url:
        yield url


@pytest.fixture
async def database(mongo_url: str) -> AsyncIterator[Database]:
    """The same, as the driver's parts have it."""
    database = Database(mongo_url, DEFAULT_TIMEOUTS, pool_max=8)
    yield database
    await database.close()


@pytest.fixture
async def mongo_store(mongo_url: str) -> AsyncIterator[ReadyMongoStore]:
    """An open, empty store."""
    store = ReadyMongoStore(mongo_url)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def make_store(mongo_url: str) -> AsyncIterator[Callable[..., ReadyMongoStore]]:
    """Makes stores of the test's database, or of a `url`, with options; closed in any case."""
    made: list[ReadyMongoStore] = []

    def make(url: str = mongo_url, **options: Any) -> ReadyMongoStore:
        made.append(ReadyMongoStore(url, **options))
        return made[-1]

    yield make
    for store in made:
        await store.close()
