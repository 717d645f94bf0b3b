"""The messages that a node sends itself to know that others reach it, and it them. Pure."""

from collections import OrderedDict

from realtime.brokers.redis.doubt import Doubt


class Canary:
    """The canaries of one link, from its connecting to its end. `now` is a monotonic clock, in s.

    One pair of connections keeps messages in order. So a canary that comes back before an older
    one proves the older one lost, and what else was lost with it nobody knows.
    """

    def __init__(self, *, first: int, interval_s: float, deadline_s: float) -> None:
        """`first` is above every number an earlier link used, whose canaries may still come."""
        self._next = first
        self._interval_s = interval_s
        self._deadline_s = deadline_s
        self._due = 0.0
        self._out: OrderedDict[int, float] = OrderedDict()

    @property
    def next(self) -> int:
        """The number of the next one."""
        return self._next

    def release(self, now: float) -> bytes | None:
        """The payload to publish now, if one is due; the first always is."""
        if now < self._due:
            return None
        number = self._next
        self._next += 1
        self._due = now + self._interval_s
        self._out[number] = now
        return b"%d" % number

    def returned(self, payload: bytes, now: float) -> float | None:
        """Seconds it was away; None if it is none of ours. Raises Doubt if an older one is lost."""
        number = int(payload) if payload.isdigit() else 0
        sent = self._out.pop(number, None)
        if sent is None:
            return None
        if self._out and next(iter(self._out)) < number:
            raise Doubt("a message to ourselves was lost")
        return now - sent

    def check(self, now: float) -> None:
        """Raises Doubt if one is away for too long."""
        if self._out and now - next(iter(self._out.values())) > self._deadline_s:
            raise Doubt(f"a message to ourselves is not back after {self._deadline_s:g} s")
