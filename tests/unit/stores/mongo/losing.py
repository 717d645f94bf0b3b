"""A collection whose answers are lost on the way back: the write is done, and nobody is told."""

from typing import Any, cast

from pymongo.errors import AutoReconnect

from realtime.stores.mongo.client import Collection


class _Losing:
    """Passes everything on to the real collection; the first answers of `method` are lost."""

    def __init__(self, collection: Collection, method: str, times: int) -> None:
        self._collection = collection
        self._method = method
        self._times = times

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._collection, name)
        if name != self._method:
            return real

        async def lose(*arguments: Any, **options: Any) -> Any:
            answer = await real(*arguments, **options)
            if self._times > 0:
                self._times -= 1
                raise AutoReconnect("connection closed")
            return answer

        return lose


def losing(collection: Collection, method: str, *, times: int = 1) -> Collection:
    """The collection, but the first `times` answers of one method are lost."""
    return cast(Collection, _Losing(collection, method, times))
