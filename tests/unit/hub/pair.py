"""Two hubs on one store and one bus, which does its worst on the way to the first of them."""

import contextlib
from collections.abc import AsyncIterator

from realtime.brokers.memory import MemoryBroker, MemoryBus
from tests.support.faults import BusFaults, FaultyBroker
from tests.support.faulty_store import FaultyStore
from tests.support.hub import Node, running
from tests.support.memory_store import MemoryStore


class Pair:
    """Node `here`, whose incoming bus is at fault, and node `there`, where others publish."""

    def __init__(self, here: Node, there: Node, broker: FaultyBroker, store: MemoryStore) -> None:
        self.here = here
        self.there = there
        self.broker = broker
        self.store = store

    async def publish(self, *data: object, channel: str = "chat:1") -> None:
        """Publish on the other node, one after the other."""
        writer = await self.there.connected("writer")
        for item in data:
            await writer.publish(channel, item)

    def lose(self, everything: bool = True) -> None:
        """Have the bus lose all that it carries to `here`, or nothing again."""
        self.broker.faults = BusFaults(lose=1.0 if everything else 0.0)


@contextlib.asynccontextmanager
async def two_nodes(faults: BusFaults | None = None, seed: int = 1) -> AsyncIterator[Pair]:
    """The pair, running."""
    bus, inner = MemoryBus(), MemoryStore()
    store = FaultyStore(inner)
    broker = FaultyBroker(bus, faults or BusFaults(), seed)
    async with (
        running(store=store, broker=broker) as here,
        running(store=store, broker=MemoryBroker(bus)) as there,
    ):
        yield Pair(here, there, broker, inner)
    assert not bus.topics, "a channel was left subscribed on the bus"
