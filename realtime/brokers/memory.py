"""The in-process bus: for one node, and for several nodes in one process (tests)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from realtime.brokers.base import BrokerState, BusMessage, Receiver


class MemoryBus:
    """What the memory brokers of one process share: which of them wants which channel."""

    def __init__(self) -> None:
        self.topics: dict[str, set[MemoryBroker]] = {}

    def carry(self, source: MemoryBroker, message: BusMessage) -> None:
        """Hand the message to every other broker that asked for its channel."""
        for broker in tuple(self.topics.get(message.entry.channel, ())):
            if broker is not source:
                broker.deliver(message)


class MemoryBroker:
    """One node's end of a `MemoryBus`. See base."""

    def __init__(self, bus: MemoryBus | None = None) -> None:
        self.bus = bus if bus is not None else MemoryBus()
        self._receive: Receiver | None = None
        self._closed = asyncio.Event()

    @property
    def state(self) -> BrokerState:
        """See base: nothing is late or lost within a process."""
        return "ok"

    async def run(self, receive: Receiver) -> None:
        """See base."""
        self._receive = receive
        await self._closed.wait()

    def publish(self, message: BusMessage) -> None:
        """See base. The other brokers have received it when this returns."""
        if not self._closed.is_set():
            self.bus.carry(self, message)

    def deliver(self, message: BusMessage) -> None:
        """Called by the bus; drops what comes before `run` or after `close`."""
        if self._receive is not None and not self._closed.is_set():
            self._receive(message)

    def subscribe(self, channel: str) -> Awaitable[None] | None:
        """See base: in force at once."""
        if not self._closed.is_set():  # or the bus would hold on to it
            self.bus.topics.setdefault(channel, set()).add(self)
        return None

    def unsubscribe(self, channel: str) -> None:
        """See base."""
        brokers = self.bus.topics.get(channel)
        if brokers is not None:
            brokers.discard(self)
            if not brokers:
                del self.bus.topics[channel]

    async def close(self) -> None:
        """See base."""
        self._closed.set()
        for channel in [name for name, them in self.bus.topics.items() if self in them]:
            self.unsubscribe(channel)
