"""A bus that does what a bus may do: lose, repeat, delay and reorder, by a seeded plan."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from realtime.brokers.base import (
    BrokerState,
    BrokerStatistics,
    BusMessage,
    ControlMessage,
    ControlReceiver,
    Receiver,
    ignore,
)
from realtime.brokers.memory import MemoryBroker, MemoryBus


@dataclass(frozen=True, slots=True)
class BusFaults:
    """How likely each fault is for one message, 0 to 1. `overtaken_max`: by how many others a
    delayed message may be overtaken."""

    lose: float = 0.0
    repeat: float = 0.0
    delay: float = 0.0
    overtaken_max: int = 5


@dataclass(slots=True)
class _Delayed:
    message: BusMessage
    overtaken: int


class FaultyBroker:
    """One node's end of a `MemoryBus`, over which messages arrive by the plan of `seed`.

    Faults are on the receiving side, so each node loses others. Nothing here waits for time: a
    delayed message comes after so many others, or when `deliver_delayed` is called.
    """

    def __init__(self, bus: MemoryBus, faults: BusFaults, seed: int) -> None:
        self.faults = faults
        self.lost = 0
        self._inner = MemoryBroker(bus)
        self._plan = random.Random(seed)  # noqa: S311 - a plan of faults, not a secret
        self._delayed: list[_Delayed] = []
        self._receive: Receiver | None = None
        self._hear: ControlReceiver = ignore

    @property
    def state(self) -> BrokerState:
        """See base."""
        return self._inner.state

    @property
    def statistics(self) -> BrokerStatistics:
        """See base."""
        return self._inner.statistics

    async def run(
        self,
        receive: Receiver,
        *,
        control: ControlReceiver = ignore,
        resumed: Callable[[], None] = ignore,
    ) -> None:
        """See base."""
        self._receive = receive
        self._hear = control
        await self._inner.run(self._arrived, control=self._told, resumed=resumed)

    def control(self, message: ControlMessage, *, to: str | None = None) -> None:
        """See base."""
        self._inner.control(message, to=to)

    def publish(self, message: BusMessage) -> None:
        """See base."""
        self._inner.publish(message)

    def subscribe(self, channel: str) -> Awaitable[None] | None:
        """See base."""
        return self._inner.subscribe(channel)

    def unsubscribe(self, channel: str) -> None:
        """See base."""
        self._inner.unsubscribe(channel)

    async def close(self) -> None:
        """See base."""
        await self._inner.close()

    def deliver_delayed(self) -> None:
        """Deliver what still waits, the newest first."""
        while self._delayed:
            self._hand_over(self._delayed.pop().message)

    def _told(self, message: ControlMessage) -> None:
        if self._plan.random() < self.faults.lose:
            self.lost += 1
        else:
            self._hear(message)

    def _arrived(self, message: BusMessage) -> None:
        drawn = self._plan.random()
        faults = self.faults
        if drawn < faults.lose:
            self.lost += 1
        elif drawn < faults.lose + faults.delay:
            overtaken = self._plan.randint(1, faults.overtaken_max)
            self._delayed.append(_Delayed(message, overtaken))
        else:
            self._hand_over(message)
            if drawn > 1 - faults.repeat:
                self._hand_over(message)
        for delayed in list(self._delayed):
            delayed.overtaken -= 1
            if delayed.overtaken < 0:
                self._delayed.remove(delayed)
                self._hand_over(delayed.message)

    def _hand_over(self, message: BusMessage) -> None:
        assert self._receive is not None, "messages come only while the broker runs"
        self._receive(message)
