"""What a node does while the bus is in doubt, and with messages that are not meant for it."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from realtime.brokers.base import BrokerState, BusMessage, ControlReceiver, Receiver, ignore
from realtime.brokers.memory import MemoryBroker
from realtime.hub import watching as watching_module
from realtime.hub.api_publishing import API_SENDER
from realtime.hub.publishing import digest
from realtime.model import Entry
from realtime.protocol.calls import PublishCall
from tests.support.hub import running, settled, until
from tests.support.log_entries import new_entry
from tests.support.memory_store import EPOCH, MemoryStore
from tests.unit.hub.pair import two_nodes


class DoubtfulBroker(MemoryBroker):
    """A bus that carries nothing, and whose state the test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.now: BrokerState = "ok"
        self.resume: Callable[[], None] = ignore

    @property
    def state(self) -> BrokerState:
        """See base."""
        return self.now

    async def run(
        self,
        receive: Receiver,
        *,
        control: ControlReceiver = ignore,
        resumed: Callable[[], None] = ignore,
    ) -> None:
        """See base."""
        self.resume = resumed
        await super().run(receive, control=control, resumed=resumed)


class ListeningStore(MemoryStore):
    """A store with an ear for other nodes' entries."""

    def __init__(self) -> None:
        super().__init__()
        self.heads: list[tuple[str, int, int]] = []

    def heard(self, channel: str, offset: int, n: int = -1) -> None:
        """See base, `HeadHints`."""
        self.heads.append((channel, offset, n))


async def test_positions_are_compared_every_second_while_the_bus_is_in_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching_module, "DOUBT_CHECK_S", 0.01)
    broker, store = DoubtfulBroker(), MemoryStore()
    async with running(broker=broker, store=store) as node:
        alice = await node.subscribed("chat:1")
        await asyncio.sleep(0.03)
        compared = node.store.calls["missed"]
        await store.append([new_entry("chat:1", "elsewhere")])
        broker.now = "degraded"
        await alice.received("chat:1", 1)
        await until(lambda: node.store.calls["missed"] > compared + 2)
        broker.now = "ok"
        await asyncio.sleep(0.03)
        compared = node.store.calls["missed"]
        await asyncio.sleep(0.05)
        assert node.store.calls["missed"] == compared


async def test_positions_are_compared_once_more_when_the_bus_is_trusted_again() -> None:
    broker, store = DoubtfulBroker(), MemoryStore()
    async with running(broker=broker, store=store) as node:
        alice = await node.subscribed("chat:1")
        await store.append([new_entry("chat:1", "elsewhere")])
        await settled()
        assert not alice.publications("chat:1")
        broker.resume()
        await alice.received("chat:1", 1)


async def test_a_store_that_is_away_too_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watching_module, "FOLLOW_S", 0.01)
    monkeypatch.setattr(watching_module, "DOUBT_CHECK_S", 0.01)
    broker, store = DoubtfulBroker(), MemoryStore()
    async with running(broker=broker, store=store) as node:
        alice = await node.subscribed("chat:1")
        await store.append([new_entry("chat:1", "elsewhere")])
        node.store.fail("missed", 3)
        node.store.fail("revocations", 3)
        broker.now = "degraded"
        await alice.received("chat:1", 1)
        assert caplog.text.count("comparing positions with the store has to wait") == 1
        assert caplog.text.count("reading the revocations log has to wait") == 1


async def test_a_message_of_another_store_is_neither_delivered_nor_taken_for_a_position() -> None:
    store = ListeningStore()
    async with running(store=store, heads=store) as node:
        alice = await node.subscribed("chat:1")
        await alice.subscribe("live:1")
        for entry in (Entry("chat:1", 7, b"1", 1), Entry("live:1", 0, b"1", 1)):
            for epoch in ("", "another"):
                node.hub.delivery.received(BusMessage("other", entry, epoch=epoch))
        await settled()
        assert not alice.publications("chat:1")
        assert not alice.publications("live:1")
        assert store.heads == []
        assert node.hub.statistics.foreign_messages == 4
        assert "offset" in (await alice.command("history", channel="chat:1"))["history"]


