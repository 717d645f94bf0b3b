"""The in-process bus: for one node, and for several nodes in one process (tests)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from realtime.brokers.base import (
    BrokerState,
    BrokerStatistics,
    BusMessage,
    ControlMessage,
    ControlReceiver,
    Receiver,
    ignore,
)


class MemoryBus:
    """What the memory brokers of one process share: who there is, and who wants which channel."""

    def __init__(self) -> None:
        self.topics: dict[str, set[MemoryBroker]] = {}
        self.brokers: dict[MemoryBroker, str] = {}
        """Every broker that runs, and its node's id."""

    def carry(self, source: MemoryBroker, message: BusMessage) -> None:
        """Hand the message to every other broker that asked for its channel."""
        those = self.topics.get(message.entry.channel)
        if not those or (len(those) == 1 and source in those):
            return  # a node on its own, as a rule
        for broker in tuple(those):
            if broker is not source:
                broker.deliver(message)

    def tell(self, source: MemoryBroker, message: ControlMessage, to: str | None) -> None:
        """Hand a control message to one node, or to all others."""
        for broker, node in tuple(self.brokers.items()):
            if broker is not source and to in (None, node):
                broker.deliver_control(message)


class MemoryBroker:
    """One node's end of a `MemoryBus`. See base. `node` is where control messages find it."""

    def __init__(self, bus: MemoryBus | None = None, node: str = "") -> None:
        self.bus = bus if bus is not None else MemoryBus()
        self.node = node
        self._statistics = BrokerStatistics()
        self._receive: Receiver | None = None
        self._control: ControlReceiver = ignore
        self._closed = asyncio.Event()

    @property
    def state(self) -> BrokerState:
        """See base: nothing is late or lost within a process."""
        return "ok"

    @property
    def statistics(self) -> BrokerStatistics:
        """See base."""
        return self._statistics

    async def run(
        self,
        receive: Receiver,
        *,
        control: ControlReceiver = ignore,
        resumed: Callable[[], None] = ignore,
    ) -> None:
        """See base."""
        self._receive = receive
        self._control = control
        if not self._closed.is_set():
            self.bus.brokers[self] = self.node
        try:
            await self._closed.wait()
        finally:
            self.bus.brokers.pop(self, None)

    def publish(self, message: BusMessage) -> None:
        """See base. The other brokers have received it when this returns."""
        if not self._closed.is_set():
            self._statistics.published += 1
            self.bus.carry(self, message)

    def control(self, message: ControlMessage, *, to: str | None = None) -> None:
        """See base. The other brokers have received it when this returns."""
        if not self._closed.is_set():
            self._statistics.published += 1
            self.bus.tell(self, message, to)

    def deliver(self, message: BusMessage) -> None:
        """Called by the bus; drops what comes before `run` or after `close`."""
        if self._receive is not None and not self._closed.is_set():
            self._statistics.received += 1
            self._receive(message)

    def deliver_control(self, message: ControlMessage) -> None:
        """The same for control messages."""
        if not self._closed.is_set():
            self._statistics.received += 1
            self._control(message)

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
