"""Which server carries which topic: the links of a broker, and what becomes of them."""

import asyncio
import itertools
import logging
import random
from collections.abc import Callable, Iterator

from realtime.backoff import FULL, Backoff
from realtime.brokers.base import BrokerState, BrokerStatistics, ignore
from realtime.brokers.redis.connecting import FAILURES, Connector, reason
from realtime.brokers.redis.discovery import Discovery, Topology
from realtime.brokers.redis.limits import Limits
from realtime.brokers.redis.links import Around, Link
from realtime.brokers.redis.outbox import Outbox
from realtime.brokers.redis.subscriber import Subscriber
from realtime.brokers.redis.subscriptions import Subscriptions
from realtime.brokers.redis.topics import Topics

logger = logging.getLogger(__name__)


class _TopologyChanged(Exception):
    """The links are to the wrong servers; raised out of all of them."""

    def __init__(self, topology: Topology) -> None:
        super().__init__()
        self.topology = topology


class Routes:
    """The links to all servers, made anew whenever the servers are others than before.

    `state` is "ok" while every link is well. One warning tells of the beginning of an outage, with
    its reason, and one message of its end.
    """

    def __init__(
        self,
        connector: Connector,
        limits: Limits,
        topics: Topics,
        subscriptions: Subscriptions,
        statistics: BrokerStatistics,
        clock: Callable[[], float],
        received: Callable[[bytes, bytes], None],
    ) -> None:
        """`received` is called with topic and payload of every message that is no canary."""
        self.state: BrokerState = "degraded"
        self._connector = connector
        self._limits = limits
        self._topics = topics
        self._subscriptions = subscriptions
        self._statistics = statistics
        self._clock = clock
        self._received = received
        self._resumed: Callable[[], None] = ignore
        self._discovery = Discovery(connector, limits.connect_s)
        self._topology: Topology | None = None
        self._links: list[Link] = []
        self._unrouted = self._make_outbox()
        self._since = clock()
        self._has_told = False

    def __repr__(self) -> str:
        return f"<Routes {self._connector.address} {self.state}>"

    async def run(self, resumed: Callable[[], None]) -> None:
        """Keep the links until cancelled; `resumed` is called each time that all are well."""
        self._resumed = resumed
        topology = await self._discover()
        while True:
            self._route(topology)
            try:
                async with asyncio.TaskGroup() as tasks:
                    for link in self._links:
                        tasks.create_task(link.run(), name=f"redis {link.server}")
            except* _TopologyChanged as changes:
                # Several links may have found out; which of them was last does not matter: a
                # topology that is out of date by now is found out again.
                topology = _first(changes).topology
            finally:
                self._degrade()
                self._unroute()

    async def _discover(self) -> Topology:
        limits = self._limits
        backoff = Backoff(
            limits.backoff_min_s, limits.backoff_max_s, spread=FULL, random=random.random
        )
        while True:
            try:
                return await self._discovery.topology()
            except FAILURES as error:
                self._tell_of_doubt(reason(error))
            await asyncio.sleep(backoff.next_s())

    async def _confirm(self) -> None:
        topology = await self._discovery.topology()
        if topology != self._topology:
            raise _TopologyChanged(topology)

    def _route(self, topology: Topology) -> None:
        """Make the links of a topology; what waits goes to the one that carries its topic."""
        around = Around(
            connector=self._connector,
            limits=self._limits,
            statistics=self._statistics,
            clock=self._clock,
            random=random.random,
            received=self._received,
            wanted=self._wanted,
            well=self._well,
            doubted=self._doubted,
            confirm=self._confirm,
        )
        self._topology = topology
        self._links = [
            Link(
                server,
                next(self._canary_topics(topology, index)),
                self._make_outbox(),
                around,
                sharded=topology.slots is not None,
                since=self._since,
            )
            for index, server in enumerate(topology.servers)
        ]
        for item in self._unrouted.waiting():
            self.outbox(item.topic).offer(*item)
        self._unrouted = self._make_outbox()

    def _unroute(self) -> None:
        links, self._links, self._topology = self._links, [], None
        for link in links:
            self._unrouted.adopt(link.outbox)

    def _canary_topics(self, topology: Topology, index: int) -> Iterator[bytes]:
        """Those that the server carries; there is no end of them."""
        candidates = map(self._topics.canary, itertools.count())
        return (topic for topic in candidates if topology.index(topic) == index)

    def _make_outbox(self) -> Outbox:
        limits = self._limits
        return Outbox(
            self._statistics,
            messages_max=limits.buffer_messages_max,
            bytes_max=limits.buffer_bytes_max,
        )

    # What the links tell.

    def _wanted(self, link: Link) -> list[bytes]:
        topology, index = self._topology, self._links.index(link)
        assert topology is not None, "links have a topology"
        every = (self._topics.everyone, self._topics.own, *self._subscriptions)
        return [topic for topic in every if topology.index(topic) == index]

    def _well(self, link: Link) -> None:
        if all(each.is_well for each in self._links):
            self.state = "ok"
            if self._has_told:
                self._has_told = False
                logger.info("the bus at %s is well again", self._connector.address)
            self._resumed()

    def _doubted(self, link: Link, why: str) -> None:
        self._degrade()
        self._tell_of_doubt(why)

    def _degrade(self) -> None:
        if self.state == "ok":
            self.state = "degraded"
            self._since = self._clock()

    def _tell_of_doubt(self, why: str) -> None:
        if not self._has_told:
            self._has_told = True
            logger.warning(
                "the bus at %s is in doubt: %s. Until it is back, this node looks into the store "
                "for what it may have missed",
                self._connector.address,
                why,
            )

    def outbox(self, topic: bytes) -> Outbox:
        """Where a message for a topic goes; where it waits while no server is known."""
        link = self._link(topic)
        return self._unrouted if link is None else link.outbox

    def subscriber(self, topic: bytes) -> Subscriber | None:
        """Where to ask for a topic; None while there is no connection."""
        link = self._link(topic)
        return None if link is None else link.subscriber

    def _link(self, topic: bytes) -> Link | None:
        if self._topology is None:
            return None
        return self._links[self._topology.index(topic)]

    def clear(self) -> None:
        """Drop what waits; nothing runs any more."""
        self._unrouted.clear()

    async def settled(self) -> None:
        """Wait until nothing waits to be published."""
        await self._unrouted.settled.wait()
        for link in self._links:
            await link.outbox.settled.wait()


def _first(group: BaseExceptionGroup[_TopologyChanged]) -> _TopologyChanged:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, _TopologyChanged), "the group was split by this type"
    return error
