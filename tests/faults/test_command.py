"""The command itself: what it takes, what it answers, and that it leaves nothing behind."""

import asyncio
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from tests.faults.__main__ import CANNOT_RUN, INTERRUPTED, main
from tests.faults.catalogue import SCENARIOS
from tests.support.polling import eventually

ROOT: Final = Path(__file__).resolve().parents[2]
WAIT_S: Final = 30.0
PROCESSES: Final = 5
"""Three hubs, Redis and MongoDB."""


def children(pid: int) -> set[int]:
    """Processes that a process has started, in whatever thread, and that have not ended."""
    found: set[int] = set()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        found |= {int(child) for child in (thread / "children").read_text().split()}
    return found


def alive(pids: Iterable[int]) -> list[int]:
    """Those that have not ended."""
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_the_scenarios_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in listed} == {"steady", *SCENARIOS}


@pytest.mark.parametrize("words", [["nothing"], ["--seconds", "-1"], ["--nodes", "1"]])
def test_a_wrong_command_line_is_no_run(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == CANNOT_RUN


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.thorough)]
)
async def test_an_interrupted_run_leaves_nothing_behind(number: signal.Signals) -> None:
    command = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults", "steady", "--seconds", "60", cwd=ROOT
    )
    started: set[int] = set()
    try:

        async def is_up() -> bool:
            # `store init` comes and goes before the hubs are there.
            nonlocal started
            started = children(command.pid)
            return len(started) == PROCESSES

        await eventually(is_up, WAIT_S)
        command.send_signal(number)
        async with asyncio.timeout(WAIT_S):
            assert await command.wait() == INTERRUPTED
    finally:
        if command.returncode is None:
            command.kill()
            await command.wait()
    assert alive(started) == []
