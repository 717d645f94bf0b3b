"""The rows of two nodes, Redis and a server that speaks MongoDB: rounds of `two_nodes`.

Nothing is pinned: two hubs, two servers, publishers and subscribers share all cores.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
import uvloop

from tests.measure import two_nodes, unchecked_hub
from tests.measure.rows.bench import Bench, BenchFailed
from tests.measure.rows.single import Effort, Found
from tests.measure.rows.table import Reading
from tests.support.hub_cluster import HubCluster, hub_cluster

SECONDS: Final = 6.0
"""Length of each measurement."""

SECONDS_MIN: Final = 1.0
WINDOWS: Final = (128, 256)

Readings = list[tuple[str, Reading]]


def nodes(bench: Bench, effort: Effort, numbers: Sequence[int]) -> Found:
    """Rows 9 and 10, those of `numbers`. Raises BenchFailed for a program that is not there."""
    del bench  # no yardstick: what is compared with is measured beside it
    seconds = max(SECONDS_MIN, SECONDS * effort.scale)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            hub_cluster(Path(folder), 2, two_nodes.SETTINGS, starts=False) as cluster,
        ):
            for process in cluster.hubs:
                process.program = (unchecked_hub.MODULE,)
            cluster.start()
            if 9 in numbers:
                yield from uvloop.run(_delivered(cluster, effort.rounds, seconds))
            if 10 in numbers:
                yield from uvloop.run(_stored(cluster, effort.rounds, seconds))
    except (pytest.skip.Exception, pytest.fail.Exception) as absent:
        # How a program that is not there is said to tests.
        raise BenchFailed(str(absent)) from None


async def _delivered(cluster: HubCluster, rounds: int, seconds: float) -> Readings:
    found: Readings = []
    listening = await two_nodes.Listening.begin(cluster, "fast")
    for seed in range(rounds):
        row = await two_nodes.steadily(cluster, listening, seconds, seed)
        if row["delivered"] != 1:
            raise BenchFailed(f"{row['delivered']:.3f} of the deliveries came")
        figures = {"{} publishes/s": row["published/s"], "longest {} ms": row["max ms"]}
        found += [("9 p50", Reading(row["p50 ms"], figures)), ("9 p99", Reading(row["p99 ms"], {}))]
    await listening.end()
    return found


async def _stored(cluster: HubCluster, rounds: int, seconds: float) -> Readings:
    found: Readings = []
    listening = await two_nodes.Listening.begin(cluster, "kept")
    for window in WINDOWS:
        for seed in range(rounds):
            row = await two_nodes.stored(cluster, listening, seconds, seed, window)
            if row["refused"]:
                raise BenchFailed(f"{row['refused']:.0f} publishes were refused")
            rates = {"{} acks/s": row["acks/s"], "plain {} documents/s": row["plain docs/s"]}
            waits = {"p99 {} ms": row["ack p99 ms"], "plain {} ms": row["its p99 ms"]}
            found.append((f"10 rate, {window}", Reading(row["of plain"], rates)))
            found.append((f"10 p99, {window}", Reading(row["of its p99"], waits)))
    await listening.end()
    return found
