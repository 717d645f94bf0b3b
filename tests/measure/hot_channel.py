"""Three hubs that all publish into one channel, against one hub: `python -m <this module>`.

Every publisher keeps as many messages on their way as it may, for a while. The hubs share a store,
which takes one entry of a channel at a time from whoever is first: what is measured is what the
race for it costs, and how long the one who loses it most waits. Ratios count, not figures: the
hubs, the store, the bus and the load share one machine.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import uvloop

from tests.measure.lean_client import Publisher, percentile
from tests.support.hub_cluster import HubCluster, hub_cluster
from tests.support.server_api import open_api
from tests.support.tokens import connection_token

NAMESPACE: Final = {"history_size": -1, "subscribe": ["user"], "publish": ["user"]}
CALM_S: Final = 30.0
"""How long the messages on their way may take at the end."""


async def round_of(
    cluster: HubCluster, hubs: int, window: int, seconds: float, channel: str
) -> str:
    """Publish through the first `hubs`, `window` messages on their way in each; a table's row."""
    publishers = [Publisher(lambda _: channel) for _ in range(hubs)]
    token = {"connect": {"token": connection_token("publisher")}}
    for publisher, hub in zip(publishers, cluster.hubs, strict=False):
        await publisher.client.open(hub, [token])
    loop = asyncio.get_running_loop()
    began = loop.time()
    for publisher in publishers:
        publisher.window = window
        publisher.fill()
    await asyncio.sleep(seconds)
    counts = [len(publisher.waits_ms) for publisher in publishers]
    took = loop.time() - began
    for publisher in publishers:
        publisher.window = 0
    async with asyncio.timeout(CALM_S):
        while any(publisher.waiting for publisher in publishers):  # noqa: ASYNC110 - a measurement
            await asyncio.sleep(0.01)
    for publisher in publishers:
        publisher.client.close()
    waits = [wait for publisher in publishers for wait in publisher.waits_ms]
    errors = sum(publisher.errors for publisher in publishers)
    async with open_api(cluster.hubs[0]) as api:
        head = (await api.call("history", channel=channel, limit=0))["offset"]
    assert head == len(waits), f"{head} stored, {len(waits)} acked, {errors} refused"
    return (
        f"{hubs:>4} {window:>7} {sum(counts) / took:>8.0f} {'/'.join(map(str, counts)):>18}"
        f" {percentile(waits, 50):>8.1f} {percentile(waits, 99):>8.1f}"
        f" {max(waits):>9.1f} {errors:>6}"
    )


def table(cluster: HubCluster, rounds: int, window: int, seconds: float) -> Iterator[str]:
    """The rows, each as soon as it is measured."""
    yield "hubs  window   acks/s      acks of each hub   p50 ms   p99 ms  longest errors"
    for number in range(rounds):
        for hubs in (1, 3):
            channel = f"hot:{number}-{hubs}"
            yield uvloop.run(round_of(cluster, hubs, window, seconds, channel))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a row for each round."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a round")
    parser.add_argument("--window", type=int, default=64, help="messages on their way in each hub")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    out = sys.stdout
    out.write(f"load of the machine before: {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores\n")
    with (
        tempfile.TemporaryDirectory() as folder,
        hub_cluster(Path(folder), 3, {"namespaces": {"hot": NAMESPACE}}) as cluster,
    ):
        for row in table(cluster, options.rounds, options.window, options.seconds):
            out.write(f"{row}\n")
            out.flush()
    out.write(f"and after: {os.getloadavg()[0]:.1f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
