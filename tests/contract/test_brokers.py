"""The contract of a broker, for every driver: on a bus that is well, what must hold.

A broker may lose, repeat, delay and reorder, so nothing here counts copies or asks for order; a
hub must live with a worse bus, and its own tests see to that.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import pytest

from realtime.brokers.base import BUS_VERSION, Broker, BusMessage
from realtime.brokers.memory import MemoryBroker, MemoryBus
from realtime.model import ClientInfo, Entry

BrokerFactory = Callable[[], Broker]

TIMEOUT_S: Final = 10.0


@contextmanager
def memory_bus() -> Iterator[BrokerFactory]:
    """Nodes in one process."""
    bus = MemoryBus()
    yield lambda: MemoryBroker(bus)


# A driver joins the suite with a line here: a name, and a bus that its brokers share.
BUSES: Final[dict[str, Callable[[], AbstractContextManager[BrokerFactory]]]] = {
    "memory": memory_bus,
}


class Node:
    """One node's end of the bus, which runs from the start, and what it has heard."""

    def __init__(self, name: str, broker: Broker) -> None:
        self.name = name
        self.broker = broker
        self.heard: list[BusMessage] = []
        self._news = asyncio.Event()
        self.running = asyncio.create_task(broker.run(self._receive))

    def _receive(self, message: BusMessage) -> None:
        self.heard.append(message)
        self._news.set()

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
        message = BusMessage(self.name, Entry(channel, 0, data, 0))
        self.broker.publish(message)
        return message

    async def hears(self, message: BusMessage) -> None:
        """Wait until the message has come."""
        async with asyncio.timeout(TIMEOUT_S):
            while message not in self.heard:
                self._news.clear()
                await self._news.wait()

    def channels(self) -> set[str]:
        """Those it has heard anything of from others."""
        return {item.entry.channel for item in self.heard if item.node != self.name}


@pytest.fixture(params=BUSES)
def make_broker(request: pytest.FixtureRequest) -> Iterator[BrokerFactory]:
    """Makes brokers on one bus, for each driver."""
    with BUSES[request.param]() as factory:
        yield factory


@pytest.fixture
async def nodes(make_broker: BrokerFactory) -> AsyncIterator[list[Node]]:
    """Three nodes whose brokers run."""
    made = [Node(name, make_broker()) for name in ("one", "two", "three")]
    await asyncio.sleep(0)  # each run has begun
    yield made
    for node in made:
        await node.close()


async def test_the_others_get_what_a_node_publishes(nodes: list[Node]) -> None:
    one, two, three = nodes
    await two.subscribe("a")
    await three.subscribe("a")
    message = one.publish("a")
    await two.hears(message)
    await three.hears(message)


async def test_a_message_arrives_as_it_was(nodes: list[Node]) -> None:
    one, two, _ = nodes
    await two.subscribe("chat:é😀")
    entry = Entry(
        "chat:é😀",
        2**63 - 1,
        b'{"x": [1 ,2], "b": "\xc3\xa9"}',
        1_700_000_000_000,
        "message",
        "u:1",
        "client-id",
        b"\x00\xff",
        7,
        ClientInfo("u", "c", b'{"n": 1}', b"[2]"),
        {"k": "v"},
        1,
        2,
    )
    message = BusMessage("one", entry)
    assert message.version == BUS_VERSION
    one.broker.publish(message)
    await two.hears(message)


@pytest.mark.parametrize("kind", ["join", "leave"])
async def test_joins_and_leaves_travel_too(nodes: list[Node], kind: str) -> None:
    one, two, _ = nodes
    await two.subscribe("a")
    entry = Entry("a", 0, b"", 1, kind=kind, info=ClientInfo("u", "c"))  # type: ignore[arg-type]  # a parameter
    message = BusMessage("one", entry)
    one.broker.publish(message)
    await two.hears(message)


async def test_a_node_needs_no_subscription_to_publish(nodes: list[Node]) -> None:
    one, two, _ = nodes
    await two.subscribe("a")
    await two.hears(one.publish("a"))
    assert one.channels() == set()


