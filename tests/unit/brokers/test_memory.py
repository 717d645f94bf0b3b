"""What the in-process bus adds to the contract (tests/contract/test_brokers.py)."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from realtime.brokers.base import BusMessage
from realtime.brokers.memory import MemoryBroker, MemoryBus
from realtime.model import Entry


def message(channel: str) -> BusMessage:
    return BusMessage("node", Entry(channel, 0, b"1", 0))


class Pair:
    """Two brokers of one bus that run, and what each has heard."""

    def __init__(self) -> None:
        self.bus = MemoryBus()
        self.first, self.second = MemoryBroker(self.bus), MemoryBroker(self.bus)
        self.own: list[BusMessage] = []
        self.heard: list[BusMessage] = []
        self.running = [
            asyncio.create_task(self.first.run(self.own.append)),
            asyncio.create_task(self.second.run(self.heard.append)),
        ]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    made = Pair()
    await asyncio.sleep(0)  # both have begun
    yield made
    await made.first.close()
    await made.second.close()
    async with asyncio.timeout(10):
        await asyncio.gather(*made.running)


async def test_a_message_has_arrived_when_publish_returns(pair: Pair) -> None:
    assert pair.second.subscribe("a") is None
    sent = message("a")
    pair.first.publish(sent)
    assert pair.heard == [sent]


async def test_a_node_does_not_hear_itself(pair: Pair) -> None:
    pair.first.subscribe("a")
    pair.first.publish(message("a"))
    assert pair.own == []


async def test_unsubscribing_takes_effect_at_once(pair: Pair) -> None:
    pair.second.subscribe("a")
    pair.second.unsubscribe("a")
    pair.first.publish(message("a"))
    assert pair.heard == []


async def test_a_channel_that_nobody_asks_for_any_more_is_forgotten(pair: Pair) -> None:
    for broker in (pair.first, pair.second):
        broker.subscribe("a")
    pair.first.unsubscribe("a")
    assert set(pair.bus.topics) == {"a"}
    pair.second.unsubscribe("a")
    assert pair.bus.topics == {}


async def test_a_closed_broker_is_held_on_to_by_nothing(pair: Pair) -> None:
    pair.second.subscribe("a")
    pair.second.subscribe("b")
    pair.first.subscribe("b")
    await pair.second.close()
    assert pair.bus.topics == {"b": {pair.first}}
    pair.second.subscribe("a")
    assert set(pair.bus.topics) == {"b"}


async def test_a_receiver_may_unsubscribe_while_a_message_is_carried(pair: Pair) -> None:
    third = MemoryBroker(pair.bus)
    received: list[BusMessage] = []

    def leave(item: BusMessage) -> None:
        received.append(item)
        third.unsubscribe("a")

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(third.run(leave))
        await asyncio.sleep(0)
        third.subscribe("a")
        pair.second.subscribe("a")
        pair.first.publish(message("a"))
        pair.first.publish(message("a"))
        await third.close()
    assert len(received) == 1
    assert len(pair.heard) == 2


async def test_what_comes_before_the_run_is_dropped() -> None:
    bus = MemoryBus()
    first, second = MemoryBroker(bus), MemoryBroker(bus)
    second.subscribe("a")
    first.publish(message("a"))
    heard: list[BusMessage] = []
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(second.run(heard.append))
        await asyncio.sleep(0)
        assert heard == []
        first.publish(message("a"))
        await second.close()
    assert len(heard) == 1


async def test_nothing_is_late_within_a_process() -> None:
    assert MemoryBroker().state == "ok"


async def test_a_broker_alone_has_a_bus_of_its_own() -> None:
    assert MemoryBroker().bus is not MemoryBroker().bus
