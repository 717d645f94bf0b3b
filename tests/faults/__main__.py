"""Fault tests of several hubs, as a command: `python -m tests.faults --help`.

Exit codes: 0 every promise was kept, 1 one was broken, 2 it could not run, 130 interrupted.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import uvloop

from tests.faults.broken_build import SABOTAGES
from tests.faults.catalogue import SCENARIOS, STEADY
from tests.faults.rig import open_rig
from tests.faults.run import RATE_PER_S, Run
from tests.faults.scenario import Scenario
from tests.faults.verdict import Verdict
from tests.support.mongo_servers import MongoFailed
from tests.support.processes import HubFailed
from tests.support.redis_servers import RedisFailed
from tests.support.sdks import Sdks

CANNOT_RUN: Final = 2
INTERRUPTED: Final = 130

_CANNOT_RUN: Final = (MongoFailed, RedisFailed, HubFailed, OSError)
_ABSENT: Final = (pytest.skip.Exception, pytest.fail.Exception)


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the command line names; the exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    known = {STEADY.name: STEADY, **SCENARIOS}
    if arguments.list:
        for scenario in known.values():
            print(f"{scenario.name:14} {scenario.seconds:3.0f} s  {scenario.tells}")  # noqa: T201
        return 0
    if unknown := [name for name in arguments.scenarios if name not in known]:
        parser.error(f"no such scenario: {', '.join(unknown)}; --list names them")
    chosen = [known[name] for name in arguments.scenarios or SCENARIOS]
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            is_good = runner.run(_run(chosen, arguments))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED
    except (*_CANNOT_RUN, *_ABSENT) as failure:
        print(f"could not run: {failure}", file=sys.stderr)  # noqa: T201 - a command's words
        return CANNOT_RUN
    except Exception:  # noqa: BLE001 - the boundary of the command: what gives no verdict is no run
        traceback.print_exc()
        return CANNOT_RUN
    return 0 if is_good else 1


async def _run(chosen: Sequence[Scenario], arguments: argparse.Namespace) -> bool:
    # As Ctrl-C, so that everything that was started is ended.
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    is_good = True
    with contextlib.ExitStack() as stack:
        sdks = None
        if arguments.every_sdk:
            cache = stack.enter_context(tempfile.TemporaryDirectory(prefix="realtime-sdks-"))
            sdks = Sdks(Path(cache))
            stack.callback(sdks.end)
        for scenario in chosen:
            verdict = await _perform(scenario, arguments, sdks)
            print(verdict.line(), flush=True)  # noqa: T201 - a command's words
            if arguments.verbose or not verdict.is_good:
                for line in verdict.details():
                    print(f"  {line}", flush=True)  # noqa: T201 - a command's words
            is_good = is_good and verdict.is_good
    return is_good


async def _perform(scenario: Scenario, arguments: argparse.Namespace, sdks: Sdks | None) -> Verdict:
    with tempfile.TemporaryDirectory(prefix="realtime-faults-") as folder:
        async with open_rig(
            Path(folder),
            nodes=arguments.nodes,
            proxied=scenario.proxied,
            sabotage=arguments.sabotage,
        ) as rig:
            run = Run(
                rig,
                scenario,
                seed=arguments.seed,
                seconds=arguments.seconds,
                rate=arguments.rate,
                sdks=sdks,
            )
            return await run.perform()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", help="all but steady where none is named"
    )
    parser.add_argument("--seed", type=int, default=1, help="what is broken when, and for how long")
    parser.add_argument(
        "--seconds", type=_number(0.0, 600.0), default=0.0, help="for how long; 0: as --list says"
    )
    parser.add_argument("--nodes", type=int, choices=range(2, 9), default=3, help="hubs")
    parser.add_argument(
        "--rate", type=_number(1.0, 2_000.0), default=RATE_PER_S, help="messages a second"
    )
    parser.add_argument(
        "--sabotage", choices=sorted(SABOTAGES), default="", help="run hubs that break a promise"
    )
    parser.add_argument(
        "--every-sdk",
        action="store_true",
        help="clients of every SDK, transport and format, as far as there are Node and Java;"
        " without it they are of Python's, over websockets",
    )
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    parser.add_argument("--verbose", action="store_true", help="tell how publishes ended")
    return parser


def _number(least: float, most: float) -> Any:
    def parse(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise ValueError(text)
        return value

    return parse


if __name__ == "__main__":
    sys.exit(main())
