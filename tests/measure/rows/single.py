"""The rows of one hub process: fan-out, rooms, connects, idle connections, pauses.

Each part is a generator of what it has found so far, a key of the table with a reading. Wherever a
row is a ratio to the yardstick, that is run right before the hub, in every round. Each row has a
hub of its own.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.measure.load_clients import hub_cpu_s
from tests.measure.rows.bench import Bench, BenchFailed, Held, Played
from tests.measure.rows.pauses import MODULE as PAUSES_MODULE
from tests.measure.rows.pauses import Pauses, longest
from tests.measure.rows.room import ROOM_SETTINGS, made_rooms, tokens_of_members
from tests.measure.rows.table import Reading
from tests.measure.rows.workloads import (
    CONNECTING,
    IN_ROOMS,
    LIMIT_100,
    LIMIT_1000,
    ONE_TO_100,
    ONE_TO_1000,
    Workload,
    wire,
)
from tests.support.processes import HubProcess

IDLE: Final = 10_000
CROWD: Final = 15_000
PING_INTERVAL_S: Final = 25.0
IDLE_A_CHANNEL: Final = 10
SETTLE_S: Final = 2.0
"""How long idle connections are left alone before anything is read of the hub."""

CONNECTS_A_ROUND: Final = 3
"""Of all rows this one differs most from one time to the next."""

HOLD_MAX_S: Final = 120

SETTINGS: Final[dict[str, dict[str, Any]]] = {
    "server": {"connections_max": 16_500},
    "client": {"ping_interval_s": PING_INTERVAL_S},
    "namespaces": {
        "fast": {"subscribe": ["user"], "publish": ["user"]},
        "log": {"history_size": -1, "subscribe": ["user"], "publish": ["user"]},
    },
}
CHAT_SETTINGS: Final[dict[str, dict[str, Any]]] = {
    **SETTINGS,
    "namespaces": {"room": ROOM_SETTINGS},
    # As much as each user of the row with rooms sends, at once.
    "chat": {"sends_per_s": 30, "sends_burst": 200},
}


class Effort(NamedTuple):
    """How many rounds, and how much of the full load; below 1 is for trying the command out."""

    rounds: int
    scale: float = 1.0

    def count(self, full: int) -> int:
        """So many connections."""
        return max(1, round(full * self.scale))


Found = Generator[tuple[str, Reading], None, None]


@contextlib.contextmanager
def hub(
    bench: Bench,
    program: Sequence[str] = ("realtime",),
    settings: dict[str, dict[str, Any]] = SETTINGS,
) -> Iterator[HubProcess]:
    """A hub on the servers' core with an empty SQLite, for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        process = HubProcess(Path(folder), settings)
        process.program = program
        try:
            with bench.cores.use(bench.cores.server):
                process.start()
            yield process
        finally:
            process.end()


def deliveries(ours: Played, limit: Played) -> Reading:
    """A rate of deliveries against the yardstick's."""
    figures = {
        "{} deliveries/s": ours.deliveries_per_s,
        "p99 {} ms": ours.p99_ms,
        "limit {}": limit.deliveries_per_s,
    }
    return Reading(ours.deliveries_per_s / limit.deliveries_per_s, figures)


class _Fanout(NamedTuple):
    key: str
    namespace: str
    workload: Workload
    limit: Workload


_FANOUTS: Final = (
    _Fanout("1", "fast", ONE_TO_1000, LIMIT_1000),
    _Fanout("2", "fast", ONE_TO_100, LIMIT_100),
    _Fanout("3", "fast", IN_ROOMS, LIMIT_1000),
    _Fanout("4", "log", IN_ROOMS, LIMIT_1000),
)


def fanouts(bench: Bench, effort: Effort, numbers: Sequence[int]) -> Found:
    """Rows 1 to 4, those of `numbers`, and row 4 in a room of chat."""
    for _ in range(effort.rounds):
        for key, namespace, workload, limit in _FANOUTS:
            if int(key) not in numbers:
                continue
            yardstick = bench.limit(limit.scaled(effort.scale))
            with hub(bench) as process:
                dialect = wire(namespace)
                ours = bench.play(process.port, dialect, workload.scaled(effort.scale))
            reading = deliveries(ours, yardstick)
            if limit.window > 1:
                # Between messages the yardstick waits for the load: with more on their way it is
                # faster, so the ratio is to that, which is the stricter one.
                single = bench.limit(limit._replace(window=1).scaled(effort.scale))
                reading.figures["{} one at a time"] = single.deliveries_per_s
            yield key, reading
        if 4 in numbers:
            yield "4 in a room", _in_chat_rooms(bench, effort)


