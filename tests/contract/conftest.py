"""The drivers that every contract test runs against."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest

from realtime.stores.sqlite import SQLiteStore
from tests.support.log_entries import Store

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
