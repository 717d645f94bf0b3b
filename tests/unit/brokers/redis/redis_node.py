"""A broker that runs on a server of the test's own, and what it has heard."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from realtime.brokers.base import BusMessage, ControlMessage
from realtime.brokers.redis import Limits, RedisBroker
from realtime.model import Entry

WITHIN_S: Final = 10.0

QUICK: Final = Limits(
    subscribe_s=0.5,
    idle_s=0.2,
    ping_s=0.6,
    publish_s=0.6,
    canary_interval_s=0.1,
    canary_s=1.0,
    watch_s=0.05,
    unsubscribe_s=0.2,
    backoff_max_s=0.2,
    connect_s=0.5,
    close_s=0.5,
    stale_s=0.3,
    follow_s=0.3,
)
"""For tests that wait for a deadline which is no promise of its own."""


class RedisNode:
    """One node. `heard`, `told` and `resumed` tell what its broker has called."""

    def __init__(self, name: str, broker: RedisBroker) -> None:
        self.name = name
        self.broker = broker
        self.heard: list[BusMessage] = []
        self.told: list[ControlMessage] = []
        self.resumed = 0
        self._news = asyncio.Event()
        self._numbers = itertools.count()

    async def run(self) -> None:
        """The broker's run."""
        await self.broker.run(self._receive, control=self._told, resumed=self._resumed)

    def _receive(self, message: BusMessage) -> None:
        self.heard.append(message)
        self._news.set()

    def _told(self, message: ControlMessage) -> None:
        self.told.append(message)
        self._news.set()

    def _resumed(self) -> None:
        self.resumed += 1
        self._news.set()

    async def until(self, holds: Callable[[], bool], within_s: float = WITHIN_S) -> None:
        """Wait until it holds, with whatever the broker calls or, at the latest, some ms later."""
        async with asyncio.timeout(within_s):
            while not holds():
                self._news.clear()
                try:
                    async with asyncio.timeout(0.02):
                        await self._news.wait()
                except TimeoutError:
                    continue

    async def well(self, within_s: float = WITHIN_S) -> None:
        """Wait until the bus is well."""
        await self.until(lambda: self.broker.state == "ok", within_s)

    async def doubts(self, within_s: float = WITHIN_S) -> None:
        """Wait until it is not."""
        await self.until(lambda: self.broker.state == "degraded", within_s)

    async def resumes(self, times: int, within_s: float = WITHIN_S) -> None:
        """Wait until it has been well so many times."""
        await self.until(lambda: self.resumed >= times, within_s)

    async def subscribe(self, *channels: str) -> None:
        """Ask for channels, and wait until all are in force."""
        waiting = [self.broker.subscribe(channel) for channel in channels]
        async with asyncio.timeout(WITHIN_S):
            for in_force in waiting:
                if in_force is not None:
                    await in_force

    def publish(self, channel: str, *, offset: int = 0, data: bytes = b"1") -> BusMessage:
        """Tell the others."""
        message = BusMessage(self.name, Entry(channel, offset, data, 0), sent_ms=1)
        self.broker.publish(message)
        return message

    async def hears(self, message: BusMessage, within_s: float = WITHIN_S) -> None:
        """Wait until the message has come."""
        await self.until(lambda: message in self.heard, within_s)

    async def hears_from(self, other: "RedisNode", channel: str = "a") -> None:
        """What the other publishes now arrives."""
        await self.hears(other.publish(channel, data=b"%d" % next(self._numbers)))

    async def close(self) -> None:
        """The broker's close, in bounded time."""
        async with asyncio.timeout(WITHIN_S):
            await self.broker.close()


@asynccontextmanager
async def redis_node(
    url: str, name: str = "one", *, is_well: bool = True, limits: Limits = QUICK, **options: Any
) -> AsyncIterator[RedisNode]:
    """A node that runs for as long as the block lasts, and is well when it begins."""
    node = RedisNode(name, RedisBroker(url, node=name, limits=limits, **options))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(node.run())
        try:
            if is_well:
                await node.well()
            yield node
        finally:
            await node.close()
            async with asyncio.timeout(WITHIN_S):
                await asyncio.wait([running])
