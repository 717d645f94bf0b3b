"""Fairness on channels that several nodes write at once.

Whoever has just appended knows the head and would win again and again, while the others learn it
only by losing. So on such a channel a node pauses after a success, by chance and no longer than an
append takes twice, and the others have their turn. A node that always wins knows nothing of those
that lose: so one that appends to a channel without a gap leaves one now and then.

Neither costs much: what comes meanwhile goes into the next append.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from random import SystemRandom
from typing import Final

CONTENDED_S: Final = 2.0
"""How long a channel counts as contended after another node's entry was last seen in it."""

CHANNELS_MAX: Final = 8_192
"""Channels that are remembered, those appended to last."""

STREAK_S: Final = 0.5
"""How long a node appends to a channel without a gap before it leaves one, at least."""

STREAK_APPENDS: Final = 64.0
"""The same in appends, so that gaps take a small part of the time however long one append takes."""

_PAUSE_APPENDS: Final = 2.0
"""The longest pause after a success on a contended channel, in appends."""

_GAP_APPENDS: Final = 4.0
"""How long a gap is, in appends: a loser must read the head and insert meanwhile."""

_IDLE_APPENDS: Final = 2.0
"""A node that has left a channel alone for so many appends has left a gap."""

_JITTER_APPENDS_MAX: Final = 2.0
"""The longest wait of a loser before its next try, in appends."""

_random: Final = SystemRandom().random


class _Channel:
    """Times, in seconds: when another node was last seen, until when this node holds back, since
    when it has appended without a gap, and when it did so last."""

    __slots__ = ("appended_at", "free_at", "seen_at", "since")

    def __init__(self) -> None:
        self.seen_at = self.appended_at = self.since = float("-inf")
        self.free_at = 0.0


class Contention:
    """What is known of the channels that others may write too. `clock` is monotonic, in seconds."""

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
        self._channel(channel).seen_at = self._clock()

    def is_contended(self, channel: str) -> bool:
        """Whether another node was seen there a short while ago."""
        known = self._channels.get(channel)
        return known is not None and self._clock() - known.seen_at <= CONTENDED_S

    def appended(self, channel: str, seconds: float) -> None:
        """This node has appended to the channel, which took so long."""
        known = self._channel(channel)
        now = self._clock()
        if now - seconds - known.appended_at > _IDLE_APPENDS * seconds:
            known.since = now - seconds
        known.appended_at = now
        if now - known.seen_at <= CONTENDED_S:
            known.free_at = now + self._random() * _PAUSE_APPENDS * seconds
        elif now - known.since > max(STREAK_S, STREAK_APPENDS * seconds):
            known.free_at = now + _GAP_APPENDS * seconds

    def pause_s(self, channel: str) -> float:
        """How long this node still holds back before its next append to the channel."""
        known = self._channels.get(channel)
        return 0.0 if known is None else max(known.free_at - self._clock(), 0.0)

    def jitter_s(self, lost: int, seconds: float) -> float:
        """How long to wait after `lost` lost races in a row, the last of which took so long."""
        return self._random() * seconds * min(lost / 2.0, _JITTER_APPENDS_MAX)

    def _channel(self, channel: str) -> _Channel:
        known = self._channels.get(channel)
        if known is None:
            known = self._channels[channel] = _Channel()
            if len(self._channels) > CHANNELS_MAX:
                self._channels.popitem(last=False)
        else:
            self._channels.move_to_end(channel)
        return known
