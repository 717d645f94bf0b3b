"""Fairness on channels that several nodes write at once.

Whoever has just appended knows the head and would win again and again, while the others learn it
only by losing. So on such a channel a node pauses after a success, by chance and no longer than an
append takes twice, and the others have their turn.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from random import SystemRandom
from typing import Final

CONTENDED_S: Final = 2.0
"""How long a channel counts as contended after another node's entry was last seen in it."""

CHANNELS_MAX: Final = 4_096
"""Contended channels that are remembered."""

_PAUSE_APPENDS: Final = 2.0
"""The longest pause after a success, as a multiple of what it took."""

_JITTER_ROUNDS_MAX: Final = 4.0
"""The longest wait before the next try of a loser, as a multiple of what the lost one took."""

_random: Final = SystemRandom().random


class _Channel:
    """When another node was last seen in a channel, and until when this node holds back."""

    __slots__ = ("free_at", "seen_at")

    def __init__(self) -> None:
        self.seen_at = 0.0
        self.free_at = 0.0


class Contention:
    """What is known of the channels that others write too. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = _random,
    ) -> None:
        self._clock = clock
        self._random = random
        self._channels: OrderedDict[str, _Channel] = OrderedDict()

    def __len__(self) -> int:
        return len(self._channels)

    def seen(self, channel: str) -> None:
        """Another node's entry was seen in the channel, by losing to it or by hearing of it."""
        known = self._channels.pop(channel, None) or _Channel()
        known.seen_at = self._clock()
        self._channels[channel] = known
        if len(self._channels) > CHANNELS_MAX:
            self._channels.popitem(last=False)

    def appended(self, channel: str, seconds: float) -> None:
        """This node has appended to the channel, which took so long."""
        known = self._channels.get(channel)
        if known is None:
            return
        now = self._clock()
        if now - known.seen_at > CONTENDED_S:
            del self._channels[channel]
            return
        known.free_at = now + self._random() * _PAUSE_APPENDS * seconds

    def pause_s(self, channel: str) -> float:
        """How long this node still holds back before its next append to the channel."""
        known = self._channels.get(channel)
        return 0.0 if known is None else max(known.free_at - self._clock(), 0.0)

    def jitter_s(self, lost: int, seconds: float) -> float:
        """How long to wait after `lost` lost races in a row, the last of which took so long."""
        return self._random() * seconds * min(2.0 ** (lost - 1) / 2.0, _JITTER_ROUNDS_MAX)
