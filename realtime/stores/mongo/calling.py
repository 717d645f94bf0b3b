"""Calls to a database, from the first one to `close`: bounded, with errors that are the store's."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from realtime.errors import StoreUnavailable
from realtime.stores.mongo.cancellation import heeding
from realtime.stores.mongo.client import Database, Timeouts
from realtime.stores.mongo.failures import mapped

_T = TypeVar("_T")


class Calling:
    """What the parts of the store have in common. Connects with the first call."""

    def __init__(
        self,
        url: str,
        timeouts: Timeouts,
        *,
        pool_max: int,
        calls_max: int,
        write_for_s: float,
    ) -> None:
        self._url = url
        self._timeouts = timeouts
        self._pool_max = pool_max
        self._calls_max = calls_max
        self._write_for_s = write_for_s
        self._calls = 0
        self._epoch = ""
        self._closed = False
        self._database: Database | None = None

    def _reachable(self) -> Database:
        """The database, open or not yet."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._database is None:
            self._database = Database(self._url, self._timeouts, pool_max=self._pool_max)
        return self._database

    def _ready(self) -> Database:
        if not self._closed and not self._epoch:
            raise StoreUnavailable("the store is not open")
        return self._reachable()

    async def _prepared(self, call: Callable[[Database], Coroutine[Any, Any, _T]]) -> _T:
        """Call it although the store may not be open."""
        database = self._reachable()
        with mapped(database.place):
            return await heeding(call(database))

    async def _call(self, call: Callable[[Database], Coroutine[Any, Any, _T]]) -> _T:
        database = self._ready()
        if self._calls >= self._calls_max:
            raise StoreUnavailable(f"{database.place}: {self._calls} calls are under way")
        self._calls += 1
        try:
            with mapped(database.place):
                return await heeding(call(database))
        finally:
            self._calls -= 1
