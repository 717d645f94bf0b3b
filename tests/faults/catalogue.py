"""Every scenario, by name."""

import time
from collections.abc import Mapping
from typing import Final

from tests.faults import bus_faults, hub_faults, store_faults
from tests.faults.scenario import Scenario, Site

PART_S: Final = (2.0, 8.0)
"""Between which times one fault of the mixture lasts."""

STEADY: Final = Scenario(
    "steady",
    "nothing is broken: what this finds is no fault's",
    bus_faults.lose_nothing,
    10,
    2,
    forgets=True,
)

_SINGLE: Final = (
    Scenario(
        "kill",
        "kill -9 of the hub with the most clients, again and again",
        hub_faults.kill_one,
        20,
        2,
    ),
    Scenario("rolling", "kill -9 of each hub in turn", hub_faults.kill_in_turn, 30, 1),
    Scenario("drain", "SIGTERM to each hub in turn", hub_faults.drain_in_turn, 30, 1),
    Scenario("redis-empty", "Redis is killed and back empty", bus_faults.empty_redis, 20, 3),
    Scenario("redis-paused", "Redis is stopped", bus_faults.pause_redis, 20, 8),
    Scenario("pubsub-killed", "the pub/sub connections are killed", bus_faults.kill_pubsub, 20, 4),
    Scenario(
        "bus-drops",
        "1 % of the bus's messages are lost, then the last of a channel",
        bus_faults.drop_messages,
        75,
        5,
        proxied=True,
    ),
    Scenario("mongo-paused", "MongoDB is stopped", store_faults.pause_mongo, 30, 8),
    Scenario(
        "mongo-killed", "MongoDB is killed and back with its data", store_faults.kill_mongo, 20, 3
    ),
    Scenario(
        "bus-cut",
        "two hubs write one channel, cut off from each other's bus",
        bus_faults.cut_bus,
        30,
        5,
        proxied=True,
    ),
    Scenario(
        "retention",
        "channels are emptied under load on two hubs, while hubs are killed",
        store_faults.forget,
        30,
        1,
        forgets=True,
    ),
)


async def _mix(site: Site) -> None:
    """One fault after the other, in an order and for a time that the plan says."""
    until = time.monotonic() + site.seconds
    while True:
        for part in site.plan.sample(_SINGLE, len(_SINGLE)):
            await part.inject(site.lasting(min(site.plan.uniform(*PART_S), site.seconds)))
            await site.wait(0.5)
            if time.monotonic() > until:
                return


SCENARIOS: Final[Mapping[str, Scenario]] = {
    scenario.name: scenario
    for scenario in (
        *_SINGLE,
        Scenario(
            "mixed", "all of these in a random order", _mix, 60, 6, proxied=True, forgets=True
        ),
    )
}
"""What the command runs where nothing is named."""
