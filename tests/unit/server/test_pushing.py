"""What tells phones beside a hub, in one process."""

import asyncio
import sys
from typing import cast

import pytest

from realtime.server.process import Process
from realtime.server.pushing import SWITCH_S, PushWork, run_both


class Running:
    """Stands in for the hub, or for what pushes: what it saw, and whether it was told to stop."""

    def __init__(self, ended: asyncio.Event | None = None) -> None:
        self.began = asyncio.Event()
        self.switch_s = 0.0
        self.is_cancelled = False
        self._ended = ended

    async def run(self) -> None:
        """Until `ended`, or for ever."""
        self.switch_s = sys.getswitchinterval()
        self.began.set()
        try:
            await (self._ended or asyncio.Event()).wait()
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise


async def test_threads_give_way_sooner_where_push_shares_the_process() -> None:
    usual_s = sys.getswitchinterval()
    ended = asyncio.Event()
    process, push = Running(ended), Running()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(run_both(cast(Process, process), cast(PushWork, push)))
        await push.began.wait()
        ended.set()
    assert push.switch_s == process.switch_s == pytest.approx(SWITCH_S)
    assert push.is_cancelled
    assert sys.getswitchinterval() == usual_s


async def test_a_hub_by_itself_leaves_threads_alone() -> None:
    ended = asyncio.Event()
    ended.set()
    process = Running(ended)
    await run_both(cast(Process, process), None)
    assert process.switch_s == sys.getswitchinterval() != pytest.approx(SWITCH_S)
