"""What a node asks of the bus, and what it makes of what the bus brings (brokers/base.py)."""

import asyncio
from collections.abc import Awaitable

import msgspec
import pytest

from realtime.brokers.base import BUS_VERSION, BusMessage
from realtime.brokers.memory import MemoryBroker
from realtime.hub import delivery as delivery_module
from realtime.model import Entry
from tests.support.hub import running, settled
from tests.support.memory_store import EPOCH
from tests.support.peer import error
from tests.unit.hub.pair import two_nodes


async def test_ephemeral_publications_reach_the_other_node_once() -> None:
    async with two_nodes() as pair:
        alice = await pair.here.subscribed("live:1")
        bob = await pair.there.subscribed("live:1", "bob")
        await bob.publish("live:1", "hi")
        await alice.received("live:1", 1)
        await settled()
        assert alice.data("live:1") == bob.data("live:1") == ["hi"]
        assert "offset" not in alice.publications("live:1")[0]


async def test_a_node_drops_its_own_messages_when_they_come_back() -> None:
    async with two_nodes() as pair:
        alice = await pair.here.subscribed("live:1")
        own = BusMessage(pair.here.hub.node, Entry("live:1", 0, b'"echo"', 1), epoch=EPOCH)
        pair.here.hub.delivery.received(own)
        await settled()
        assert alice.data("live:1") == []


async def test_messages_of_a_newer_version_are_ignored() -> None:
    async with two_nodes() as pair:
        alice = await pair.here.subscribed("live:1")
        message = BusMessage("another", Entry("live:1", 0, b'"new"', 1), BUS_VERSION + 1, EPOCH)
        pair.here.hub.delivery.received(message)
        pair.here.hub.delivery.received(msgspec.structs.replace(message, version=BUS_VERSION))
        await alice.received("live:1", 1)
        assert len(alice.data("live:1")) == 1


async def test_the_bus_is_asked_for_a_channel_by_its_first_subscriber_and_left_by_its_last() -> (
    None
):
    async with two_nodes() as pair:
        topics = pair.broker._inner.bus.topics
        alice = await pair.here.subscribed("chat:1")
        bob = await pair.here.subscribed("chat:1", "bob")
        assert list(topics) == ["chat:1"]
        await alice.command("unsubscribe", channel="chat:1")
        assert list(topics) == ["chat:1"]
        bob.leave()
        assert not topics


class SlowBus(MemoryBroker):
    """A bus whose subscriptions take until `answer` is set, or fail with it."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def subscribe(self, channel: str) -> Awaitable[None]:
        """See base."""
        super().subscribe(channel)
        return asyncio.shield(self.answer)


@pytest.mark.parametrize("channel", ["chat:1", "live:1"])
async def test_a_subscribe_waits_for_the_bus_before_it_reads_the_head(channel: str) -> None:
    bus = SlowBus()
    async with running(broker=bus) as node:
        alice = await node.connected()
        number = alice.send("subscribe", channel=channel)
        await settled()
        assert not alice.replied(number)
        assert not node.store.calls["read"]
        bus.answer.set_result(None)
        assert "subscribe" in await alice.reply(number)


@pytest.mark.parametrize("channel", ["chat:1", "live:1"])
async def test_a_bus_that_does_not_answer_is_a_temporary_error(
    channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "OPEN_TIMEOUT_S", 0.01)
    async with running(broker=SlowBus()) as node:
        alice = await node.connected()
        assert error(await alice.command("subscribe", channel=channel)) == 100
        assert not list(node.hub.delivery)


async def test_a_store_that_does_not_answer_is_a_temporary_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery_module, "OPEN_TIMEOUT_S", 0.01)
    async with running() as node:
        alice = await node.connected()
        node.store.hold("read")
        assert error(await alice.command("subscribe", channel="chat:1")) == 100
        assert not list(node.hub.delivery)
