"""How much the load tools' own clients take: `python -m tests.measure.load_clients`.

One hub on the first core, one process of clients on the second, in turns: what the clients take of
their core for a delivery against what the hub takes of its own, and memory per idle client. A ratio
of 1.5 says that a core of clients reads 1.5 times what a core of the hub sends. Ratios count, not
figures; while one of both waits for the other, its CPU time does not grow.
"""

import argparse
import asyncio
import gc
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, get_args

import uvloop

from load.recording import Recorder
from load.wire.client import Client, open_client
from load.wire.codec import Format
from load.wire.listener import Deliveries
from load.wire.mark import mark
from load.wire.messages import ConnectRequest, SubscribeRequest
from load.wire.target import Target
from tests.support.configuration import Sections
from tests.support.processes import HubProcess
from tests.support.tokens import connection_token

HUB_CORE: Final = {0}
LOAD_CORE: Final = {1}
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
SETTINGS: Final[Sections] = {
    "server": {"connections_max": 15_000},
    "namespaces": {"live": {"subscribe": ["user"], "publish": ["user"]}},
}
DIALLING_MAX: Final = 100
ROUND_MAX_S: Final = 60.0
TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
TEXT: Final = "a message of an everyday length, as in a chat"


class Fanout(NamedTuple):
    """A workload: how many hear each message, and how many messages are on their way."""

    receivers: int
    window: int
    messages: int


FANOUTS: Final = (Fanout(1_000, 1, 300), Fanout(100, 20, 3_000))


class Window(Deliveries):
    """Lets the next message go when all have heard one of those before it."""

    def __init__(self, receivers: int) -> None:
        super().__init__(Recorder("measured"))
        self.receivers = receivers
        self.room = asyncio.Event()
        self.heard_max = 0
        """So many deliveries make room."""

    def pushed_alike(self, documents: Sequence[bytes], reads: Sequence[tuple[int, int]]) -> None:
        """See base."""
        super().pushed_alike(documents, reads)
        self._look()

    def _look(self) -> None:
        if self.recorder.counts["received"] >= self.heard_max:
            self.room.set()

    async def play(self, publisher: Client, fanout: Fanout) -> None:
        """Publish all, and wait until all is heard."""
        for number in range(1, fanout.messages + 1):
            data = f'{{"t":"{mark()}","text":"{TEXT}"}}'.encode()
            publisher.send_publish("live:feed", data, time.monotonic_ns())
            last = number == fanout.messages
            self.heard_max = (number if last else number - fanout.window + 1) * self.receivers
            self.room.clear()
            self._look()
            await self.room.wait()


async def connected(target: Target, listener: Deliveries, count: int) -> list[Client]:
    """So many clients in the one channel."""
    clients: list[Client] = []
    token, feed = connection_token("load"), [SubscribeRequest("live:feed")]
    turns = asyncio.Semaphore(DIALLING_MAX)

    async def one() -> None:
        async with turns:
            opened = await open_client(target, listener, ConnectRequest(token=token), feed)
            clients.append(opened.client)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(one())
    return clients


async def cpu_us(hub: HubProcess, wire_format: Format, fanout: Fanout) -> tuple[float, float]:
    """CPU time for a delivery in microseconds: the clients', and the hub's."""
    target, window = Target(hub.websocket_url, wire_format), Window(fanout.receivers)
    clients = await connected(target, window, fanout.receivers)
    gc.collect()
    before = time.process_time(), hub_cpu_s(hub)
    async with asyncio.timeout(ROUND_MAX_S):
        await window.play(clients[0], fanout)
    after = time.process_time(), hub_cpu_s(hub)
    target.close()
    deliveries = fanout.receivers * fanout.messages
    ours, its = (1e6 * (end - start) / deliveries for start, end in zip(before, after, strict=True))
    return ours, its


async def idle_bytes(hub: HubProcess, wire_format: Format, count: int) -> float:
    """How much the process grows for an idle client, in bytes."""
    target, listener = Target(hub.websocket_url, wire_format), Window(count)
    await connected(target, listener, 20)
    gc.collect()
    before = rss_bytes()
    clients = await connected(target, listener, count)
    gc.collect()
    grown = rss_bytes() - before
    target.close()
    return grown / len(clients)


def hub_cpu_s(hub: HubProcess) -> float:
    """CPU time of the hub so far, in seconds."""
    fields = Path(f"/proc/{hub.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def rss_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def rows(hub: HubProcess, rounds: int, idle: int) -> Iterator[str]:
    """A row for each workload and format, as soon as it is measured."""
    # First, while the process has no memory of earlier clients to give to new ones.
    yield f"memory of an idle client: {uvloop.run(idle_bytes(hub, 'json', idle)):,.0f} bytes"
    yield "receivers  in flight    format  clients us  hub us  ratio"
    for fanout in FANOUTS:
        for wire_format in FORMATS:
            found = [uvloop.run(cpu_us(hub, wire_format, fanout)) for _ in range(rounds)]
            ours, its = (statistics.median(column) for column in zip(*found, strict=True))
            ratio = statistics.median(hub_us / our_us for our_us, hub_us in found)
            yield (
                f"{fanout.receivers:>9} {fanout.window:>10} {wire_format:>9}"
                f" {ours:>11.2f} {its:>7.2f} {ratio:>6.2f}"
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a row for each workload."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle", type=int, default=5_000, help="idle clients")
    options = parser.parse_args(arguments)
    out = sys.stdout
    out.write(f"load of the machine before: {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores\n")
    with tempfile.TemporaryDirectory() as folder:
        hub = HubProcess(Path(folder), SETTINGS)
        os.sched_setaffinity(0, HUB_CORE)
        hub.start()
        try:
            os.sched_setaffinity(0, LOAD_CORE)
            for row in rows(hub, options.rounds, options.idle):
                out.write(f"{row}\n")
                out.flush()
        finally:
            hub.end()
    out.write(f"and after: {os.getloadavg()[0]:.1f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
