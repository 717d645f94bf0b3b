"""The life of a process without listeners."""

import asyncio
import signal
import sys
from collections.abc import Coroutine


async def run_until_stopped(work: Coroutine[None, None, None], *, began: str) -> None:
    """Run it until SIGTERM or SIGINT, then cancel it and wait for its farewell.

    `began` is said to whoever started the process. Raises what `work` died of.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(work, name=began)
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, working.cancel)
        print(f"realtime: {began}", file=sys.stderr, flush=True)  # noqa: T201
