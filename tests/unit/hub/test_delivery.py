"""What the bus loses, repeats, delays and reorders: what subscribers get (design 3)."""

import pytest

from realtime.brokers.base import BusMessage
from realtime.brokers.memory import MemoryBroker, MemoryBus
from realtime.errors import StoreUnavailable
from realtime.hub import delivery as delivery_module
from realtime.hub import positions as positions_module
from realtime.model import Entry
from realtime.protocol.calls import SubscribeCall
from tests.support.faults import BusFaults, FaultyBroker
from tests.support.faulty_store import FaultyStore
from tests.support.hub import running, settled, until
from tests.support.memory_store import EPOCH, MemoryStore
from tests.support.peer import Peer
from tests.unit.hub.pair import two_nodes


async def test_what_one_node_stores_the_other_delivers() -> None:
    async with two_nodes() as pair:
        alice = await pair.here.subscribed("chat:1")
        await pair.publish("a", "b")
        await alice.received("chat:1", 2)
        assert alice.data("chat:1") == ["a", "b"]
        assert alice.offsets("chat:1") == [1, 2]
        assert pair.here.hub.statistics.gaps == 0


async def test_a_lost_entry_is_fetched_when_the_next_one_comes() -> None:
    async with two_nodes() as pair:
        alice = await pair.here.subscribed("chat:1")
        pair.lose()
        await pair.publish(1, 2)
        pair.lose(everything=False)
        assert alice.data("chat:1") == []
        await pair.publish(3)
        await alice.received("chat:1", 3)
        assert alice.data("chat:1") == [1, 2, 3]
        assert pair.here.store.calls["missed"] == 1


async def test_a_lost_last_entry_is_found_by_comparing_positions() -> None:
    async with two_nodes() as pair:
        alice = await pair.here.subscribed("chat:1")
        pair.lose()
        await pair.publish(1, 2)
        await pair.here.hub.delivery.check_positions()
        await alice.received("chat:1", 2)
        assert alice.data("chat:1") == [1, 2]


async def test_positions_are_compared_by_themselves_now_and_then() -> None:
    bus, store = MemoryBus(), FaultyStore(MemoryStore())
    broker = FaultyBroker(bus, BusFaults(lose=1.0), seed=1)
    async with (
        running(store=store, broker=broker, position_check_s=0.01) as here,
        running(store=store, broker=MemoryBroker(bus)) as there,
    ):
        alice = await here.subscribed("chat:1")
        store.fail("missed", 2)
        writer = await there.connected("writer")
        await writer.publish("chat:1", 1)
        await alice.received("chat:1", 1)


async def test_positions_that_agree_deliver_nothing() -> None:
    async with two_nodes() as pair:
        alice = await pair.here.subscribed("chat:1")
        await pair.publish(1, 2)
        await alice.received("chat:1", 2)
        await pair.here.hub.delivery.check_positions()
        await settled()
        assert alice.data("chat:1") == [1, 2]
        assert pair.here.hub.statistics.repairs == 0


async def test_repeated_entries_are_dropped() -> None:
    async with two_nodes(BusFaults(repeat=1.0)) as pair:
        alice = await pair.here.subscribed("chat:1")
        await pair.publish(*range(10))
        await alice.received("chat:1", 10)
        await settled()
        assert alice.data("chat:1") == list(range(10))


async def test_reordered_entries_are_put_in_order() -> None:
    async with two_nodes(BusFaults(delay=0.5, overtaken_max=4), seed=3) as pair:
        alice = await pair.here.subscribed("chat:1")
        await pair.publish(*range(40))
        pair.broker.deliver_delayed()
        await alice.received("chat:1", 40)
        await settled()
        assert alice.data("chat:1") == list(range(40))
        assert pair.here.hub.statistics.gaps > 0


async def test_an_entry_that_comes_late_after_its_repair_is_dropped() -> None:
    async with two_nodes(BusFaults(delay=1.0, overtaken_max=1000)) as pair:
        alice = await pair.here.subscribed("chat:1")
        await pair.publish(1, 2, 3)
        await pair.here.hub.delivery.check_positions()
        await alice.received("chat:1", 3)
        pair.broker.deliver_delayed()
        await settled()
        assert alice.data("chat:1") == [1, 2, 3]


async def test_a_gap_that_retention_ate_ends_a_clients_subscription_with_2500() -> None:
    async with two_nodes() as pair:
        alice = await pair.here.subscribed("chat:1")
        pair.lose()
        await pair.publish(1, 2, 3)
        pair.store.forget("chat:1", 1, 2)
        await pair.here.hub.delivery.check_positions()
        assert await alice.push("unsubscribe", "chat:1") == {
            "code": 2500,
            "reason": "insufficient state",
        }
        assert alice.code is None
        assert alice.data("chat:1") == []
        reply = await alice.subscribe("chat:1", recover=True, epoch=EPOCH, offset=0)
        assert "recovered" not in reply
        assert reply["offset"] == 3
        assert pair.here.hub.statistics.gaps_admitted == 1


async def test_a_gap_that_retention_ate_closes_a_server_side_subscriber_with_3010() -> None:
    async with two_nodes() as pair:
        alice = await pair.here.connected("alice", channels=["chat:1"])
        bob = await pair.here.connected("bob")
        await pair.here.api.subscribe(SubscribeCall(user="bob", channel="chat:1"))
        other = await pair.here.subscribed("chat:2", "other")
        pair.lose()
        await pair.publish(1, 2)
        pair.store.forget("chat:1", 1)
        await pair.here.hub.delivery.check_positions()
        assert await alice.closed() == 3010
        assert await bob.closed() == 3010
        assert other.code is None


