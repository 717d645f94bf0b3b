"""Two hubs over Redis and MongoDB, 10,000 subscribers: `python -m <this module>`.

What is published through one hub is delivered by the other one: (a) at 2,000 a second in channels
without history, the time from the publish to the delivery; (b) at full speed in channels that are
stored before the ack, the rate and the time of acks against plain `insert_many` of 64 on the same
server, in turns with it. Ratios count, not figures: everything shares one machine.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import uvloop
from pymongo import MongoClient
from pymongo.write_concern import WriteConcern

from realtime.model import NewEntry
from realtime.stores.mongo.documents import from_new
from tests.measure import unchecked_hub
from tests.measure.lean_client import TEXT, Publisher, percentile
from tests.support.hub_cluster import HubCluster, hub_cluster
from tests.support.tokens import connection_token

CHANNELS: Final = 1_000
EACH: Final = 10
RATE_PER_S: Final = 2_000
PUBLISHERS: Final = 16
BATCH: Final = 64
TICK_S: Final = 0.001
CALM_S: Final = 30.0
"""How long what is on its way may take at the end."""

WARM_UP_S: Final = 3.0
"""How long the hub is under load before it is measured."""

SETTINGS: Final[Mapping[str, Mapping[str, Any]]] = {
    "server": {"connections_max": 12_000},
    "client": {"ping_interval_s": 60.0},
    "namespaces": {
        "fast": {"subscribe": ["user"], "publish": ["user"]},
        "kept": {"history_size": -1, "subscribe": ["user"], "publish": ["user"]},
    },
}

Row = dict[str, float]


class Listening:
    """The process of the subscribers of one namespace, on the second hub."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def begin(cls, cluster: HubCluster, namespace: str) -> "Listening":
        """Start it and wait until all are subscribed."""
        words = (str(cluster.hubs[1].port), namespace, str(CHANNELS), str(EACH))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.measure.receivers",
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        listening = cls(process)
        assert await listening._line() == b"ready\n"
        return listening

    async def report(self) -> Row:
        """What came since the last report."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        report: Row = json.loads(await self._line())
        assert report["open"] == CHANNELS * EACH, f"{report['open']:.0f} are still connected"
        return report

    async def end(self) -> None:
        """Hang up all of them."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        async with asyncio.timeout(120):
            return await self._process.stdout.readline()


async def publishers_of(cluster: HubCluster, namespace: str, seed: int) -> list[Publisher]:
    """Connected to the first hub; each message goes to a channel of the generator's choice."""
    choice = random.Random(seed)  # noqa: S311 - the same in every run
    publishers = [
        Publisher(lambda _: f"{namespace}:r{choice.randrange(CHANNELS)}") for _ in range(PUBLISHERS)
    ]
    token = {"connect": {"token": connection_token("publisher")}}
    for publisher in publishers:
        await publisher.client.open(cluster.hubs[0], [token])
    return publishers


async def calm(publishers: Sequence[Publisher]) -> None:
    """Wait for what is on its way, and hang up."""
    async with asyncio.timeout(CALM_S):
        while any(publisher.waiting for publisher in publishers):  # noqa: ASYNC110 - a measurement
            await asyncio.sleep(0.01)
    await asyncio.sleep(1.0)
    for publisher in publishers:
        publisher.client.close()


async def steadily(cluster: HubCluster, listening: Listening, seconds: float, seed: int) -> Row:
    """(a): publish at a steady rate."""
    publishers = await publishers_of(cluster, "fast", seed)
    await listening.report()
    loop = asyncio.get_running_loop()
    began, sent, turn = loop.time(), 0, 0
    while (now := loop.time()) < began + seconds:
        due = int((now - began) * RATE_PER_S)
        if due > sent:
            publishers[turn % PUBLISHERS].publish(due - sent)
            sent, turn = due, turn + 1
        await asyncio.sleep(TICK_S)
    await calm(publishers)
    report = await listening.report()
    assert sum(publisher.errors for publisher in publishers) == 0
    return {
        "published/s": sent / seconds,
        "delivered": report["count"] / (sent * EACH),
        "p50 ms": report["p50"],
        "p99 ms": report["p99"],
        "max ms": report["max"],
    }


