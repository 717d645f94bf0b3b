"""What waits to be published, within bounds."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple

from realtime.brokers.base import BrokerStatistics


class Worth(IntEnum):
    """What a message is worth when its time has passed."""

    EPHEMERAL = 0
    """Nothing. It may not be repeated either: nobody could tell the copies apart."""
    STORED = 1
    """It makes the others look into the store, if it is its channel's newest. May be repeated."""
    REPEATED = 2
    """As STORED, but tried once more already: what breaks a connection twice goes."""


class Outgoing(NamedTuple):
    """A message on its way."""

    topic: bytes
    payload: bytes
    worth: Worth


class Outbox:
    """Messages for one server in the order they came, bounded in messages and bytes.

    When it is full, or after an outage, each channel keeps its newest stored entry alone: that
    tells the others how far the channel's log goes, and they read the rest. If this does not make
    room the new message is dropped. All that is dropped is counted.
    """

    def __init__(self, statistics: BrokerStatistics, *, messages_max: int, bytes_max: int) -> None:
        self.settled = asyncio.Event()
        """Set while nothing waits and nothing is in flight."""
        self.settled.set()
        self.on_news: Callable[[], None] = nobody_waits
        """Called when there is something after there was nothing."""
        self._statistics = statistics
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._queue: deque[Outgoing] = deque()
        self._bytes = 0
        self._is_dense = False
        self._in_flight: list[Outgoing] = []

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def size_bytes(self) -> int:
        """Length of what waits."""
        return self._bytes

    def offer(self, topic: bytes, payload: bytes, worth: Worth) -> None:
        """Put a message at the end, or drop it."""
        size = len(topic) + len(payload)
        if self._is_full(size):
            # Not if little came of it the last time: each message would walk the whole queue.
            if not self._is_dense and size <= self._bytes_max:
                self.reduce()
                self._is_dense = (
                    len(self._queue) > self._messages_max // 2 or self._bytes > self._bytes_max // 2
                )
            if self._is_full(size):
                self._statistics.dropped += 1
                return
        self._queue.append(Outgoing(topic, payload, worth))
        self._bytes += size
        if len(self._queue) == 1:
            self.settled.clear()
            self.on_news()

    def take(self, messages_max: int, bytes_max: int) -> list[Outgoing]:
        """The next messages, in flight from now until `sent` or `failed`; empty if none waits.

        At least one, whatever its length; then no more once there are that many bytes.
        """
        assert not self._in_flight, "one pipeline at a time"
        queue, size = self._queue, 0
        batch = self._in_flight
        while queue and len(batch) < messages_max and size < bytes_max:
            item = queue.popleft()
            size += len(item.topic) + len(item.payload)
            batch.append(item)
        self._bytes -= size
        self._is_dense = False
        return batch

    def sent(self) -> None:
        """Redis has taken what was in flight."""
        self._in_flight = []
        self._settle()

    def failed(self) -> None:
        """Nobody knows how much of it Redis has taken: what may be repeated waits again, once."""
        batch, self._in_flight = self._in_flight, []
        again = [item for item in batch if item.worth is Worth.STORED]
        self._statistics.dropped += len(batch) - len(again)
        for item in reversed(again):
            self._queue.appendleft(item._replace(worth=Worth.REPEATED))
            self._bytes += len(item.topic) + len(item.payload)
        self._settle()

    def reduce(self) -> None:
        """Keep of each channel its newest stored entry, and nothing else."""
        newest: dict[bytes, Outgoing] = {}
        for item in self._queue:
            if item.worth:
                newest[item.topic] = item
        self._statistics.dropped += len(self._queue) - len(newest)
        self._fill(newest.values())

    def clear(self) -> None:
        """Drop what waits."""
        self._statistics.dropped += len(self._queue)
        self._fill(())

    def adopt(self, other: "Outbox") -> None:
        """Take over what waits in another outbox, which is empty after that."""
        for item in other._queue:
            self.offer(*item)
        other._fill(())

    def waiting(self) -> Iterable[Outgoing]:
        """What waits, oldest first."""
        return self._queue

    def _is_full(self, size: int) -> bool:
        return len(self._queue) >= self._messages_max or self._bytes + size > self._bytes_max

    def _fill(self, items: Iterable[Outgoing]) -> None:
        self._queue = deque(items)
        self._bytes = sum(len(item.topic) + len(item.payload) for item in self._queue)
        self._settle()

    def _settle(self) -> None:
        if not self._queue and not self._in_flight:
            self.settled.set()


def nobody_waits() -> None:
    """No publisher is there; it looks at what waits when it comes."""
