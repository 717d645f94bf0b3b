"""The tests of presence notice what they are there for: each runs against a broken build."""

import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.end_to_end import cluster_sabotage as sabotage
from tests.end_to_end.cluster_presence import (
    Presence,
    heals_after_a_kill,
    lives_through_a_pause,
    whole,
)
from tests.support.hub_cluster import HubCluster, hub_cluster

PAUSE_S = 9.0
"""Long enough for every hub to fail to read the leases once."""


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubCluster]:
    """Three hubs that are not started yet."""
    with hub_cluster(tmp_path_factory.mktemp("cluster"), 3, starts=False) as cluster:
        cluster.init()
        yield cluster


@pytest.fixture
async def presence(
    cluster: HubCluster, channel: str, request: pytest.FixtureRequest
) -> AsyncIterator[Presence]:
    """Two watchers on each of the first two hubs, all of them of the build that is asked for."""
    await whole(cluster, sabotage.MODULE, request.param)
    async with contextlib.AsyncExitStack() as stack:
        presence = Presence(cluster, channel, stack)
        for hub in cluster.hubs[:2]:
            await presence.watch(hub)
        yield presence


@pytest.mark.thorough
@pytest.mark.parametrize("presence", ["announce-from-every-survivor"], indirect=True)
async def test_a_build_whose_survivors_all_announce_the_leaves_is_caught(
    presence: Presence,
) -> None:
    assert await heals_after_a_kill(presence) == ["2 leaves of the dead"]


@pytest.mark.thorough
@pytest.mark.parametrize("presence", ["condemn-after-a-pause"], indirect=True)
async def test_a_build_that_takes_nodes_for_dead_as_the_store_pauses_is_caught(
    presence: Presence,
) -> None:
    breaches = await lives_through_a_pause(presence, PAUSE_S)
    assert breaches == ["a node was called dead", "leaves were announced"]
