"""Messages to many who are offline: `python -m <this module>`.

(a) One message to 10,000 offline members: the time until the push services had the last of them,
the memory beyond what there was before, and the calls of the store for it, with those subtracted
that the push worker makes in the same time when it has nothing to do. (b) Messages to small rooms,
of one offline member each, by themselves and while a message to 100,000 is told: the time from
sending it to the push service's call. The last row is of all rounds together, for a percentile of
few samples is the worst of them. Everything shares one machine, the push services and the load
as well; with `--mongo` the store is `nx-27017` or a real server, and `realtime worker` sends.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import uvloop

from tests.measure.lean_client import percentile
from tests.measure.offline_crowd import (
    SMALL_ROOMS,
    Crowd,
    cpu_s,
    forget_peak,
    open_crowd,
    peak_kb,
)

TOLD_S: Final = 600.0
"""How long telling all may take at most."""

SETTLE_S: Final = 4.0
"""After the last call, until all results are written, in seconds."""

PER_S: Final = 8.0
"""Messages to small rooms: a hub wakes its worker ten times a second at most
(`realtime.push.waking`), and more of them would wait for that most of all."""

ALONE_S: Final = 130.0
"""So long they are sent by themselves: a thousand of them."""

Row = dict[str, float]


async def many(crowd: Crowd, room: str, size: int, *, sites: bool) -> Row:
    """(a)."""
    began, before = time.monotonic(), await crowd.watched()
    await asyncio.sleep(10.0)
    idle = await crowd.watched()
    idle_per_s = (idle.total - before.total) / (time.monotonic() - began)
    rss_kb = crowd.worker.rss_kb()
    forget_peak(crowd.worker.pid)
    told, cpu, started = await crowd.told(), cpu_s(crowd.worker.pid), time.monotonic()
    await crowd.say(room)
    await crowd.wait_for(told + size, TOLD_S)
    took = time.monotonic() - started
    await asyncio.sleep(SETTLE_S)
    after, lasted = await crowd.watched(), time.monotonic() - started
    calls = after.total - idle.total
    if sites:
        made = Counter(after.calls) - Counter(idle.calls)
        sys.stdout.write("".join(f"{n:6} {site}\n" for site, n in made.most_common()))
    return {
        "seconds": took,
        "memory MB": (peak_kb(crowd.worker.pid) - rss_kb) / 1_024,
        "calls": calls - idle_per_s * lasted,
        "with idle": calls,
        "idle/s": idle_per_s,
        "CPU s": cpu_s(crowd.worker.pid) - cpu,
        "pause ms": after.pauses_ms[0],
    }


class Drip:
    """Messages to the small rooms, so many a second, each in the room whose turn it is."""

    def __init__(self, crowd: Crowd, per_s: float) -> None:
        self._crowd = crowd
        self._per_s = per_s
        self._turn = 0
        self._counts = [1] * SMALL_ROOMS

    async def run(self, waits_ms: list[float], end: asyncio.Event) -> None:
        """Until `end`; then wait for those that are under way."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            at = loop.time()
            while not end.is_set():
                tasks.create_task(self._one(waits_ms))
                at += 1 / self._per_s
                await asyncio.sleep(max(0.0, at - loop.time()))

    async def _one(self, waits_ms: list[float]) -> None:
        room = self._turn % SMALL_ROOMS
        self._turn += 1
        self._counts[room] += 1
        waits_ms.append(await self._crowd.tell_small(room, self._counts[room]))


class Waits:
    """How long small rooms' messages took in all rounds, in ms."""

    def __init__(self) -> None:
        self.alone: list[float] = []
        self.together: list[float] = []

    def row(self) -> Row:
        """A table's row of them."""
        return _told(self.alone, self.together)


