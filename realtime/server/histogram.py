"""A histogram that costs a bisection and two additions per observation."""

import bisect
from collections.abc import Sequence


class Histogram:
    """Counts observations in buckets by upper bound, as Prometheus has them."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds` rise; what is above the last one is counted too."""
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self._counts[bisect.bisect_left(self._bounds, value)] += 1
        self.total += value

    def cumulated(self) -> list[tuple[str, float]]:
        """Each bucket's upper bound with the observations at or below it."""
        cumulated: list[tuple[str, float]] = []
        count = 0
        for bound, here in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            count += here
            cumulated.append((bound, count))
        return cumulated
