"""Presence of a whole cluster, and how it heals: nodes are killed, stopped and drained, and the
store is paused.

Every hub has members of one channel, and watchers who are told who comes and goes.
"""

import asyncio
import contextlib
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from tests.end_to_end import cluster_sabotage as sabotage
from tests.end_to_end.cluster_presence import (
    BEATEN_S,
    HEALED_S,
    REPEATED_S,
    Presence,
    heals_after_a_kill,
    leases,
    lives_through_a_pause,
    sweeper_of,
    whole,
)
from tests.support.hub_cluster import HubCluster, hub_cluster
from tests.support.polling import eventually
from tests.support.processes import HubProcess
from tests.support.server_api import ServerApi

STOP_S = 15.0
"""For how long a hub is stopped: more than others need to call it dead."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubCluster]:
    """Three hubs; a test may end some of them."""
    with hub_cluster(tmp_path_factory.mktemp("cluster"), 3) as cluster:
        yield cluster
        assert cluster.complaints() == []


@pytest.fixture
async def cluster(running: HubCluster) -> HubCluster:
    """Three hubs that have found each other, whatever the test before has done to them."""
    await whole(running)
    return running


@pytest.fixture
async def presence(cluster: HubCluster, channel: str) -> AsyncIterator[Presence]:
    """Two watchers on each of the first two hubs."""
    async with contextlib.AsyncExitStack() as stack:
        presence = Presence(cluster, channel, stack)
        for hub in cluster.hubs[:2]:
            await presence.watch(hub)
        yield presence


async def counted(api: ServerApi, name: str) -> int:
    """A metric of a hub, as it is now."""
    found = re.search(rf"^{name} (\S+)$", (await api.request("GET", "/metrics")).text, re.M)
    assert found is not None
    return int(float(found[1]))


async def test_who_is_subscribed_anywhere_is_shown_everywhere_within_a_second(
    presence: Presence, cluster: HubCluster
) -> None:
    hubs = cluster.hubs
    for hub in hubs:
        await presence.join(hub)
    await presence.is_shown(*hubs, asked=hubs, within_s=1.0)
    gone = presence.members.pop(hubs[2])
    for client in gone:
        await client.command("unsubscribe", channel=presence.channel)
    presence.members[hubs[2]] = [gone[0]]
    await gone[0].command("subscribe", channel=presence.channel)
    await presence.is_shown(*hubs, asked=hubs, within_s=1.0)
    assert presence.most("join", [client.client for client in gone]) == 2
    assert presence.most("leave", [client.client for client in gone]) == 1


async def test_a_killed_hub_is_healed_in_15_s_and_each_leave_told_once(
    presence: Presence,
) -> None:
    assert await heals_after_a_kill(presence) == []


async def test_nobody_is_dead_because_the_store_paused(presence: Presence) -> None:
    assert await lives_through_a_pause(presence) == []


async def test_one_survivor_heals_after_two_and_one_of_them_comes_back_under_another_id(
    cluster: HubCluster, channel: str
) -> None:
    survivor, stopped, killed = cluster.hubs
    async with contextlib.AsyncExitStack() as stack:
        presence = Presence(cluster, channel, stack)
        await presence.watch(survivor)
        ids = await presence.join(stopped, 3)
        ids += await presence.join(killed, 3)
        api = await presence.api(survivor)
        await presence.is_shown(*cluster.hubs, asked=[survivor], within_s=1.0)
        nodes = await counted(api, "realtime_swept_nodes_total")
        entries = await counted(api, "realtime_swept_entries_total")
        before = await leases(api)
        at = time.monotonic()
        stopped.send(signal.SIGSTOP)
        try:
            await asyncio.to_thread(killed.kill9)
            await presence.is_shown(survivor, asked=[survivor], within_s=HEALED_S)
            await presence.told("leave", ids, within_s=at + HEALED_S - time.monotonic())
            await asyncio.sleep(at + STOP_S - time.monotonic())
        finally:
            stopped.send(signal.SIGCONT)
        back = [client.client for client in presence.members[stopped]]
        await presence.told("join", back, times=2, within_s=HEALED_S)
        await presence.is_shown(survivor, stopped, asked=[survivor, stopped], within_s=BEATEN_S)
        after = await leases(api)
        assert after.keys() == {"hub0", "hub1"}
        assert after["hub0"] == before["hub0"]
        assert after["hub1"] not in before.values()
        assert all(client.closed_at is None for client in presence.members[stopped])
        await asyncio.sleep(REPEATED_S)
        assert presence.most("leave", ids) == 1
        assert presence.most("join", ids) == 2
        assert await counted(api, "realtime_swept_nodes_total") == nodes + 2
        assert await counted(api, "realtime_swept_entries_total") >= entries + 6


async def test_a_drained_hub_is_gone_at_once_and_each_leave_told_once(
    presence: Presence, cluster: HubCluster
) -> None:
    *survivors, drained = cluster.hubs
    ids = await presence.join(drained, 5)
    api = await presence.api(survivors[0])
    before = await leases(api)
    assert await asyncio.to_thread(drained.terminate) == 0
    await presence.told("leave", ids, within_s=1.0)
    assert not await asyncio.to_thread(has_lease, cluster, before["hub2"])
    await presence.is_shown(*survivors, asked=survivors, within_s=1.0)

    async def is_gone() -> bool:
        return "hub2" not in await leases(api)

    await eventually(is_gone, BEATEN_S)
    await asyncio.sleep(REPEATED_S)
    assert presence.most("leave", ids) == 1


def has_lease(cluster: HubCluster, node: str) -> bool:
    """Whether the store has a lease of this id."""
    with MongoClient[dict[str, Any]](cluster.mongo.url) as client:
        return client["realtime"]["nodes"].find_one({"node": node}) is not None


@pytest.mark.timeout(90)
async def test_when_the_sweeper_is_killed_as_well_the_last_survivor_goes_on(
    cluster: HubCluster, channel: str
) -> None:
    """What the sweeper had taken away and not announced yet is lost: a page at the most."""
    await whole(cluster, sabotage.MODULE, "sweep-slowly")
    first, second, doomed = cluster.hubs
    async with contextlib.AsyncExitStack() as stack:
        presence = Presence(cluster, channel, stack)
        for hub in (first, second):
            await presence.watch(hub)
        ids = await presence.join(doomed, 12)
        await presence.is_shown(*cluster.hubs, asked=[first, second], within_s=1.0)
        nodes = await leases(await presence.api(first))
        survivors = {nodes["hub0"]: first, nodes["hub1"]: second}
        await asyncio.to_thread(doomed.kill9)
        sweeper = await sweeper_of(cluster, nodes["hub2"], survivors)
        await presence.told("leave", ids, but=len(ids) - sabotage.SLOW_PAGE, within_s=HEALED_S)
        killed_at = time.monotonic()
        await asyncio.to_thread(sweeper.kill9)
        last = second if sweeper is first else first
        assert not all(has_left(presence, last, client) for client in ids)
        await presence.is_shown(last, asked=[last], within_s=HEALED_S)
        within_s = killed_at + HEALED_S - time.monotonic()
        await presence.told("leave", presence.ids(sweeper), within_s=within_s)
        await presence.told("leave", ids, but=sabotage.SLOW_PAGE, within_s=within_s)
        await asyncio.sleep(REPEATED_S)
        assert presence.most("leave", [*ids, *presence.ids(sweeper)]) == 1


def has_left(presence: Presence, hub: HubProcess, client: str) -> bool:
    """Whether a watcher there was told so."""
    watcher = presence.watchers[hub][0]
    return any(
        push.body["info"]["client"] == client for push in watcher.pushes("leave", presence.channel)
    )
