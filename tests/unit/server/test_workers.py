"""The parent of several workers; the workers are small scripts that do as they are told."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from realtime.server import workers as workers_module
from realtime.server.parent import Place
from realtime.server.workers import Workers
from tests.support.polling import eventually

TIMEOUT_S = 20.0

SCRIPT = """
import os, signal, socket, sys, time
number, folder = sys.argv[1], sys.argv[2]

def note(what):
    with open(os.path.join(folder, "journal"), "a") as journal:
        journal.write(f"{what} {number} {os.getpid()}\\n")

def told(name):
    try:
        return open(os.path.join(folder, f"{name} {number}")).read() or "0"
    except FileNotFoundError:
        return None

def stop(*_):
    if told("stubborn") is None:
        note("stops")
        sys.exit(0)

signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGHUP, lambda *_: note("reloads"))
note("starts")
if (code := told("fails")) is not None:
    sys.exit(int(code))
if told("hangs") is not None:
    time.sleep(60)
parent = socket.socket(fileno=0)
note("listens")
parent.send(b"L")
while parent.recv(1):
    pass
note("orphaned")
"""


@dataclass
class Crew:
    """Workers under test, with the journal that they write."""

    folder: Path
    workers: Workers
    listened: list[str] = field(default_factory=list)

    def tell(self, what: str, number: int, value: str = "") -> None:
        """Tell a worker, and those who follow it, what to do."""
        (self.folder / f"{what} {number}").write_text(value)

    def untell(self, what: str, number: int) -> None:
        """Take it back."""
        (self.folder / f"{what} {number}").unlink()

    def journal(self) -> list[tuple[str, int, int]]:
        """What happened, with the worker's number and the process's id."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.folder / "journal").read_text().splitlines()
            return [(what, int(number), int(pid)) for what, number, pid in map(str.split, lines)]
        return []

    def pids(self, what: str, number: int) -> list[int]:
        """The processes of a worker that did it, in order."""
        return [pid for did, who, pid in self.journal() if (did, who) == (what, number)]

    def count(self, what: str) -> int:
        """How often it happened."""
        return sum(did == what for did, _, _ in self.journal())


@contextlib.asynccontextmanager
async def running(crew: Crew, *, code: int = 0) -> AsyncIterator[None]:
    """Run the workers for as long as the block lasts; they end with `code`."""
    async with asyncio.timeout(TIMEOUT_S), asyncio.TaskGroup() as tasks:
        run = tasks.create_task(crew.workers.run())
        try:
            yield
        finally:
            signal.raise_signal(signal.SIGTERM)
            ended = await run
        assert ended == code


