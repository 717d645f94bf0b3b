"""What a process holds too much of is found, and its pool is not counted."""

import asyncio
import os
import socket
from pathlib import Path
from typing import cast

import pytest

from tests.faults import resources
from tests.faults.resources import DESCRIPTORS_SLACK, RSS_SLACK_KB, held, leaks
from tests.support.processes import HubProcess


class Process:
    """This process in place of a hub."""

    pid = os.getpid()
    more_kb = 0

    def rss_kb(self) -> int:
        """Pages of /proc/self/statm are of 4 KB where tests run; the ratio does not matter."""
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4 + self.more_kb


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> HubProcess:
    """Judged at once."""
    monkeypatch.setattr(resources, "WITHIN_S", 0.0)
    return cast(HubProcess, Process())


async def test_descriptors_that_stay_open_are_found(process: HubProcess) -> None:
    before = [held(process, 1)]
    assert await leaks([process], 1, before) == []
    opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(DESCRIPTORS_SLACK + 2)]
    try:
        (found,) = await leaks([process], 1, before)
    finally:
        for descriptor in opened:
            os.close(descriptor)
    assert found.startswith("F: hub0 has ")


async def test_memory_that_grows_is_found(process: HubProcess) -> None:
    before = [held(process, 1)]
    cast(Process, process).more_kb = 2 * RSS_SLACK_KB
    assert len(await leaks([process], 1, before)) == 1


async def test_another_process_has_nothing_to_compare_with(process: HubProcess) -> None:
    before = [held(process, 1)._replace(pid=1, descriptors=-100)]
    assert await leaks([process], 1, before) == []


async def test_connections_of_a_pool_are_not_counted(process: HubProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        before = held(process, port)
        with socket.create_connection(("127.0.0.1", port)):
            await asyncio.sleep(0)
            assert held(process, port).descriptors == before.descriptors
            assert held(process, 1).descriptors == before.descriptors + 1
