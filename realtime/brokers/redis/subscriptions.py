"""Which topics a node wants, whatever becomes of the connections. Pure."""

from collections.abc import Iterator
from typing import Final

TOGETHER: Final = 0.1
"""How much later the first of those who leave is given up, as a share of `linger_s`: who leaves
meanwhile goes with it, in one command."""


class Subscriptions:
    """The wanted topics, and those that nobody wants any more but that stay for a while.

    A channel whose last subscriber leaves and is back within `linger_s` costs no command at all.
    `now` is a monotonic clock, in seconds.
    """

    def __init__(self, linger_s: float) -> None:
        self._linger_s = linger_s
        self._topics: dict[bytes, None] = {}  # takes half the memory of a set
        # In the order of leaving, so that those whose time has come are at the front.
        self._leaving: dict[bytes, float] = {}

    def __len__(self) -> int:
        """Wanted and lingering topics."""
        return len(self._topics)

    def __iter__(self) -> Iterator[bytes]:
        """Wanted topics. Must not change meanwhile."""
        return (topic for topic in self._topics if topic not in self._leaving)

    def wants(self, topic: bytes) -> bool:
        """Whether what comes on this topic is for anybody."""
        return topic in self._topics and topic not in self._leaving

    def want(self, topic: bytes) -> None:
        """From now on."""
        self._topics.setdefault(topic)
        self._leaving.pop(topic, None)

    def release(self, topic: bytes, now: float) -> None:
        """Nobody wants it any more, for now. Unknown topics are none of ours."""
        if topic in self._topics and topic not in self._leaving:
            self._leaving[topic] = now

    def next_lapse(self) -> float | None:
        """When it is worth while to call `lapse`; None if nothing lingers.

        A little after the first one's time, since those who leave one after another then go
        together.
        """
        for left in self._leaving.values():
            return left + self._linger_s * (1 + TOGETHER)
        return None

    def lapse(self, now: float) -> list[bytes]:
        """Forget the topics whose time has come, and answer them."""
        lapsed = []
        for topic, left in self._leaving.items():
            if left + self._linger_s > now:
                break
            lapsed.append(topic)
        for topic in lapsed:
            del self._leaving[topic]
            del self._topics[topic]
        return lapsed
