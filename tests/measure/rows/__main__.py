"""Every row of the targets for speed and size, in one run: `python -m tests.measure.rows`.

Prints one Markdown table: target, median and each round, the absolute figures of this run, met or
missed. Ratios count, not figures; the yardstick is run in turns with the hub. One hub is pinned to
the first core, the load to the second. About ten minutes with three rounds on a quiet machine; what
is not measured by `RUN_MAX_S` is left out.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from tests.measure.rows import nodes, single
from tests.measure.rows.bench import Bench, BenchFailed, build
from tests.measure.rows.command import Start, options_parser
from tests.measure.rows.single import Effort, Found
from tests.measure.rows.table import Reading, Row, Target, markdown, number, said_shortly
from tests.support.processes import HubFailed

RUN_MAX_S: Final = 840.0
"""Since the start."""

OF_LIMIT: Final = "× limit"
ROWS: Final = (
    Row("1", "1 → 1000 subscribers, one message at a time", Target(0.60, OF_LIMIT)),
    Row("2", "1 → 100, 20 in flight", Target(5.5, f"{OF_LIMIT} at 100 receivers")),
    Row("3", "1000 clients in 100 rooms, 64 in flight", Target(0.45, OF_LIMIT)),
    Row("4", "the same with history on SQLite, acknowledged when stored", Target(0.30, OF_LIMIT)),
    Row("4 in a room", "row 4 in a room with chat's checks", Target(0.30, OF_LIMIT)),
    Row(
        "5",
        "connects/s with an HS256 token and one subscription",
        Target(0.25, "× what the yardstick accepts"),
    ),
    Row(
        "6",
        "memory per idle connection, token and one subscription, 10,000 of them",
        Target(4, "KB", at_least=False),
    ),
    Row(
        "7",
        "CPU of idle connections, ping every 25 s",
        Target(5, "µs per connection-second", at_least=False),
    ),
    Row("8", "15,000 idle connections beside row 1", Target(0.9, "× the rate without them")),
    Row(
        "9 p50",
        "two nodes through Redis, 1,000 channels × 10, 2,000 publishes/s",
        Target(4, "ms", at_least=False),
    ),
    Row("9 p99", "the same", Target(25, "ms", at_least=False)),
    *(
        row
        for window in nodes.WINDOWS
        for row in (
            Row(
                f"10 rate, {window}",
                f"the same, stored in MongoDB before the ack, {window} on their way",
                Target(0.8, "× plain `insert_many` of 64"),
            ),
            Row(f"10 p99, {window}", "its ack", Target(5, "× that call's", at_least=False)),
        )
    ),
    Row("11", "longest collector pause, 15,000 connections", Target(20, "ms", at_least=False)),
)
NUMBERS: Final = tuple(dict.fromkeys(row.number for row in ROWS))


class Part(NamedTuple):
    """What is measured together, and for which rows."""

    numbers: Sequence[int]
    measure: Callable[[Bench, Effort], Found]


def parts(numbers: Sequence[int]) -> Iterator[Part]:
    """What there is to measure for these rows."""
    several: Sequence[tuple[Sequence[int], Callable[..., Found]]] = (
        ((1, 2, 3, 4), single.fanouts),
        ((9, 10), nodes.nodes),
    )
    alone = (
        Part((5,), single.connects),
        Part((6, 7), single.idle),
        Part((8,), single.crowded),
        Part((11,), single.pauses),
    )
    everything = [
        *(Part(own, partial(measure, numbers=numbers)) for own, measure in several),
        *alone,
    ]
    yield from sorted(
        (part for part in everything if set(part.numbers) & set(numbers)),
        key=lambda part: part.numbers[0],
    )


def measured(
    bench: Bench,
    effort: Effort,
    numbers: Sequence[int],
    *,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[dict[str, list[Reading]], dict[str, str]]:
    """Readings by the row's key, and for rows that could not be measured the reason."""
    until = clock() + RUN_MAX_S
    found: dict[str, list[Reading]] = {}
    reasons: dict[int, str] = {}
    for part in parts(numbers):
        reason = ""
        try:
            if clock() > until:
                raise BenchFailed("the time is up")
            with contextlib.closing(part.measure(bench, effort)) as coming:
                for key, reading in coming:
                    found.setdefault(key, []).append(reading)
                    sys.stderr.write(f"row {key}: {number(reading.value)}\n")
                    if clock() > until:
                        raise BenchFailed("the time is up, in the middle of it")
        except (BenchFailed, HubFailed, AssertionError, OSError, subprocess.SubprocessError) as why:
            reason = said_shortly(why)
            sys.stderr.write(f"rows {part.numbers}: {reason}\n")
        reasons.update(dict.fromkeys(part.numbers, reason))
    return found, {row.key: reasons.get(row.number, "") for row in ROWS}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the table; 1 if a row could not be measured, whatever was met."""
    parser = options_parser("tests.measure.rows", __doc__.split("\n", 1)[0])
    parser.add_argument("--row", type=int, nargs="+", choices=NUMBERS, default=NUMBERS)
    options = parser.parse_args(arguments)
    start = Start.now()
    with tempfile.TemporaryDirectory() as folder:
        try:
            bench = build(options.bench, Path(folder))
        except BenchFailed as failure:
            sys.stderr.write(f"{failure}\n")
            return 2
        effort = Effort(options.rounds, options.scale)
        found, reasons = measured(bench, effort, options.row)
    wanted = [row for row in ROWS if row.number in options.row]
    sys.stdout.write(markdown(wanted, found, reasons))
    sys.stdout.write("\n" + start.ending(options.rounds, options.scale))
    return 0 if all(row.key in found for row in wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
