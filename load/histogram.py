"""A histogram of waits: log-linear buckets that keep three significant digits.

Made as HdrHistogram is: below 2,048 us a bucket is one microsecond wide, and above that each
doubling has 1,024 buckets, so that no bucket is wider than 0.1 % of what it holds. Unlike lists of
percentiles, histograms add up: over processes, machines and seconds, with nothing lost.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import ceil
from typing import Any, Final, Self

US_MIN: Final = 1
"""What is shorter counts as this, in microseconds."""

US_MAX: Final = 3_600_000_000
"""What is longer counts as this, in microseconds: an hour."""

_BITS: Final = 11
"""Values of so many bits are kept exactly; longer ones by their first so many bits."""

_HALF_BITS: Final = _BITS - 1


class Histogram:
    """Counts of waits in microseconds. Sparse: it costs what was seen, not what could be.

    Not to be shared between threads.
    """

    __slots__ = ("_buckets", "_count", "_max", "_min", "_sum")

    def __init__(self, waits_us: Iterable[int] = ()) -> None:
        self._buckets: dict[int, int] = {}
        self._count = 0
        self._sum = 0
        self._min = US_MAX
        self._max = 0
        self.record_all(waits_us)

    def record(self, us: int, count: int = 1) -> None:
        """Count a wait so many times (>= 1). Outside `US_MIN` to `US_MAX` it counts as the end."""
        us = US_MIN if us < US_MIN else US_MAX if us > US_MAX else us
        shift = us.bit_length() - _BITS
        index = us if shift <= 0 else (shift << _HALF_BITS) + (us >> shift)
        self._buckets[index] = self._buckets.get(index, 0) + count
        self._count += count
        self._sum += us * count
        if us < self._min:
            self._min = us
        if us > self._max:
            self._max = us

    def record_all(self, waits_us: Iterable[int]) -> None:
        """Count many waits; several times cheaper than one by one where values repeat."""
        self.record_counted(Counter(waits_us))

    def record_counted(self, counted: Mapping[int, int]) -> None:
        """Count waits by their lengths in microseconds, each so many times (>= 1)."""
        if not counted:
            return
        if min(counted) < US_MIN or max(counted) > US_MAX:
            for us, count in counted.items():
                self.record(us, count)
            return
        buckets = self._buckets
        for us, count in counted.items():
            # As in `record`, whose call would cost more than all of this.
            shift = us.bit_length() - _BITS
            index = us if shift <= 0 else (shift << _HALF_BITS) + (us >> shift)
            buckets[index] = buckets.get(index, 0) + count
        self._count += sum(counted.values())
        self._sum += sum(us * count for us, count in counted.items())
        self._min = min(self._min, min(counted))
        self._max = max(self._max, max(counted))

    def merge(self, other: "Histogram") -> None:
        """Add what another counted; the other stays as it is."""
        buckets = self._buckets
        for index, count in other._buckets.items():
            buckets[index] = buckets.get(index, 0) + count
        self._count += other._count
        self._sum += other._sum
        self._min = min(self._min, other._min)
        self._max = max(self._max, other._max)

    @classmethod
    def merged(cls, histograms: Iterable["Histogram"]) -> Self:
        """A new one that counts all that these counted."""
        total = cls()
        for histogram in histograms:
            total.merge(histogram)
        return total

    @property
    def count(self) -> int:
        """How many waits were counted."""
        return self._count

    @property
    def min(self) -> int:
        """The shortest wait in microseconds, exactly; 0 of nothing."""
        return self._min if self._count else 0

    @property
    def max(self) -> int:
        """The longest wait in microseconds, exactly; 0 of nothing."""
        return self._max

    @property
    def mean(self) -> float:
        """The mean wait in microseconds, exactly; 0.0 of nothing."""
        return self._sum / self._count if self._count else 0.0

    def percentile(self, percent: float) -> int:
        """The wait in microseconds that `percent` (0 to 100) of all do not exceed; 0 of nothing.

        The nearest rank. It is the upper end of its bucket: up to 0.1 % too long, never too short.
        """
        # Rounded before the ceiling: 99.9 % of 1,000 is 999, not a float just above it.
        rank = max(1, ceil(round(self._count * percent / 100, 6)))
        seen = 0
        for index in sorted(self._buckets):
            seen += self._buckets[index]
            if seen >= rank:
                return min(_upper(index), self._max)
        return self._max

    def share_above(self, us: int) -> float:
        """The share of waits (0.0 to 1.0) in buckets that lie above `us` microseconds."""
        above = sum(count for index, count in self._buckets.items() if _upper(index) > us)
        return above / self._count if self._count else 0.0

    def buckets(self) -> Iterator[tuple[int, int]]:
        """What was counted, from short to long: (the longest wait of the bucket in us, count)."""
        for index in sorted(self._buckets):
            yield _upper(index), self._buckets[index]

    def to_json(self) -> dict[str, Any]:
        """What `from_json` takes: plain numbers and lists."""
        indices = sorted(self._buckets)
        return {
            "sum": self._sum,
            "min": self.min,
            "max": self._max,
            "indices": indices,
            "counts": [self._buckets[index] for index in indices],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Raises ValueError for anything that `to_json` does not write."""
        try:
            buckets = {
                int(index): int(count)
                for index, count in zip(document["indices"], document["counts"], strict=True)
            }
            total, low, high = (int(document[name]) for name in ("sum", "min", "max"))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError("not a histogram") from error
        if any(index < 0 or count < 1 for index, count in buckets.items()):
            raise ValueError("a histogram counts something below zero")
        histogram = cls()
        histogram._buckets = buckets
        histogram._count = sum(buckets.values())
        histogram._sum = total
        histogram._min = low if buckets else US_MAX
        histogram._max = high
        return histogram

    def __eq__(self, other: object) -> bool:
        """Equal if both counted the same."""
        if not isinstance(other, Histogram):
            return NotImplemented
        return self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        """Count, median and tail."""
        p50, p99 = self.percentile(50), self.percentile(99)
        return f"Histogram(count={self._count}, p50={p50} us, p99={p99} us, max={self._max} us)"


def _upper(index: int) -> int:
    """The longest wait in microseconds that falls into this bucket."""
    shift = (index >> _HALF_BITS) - 1
    if shift <= 0:
        return index
    return ((index - (shift << _HALF_BITS) + 1) << shift) - 1