async def test_a_gap_of_stubs_is_a_gap() -> None:
    async with two_nodes() as pair:
        alice = await pair.here.subscribed("chat:1")
        pair.lose()
        await pair.publish(1, 2)
        await pair.store.truncate("chat:1")
        await pair.publish(3)
        await pair.here.hub.delivery.check_positions()
        assert (await alice.push("unsubscribe", "chat:1"))["code"] == 2500
        assert alice.data("chat:1") == []


async def test_what_can_be_shown_before_the_hole_is_shown() -> None:
    async with two_nodes() as pair:
        alice = await pair.here.subscribed("chat:1")
        pair.lose()
        await pair.publish(1, 2, 3, 4)
        pair.store.forget("chat:1", 3)
        await pair.here.hub.delivery.check_positions()
        await alice.push("unsubscribe", "chat:1")
        assert alice.data("chat:1") == [1, 2]


async def test_after_an_admitted_gap_the_channel_goes_on() -> None:
    async with two_nodes() as pair:
        alice = await pair.here.subscribed("chat:1")
        pair.lose()
        await pair.publish(1, 2)
        pair.store.forget("chat:1", 1)
        await pair.here.hub.delivery.check_positions()
        await alice.push("unsubscribe", "chat:1")
        pair.lose(everything=False)
        await alice.subscribe("chat:1")
        await pair.publish(3)
        await alice.received("chat:1", 1)
        assert alice.offsets("chat:1") == [3]


async def test_a_repair_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "REPAIR_RETRY_S", 0.01)
    async with two_nodes() as pair:
        alice = await pair.here.subscribed("chat:1")
        pair.lose()
        await pair.publish(1)
        pair.lose(everything=False)
        pair.here.store.fail("missed", 3)
        await pair.publish(2)
        await alice.received("chat:1", 2)
        assert alice.data("chat:1") == [1, 2]
        assert pair.here.store.calls["missed"] == 4


async def test_an_entry_that_the_store_does_not_show_yet_is_not_asked_for_without_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery_module, "REPAIR_RETRY_S", 0.05)
    async with two_nodes() as pair:
        alice = await pair.here.subscribed("chat:1")
        early = Entry("chat:1", 2, b"2", 1)
        pair.here.hub.delivery.received(BusMessage("another-node", early, epoch=EPOCH))
        await settled(200)
        assert pair.here.store.calls["missed"] <= 2
        assert alice.data("chat:1") == []
        pair.lose()
        await pair.publish(1, 2)
        await alice.received("chat:1", 2)
        assert alice.data("chat:1") == [1, 2]


async def test_a_comparison_that_fails_is_told_and_changes_nothing() -> None:
    async with two_nodes() as pair:
        alice = await pair.here.subscribed("chat:1")
        pair.here.store.fail("missed")
        with pytest.raises(StoreUnavailable):
            await pair.here.hub.delivery.check_positions()
        await pair.publish(1)
        await alice.received("chat:1", 1)


async def test_many_channels_with_much_missing_are_compared_in_slices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(positions_module, "MISSED_MAX", 7)
    monkeypatch.setattr(positions_module, "MISSED_CHANNELS_MAX", 3)
    async with two_nodes() as pair:
        alice = await pair.here.connected()
        channels = [f"chat:{number}" for number in range(8)]
        for channel in channels:
            await alice.subscribe(channel)
        pair.lose()
        for number, channel in enumerate(channels):
            await pair.publish(*range(3 * number), channel=channel)
        await pair.here.hub.delivery.check_positions()
        await settled()
        for number, channel in enumerate(channels):
            assert alice.data(channel) == list(range(3 * number))


async def test_a_large_gap_is_fetched_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions_module, "MISSED_MAX", 4)
    async with two_nodes() as pair:
        alice = await pair.here.subscribed("chat:1")
        pair.lose()
        await pair.publish(*range(18))
        pair.lose(everything=False)
        await pair.publish(18)
        await alice.received("chat:1", 19)
        assert alice.data("chat:1") == list(range(19))


async def test_a_channel_that_was_left_during_its_repair_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery_module, "REPAIR_RETRY_S", 0.0)
    async with two_nodes() as pair:
        alice = await pair.here.subscribed("chat:1")
        pair.lose()
        await pair.publish(1)
        pair.lose(everything=False)
        hold = pair.here.store.hold("missed")
        await pair.publish(2)
        await hold.begun()
        await alice.command("unsubscribe", channel="chat:1")
        hold.release()
        await settled()
        assert alice.data("chat:1") == []
        assert not pair.here.hub.delivery._repairing


async def test_clients_of_both_nodes_see_one_order() -> None:
    """Both nodes append to one channel at the same time; the store decides."""
    async with two_nodes(BusFaults(lose=0.1, repeat=0.1, delay=0.2), seed=5) as pair:
        alice = await pair.here.subscribed("chat:1")
        bob = await pair.there.subscribed("chat:1", "bob")
        writers: list[Peer] = [
            await pair.here.connected("one"),
            await pair.there.connected("two"),
        ]
        for number in range(50):
            for writer in writers:
                writer.send("publish", channel="chat:1", data=number)
            await settled(number % 4)
        await until(lambda: pair.store.entries("chat:1")[-1].offset == 100)
        pair.broker.deliver_delayed()
        for node in (pair.here, pair.there):
            await node.hub.delivery.check_positions()
        await alice.received("chat:1", 100)
        await bob.received("chat:1", 100)
        assert alice.offsets("chat:1") == bob.offsets("chat:1") == list(range(1, 101))
        assert alice.data("chat:1") == bob.data("chat:1")