def make_crew(folder: Path, count: int = 2, stop_s: float = 10.0) -> Crew:
    """Workers that are not started yet."""
    script = folder / "worker.py"
    script.write_text(SCRIPT)

    def command(place: Place) -> Sequence[str]:
        return [sys.executable, "-I", "-S", str(script), str(place.number), str(folder)]

    listened: list[str] = []
    workers = Workers(command, count, stop_s=stop_s, listening=lambda: listened.append("all"))
    return Crew(folder, workers, listened)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what other processes do."""

    async def asked() -> bool:
        return holds()

    await eventually(asked, 10.0)


async def listening(crew: Crew, count: int) -> None:
    """Wait until so many lives have come to listen."""
    await until(lambda: crew.count("listens") >= count)


async def test_all_are_started_and_all_are_drained(tmp_path: Path) -> None:
    crew = make_crew(tmp_path, count=3)
    async with running(crew):
        await until(lambda: crew.listened == ["all"])
    assert sorted(number for what, number, _ in crew.journal() if what == "stops") == [1, 2, 3]
    assert crew.count("starts") == 3


async def test_what_dies_is_started_again_and_the_line_is_not_said_twice(tmp_path: Path) -> None:
    crew = make_crew(tmp_path)
    async with running(crew):
        await listening(crew, 2)
        os.kill(crew.pids("starts", 1)[0], signal.SIGKILL)
        await listening(crew, 3)
    assert len(crew.pids("listens", 1)) == 2
    assert len(crew.pids("listens", 2)) == 1
    assert crew.listened == ["all"]


async def test_all_are_given_up_with_their_code_where_none_can_start(tmp_path: Path) -> None:
    crew = make_crew(tmp_path)
    for number in (1, 2):
        crew.tell("fails", number, "2")
    async with asyncio.timeout(TIMEOUT_S):
        assert await crew.workers.run() == 2
    assert crew.listened == []


async def test_one_that_cannot_start_does_not_end_the_others(tmp_path: Path) -> None:
    crew = make_crew(tmp_path)
    crew.tell("fails", 1, "2")
    async with running(crew):
        await until(lambda: len(crew.pids("starts", 1)) >= 3)
        assert crew.listened == []
        crew.untell("fails", 1)
        await until(lambda: crew.listened == ["all"])
    assert len(crew.pids("starts", 2)) == 1


async def test_one_that_does_not_drain_is_killed_and_the_exit_code_says_so(
    tmp_path: Path,
) -> None:
    crew = make_crew(tmp_path, stop_s=0.3)
    crew.tell("stubborn", 2)
    async with running(crew, code=1):
        await listening(crew, 2)
    assert crew.pids("stops", 1)
    with pytest.raises(ProcessLookupError):
        os.kill(crew.pids("starts", 2)[0], 0)


async def test_sighup_is_handed_on(tmp_path: Path) -> None:
    crew = make_crew(tmp_path)
    async with running(crew):
        await listening(crew, 2)
        signal.raise_signal(signal.SIGHUP)
        await until(lambda: crew.count("reloads") == 2)


async def test_a_rolling_restart_never_has_two_away_at_once(tmp_path: Path) -> None:
    crew = make_crew(tmp_path, count=3)
    async with running(crew):
        await listening(crew, 3)
        signal.raise_signal(signal.SIGUSR1)
        await listening(crew, 6)
        here = dict.fromkeys((1, 2, 3), True)
        for what, number, _ in crew.journal()[-9:]:
            here[number] = what == "listens"
            assert sum(here.values()) >= 2
        events = [(what, number) for what, number, _ in crew.journal()[-9:]]
        assert events == [
            (what, number) for number in (1, 2, 3) for what in ("stops", "starts", "listens")
        ]


async def test_a_rolling_restart_ends_at_a_successor_that_cannot_start(tmp_path: Path) -> None:
    crew = make_crew(tmp_path)
    async with running(crew):
        await listening(crew, 2)
        crew.tell("fails", 1, "2")
        signal.raise_signal(signal.SIGUSR1)
        await until(lambda: len(crew.pids("starts", 1)) >= 3)
        assert crew.pids("stops", 2) == []
        # The next one goes on.
        crew.untell("fails", 1)
        await until(lambda: len(crew.pids("listens", 1)) == 2)
        signal.raise_signal(signal.SIGUSR1)
        await until(lambda: len(crew.pids("listens", 2)) == 2)


async def test_a_successor_that_hangs_is_not_waited_for_in_a_rolling_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(workers_module, "START_MAX_S", 0.3)
    crew = make_crew(tmp_path)
    async with running(crew):
        await listening(crew, 2)
        crew.tell("hangs", 1)
        signal.raise_signal(signal.SIGUSR1)
        await until(lambda: "successor of worker 1/2" in caplog.text)
        assert crew.pids("stops", 2) == []


async def test_a_program_that_cannot_be_started_is_given_up(tmp_path: Path) -> None:
    workers = Workers(lambda place: [str(tmp_path)], 2, stop_s=1.0, listening=lambda: None)
    async with asyncio.timeout(TIMEOUT_S):
        assert await workers.run() == 1


async def test_a_worker_outlives_a_parent_that_is_killed_only_to_drain(tmp_path: Path) -> None:
    """It sees the end of its standard input, whatever the parent died of."""
    crew = make_crew(tmp_path)
    parent = tmp_path / "parent.py"
    parent.write_text(
        "import asyncio, sys\n"
        "from realtime.server.workers import Workers\n"
        f"command = lambda place: [sys.executable, '-I', '-S', {str(tmp_path / 'worker.py')!r},"
        f" str(place.number), {str(tmp_path)!r}]\n"
        "asyncio.run(Workers(command, 2, stop_s=5, listening=lambda: None).run())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, str(parent))
    try:
        await listening(crew, 2)
    finally:
        process.kill()
        await process.wait()
    await until(lambda: crew.count("orphaned") == 2)
