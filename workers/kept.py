"""What was read a moment ago, for who asks again: a bounded number, each for a moment."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Values by key, for `seconds` of the clock `now` after they were put; `most` at a time."""

    def __init__(self, seconds: float, most: int, *, now: Callable[[], float]) -> None:
        self._seconds = seconds
        self._most = most
        self._now = now
        self._values: OrderedDict[K, tuple[V, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def among(self, keys: Iterable[K]) -> dict[K, V]:
        """Those of these that are kept."""
        now = self._now()
        found = {}
        for key in keys:
            kept = self._values.get(key)
            if kept is not None and now < kept[1]:
                found[key] = kept[0]
        return found

    def put(self, values: Mapping[K, V]) -> None:
        """Keep these; of more than there may be, those that were put first go."""
        until = self._now() + self._seconds
        for key, value in values.items():
            self._values[key] = value, until
            self._values.move_to_end(key)
        while len(self._values) > self._most:
            self._values.popitem(last=False)