def _in_chat_rooms(bench: Bench, effort: Effort) -> Reading:
    yardstick = bench.limit(LIMIT_1000.scaled(effort.scale))
    with hub(bench, settings=CHAT_SETTINGS) as process:
        made_rooms(process, IN_ROOMS)
        tokens = tokens_of_members(process.directory, IN_ROOMS)
        # %K: each connection is another member.
        dialect = wire("room", token="%K")
        ours = bench.play(process.port, dialect, IN_ROOMS.scaled(effort.scale), tokens)
    return deliveries(ours, yardstick)


def connects(bench: Bench, effort: Effort) -> Found:
    """Row 5."""
    workload = CONNECTING.scaled(effort.scale)
    for _ in range(effort.rounds * CONNECTS_A_ROUND):
        limit = bench.limit(workload).connects_per_s
        with hub(bench) as process:
            ours = bench.play(process.port, wire("fast"), workload).connects_per_s
        yield "5", Reading(ours / limit, {"{} connects/s": ours, "limit {}": limit})


def idle(bench: Bench, effort: Effort) -> Found:
    """Rows 6 and 7: one crowd that stays for the length of a ping interval."""
    connections = effort.count(IDLE)
    seconds = PING_INTERVAL_S * min(1.0, effort.scale)
    for _ in range(effort.rounds):
        with hub(bench) as process:
            before_kb = process.rss_kb()
            with _held(bench, process, connections):
                rss_kb = process.rss_kb()
                each = (rss_kb - before_kb) / connections
                yield "6", Reading(each, {"{} MB in all": rss_kb / 1024})
                began_s = hub_cpu_s(process)
                time.sleep(seconds)
                used_s = hub_cpu_s(process) - began_s
                all_are_there(process, connections)
        cost_us = 1e6 * used_s / seconds / connections
        yield "7", Reading(cost_us, {"{} % of a core": 100 * used_s / seconds})


def crowded(bench: Bench, effort: Effort) -> Found:
    """Row 8: row 1 on one hub without idle connections, then beside them."""
    crowd = effort.count(CROWD)
    workload = ONE_TO_1000.scaled(effort.scale)
    for _ in range(effort.rounds):
        with hub(bench) as process:
            alone = bench.play(process.port, wire("fast"), workload).deliveries_per_s
            with _held(bench, process, crowd):
                beside = bench.play(process.port, wire("fast"), workload).deliveries_per_s
                all_are_there(process, crowd)
        figures = {"{} deliveries/s": beside, "{} without": alone}
        yield "8", Reading(beside / alone, figures)


def pauses(bench: Bench, effort: Effort) -> Found:
    """Row 11: the collector while a crowd connects and stays, and messages flow beside it. All
    objects are looked at only where so many clients seem to leave something behind."""
    crowd = effort.count(CROWD)
    for _ in range(effort.rounds):
        with tempfile.TemporaryDirectory() as folder:
            notes = Path(folder, "pauses")
            program = (PAUSES_MODULE, str(notes))
            with hub(bench, program) as process:
                before = len(notes.read_text())
                with _held(bench, process, crowd):
                    for namespace, workload in (("fast", ONE_TO_1000), ("log", IN_ROOMS)):
                        scaled = workload.scaled(effort.scale)
                        bench.play(process.port, wire(namespace), scaled)
                    all_are_there(process, crowd)
                    yield "11", _pause(longest(notes.read_text(), before))


def _pause(noted: Pauses) -> Reading:
    # What the machine did in between is in the pause, not in the CPU time.
    figures = {"{} ms of it CPU time": noted.its_cpu_ms, "one of {}": float(noted.runs)}
    return Reading(noted.longest_ms, figures)


@contextlib.contextmanager
def _held(bench: Bench, process: HubProcess, connections: int) -> Iterator[Held]:
    crowd = Workload(connections, rooms=max(1, connections // IDLE_A_CHANNEL))
    with bench.hold(process.port, wire("fast"), crowd, HOLD_MAX_S) as held:
        time.sleep(SETTLE_S)
        all_are_there(process, connections)
        yield held


def all_are_there(process: HubProcess, connections: int) -> None:
    """Raise BenchFailed if idle connections have gone."""
    there = len(os.listdir(f"/proc/{process.pid}/fd"))
    if there < connections:
        raise BenchFailed(f"of {connections} idle connections at most {there} are still there")
