"""Processes that a soak starts: there when they take connections, and gone when they are ended."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from load.children import Child, ChildFailed, reachable, run
from tests.support.polling import eventually
from tests.support.programs import require

SERVER = """
import os, signal, socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("value:", os.environ.get("VALUE"), flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(int(sys.argv[2])))
while True:
    server.accept()[0].close()
"""


@contextlib.asynccontextmanager
async def child(
    folder: Path, *words: str, code: int = 0, start_s: float = 20.0
) -> AsyncIterator[Child]:
    """A server, or another program, that is ended after the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    one = Child(
        "one",
        words or (sys.executable, "-c", SERVER, str(port), str(code)),
        address=f"127.0.0.1:{port}",
        log=folder / "one.log",
        env={"VALUE": "a b=c"},
        start_s=start_s,
        stop_s=10.0,
    )
    try:
        yield one
    finally:
        await one.end()


async def test_it_is_there_after_start_killed_and_started_again(tmp_path: Path) -> None:
    async with child(tmp_path) as one:
        assert one.pid is None
        await one.start()
        first = one.pid
        assert first is not None
        with pytest.raises(ChildFailed, match="is somebody else's"):
            await one.start()
        await one.kill()
        assert one.pid is None and not await reachable(one._address)
        await one.start()
        assert one.pid not in {None, first}
    assert one.pid is None
    assert one.log.read_text() == "value: a b=c\n" * 2


async def test_it_ends_in_good_order_or_not(tmp_path: Path) -> None:
    async with child(tmp_path) as one:
        await one.start()
        await one.stop()
        assert one.pid is None
        with pytest.raises(ChildFailed, match="one has ended by itself"):
            await one.stop()
    async with child(tmp_path, code=3) as one:
        await one.start()
        with pytest.raises(ChildFailed, match="one ended with 3 when it was told to stop"):
            await one.stop()


async def test_one_that_is_frozen_answers_when_it_is_thawed(tmp_path: Path) -> None:
    async with child(tmp_path) as one:
        await one.start()
        one.freeze()
        host, _, port = one._address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await reader.read(1)
        one.thaw()
        async with asyncio.timeout(20.0):
            assert await reader.read(1) == b""
        writer.close()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((sys.executable, "-c", "raise SystemExit('no luck')"), r"one ended with 1:\nno luck"),
        ((sys.executable, "-c", "import time; time.sleep(60)"), "one is not at .* after 0.5 s"),
        (("/nowhere/hub",), "one ended with 127"),
    ],
)
async def test_one_that_does_not_start_says_why(
    tmp_path: Path, words: tuple[str, ...], problem: str
) -> None:
    start_s = 0.5 if "sleep" in words[-1] else 20.0
    async with child(tmp_path, *words, start_s=start_s) as one:
        with pytest.raises(ChildFailed, match=problem):
            await one.start()


async def test_one_ends_with_the_process_that_has_started_it(tmp_path: Path) -> None:
    require("setpriv", "apt install util-linux")
    starter = f"""
import asyncio, os, signal, sys
from pathlib import Path
from load.children import Child
one = Child("one", sys.argv[1:], address="127.0.0.1:1", log=Path({str(tmp_path / "log")!r}),
            env={{}}, start_s=60.0, stop_s=1.0)
async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(one.start())
        while one.pid is None:
            await asyncio.sleep(0.01)
        print(one.pid, flush=True)
asyncio.run(main())
"""
    sleeper = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", starter, *sleeper, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    pid = int(await process.stdout.readline())

    async def is_up() -> bool:
        return "up" in (tmp_path / "log").read_text()

    async def is_gone() -> bool:
        return not runs(pid)

    await eventually(is_up, within_s=30.0)
    process.kill()
    await process.wait()
    await eventually(is_gone, within_s=30.0)


def runs(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_command_is_run_to_its_end() -> None:
    python = sys.executable
    await run("one", [python, "-c", "import os; assert os.environ['V'] == '1'"], {"V": "1"}, 20.0)
    with pytest.raises(ChildFailed, match=r"one ended with 1:\nno luck"):
        await run("one", [python, "-c", "raise SystemExit('no luck')"], {}, 20.0)
    with pytest.raises(ChildFailed, match=r"one has not ended after 0\.2 s"):
        await run("one", [python, "-c", "import time; time.sleep(60)"], {}, 0.2)
    with pytest.raises(ChildFailed, match="one cannot start: No such file"):
        await run("one", ["/nowhere/hub"], {}, 20.0)
