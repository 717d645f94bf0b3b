"""Token buckets by GCRA, the generic cell rate algorithm (ITU-T I.371): one float each.

The float is the theoretical arrival time, `tat`: when the bucket would be full again. It moves on
by one interval per admitted command and may be ahead of now by `burst` intervals at most. A new
bucket is full: 0.0. `now` is in seconds of a clock that does not go back.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from math import inf
from typing import Final, Generic, TypeVar

FULL: Final = 0.0
"""The `tat` of a bucket that was never used."""

# Sums of intervals are off by rounding; who keeps exactly to the rate must not be refused for it.
_SLACK_S: Final = 1e-6

_SWEPT_PER_NEW_KEY: Final = 2
_SWEPT_FROM: Final = 4_096

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_s` in the long run, `burst` at once (at least 1). `per_s` 0 is no limit.

    Raises ValueError for anything negative or not finite.
    """

    per_s: float
    burst: float
    enabled: bool = field(init=False)
    """Whether there is a limit. Where there is none, no bucket need be kept."""
    interval_s: float = field(init=False)
    """What one command costs, 0 without a limit."""
    ahead_max_s: float = field(init=False)
    """How far `tat` may be ahead of now."""

    def __post_init__(self) -> None:
        if not 0 <= self.per_s < inf or not 0 <= self.burst < inf:
            raise ValueError("a rate and its burst are finite and not negative")
        enabled = self.per_s > 0
        interval_s = 1 / self.per_s if enabled else 0.0
        object.__setattr__(self, "enabled", enabled)
        object.__setattr__(self, "interval_s", interval_s)
        object.__setattr__(self, "ahead_max_s", max(self.burst, 1.0) * interval_s + _SLACK_S)


UNLIMITED: Final = Rate(0.0, 0.0)


def admit(tat: float, now: float, rate: Rate, cost: float = 1.0) -> float | None:
    """Return the bucket's new `tat` if a command that costs `cost` is admitted now, else None.

    A refusal costs nothing: the bucket stays as it is. See `retry_after`.
    """
    tat = (tat if tat > now else now) + cost * rate.interval_s
    return tat if tat - now <= rate.ahead_max_s else None


def retry_after(tat: float, now: float, rate: Rate, cost: float = 1.0) -> float:
    """In how many seconds a command that costs `cost` would be admitted, 0 for now.

    Infinite if it costs more than the burst.
    """
    needed = cost * rate.interval_s
    if needed > rate.ahead_max_s:
        return inf
    # Without the slack: whoever waits so long must then be admitted, however the sums are rounded.
    return max(0.0, max(tat, now) + needed - now - (rate.ahead_max_s - _SLACK_S))


class KeyedBuckets(Generic[K]):
    """A bucket for each user or address, `keys_max` at most.

    Full buckets are dropped, which changes nothing. If there are `keys_max` others, a new key takes
    the place of the one that asked least recently, which thereby gets a full bucket: refusing new
    keys instead would let a stranger with many addresses lock everyone out. `forgotten` counts how
    often that happened; a flood from one key never does it to itself, since each attempt counts as
    asking.
    """

    def __init__(self, rate: Rate, keys_max: int) -> None:
        if keys_max < 1:
            raise ValueError(f"keys_max is at least 1, found {keys_max}")
        self.rate = rate
        self.keys_max = keys_max
        self.forgotten = 0
        # The key that asked least recently first.
        self._tats: OrderedDict[K, float] = OrderedDict()

    def admit(self, key: K, now: float, cost: float = 1.0, spare: float = 0.0) -> float:
        """Return 0 if a command of `key` is admitted now, else in how many seconds to ask again.

        `spare` is what must be left over in the bucket, beside the cost.
        """
        rate = self.rate
        if not rate.enabled:
            return 0.0
        tats = self._tats
        tat = tats.get(key)
        if tat is None:
            self._make_room(now)
            tat = FULL
        else:
            tats.move_to_end(key)
            if not spare:  # as almost always, and without a call
                later = (tat if tat > now else now) + cost * rate.interval_s
                if later - now <= rate.ahead_max_s:
                    tats[key] = later
                    return 0.0
        if admit(tat, now, rate, cost + spare) is None:
            tats[key] = tat
            return retry_after(tat, now, rate, cost + spare)
        tats[key] = max(tat, now) + cost * rate.interval_s
        return 0.0

    def charge(self, key: K, now: float, cost: float, *, debt_max: float) -> None:
        """Count what was admitted elsewhere, whether it would have been admitted here or not.

        So the bucket may owe more than its burst: `debt_max` bursts at most, what is more is
        forgiven. Counts as asking.
        """
        rate = self.rate
        if not rate.enabled:
            return
        tats = self._tats
        tat = tats.get(key)
        if tat is None:
            self._make_room(now)
            tat = FULL
        else:
            tats.move_to_end(key)
        tat = max(tat, now)
        latest = max(tat, now + (rate.ahead_max_s - _SLACK_S) * debt_max)
        tats[key] = min(tat + cost * rate.interval_s, latest)

    def __len__(self) -> int:
        return len(self._tats)

    def _make_room(self, now: float) -> None:
        # Few keys may be there although they are full: to drop one and make it anew costs more.
        if len(self._tats) < min(_SWEPT_FROM, self.keys_max):
            return
        # Two for each that comes: the map shrinks to the keys in use without anyone's help.
        for _ in range(_SWEPT_PER_NEW_KEY):
            if not self._drop_if_full(now):
                break
        if len(self._tats) >= self.keys_max:
            self._tats.popitem(last=False)
            self.forgotten += 1

    def _drop_if_full(self, now: float) -> bool:
        if not self._tats:
            return False
        key = next(iter(self._tats))
        if self._tats[key] > now:
            return False
        del self._tats[key]
        return True
