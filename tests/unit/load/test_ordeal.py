"""What is done to hubs while a phase is played, with servers that are none, and a stage of ours."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from load.measured import Measured
from load.ordeal import Ordeal, open_ordeal
from load.plan import Credentials, Plan, PlanError
from load.scenarios.base import Phase
from load.scenarios.soak import EXAMPLES_MAX, SoakParameters
from tests.support.polling import eventually

SERVER = """
import os, socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("up", os.getpid(), *sys.argv[2:], flush=True)
while True:
    server.accept()[0].close()
"""
PHASE = Phase("soak")


class Stage:
    """Plays a phase by doing what it is told."""

    def __init__(self, play: Callable[[], Awaitable[None]]) -> None:
        self.interrupted = False
        self._play = play

    async def phase(self, phase: Phase) -> Measured:
        """See `load.running.Stage`."""
        await self._play()
        return Measured(phase=phase.name, seconds=10.0, counts={"sent": 1}, notes=["A: before"])


def plan(folder: Path, *, says: str = "", seconds: float = 20.0) -> Plan:
    """A soak of one server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = folder / "nodes.toml"
    path.write_text(
        f"""
[nodes.one]
command = {json.dumps(["{python}", "-c", SERVER, str(port), says])}
url = "ws://127.0.0.1:{port}"
env = {{ SECRET_FILE = "{{folder}}/secret" }}
faults = ["kill", "drain", "freeze"]
"""
    )
    parameters = SoakParameters(nodes=str(path), seconds=seconds, fault_every_s=0.1, cut_every_s=2)
    return Plan(
        scenario="soak",
        urls=(f"ws://127.0.0.1:{port}",),
        parameters=msgspec.to_builtins(parameters),
        seed=34,
        out=str(folder / "out"),
    )


def log_of(folder: Path) -> Path:
    """The server's log."""
    return next((folder / "out").glob("nodes-*/one.log"))


def starts(folder: Path) -> list[int]:
    """Process ids of the server, start after start."""
    lines = log_of(folder).read_text().splitlines()
    return [int(line.split()[1]) for line in lines if line.startswith("up")]


def is_ours_alone(secret: Path, folder: Path) -> bool:
    """Whether there is a secret beside the log, where nobody else may look."""
    beside = secret.parent == log_of(folder).parent and not secret.parent.stat().st_mode & 0o77
    return beside and len(secret.read_text().strip()) == 64


def runs(pid: int) -> bool:
    """Whether there is such a process."""
    return Path(f"/proc/{pid}").exists()


async def play(ordeal: Ordeal, doing: Callable[[], Awaitable[None]]) -> Measured:
    """One phase."""
    return await ordeal.over(Stage(doing)).phase(PHASE)


@pytest.mark.thorough
async def test_faults_of_the_list_are_carried_out_and_marked(tmp_path: Path) -> None:
    said: list[str] = []

    async def until_it_is_up_again() -> None:
        async def again() -> bool:
            return len(starts(tmp_path)) > 1

        await eventually(again, within_s=40.0)

    async with open_ordeal(plan(tmp_path), said.append) as ordeal:
        measured = await play(ordeal, until_it_is_up_again)
        assert measured.counts["sent"] == measured.counts["hubs_watched"] == 1
        assert measured.counts["faults"] >= 1 and measured.counts["logs_read"] == 1
        assert "broken_n" not in measured.counts and "broken_f" not in measured.counts
        assert any(mark.what == "cut clients" for mark in measured.marks)
        assert [mark.at for mark in measured.marks] == sorted(mark.at for mark in measured.marks)
        assert ordeal.series is not None and ordeal.series.samples
        assert is_ours_alone(Path(ordeal.plan.credentials.secret_file), tmp_path)
        assert not ordeal.plan.credentials.api_key_file
    assert "logs and data of the nodes: " in said[0]


async def test_a_hub_that_ends_by_itself_is_a_finding_and_comes_back(tmp_path: Path) -> None:
    async def kill() -> None:
        async def again() -> bool:
            return len(starts(tmp_path)) > 1

        os.kill(starts(tmp_path)[0], signal.SIGKILL)
        await eventually(again, within_s=40.0)

    # So short that nothing is broken on purpose.
    short = plan(tmp_path, seconds=0.5)
    async with open_ordeal(short, lambda text: None) as ordeal:
        measured = await play(ordeal, kill)
    assert measured.counts["broken_n"] == 1
    assert measured.notes == ["N: one has ended by itself", "A: before"]


async def test_a_log_that_complains_is_a_finding(tmp_path: Path) -> None:
    says = "\nTask exception was never retrieved\nKeyError: 1\n"
    short = plan(tmp_path, says=says, seconds=0.5)
    async with open_ordeal(short, lambda text: None) as ordeal:
        measured = await play(ordeal, lambda: asyncio.sleep(0))
    assert measured.counts["broken_g"] == 1
    assert measured.notes[0] == "G: one: Task exception was never retrieved … KeyError: 1"


async def test_many_findings_of_one_kind_leave_room_for_others(tmp_path: Path) -> None:
    says = "".join(
        f"\nTask exception was never retrieved\n{kind}Error: 1\n"
        for kind in map(chr, range(65, 85))
    )
    short = plan(tmp_path, says=says, seconds=0.5)
    async with open_ordeal(short, lambda text: None) as ordeal:
        measured = await play(ordeal, lambda: asyncio.sleep(0))
    assert measured.counts["broken_g"] > EXAMPLES_MAX
    assert len(measured.notes) == EXAMPLES_MAX + 1 and measured.notes[-1] == "A: before"


async def test_a_secret_that_is_named_is_not_replaced(tmp_path: Path) -> None:
    named = msgspec.structs.replace(
        plan(tmp_path, seconds=0.5), credentials=Credentials(secret_file="mine")
    )
    async with open_ordeal(named, lambda text: None) as ordeal:
        assert ordeal.plan.credentials.secret_file == "mine"
        (pid,) = starts(tmp_path)
    assert not runs(pid)


async def test_a_hub_that_does_not_start_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    wanted = plan(tmp_path, seconds=0.5)
    path = tmp_path / "nodes.toml"
    path.write_text(path.read_text().replace("import os, socket, sys", "raise SystemExit('no')"))
    with pytest.raises(PlanError, match=r"--nodes .*: one ended with 1:\nno"):
        async with open_ordeal(wanted, lambda text: None):
            raise AssertionError("it must not come to this")