async def test_a_node_hears_only_of_channels_it_asked_for(nodes: list[Node]) -> None:
    one, two, three = nodes
    await two.subscribe("a")
    await three.subscribe("b")
    last = [one.publish(channel) for channel in ("other", "b", "a")]
    await two.hears(last[2])
    await three.hears(last[1])
    assert two.channels() == {"a"}
    assert three.channels() == {"b"}


async def test_channels_are_opaque_names(nodes: list[Node]) -> None:
    """No driver may read a pattern, a path or a separator into one."""
    one, two, _ = nodes
    names = ["*", "a*", "a?", "[ab]", "a b", "a.b", "a:b", "$a", "a#1,2", "é", "a\nb", "a" * 255]
    for name in names:
        await two.subscribe(name)
    for name in [*names, "ab", "aa", "b", "A"]:
        one.publish(name)
    await two.hears(one.publish("a b", b"last"))
    for name in names:
        await two.hears(one.publish(name, b"again"))
    assert two.channels() == set(names)


async def test_subscribing_twice_is_as_good_as_once(nodes: list[Node]) -> None:
    one, two, _ = nodes
    await two.subscribe("a")
    await two.subscribe("a")
    await two.hears(one.publish("a"))
    two.broker.unsubscribe("a")
    two.broker.unsubscribe("a")
    await two.subscribe("a")
    await two.hears(one.publish("a", b"2"))


async def test_unsubscribing_from_what_was_never_asked_for_is_harmless(nodes: list[Node]) -> None:
    one, two, three = nodes
    await three.subscribe("a")
    two.broker.unsubscribe("a")
    two.broker.unsubscribe("b")
    await three.hears(one.publish("a"))


async def test_a_node_that_unsubscribes_leaves_the_others_theirs(nodes: list[Node]) -> None:
    one, two, three = nodes
    await two.subscribe("a")
    await three.subscribe("a")
    two.broker.unsubscribe("a")
    await three.hears(one.publish("a"))


async def test_a_channel_can_come_and_go_quickly(nodes: list[Node]) -> None:
    one, two, _ = nodes
    for number in range(20):
        await two.subscribe("a")
        await two.hears(one.publish("a", b"%d" % number))
        two.broker.unsubscribe("a")


async def test_publishing_to_a_channel_nobody_asked_for_is_harmless(nodes: list[Node]) -> None:
    nodes[0].publish("nobody")


# Closing


async def test_closing_ends_the_run(nodes: list[Node]) -> None:
    one, two, _ = nodes
    await two.subscribe("a")
    await two.close()
    assert two.running.done()
    assert not one.running.done()


async def test_closing_twice_is_as_good_as_once(nodes: list[Node]) -> None:
    await nodes[0].broker.close()
    await nodes[0].broker.close()


async def test_a_broker_that_was_closed_before_it_ran_does_not_run(
    make_broker: BrokerFactory,
) -> None:
    broker = make_broker()
    await broker.close()
    async with asyncio.timeout(TIMEOUT_S):
        await broker.run(lambda message: None)


async def test_what_is_published_after_the_close_is_dropped(nodes: list[Node]) -> None:
    one, two, three = nodes
    await two.subscribe("a")
    await one.broker.close()
    dropped = one.publish("a", b"too late")
    await two.hears(three.publish("a"))
    assert dropped not in two.heard


async def test_a_closed_node_hears_nothing_and_the_others_go_on(nodes: list[Node]) -> None:
    one, two, three = nodes
    await two.subscribe("a")
    await three.subscribe("a")
    await two.broker.close()
    await three.hears(one.publish("a"))
    assert two.heard == []


async def test_subscribing_and_unsubscribing_after_the_close_is_harmless(
    nodes: list[Node],
) -> None:
    one, two, three = nodes
    await three.subscribe("a")
    await two.broker.close()
    await two.subscribe("a")
    two.broker.unsubscribe("b")
    await three.hears(one.publish("a"))
    assert two.heard == []


async def test_a_run_that_is_cancelled_ends(make_broker: BrokerFactory) -> None:
    """As the process's task group does when another part of it has died."""
    node = Node("one", make_broker())
    await asyncio.sleep(0)
    node.running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await node.running
    await node.broker.close()