def _told(alone: Sequence[float], together: Sequence[float]) -> Row:
    return {
        "n alone": len(alone),
        "alone p50": percentile(alone, 50),
        "alone p99": percentile(alone, 99),
        "n": len(together),
        "p50 ms": percentile(together, 50),
        "p99 ms": percentile(together, 99),
        "max ms": max(together),
        "p50 ratio": percentile(together, 50) / percentile(alone, 50),
        "p99 ratio": percentile(together, 99) / percentile(alone, 99),
    }


async def beside(
    crowd: Crowd, drip: Drip, room: str, size: int, alone_s: float, waits: Waits
) -> Row:
    """(b)."""
    alone: list[float] = []
    end = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(drip.run(alone, end))
        await asyncio.sleep(alone_s)
        end.set()
    rss_kb = crowd.worker.rss_kb()
    forget_peak(crowd.worker.pid)
    await crowd.watched()
    together: list[float] = []
    end = asyncio.Event()
    told, started = await crowd.told(), time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(drip.run(together, end))
        await crowd.say(room)
        await crowd.wait_for(told + size, TOLD_S)
        end.set()
    took = time.monotonic() - started
    watched = await crowd.watched()
    waits.alone += alone
    waits.together += together
    return {
        **_told(alone, together),
        "seconds": took,
        "memory MB": (peak_kb(crowd.worker.pid) - rss_kb) / 1_024,
        "pauses ms": watched.pauses_ms[0],
        "20th": watched.pauses_ms[-1],
    }


def show(title: str, rows: Sequence[Row]) -> None:
    """A table: every round, then the medians where there are several."""
    names = list(rows[0])
    medians = {name: statistics.median(row[name] for row in rows) for name in names}
    last = [medians] if len(rows) > 1 else []
    sys.stdout.write(f"\n{title}\n" + "".join(f"{name:>11}" for name in names) + "\n")
    for row in (*rows, *last):
        sys.stdout.write("".join(f"{row[name]:>11.2f}" for name in names) + "\n")
    sys.stdout.flush()


async def measure(options: argparse.Namespace) -> None:
    """Both, each with a hub of its own."""
    rooms = [f"large{number}" for number in range(options.rounds)]
    kind = "MongoDB, a worker" if options.mongo else "SQLite, one process"
    if options.many:
        with tempfile.TemporaryDirectory() as folder:
            async with open_crowd(Path(folder), mongo=options.mongo) as crowd:
                await crowd.fill(rooms, options.many)
                rows = [
                    await many(crowd, room, options.many, sites=options.sites) for room in rooms
                ]
                assert not crowd.worker.complaints(), crowd.worker.complaints()
        show(f"(a) one message to {options.many:,} who are offline; {kind}", rows)
    if options.large:
        with tempfile.TemporaryDirectory() as folder:
            async with open_crowd(Path(folder), mongo=options.mongo) as crowd:
                await crowd.fill(rooms, options.large)
                drip, waits = Drip(crowd, options.per_s), Waits()
                rows = [
                    await beside(crowd, drip, room, options.large, options.alone, waits)
                    for room in rooms
                ]
                assert not crowd.worker.complaints(), crowd.worker.complaints()
        show(f"(b) messages to small rooms beside one to {options.large:,}; {kind}", rows)
        show("all rounds together", [waits.row()])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, default=10_000, help="members for (a), 0: not (a)")
    parser.add_argument("--large", type=int, default=100_000, help="members for (b), 0: not (b)")
    parser.add_argument("--per-s", type=float, default=PER_S, help="messages to small rooms")
    parser.add_argument("--alone", type=float, default=ALONE_S, help="seconds of them alone")
    parser.add_argument("--mongo", action="store_true", help="MongoDB and `realtime worker`")
    parser.add_argument("--sites", action="store_true", help="say who called the store")
    options = parser.parse_args(arguments)
    sys.stdout.write(f"load before: {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores\n")
    sys.stdout.flush()
    uvloop.run(measure(options))
    sys.stdout.write(f"load after: {os.getloadavg()[0]:.1f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
