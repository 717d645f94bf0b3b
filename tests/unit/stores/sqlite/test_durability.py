"""An ack means stored: whatever a killed process had answered is there, and its log has no hole."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from realtime.stores.sqlite import SQLiteStore
from tests.support.log_entries import kept

ROOT: Final = Path(__file__).resolve().parents[4]

# Several callers append for ever, one entry or a few at a time, and say what was answered.
APPENDER: Final = """
import asyncio, itertools, json, sys
from realtime.model import NewEntry
from realtime.stores.sqlite import SQLiteStore

async def caller(store, name):
    for number in itertools.count():
        batch = [
            NewEntry(f"channel {name % 3}", f"{name}", f"{number}-{part}", b"x" * 500, 1)
            for part in range(1 + number % 7)
        ]
        for entry, answer in zip(batch, await store.append(batch)):
            said = [entry.channel, answer.offset, entry.sender, entry.client_id]
            print(json.dumps(said), flush=True)

async def main():
    store = SQLiteStore(sys.argv[1])
    await store.open()
    async with asyncio.TaskGroup() as callers:
        for name in range(8):
            callers.create_task(caller(store, RUN * 100 + name))

RUN = int(sys.argv[2])
asyncio.run(main())
"""

# The disk gives out (a file may not grow), comes back, and the same call is made again.
LIMITED: Final = """
import asyncio, resource, sys
from realtime.errors import StoreError
from realtime.model import NewEntry
from realtime.stores.sqlite import SQLiteStore

async def main():
    store = SQLiteStore(sys.argv[1])
    await store.open()
    small = await store.append([NewEntry("a", "s", "small", b"x", 1)])
    large = [NewEntry("a", "s", f"large {n}", b"x" * 60_000, 1) for n in range(20)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for _ in range(3):
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        try:
            await store.append(large)
        except StoreError as error:
            said = error
        else:
            said = None
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        print(type(said).__name__, said)
    answers = small + await store.append(large)
    print([answer.offset for answer in answers], any(answer.duplicate for answer in answers))
    await store.close()

asyncio.run(main())
"""


@contextmanager
def child(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process that runs the script, killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


async def test_what_was_acknowledged_before_a_kill_is_stored(tmp_path: Path) -> None:
    """Killed at a different moment each time, on one database that goes on."""
    path = str(tmp_path / "store.db")
    acked: dict[tuple[str, int], tuple[str, str]] = {}
    for run, enough in enumerate((1, 150, 400)):
        with child(APPENDER, path, str(run)) as process:
            assert process.stdout is not None
            for count, line in enumerate(process.stdout, start=1):
                if count >= enough:
                    os.kill(process.pid, signal.SIGKILL)
                if line.endswith("\n"):
                    channel, offset, sender, client_id = json.loads(line)
                    assert (channel, offset) not in acked
                    acked[channel, offset] = (sender, client_id)
        store = SQLiteStore(path)
        await store.open()
        stored = {}
        for channel in ("channel 0", "channel 1", "channel 2"):
            entries = await kept(store, channel)
            assert [entry.offset for entry in entries] == list(range(1, len(entries) + 1))
            stored.update({(channel, e.offset): (e.sender, e.client_id) for e in entries})
        await store.close()
        assert len(set(stored.values())) == len(stored)
        assert acked.items() <= stored.items()
    assert len(acked) >= 550


@pytest.mark.skipif(sys.platform != "linux", reason="file size limits as Linux has them")
def test_a_disk_that_gives_out_is_an_error_and_the_store_recovers(tmp_path: Path) -> None:
    with child(LIMITED, str(tmp_path / "store.db")) as process:
        output, _ = process.communicate(timeout=30)
    lines = output.splitlines()
    assert len(lines) == 4
    for line in lines[:3]:
        assert line.startswith("StoreUnavailable database ")
        assert "the disk reported an error (disk I/O error, SQLITE_IOERR_" in line
    assert lines[3] == f"{list(range(1, 22))} False"
