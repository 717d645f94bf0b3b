"""The hub beside what users would pick instead, in one run: `python -m tests.measure.rivals`.

Fan-out, rooms and connects (rows 1, 2, 3 and 5 of the targets) with the same load: in each round
the yardstick, the hub, then each of the others, one server at a time on the first core, load on the
second. Prints one Markdown table of ratios to the yardstick, medians of the rounds. What is not
installed is said, and left out. About seven minutes with three rounds on a quiet machine; no load
is begun after `RUN_MAX_S`.

The hub and Centrifugo check an HS256 token of each connection; the others let everybody in.
"""

import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.measure.rivals.systems import RIVALS, System
from tests.measure.rows.bench import Bench, BenchFailed, Played, build, free_port
from tests.measure.rows.command import Start, options_parser
from tests.measure.rows.single import Effort, hub
from tests.measure.rows.table import number, said_shortly
from tests.measure.rows.workloads import (
    CONNECTING,
    IN_ROOMS,
    LIMIT_100,
    LIMIT_1000,
    ONE_TO_100,
    ONE_TO_1000,
    Dialect,
    Workload,
    wire,
)
from tests.support.processes import HubFailed

RUN_MAX_S: Final = 840.0
"""Since the start."""

OURS: Final = "this hub"


class Column(NamedTuple):
    """A workload, and what the yardstick plays for it."""

    name: str
    unit: str
    workload: Workload
    limit: Workload


# Fewer messages than in the rows of the targets: some take ten times as long for them.
COLUMNS: Final = (
    Column("1 → 1000, one at a time", "deliveries/s", ONE_TO_1000.scaled(0.6), LIMIT_1000),
    Column("1 → 100, 20 in flight", "deliveries/s", ONE_TO_100.scaled(0.3), LIMIT_100),
    Column("1000 in 100 rooms, 64 in flight", "deliveries/s", IN_ROOMS, LIMIT_1000),
    Column("connects/s with one subscription", "connects/s", CONNECTING, CONNECTING),
)


class Cell(NamedTuple):
    """What one system made of one workload in one round; `reason` if it could not be measured."""

    rate: float
    ratio: float
    reason: str = ""


Cells = dict[tuple[str, str], list[Cell]]
"""By system and column."""


def shown(cells: Sequence[Cell], unit: str) -> str:
    """Medians of what could be measured; if nothing could, why."""
    good = [cell for cell in cells if not cell.reason]
    if not good:
        return cells[0].reason if cells else "not measured: the time is up"
    ratio = statistics.median(cell.ratio for cell in good)
    rate = statistics.median(cell.rate for cell in good)
    rounds = ", ".join("–" if cell.reason else number(cell.ratio) for cell in cells)
    return f"**{number(ratio)}** ({rounds}): {number(rate)} {unit}"


def markdown(names: Sequence[str], cells: Mapping[tuple[str, str], Sequence[Cell]]) -> str:
    """The table: a line for each system, a column for each workload."""
    lines = [
        "| × yardstick (each round) | " + " | ".join(column.name for column in COLUMNS) + " |",
        "|---" * (len(COLUMNS) + 1) + "|",
    ]
    for name in names:
        found = [shown(cells.get((name, column.name), ()), column.unit) for column in COLUMNS]
        lines.append(f"| {name} | {' | '.join(found)} |")
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def serving(bench: Bench, system: System | None) -> Iterator[tuple[int, Dialect]]:
    """A server of its own for one load; the hub is None. Answers where, and in whose words."""
    if system is None:
        with hub(bench) as process:
            yield process.port, wire("fast")
        return
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        command = system.command(port, Path(folder))
        assert command is not None, f"{system.name} is not installed any more"
        with bench.serve(command, port, system.name):
            yield port, system.dialect


def rate(played: Played, workload: Workload) -> float:
    """What is compared: deliveries, or connects where nothing is published."""
    return played.deliveries_per_s if workload.messages else played.connects_per_s


def measured(bench: Bench, effort: Effort, systems: Sequence[System]) -> Cells:
    """All rounds; stops early when the time is up."""
    until = time.monotonic() + RUN_MAX_S
    cells: Cells = {}
    for _ in range(effort.rounds):
        for column in COLUMNS:
            limit = rate(bench.limit(column.limit.scaled(effort.scale)), column.limit)
            for system in (None, *systems):
                if time.monotonic() > until:
                    return cells
                name = system.name if system else OURS
                cell = _cell(bench, system, column.workload.scaled(effort.scale), limit)
                cells.setdefault((name, column.name), []).append(cell)
                sys.stderr.write(f"{name}, {column.name}: {cell.reason or number(cell.ratio)}\n")
    return cells


def _cell(bench: Bench, system: System | None, workload: Workload, limit: float) -> Cell:
    try:
        with serving(bench, system) as (port, dialect):
            found = rate(bench.play(port, dialect, workload), workload)
    except (BenchFailed, HubFailed) as failure:
        return Cell(0, 0, said_shortly(failure))
    return Cell(found, found / limit)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the table; 1 if something installed could not be measured."""
    parser = options_parser("tests.measure.rivals", __doc__.split("\n", 1)[0])
    options = parser.parse_args(arguments)
    start = Start.now()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            bench = build(options.bench, folder)
            systems = [system for system in RIVALS if system.command(0, folder) is not None]
            cells = measured(bench, Effort(options.rounds, options.scale), systems)
        except BenchFailed as failure:
            sys.stderr.write(f"{failure}\n")
            return 2
    sys.stdout.write(markdown([OURS, *(system.name for system in systems)], cells) + "\n")
    for system in RIVALS:
        if system not in systems:
            sys.stdout.write(f"Left out, for it is not installed: {system.name} ({system.hint}).\n")
    sys.stdout.write(start.ending(options.rounds, options.scale))
    return int(any(cell.reason for found in cells.values() for cell in found))


if __name__ == "__main__":
    sys.exit(main())
