"""Subscribers come, go and recover while others publish and the store takes its time.

Every example is a plan: what is begun, and how many turns of the loop pass in between. Whatever
the plan, each follower sees every entry from its position on, once and in order.
"""

import random
from typing import Literal, get_args

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from realtime.brokers.memory import MemoryBus
from realtime.stores.sqlite import SQLiteStore
from tests.support.faults import BusFaults, FaultyBroker
from tests.support.faulty_store import FaultyStore
from tests.support.hub import Node, running, settled, until
from tests.support.memory_store import MemoryStore
from tests.unit.hub.follower import Follower

CHANNEL = "chat:1"

Kind = Literal["publish", "subscribe", "unsubscribe", "drop", "move", "wait", "late"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Step = tuple[Kind, int]

STEPS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, 7),
    ),
    min_size=5,
    max_size=60,
)
SEEDS = st.integers(0, 2**16)
BAD = BusFaults(lose=0.2, repeat=0.2, delay=0.3)


class Plan:
    """Followers and publishers on one or two nodes, and what became of it."""

    def __init__(self, nodes: list[Node], seed: int) -> None:
        self.nodes = nodes
        self.random = random.Random(seed)  # noqa: S311 - a plan of faults, not a secret
        self.followers = [
            Follower(nodes[number % len(nodes)], CHANNEL, f"user{number}") for number in range(4)
        ]
        self.published = 0

    async def run(self, steps: list[Step]) -> None:
        """Do all steps, some turns of the loop apart."""
        self.writers = [await node.connected("writer") for node in self.nodes]
        for kind, number in steps:
            follower = self.followers[number % len(self.followers)]
            if kind == "publish":
                for _ in range(1 + number % 3):
                    self.published += 1
                    writer = self.writers[number % len(self.writers)]
                    writer.send("publish", channel=CHANNEL, data=self.published)
            elif kind == "subscribe":
                follower.subscribe()
            elif kind == "unsubscribe":
                follower.unsubscribe()
            elif kind == "drop":
                follower.drop()
            elif kind == "move":
                follower.drop()
                follower.connect(self.nodes[number % len(self.nodes)])
            elif kind == "late":
                self.deliver_delayed()
            await settled(self.random.randint(0, 3) if kind != "wait" else number)

    def deliver_delayed(self) -> None:
        """Have what the buses still hold arrive."""
        for node in self.nodes:
            if isinstance(node.hub._broker, FaultyBroker):
                node.hub._broker.deliver_delayed()

    async def finish(self) -> None:
        """Let everything come to rest, with every follower subscribed."""
        for node in self.nodes:
            await node.hub.commits.flushed()
        self.deliver_delayed()

        def all_subscribed() -> bool:
            for follower in self.followers:
                follower.subscribe()
            return all(follower.is_subscribed for follower in self.followers)

        await until(all_subscribed)
        for node in self.nodes:
            await node.hub.delivery.check_positions()
        await until(lambda: not any(node.hub.delivery._repairing for node in self.nodes))
        await settled()
        for follower in self.followers:
            follower.read()

    def check(self, store: MemoryStore) -> None:
        """Compare what was seen with what is stored."""
        stored = {entry.offset: int(entry.data) for entry in store.entries(CHANNEL)}
        assert len(stored) == self.published
        for follower in self.followers:
            assert follower.breaches == []
            assert follower.denied == 0
            assert follower.ended == 0
            assert follower.offset == len(stored)
            assert follower.seen.items() <= stored.items()
            first = min(follower.seen, default=len(stored) + 1)
            assert sorted(follower.seen) == list(range(first, len(stored) + 1))


def long_steps(seed: int) -> list[Step]:
    """A plan of sixty steps."""
    plan = random.Random(seed)  # noqa: S311 - a plan of faults, not a secret
    return [(plan.choice(("publish", *KINDS)), plan.randint(0, 7)) for _ in range(60)]


def slow(store: FaultyStore, seed: int) -> None:
    """Have each call take a few turns of the loop, differently each time."""
    plan = random.Random(seed)  # noqa: S311 - a plan of faults, not a secret
    store.turns = lambda: plan.choice((0, 0, 1, 2, 5, 11))


@hypothesis_settings(max_examples=60)
@given(steps=STEPS, seed=SEEDS)
async def test_on_one_node_nothing_is_missed_or_repeated(steps: list[Step], seed: int) -> None:
    inner = MemoryStore()
    async with running(store=inner) as node:
        slow(node.store, seed)
        plan = Plan([node], seed)
        await plan.run(steps)
        await plan.finish()
        plan.check(inner)
        for follower in plan.followers:
            follower.drop()


@hypothesis_settings(max_examples=60)
@given(steps=STEPS, seed=SEEDS)
async def test_on_two_nodes_with_a_bad_bus_nothing_is_missed_or_repeated(
    steps: list[Step], seed: int
) -> None:
    inner, bus = MemoryStore(), MemoryBus()
    store = FaultyStore(inner)
    slow(store, seed)
    brokers = [FaultyBroker(bus, BAD, seed + number) for number in (0, 1)]
    async with (
        running(store=store, broker=brokers[0]) as here,
        running(store=store, broker=brokers[1]) as there,
    ):
        plan = Plan([here, there], seed)
        await plan.run(steps)
        await plan.finish()
        plan.check(inner)
        for follower in plan.followers:
            follower.drop()


@pytest.mark.parametrize("seed", range(3))
async def test_on_two_nodes_over_sqlite_nothing_is_missed_or_repeated(seed: int) -> None:
    """The same plans on the store that hubs have, whose calls really come from other threads."""
    sqlite = SQLiteStore(":memory:")
    await sqlite.open()
    bus = MemoryBus()
    brokers = [FaultyBroker(bus, BAD, seed + number) for number in (0, 1)]
    async with (
        running(store=FaultyStore(sqlite), broker=brokers[0]) as here,
        running(store=here.store, broker=brokers[1]) as there,
    ):
        plan = Plan([here, there], seed)
        await plan.run(long_steps(seed))
        await plan.finish()
        for follower in plan.followers:
            assert follower.breaches == []
            assert (follower.denied, follower.ended) == (0, 0)
            assert follower.offset == plan.published
            follower.drop()
    await sqlite.close()


async def test_long_plans_on_two_nodes_lose_plenty_and_nothing_is_missed_or_repeated() -> None:
    lost = gaps = seen = 0
    for seed in range(40):
        inner, bus = MemoryStore(), MemoryBus()
        store = FaultyStore(inner)
        slow(store, seed)
        brokers = [FaultyBroker(bus, BAD, seed + number) for number in (0, 1)]
        async with (
            running(store=store, broker=brokers[0]) as here,
            running(store=store, broker=brokers[1]) as there,
        ):
            plan = Plan([here, there], seed)
            await plan.run(long_steps(seed))
            await plan.finish()
            plan.check(inner)
            lost += sum(broker.lost for broker in brokers)
            gaps += sum(node.hub.statistics.gaps for node in plan.nodes)
            seen += sum(len(follower.seen) for follower in plan.followers)
            for follower in plan.followers:
                follower.drop()
    assert lost > 50 and gaps > 50 and seen > 500, "the plans tested nothing"