async def stored(
    cluster: HubCluster, listening: Listening, seconds: float, seed: int, window: int
) -> Row:
    """(b): keep `window` messages on their way; then the same server on its own."""
    plain = await asyncio.to_thread(insert_plainly, cluster.mongo.url, seconds)
    publishers = await publishers_of(cluster, "kept", seed)
    loop = asyncio.get_running_loop()
    for publisher in publishers:
        publisher.window = window // PUBLISHERS
        publisher.fill()
    # By now the hub knows the heads of the channels.
    await asyncio.sleep(WARM_UP_S)
    for publisher in publishers:
        publisher.waits_ms.clear()
    await listening.report()
    began = loop.time()
    await asyncio.sleep(seconds)
    acked, took = sum(len(publisher.waits_ms) for publisher in publishers), loop.time() - began
    for publisher in publishers:
        publisher.window = 0
    await calm(publishers)
    report = await listening.report()
    waits = [wait for publisher in publishers for wait in publisher.waits_ms]
    return {
        "acks/s": acked / took,
        "of plain": acked / took / plain["docs/s"],
        "ack p50 ms": percentile(waits, 50),
        "ack p99 ms": percentile(waits, 99),
        "of its p99": percentile(waits, 99) / plain["p99 ms"],
        "plain docs/s": plain["docs/s"],
        "its p99 ms": plain["p99 ms"],
        "p50 ms": report["p50"],
        "p99 ms": report["p99"],
        "refused": float(sum(publisher.errors for publisher in publishers)),
    }


def insert_plainly(url: str, seconds: float) -> Row:
    """`insert_many` of `BATCH` documents like the hub's own, one call after the other."""
    data = b'{"t":"@T%019d","text":"%b"}' % (0, TEXT.encode())
    took: list[float] = []
    with MongoClient[dict[str, Any]](url) as client:
        concern = WriteConcern("majority", j=True)
        rows = client["realtime"].get_collection("plain", write_concern=concern)
        rows.create_index([("c", 1), ("o", 1)], unique=True)
        rows.create_index([("c", 1), ("s", 1), ("i", 1)], unique=True)
        count = rows.estimated_document_count()
        until = time.monotonic() + seconds
        while (began := time.monotonic()) < until:
            documents = []
            for number in range(count, count + BATCH):
                new = NewEntry(f"p:r{number % CHANNELS}", "user:p", f"{number:036}", data, number)
                documents.append(from_new(new) | {"o": number // CHANNELS + 1})
            began = time.monotonic()
            rows.insert_many(documents, ordered=False)
            took.append((time.monotonic() - began) * 1000)
            count += BATCH
    return {"docs/s": BATCH * 1000 / statistics.mean(took), "p99 ms": percentile(took, 99)}


def show(title: str, rows: Sequence[Row]) -> None:
    """A table: every round, then the medians."""
    names = list(rows[0])
    medians = {name: statistics.median(row[name] for row in rows) for name in names}
    sys.stdout.write(f"\n{title}\n" + "".join(f"{name:>13}" for name in names) + "\n")
    for row in (*rows, medians):
        sys.stdout.write("".join(f"{row[name]:>13.2f}" for name in names) + "\n")
    sys.stdout.flush()


async def measure(cluster: HubCluster, options: argparse.Namespace) -> None:
    """Both, as many rounds as wanted; the last line of each table has the medians."""
    listening = await Listening.begin(cluster, "fast")
    rows = [
        await steadily(cluster, listening, options.seconds, seed) for seed in range(options.rounds)
    ]
    await listening.end()
    show("(a) 1,000 ephemeral channels x 10, delivered by the other node", rows)
    listening = await Listening.begin(cluster, "kept")
    for window in options.window:
        rows = [
            await stored(cluster, listening, options.seconds, seed, window)
            for seed in range(options.rounds)
        ]
        show(f"(b) stored before the ack, {window} on their way", rows)
    await listening.end()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--window", type=int, nargs="+", default=[128, 256])
    options = parser.parse_args(arguments)
    sys.stdout.write(f"load before: {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores\n")
    with (
        tempfile.TemporaryDirectory() as folder,
        hub_cluster(Path(folder), 2, SETTINGS, starts=False) as cluster,
    ):
        for hub in cluster.hubs:
            hub.program = (unchecked_hub.MODULE,)
        cluster.start()
        uvloop.run(measure(cluster, options))
    sys.stdout.write(f"load after: {os.getloadavg()[0]:.1f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
