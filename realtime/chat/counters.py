"""Live counters: numbers that many people move and many look at, a few times a second.

A counter is a key in a channel, and its value is what it is now, not by how much it has changed: so
a signal that gets lost is made up for by the next one, and only the last value of a while is told.
The truth is elsewhere, in summaries and rows.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from realtime.chat.pacing import Pace, Paced
from realtime.chat.ports import Clock, Stage

INTERVAL_S: Final = 0.2
"""The least time between two signals of a channel, in seconds."""

COUNTERS_MAX: Final = 200
"""Counters in one signal. Of more that change at a time, those that changed last are told."""


class CountersChange(msgspec.Struct, frozen=True):
    """The data of a signal `counters`: what these counters are now."""

    counters: dict[str, int]


class Counters:
    """Tells of counters, at most once per channel and INTERVAL_S; `run` must be running for it."""

    def __init__(self, stage: Stage, clock: Clock) -> None:
        self._stage = stage
        self._encode = msgspec.json.Encoder().encode
        self._paced: Paced[str, dict[str, int]] = Paced(
            "live counters", Pace(_merged, interval_s=INTERVAL_S), clock, self._send
        )
        self.run = self._paced.run
        self.send_due = self._paced.send_due

    def count(self, channel: str, key: str, value: int) -> None:
        """The counter `key` of the channel is `value` now. Never waits; may get lost.

        `key` is for clients to read: what is counted, and of which entry, as in "12:views".
        """
        self._paced.add(channel, {key: value})

    async def _send(self, due: Sequence[tuple[str, dict[str, int]]]) -> None:
        for channel, counters in due:
            self._stage.signal(channel, "counters", self._encode(CountersChange(counters)))


def _merged(waiting: dict[str, int], new: dict[str, int]) -> dict[str, int]:
    """Both; `waiting` is changed, so that a merge costs what is new."""
    for key, value in new.items():
        waiting.pop(key, None)
        waiting[key] = value
        if len(waiting) > COUNTERS_MAX:
            del waiting[next(iter(waiting))]
    return waiting
