"""Sending at a rate, whatever the hub does: the open loop.

A load that waits for an answer before it sends again measures a slow hub less often, just when it
is slow ("coordinated omission"). Here each message has a time at which it is to leave, from which
its wait is counted, whether or not it left then. What leaves late because the load itself was busy
is counted, and makes a run invalid.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Final

from load.alarm import Alarm
from load.measured import LATE_MS
from load.recording import Recorder

BURST_MAX: Final = 1_000
"""How many messages leave before the loop has its turn, when the load has fallen behind."""

WAKE_NS: Final = 100_000
"""How long apart wakings are at least, in ns: above 10,000 messages a second several leave at once,
rather than that the process does nothing but wake up."""

_LATE_NS: Final = int(LATE_MS * 1e6)
_S: Final = 1_000_000_000


class Schedule:
    """When messages are to leave, in ns of the monotonic clock. Pure.

    `rate` is a second. Evenly, or, with a `chance`, as independent people would: the time between
    two follows the exponential distribution.
    """

    def __init__(
        self, rate: float, count: int, start_ns: int, chance: random.Random | None = None
    ) -> None:
        if rate <= 0 or count < 0:
            raise ValueError(f"{count} at a rate of {rate}")
        self._rate = rate
        self._left = count
        self._chance = chance
        self._start_ns = start_ns
        self._taken = 0
        self._next_ns = start_ns if chance is None else start_ns + self._wait()

    @property
    def next_ns(self) -> int | None:
        """When the next is to leave; None after the last."""
        return self._next_ns if self._left else None

    def due(self, now_ns: int, count_max: int = BURST_MAX) -> list[int]:
        """The times, up to now, at which messages were to leave and have not yet been taken."""
        times: list[int] = []
        while self._left and self._next_ns <= now_ns and len(times) < count_max:
            times.append(self._next_ns)
            self._left -= 1
            self._taken += 1
            if self._chance is None:
                # From the start, not from the last: a sum of roundings would drift.
                self._next_ns = self._start_ns + int(self._taken * _S / self._rate)
            else:
                self._next_ns += self._wait()
        return times

    def _wait(self) -> int:
        assert self._chance is not None  # asked for times by chance
        return int(self._chance.expovariate(self._rate) * _S)


def count_lateness(due_ns: int, now_ns: int, recorder: Recorder) -> None:
    """Note that a message leaves now which was to leave at `due_ns`."""
    recorder.sends += 1
    if now_ns - due_ns > _LATE_NS:
        recorder.late += 1


async def paced(
    recorder: Recorder,
    *,
    rate: float,
    count: int,
    delay_s: float = 0.0,
    chance: random.Random | None = None,
) -> AsyncIterator[int]:
    """So many times, at a rate, the first after `delay_s`: the time in ns at which a message is to
    leave, when it has come.

        async for due_ns in paced(recorder, rate=50, count=500):
            client.send_publish(channel, payload(due_ns), due_ns)

    What the loop's body waits for delays the next: it should not. The whole rate is of this
    process.
    """
    schedule = Schedule(rate, count, time.monotonic_ns() + int(delay_s * _S), chance)
    woke_ns = 0
    with Alarm() as alarm:
        while (next_ns := schedule.next_ns) is not None:
            await alarm.at(max(next_ns, woke_ns + WAKE_NS))
            woke_ns = time.monotonic_ns()
            for due_ns in schedule.due(woke_ns):
                count_lateness(due_ns, time.monotonic_ns(), recorder)
                yield due_ns
            # Reads have their turn even where the load cannot keep up.
            await asyncio.sleep(0)