async def test_the_store_hears_of_other_nodes_entries_while_they_are_news() -> None:
    """A message that was long on its way says nothing of where the log ends now."""
    store = ListeningStore()
    async with running(store=store, heads=store) as node:
        await node.subscribed("chat:1")
        now_ms = node.clock.wall_ms()
        for offset, sent_ms in ((1, now_ms - 14_000), (2, now_ms - 16_000), (3, now_ms + 16_000)):
            entry = Entry("chat:1", offset, b"1", 1, n=5)
            node.hub.delivery.received(BusMessage("other", entry, epoch=EPOCH, sent_ms=sent_ms))
            node.hub.delivery.received(
                BusMessage(node.hub.node, entry, epoch=EPOCH, sent_ms=sent_ms)
            )
        assert store.heads == [("chat:1", 1, 5)]


async def test_a_gap_that_the_bus_closes_in_time_is_not_read_from_the_store() -> None:
    store = MemoryStore()
    async with running(store=store, repair_grace_s=0.2) as node:
        alice = await node.subscribed("chat:1")
        await store.append([new_entry("chat:1", str(number)) for number in range(3)])
        for offset in (2, 3, 1):
            entry = Entry("chat:1", offset, b"%d" % offset, 1)
            node.hub.delivery.received(BusMessage("other", entry, epoch=EPOCH))
            await settled()
        await alice.received("chat:1", 3)
        assert alice.data("chat:1") == [1, 2, 3]
        await until(lambda: not node.hub.delivery._repairing)
        assert node.store.calls["missed"] == 0
        assert node.hub.statistics.gaps == 0


async def test_a_gap_that_the_bus_does_not_close_is_read_from_the_store_after_a_grace() -> None:
    store = MemoryStore()
    async with running(store=store, repair_grace_s=0.01) as node:
        alice = await node.subscribed("chat:1")
        await store.append([new_entry("chat:1", str(number)) for number in range(2)])
        entry = Entry("chat:1", 2, b"2", 1)
        node.hub.delivery.received(BusMessage("other", entry, epoch=EPOCH))
        await alice.received("chat:1", 2)
        assert node.hub.statistics.gaps == 1


@pytest.mark.parametrize("state", ["ok", "degraded"])
async def test_a_channel_that_opens_while_the_bus_comes_back_misses_nothing(
    state: BrokerState,
) -> None:
    """The comparison that follows a doubt does not know of a channel that is being opened."""
    broker, store = DoubtfulBroker(), MemoryStore()
    broker.now = state
    async with running(broker=broker, store=store) as node:
        alice = await node.connected("alice")
        hold = node.store.hold("read")
        number = alice.send("subscribe", channel="chat:1")
        await hold.begun()
        # The head was read; what is committed now is announced on a bus that has lost it.
        await store.append([new_entry("chat:1", "elsewhere")])
        broker.now = "ok"
        broker.resume()
        await settled()
        hold.release()
        position = (await alice.reply(number))["subscribe"].get("offset", 0)
        # Before the reply's end, or after it.
        await until(lambda: position == 1 or alice.data("chat:1") == [{}])


async def test_a_retry_brings_to_light_what_a_dead_node_had_stored_and_not_told() -> None:
    async with two_nodes() as pair:
        here = await pair.here.subscribed("chat:1")
        there = await pair.there.subscribed("chat:1", "bob")
        call = PublishCall(channel="chat:1", data=msgspec.Raw(b'"hi"'), idempotency_key="k")
        made = digest(b'"hi"', None)
        dead = new_entry("chat:1", "k", sender=API_SENDER, data=b'"hi"', digest=made)
        await pair.store.append([dead])
        await settled()
        assert not here.publications("chat:1")
        assert (await pair.there.api.publish(call)).offset == 1
        for peer in (here, there):
            await peer.received("chat:1", 1)
            assert peer.data("chat:1") == ["hi"]


async def test_a_publish_of_the_api_is_delivered_though_its_caller_has_gone() -> None:
    async with running() as node:
        alice = await node.subscribed("chat:1")
        hold = node.store.hold("append")
        call = PublishCall(channel="chat:1", data=msgspec.Raw(b"1"))
        asking = asyncio.ensure_future(node.api.publish(call))
        await hold.begun()
        asking.cancel()
        await settled()
        hold.release()
        await alice.received("chat:1", 1)
