"""The drivers that every contract test runs against."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest

from realtime.stores.sqlite import SQLiteStore
from tests.support.log_entries import Store
from tests.support.memory_nodes import MemoryCluster, SharedStore, SharedStoreFactory

StoreFactory = Callable[[Path], Store]

# A driver joins the suite with a line here: a name, and how to make an unopened, empty store.
STORES: Final[dict[str, StoreFactory]] = {
    "sqlite-file": lambda folder: SQLiteStore(str(folder / "store.db")),
    "sqlite-memory": lambda folder: SQLiteStore(":memory:"),
}


@pytest.fixture(params=STORES)
def unopened_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each driver; the test opens and closes it."""
    return STORES[request.param](tmp_path)


@pytest.fixture
async def store(unopened_store: Store) -> AsyncIterator[Store]:
    """An empty, open store of each driver."""
    await unopened_store.open()
    yield unopened_store
    await unopened_store.close()


# The same for stores that several nodes share: a name, and what makes an unopened store of one
# more node. It is asked once a test, so all that the test makes with the answer share one backend.
SHARED_STORES: Final[dict[str, Callable[[], Callable[[], SharedStore]]]] = {
    "memory": lambda: MemoryCluster().node,
}


@pytest.fixture(params=SHARED_STORES)
async def shared_stores(request: pytest.FixtureRequest) -> AsyncIterator[SharedStoreFactory]:
    """Makes open stores of one backend, each as another node would have it."""
    make = SHARED_STORES[request.param]()
    async with contextlib.AsyncExitStack() as opened:

        async def one_more() -> SharedStore:
            store = make()
            await store.open()
            opened.push_async_callback(store.close)
            return store

        yield one_more
