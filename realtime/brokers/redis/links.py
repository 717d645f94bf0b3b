"""The link to one server: a publishing and a subscribed connection that are remade together."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from redis.asyncio.connection import AbstractConnection

from realtime.backoff import FULL, Backoff
from realtime.brokers.base import BrokerStatistics
from realtime.brokers.redis.address import Server
from realtime.brokers.redis.canary import Canary
from realtime.brokers.redis.connecting import FAILURES, Connector, ask, close, reason
from realtime.brokers.redis.doubt import Doubt
from realtime.brokers.redis.limits import Limits
from realtime.brokers.redis.outbox import Outbox
from realtime.brokers.redis.publisher import Publisher
from realtime.brokers.redis.subscriber import Subscriber


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What every link of a broker shares with it."""

    connector: Connector
    limits: Limits
    statistics: BrokerStatistics
    clock: Callable[[], float]
    """Monotonic, in seconds."""
    random: Callable[[], float]
    received: Callable[[bytes, bytes], None]
    """Called with topic and payload of each message that is no canary."""
    wanted: Callable[["Link"], list[bytes]]
    """The topics to be in force on a link, now."""
    well: Callable[["Link"], None]
    """Called when a link has become well."""
    doubted: Callable[["Link", str], None]
    """Called when a link could not be made or is in doubt, with the reason."""
    confirm: Callable[[], Awaitable[None]]
    """Finds out if the link is still to the right server; raises what ends all links if not."""


class Link:
    """Carries the topics of one server for as long as `run` runs.

    It is well from the moment that every wanted topic is in force and the first canary is back,
    until anything casts doubt on it. Then both connections are dropped, and it begins anew.
    """

    def __init__(
        self,
        server: Server,
        canary_topic: bytes,
        outbox: Outbox,
        around: Around,
        *,
        sharded: bool,
        since: float,
    ) -> None:
        """`sharded`: which kind of pub/sub. `since`: when publishing stopped, or was to begin."""
        self.server = server
        self.outbox = outbox
        self.is_well = False
        self.subscriber: Subscriber | None = None
        """Takes subscriptions while there is a connection."""
        self._canary_topic = canary_topic
        self._around = around
        self._sharded = sharded
        self._since = since
        self._canaries = time.time_ns()  # above those of this node's last run, should they linger
        self._has_been_well = False
        limits = around.limits
        self._backoff = Backoff(
            limits.backoff_min_s, limits.backoff_max_s, spread=FULL, random=around.random
        )

    def __repr__(self) -> str:
        return f"<Link {self.server} {'well' if self.is_well else 'in doubt'}>"

    async def run(self) -> None:
        """Be there until cancelled. Raises only what `Around.confirm` does, and defects."""
        is_confirmed = True
        while True:
            try:
                if not is_confirmed:
                    await self._around.confirm()
                await self._live()
            except* FAILURES as failures:
                self._doubted(reason(failures))
            is_confirmed = False
            await asyncio.sleep(self._backoff.next_s())

    async def _live(self) -> None:
        """Connect, and carry messages until the first doubt, which it raises."""
        connector = self._around.connector
        async with contextlib.AsyncExitStack() as stack:
            connections = []
            for _ in range(2):
                connection = await connector.open(self.server)
                stack.push_async_callback(close, connection)
                connections.append(connection)
            subscribed, publishing = connections
            if connector.address.service:
                await self._check_role(publishing)
            await self._carry(subscribed, publishing)

    async def _check_role(self, connection: AbstractConnection) -> None:
        """A Sentinel may name a master that has become a replica: what it is told goes nowhere."""
        role = await ask(connection, self._around.limits.connect_s, "ROLE")
        if role[0] != b"master":
            raise Doubt(f"{self.server} is not the master any more")

    async def _carry(self, subscribed: AbstractConnection, publishing: AbstractConnection) -> None:
        around = self._around
        limits, clock = around.limits, around.clock
        canary = Canary(
            first=self._canaries,
            interval_s=limits.canary_interval_s,
            deadline_s=limits.canary_s,
        )

        def on_message(topic: bytes, payload: bytes) -> None:
            if topic == self._canary_topic:
                away_s = canary.returned(payload, clock())
                if away_s is not None:
                    around.statistics.canary_s = away_s
                    self._became_well(publisher)
            else:
                around.received(topic, payload)

        sharded = self._sharded
        subscriber = Subscriber(subscribed, on_message, limits, clock, sharded=sharded)
        publisher = Publisher(publishing, self.outbox, limits, sharded=sharded)
        in_force = subscriber.begin([self._canary_topic, *around.wanted(self)])
        self.subscriber = subscriber
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(subscriber.read(), name="redis receive")
                tasks.create_task(subscriber.write(), name="redis subscribe")
                tasks.create_task(publisher.run(), name="redis publish")
                tasks.create_task(self._watch(subscriber, publisher, canary, in_force))
                if around.connector.address.service:
                    tasks.create_task(self._follow(), name="redis follow")
        finally:
            self.subscriber = None
            self._canaries = canary.next
            publisher.end()
            subscriber.end()

    async def _watch(
        self,
        subscriber: Subscriber,
        publisher: Publisher,
        canary: Canary,
        in_force: "asyncio.Future[None]",
    ) -> None:
        """Send canaries once all is in force, and look at the deadlines. Raises Doubt."""
        clock, watch_s = self._around.clock, self._around.limits.watch_s
        while not in_force.done():
            await asyncio.wait([in_force], timeout=watch_s)
            subscriber.check(clock())
        while True:
            now = clock()
            subscriber.check(now)
            canary.check(now)
            payload = canary.release(now)
            if payload is not None:
                publisher.send_canary(self._canary_topic, payload)
            await asyncio.sleep(watch_s)

    async def _follow(self) -> None:
        """Ask now and then if this is still the right server; raises what `confirm` then does."""
        while True:
            await asyncio.sleep(self._around.limits.follow_s)
            with contextlib.suppress(*FAILURES):  # a Sentinel that is away is no doubt
                await self._around.confirm()

    def _became_well(self, publisher: Publisher) -> None:
        if self.is_well:
            return
        around = self._around
        now = around.clock()
        if now - self._since > around.limits.stale_s:
            self.outbox.reduce()
        self._since = now
        self.is_well = True
        if self._has_been_well:
            around.statistics.reconnects += 1
        self._has_been_well = True
        publisher.open()
        around.well(self)

    def _doubted(self, why: str) -> None:
        now = self._around.clock()
        if self.is_well:
            self.is_well = False
            if now - self._since >= self._around.limits.backoff_max_s:
                self._backoff.reset()
            self._since = now
        self._around.doubted(self, why)
