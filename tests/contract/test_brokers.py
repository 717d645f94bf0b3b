"""The contract of a broker, for every driver: on a bus that is well, what must hold.

A broker may lose, repeat, delay and reorder, so nothing here counts copies or asks for order; a
hub must live with a worse bus, and its own tests see to that.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from realtime.brokers.base import BUS_VERSION, BusMessage
from realtime.model import ClientInfo, Entry
from tests.contract.broker_buses import BUSES, TIMEOUT_S, BrokerFactory, NewBus, Node


@pytest.fixture(scope="module", params=BUSES)
def new_bus(request: pytest.FixtureRequest) -> Iterator[NewBus]:
    """Where each driver's buses are; their servers last for all tests of this file."""
    with BUSES[request.param]() as made:
        yield made


@pytest.fixture
def make_broker(new_bus: NewBus) -> BrokerFactory:
    """Makes brokers on one bus, for each driver."""
    return new_bus()


@pytest.fixture
async def nodes(make_broker: BrokerFactory) -> AsyncIterator[list[Node]]:
    """Three nodes whose brokers run and are well."""
    made = [Node(name, make_broker(name)) for name in ("one", "two", "three")]
    await asyncio.sleep(0)  # each run has begun
    for node in made:
        await node.well()
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
        True,
    )
    message = BusMessage("one", entry, epoch="epoch", sent_ms=1_700_000_000_001)
    assert message.version == BUS_VERSION
    one.broker.publish(message)
    await two.hears(message)


@pytest.mark.parametrize("kind", ["join", "leave"])
async def test_joins_and_leaves_travel_too(nodes: list[Node], kind: str) -> None:
    one, two, _ = nodes
    await two.subscribe("a")
    entry = Entry("a", 0, b"", 1, kind=kind, info=ClientInfo("u", "c"))  # type: ignore[arg-type]  # a parameter
    message = BusMessage("one", entry, sent_ms=1)
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


# Control messages


async def test_a_word_to_one_node_reaches_it_alone(nodes: list[Node]) -> None:
    one, two, three = nodes
    word = one.tell("two")
    await two.is_told(word)
    last = one.tell(None, "last")
    await three.is_told(last)
    assert word not in three.told


async def test_a_word_to_all_reaches_every_other_node(nodes: list[Node]) -> None:
    one, two, three = nodes
    word = one.tell(None)
    await two.is_told(word)
    await three.is_told(word)


async def test_a_word_to_nobody_is_harmless(nodes: list[Node]) -> None:
    one, two, _ = nodes
    one.tell("nobody")
    await two.is_told(one.tell("two"))


async def test_words_need_no_subscription_and_are_no_messages(nodes: list[Node]) -> None:
    one, two, _ = nodes
    await two.subscribe("two")
    await two.is_told(one.tell("two"))
    await two.hears(one.publish("two"))
    assert len(two.told) == 1
    assert len(two.heard) == 1


async def test_a_node_may_be_called_anything(make_broker: BrokerFactory) -> None:
    """Ids of nodes are opaque names, too."""
    names = ["*", "a:b", "a", "é", "{x}", "a b"]
    made = [Node(name, make_broker(name)) for name in names]
    await asyncio.sleep(0)
    for node in made:
        await node.well()
    for node in made[1:]:
        await node.is_told(made[0].tell(node.name))
    for node in made:
        await node.close()
        assert len(node.told) == (node is not made[0])


# What it says of itself


async def test_a_bus_that_is_well_says_so(nodes: list[Node]) -> None:
    for node in nodes:
        assert node.broker.state == "ok"
        # Once if it had to connect first; at no other time.
        assert node.resumed <= 1


async def test_what_goes_out_and_what_comes_in_is_counted(nodes: list[Node]) -> None:
    one, two, _ = nodes
    before = two.broker.statistics.received
    await two.subscribe("a")
    await two.hears(one.publish("a"))
    await two.is_told(one.tell("two"))
    assert one.broker.statistics.published == 2
    assert two.broker.statistics.received - before == 2
    for node in nodes:
        counted = node.broker.statistics
        assert (counted.dropped, counted.refused, counted.reconnects) == (0, 0, 0)


async def test_what_is_published_just_before_the_close_goes_out(nodes: list[Node]) -> None:
    one, two, _ = nodes
    await two.subscribe("a")
    messages = [one.publish("a", b"%d" % number) for number in range(100)]
    await one.close()
    for message in messages:
        await two.hears(message)


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
    broker = make_broker("one")
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
    one.tell("two", "too late")
    await two.is_told(three.tell("two"))
    assert len(two.told) == 1


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
    node = Node("one", make_broker("one"))
    await asyncio.sleep(0)
    node.running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await node.running
    await node.broker.close()
