"""The buses that the contract of a broker is held against, and a node on one of them."""

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from realtime.brokers.base import Broker, BusMessage, ControlMessage
from realtime.brokers.memory import MemoryBroker, MemoryBus
from realtime.brokers.redis import RedisBroker
from realtime.model import Entry
from tests.support.redis_servers import (
    URL_VARIABLE,
    redis_cluster,
    redis_sentinel,
    redis_server,
)

BrokerFactory = Callable[[str], Broker]
"""Makes the broker of a node, by its id; all brokers of one factory are on one bus."""

NewBus = Callable[[], BrokerFactory]
"""Makes a bus on which nobody is yet."""

TIMEOUT_S: Final = 10.0

_prefixes = (f"realtime-test-{os.getpid()}-{number}" for number in itertools.count())


def on_redis(url: str) -> NewBus:
    """A bus is a prefix of its own, so all may share a server."""

    def new_bus() -> BrokerFactory:
        prefix = next(_prefixes)
        return lambda node: RedisBroker(url, node=node, prefix=prefix)

    return new_bus


@contextmanager
def memory() -> Iterator[NewBus]:
    """Nodes in one process."""

    def new_bus() -> BrokerFactory:
        bus = MemoryBus()
        return lambda node: MemoryBroker(bus, node)

    yield new_bus


@contextmanager
def redis() -> Iterator[NewBus]:
    """A server on loopback, or the one that the environment names."""
    url = os.environ.get(URL_VARIABLE)
    if url:
        yield on_redis(url)
    else:
        with redis_server() as server:
            yield on_redis(server.url)


@contextmanager
def redis_unix() -> Iterator[NewBus]:
    """A server on a unix socket."""
    with redis_server() as server:
        yield on_redis(server.unix_url)


@contextmanager
def redis_clustered() -> Iterator[NewBus]:
    """Sharded pub/sub over three masters."""
    with redis_cluster() as cluster:
        yield on_redis(cluster.url)


@contextmanager
def redis_watched() -> Iterator[NewBus]:
    """The master that a Sentinel names."""
    with redis_sentinel() as watched:
        yield on_redis(watched.url)


# A driver joins the suite with a line here: a name, and where its buses are.
BUSES: Final[dict[str, Callable[[], AbstractContextManager[NewBus]]]] = {
    "memory": memory,
    "redis": redis,
    "redis-unix": redis_unix,
    "redis-cluster": redis_clustered,
    "redis-sentinel": redis_watched,
}


class Node:
    """One node's end of the bus, which runs from the start, and what it has heard."""

    def __init__(self, name: str, broker: Broker) -> None:
        self.name = name
        self.broker = broker
        self.heard: list[BusMessage] = []
        self.told: list[ControlMessage] = []
        self.resumed = 0
        self._news = asyncio.Event()
        self.running = asyncio.create_task(
            broker.run(self._receive, control=self._told, resumed=self._resumed)
        )

    def _receive(self, message: BusMessage) -> None:
        self.heard.append(message)
        self._news.set()

    def _told(self, message: ControlMessage) -> None:
        self.told.append(message)
        self._news.set()

    def _resumed(self) -> None:
        self.resumed += 1
        self._news.set()

    async def well(self) -> None:
        """Wait until the bus is."""
        await self._until(lambda: self.broker.state == "ok")

    async def close(self) -> None:
        """Close the broker; raises what its run died of, or TimeoutError if it goes on."""
        async with asyncio.timeout(TIMEOUT_S):
            await self.broker.close()
            await self.running

    async def subscribe(self, channel: str) -> None:
        """Ask for a channel, and wait until it is in force."""
        async with asyncio.timeout(TIMEOUT_S):
            in_force = self.broker.subscribe(channel)
            if in_force is not None:
                await in_force

    def publish(self, channel: str, data: bytes = b"1") -> BusMessage:
        """Tell the others."""
        message = BusMessage(self.name, Entry(channel, 0, data, 0), sent_ms=1)
        self.broker.publish(message)
        return message

    def tell(self, to: str | None, kind: str = "word") -> ControlMessage:
        """Tell another node, or all, something that belongs to no channel."""
        message = ControlMessage(self.name, kind, b'{"to": "you"}', epoch="e")
        self.broker.control(message, to=to)
        return message

    async def hears(self, message: BusMessage) -> None:
        """Wait until the message has come."""
        await self._until(lambda: message in self.heard)

    async def is_told(self, message: ControlMessage) -> None:
        """The same for a control message."""
        await self._until(lambda: message in self.told)

    def channels(self) -> set[str]:
        """Those it has heard anything of from others."""
        return {item.entry.channel for item in self.heard if item.node != self.name}

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while not holds():
                self._news.clear()
                await self._news.wait()
