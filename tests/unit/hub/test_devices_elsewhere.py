"""One connection a device, whichever nodes it connects to, and whatever becomes of their words."""

import random

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from realtime.hub import devices
from tests.support.hub import Node, settled
from tests.support.peer import Peer
from tests.unit.hub.word_bus import WordBus, nodes_on_a_word_bus


async def phone(node: Node, id: str = "phone") -> Peer:
    """A new connection of alice's phone."""
    peer = await node.connected("alice", device_id=id)
    await settled()
    return peer


def pass_time(bus: WordBus, seconds: float) -> None:
    """Let so much time pass on every clock."""
    for node in bus.nodes:
        node.clock.move(seconds)


async def test_a_newer_connection_elsewhere_closes_the_older() -> None:
    async with nodes_on_a_word_bus(3) as bus:
        here, there, _ = bus.nodes
        old = await phone(here)
        await bus.arrive_all()
        pass_time(bus, 1)
        new = await phone(there)
        await bus.arrive_all()
        assert (old.code, new.code) == (3510, None)
        assert here.hub.statistics.disconnects == {3510: 1}


async def test_it_takes_three_words_and_nobody_else_says_anything() -> None:
    async with nodes_on_a_word_bus(3) as bus:
        here, there, _ = bus.nodes
        await phone(here)
        await bus.arrive_all()
        pass_time(bus, 1)
        await phone(there)
        said = []
        while bus.words:
            said += [(word.message.kind, word.broker.node) for word in bus.words[:1]]
            await bus.arrive()
        assert sorted(said[:2]) == sorted(
            [("device", node.hub.node) for node in bus.nodes if node is not there]
        )
        assert [kind for kind, _ in said[2:]] == ["device_held", "device_replaced"]
        assert [to for _, to in said[2:]] == [there.hub.node, here.hub.node]


async def test_words_name_neither_the_user_nor_the_device() -> None:
    async with nodes_on_a_word_bus(2) as bus:
        await phone(bus.nodes[0], "the-phone-of-alice")
        (word,) = bus.words
        assert b"alice" not in word.message.body


async def test_a_word_that_is_late_closes_nobody_who_came_later() -> None:
    async with nodes_on_a_word_bus(2) as bus:
        here, there = bus.nodes
        old = await phone(here)
        late = bus.words.pop()
        pass_time(bus, 60)
        new = await phone(there)
        await bus.arrive_all()
        assert old.code == 3510
        bus.words.append(late)
        await bus.arrive_all()
        assert new.code is None


async def test_a_word_that_is_late_closes_nobody_though_the_newer_ones_was_lost() -> None:
    async with nodes_on_a_word_bus(2) as bus:
        here, there = bus.nodes
        old = await phone(here)
        late = bus.words.pop()
        pass_time(bus, 60)
        new = await phone(there)
        bus.words[:] = [late]
        await bus.arrive_all()
        assert (old.code, new.code) == (None, None)


async def test_an_order_that_is_late_closes_only_whom_it_was_about() -> None:
    async with nodes_on_a_word_bus(2) as bus:
        here, there = bus.nodes
        await phone(here)
        await bus.arrive_all()
        pass_time(bus, 1)
        middle = await phone(there)
        while bus.kinds() != ["device_replaced"]:
            await bus.arrive()
        order = bus.words.pop()
        pass_time(bus, 60)
        newest = await phone(here)
        await bus.arrive_all()
        assert middle.code == 3510
        bus.words.append(order)
        await bus.arrive_all()
        assert newest.code is None


async def test_both_at_once_are_left_alone() -> None:
    """Neither node knows which was first: a ping finds the one that is a ghost."""
    async with nodes_on_a_word_bus(2) as bus:
        peers = [await phone(node) for node in bus.nodes]
        pass_time(bus, 0.5)  # the flight of the words
        assert bus.kinds() == ["device", "device"]
        await bus.arrive()
        await bus.arrive()
        assert bus.kinds() == ["device_held", "device_held"]
        pass_time(bus, 0.5)
        await bus.arrive_all()
        assert [peer.code for peer in peers] == [None, None]


async def test_a_newcomer_that_is_gone_again_closes_nobody() -> None:
    """As a connect does that was held up until the phone had given it up."""
    async with nodes_on_a_word_bus(2) as bus:
        here, there = bus.nodes
        living = await phone(here)
        await bus.arrive_all()
        pass_time(bus, 5)
        gone = await phone(there)
        gone.leave()
        await bus.arrive_all()
        assert living.code is None


async def test_another_device_or_user_elsewhere_is_left_alone() -> None:
    async with nodes_on_a_word_bus(2) as bus:
        here, there = bus.nodes
        others = [await phone(here, "tablet"), await here.connected("bob", device_id="phone")]
        await bus.arrive_all()
        pass_time(bus, 1)
        await phone(there)
        await bus.arrive_all()
        assert {peer.code for peer in others} == {None}


async def test_who_connects_in_one_turn_of_the_loop_is_told_of_in_one_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "WORD_CLIENTS_MAX", 10)
    async with nodes_on_a_word_bus(2) as bus:
        here, there = bus.nodes
        old = [await here.connected(f"user{n}", device_id="phone") for n in range(25)]
        await bus.arrive_all()
        pass_time(bus, 1)
        new = [there.peer() for _ in range(25)]
        for number, peer in enumerate(new):
            peer.send("connect", token=there.token(f"user{number}", device_id="phone"))
        await settled()
        assert bus.kinds() == ["device"] * 3
        await bus.arrive_all()
        assert {peer.code for peer in old} == {3510}
        assert {peer.code for peer in new} == {None}


STEPS = st.lists(
    st.sampled_from(("connect", *(4 * ("arrive",)), "repeat", "lose", "leave", "pass")),
    min_size=10,
    max_size=60,
)


@hypothesis_settings(max_examples=150)
@given(steps=STEPS, seed=st.integers(0, 2**16))
async def test_whatever_becomes_of_the_words_the_newest_connection_stays(
    steps: list[str], seed: int
) -> None:
    plan = random.Random(seed)  # noqa: S311 - a plan of faults, not a secret
    async with nodes_on_a_word_bus(2 + seed % 2) as bus:
        peers: list[Peer] = []
        for step in steps:
            place = plan.randrange(len(bus.words)) if bus.words else None
            if step == "connect":
                peers.append(await phone(plan.choice(bus.nodes)))
            elif step == "pass":
                pass_time(bus, plan.choice((0.001, 0.1, 2, 30)))
            elif step == "leave" and len(peers) > 1:
                peers.pop(plan.randrange(len(peers) - 1)).leave()
            elif place is not None and step == "lose":
                bus.words.pop(place)
            elif place is not None and step in ("arrive", "repeat"):
                await bus.arrive(place, keep=step == "repeat")
            assert not peers or peers[-1].code is None
        # The next connection whose words all arrive leaves no other.
        pass_time(bus, 60)
        await bus.arrive_all()
        last = await phone(plan.choice(bus.nodes))
        await bus.arrive_all()
        assert last.code is None
        assert {peer.code for peer in peers} <= {3510}
