"""What tells phones that are away, where it runs beside the hub in one process.

It is made by whoever starts the process, since a hub knows no workers.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Final, Protocol

from prometheus_client.core import Metric

from realtime.chat.devices import Here
from realtime.chat.ports import ChatStore
from realtime.hub.clock import Clock
from realtime.server.process import Process
from realtime.settings.schema import ChannelOptions, Settings
from realtime.stores.base import RevocationStore

SWITCH_S: Final = 0.001
"""How long a thread may keep the interpreter from the event loop, in seconds; Python's own is 5 ms.

Thousands of rows are read and written for a large channel, and what tells of one message takes some
twenty-five turns of the loop. It costs a twentieth of what a hub can append.
"""


class PushStore(ChatStore, RevocationStore, Protocol):
    """All that it asks of the store."""


class Work(Protocol):
    """Something that works until it is cancelled."""

    async def run(self) -> None:
        """Work."""
        ...


class PushWork(Work, Protocol):
    """What tells phones that are away, beside a hub."""

    def wake(self) -> None:
        """There may be something to do. Never waits."""
        ...

    def metrics(self) -> Iterable[Metric]:
        """What it has counted until now."""
        ...


class MakePush(Protocol):
    """Makes that: `workers.worker.make_inside`."""

    def __call__(
        self,
        settings: Settings,
        store: PushStore,
        *,
        options: Callable[[str], ChannelOptions],
        here: Callable[[Collection[str]], Awaitable[Mapping[str, Here]]],
        clock: Clock,
    ) -> PushWork:
        """Make one, over a store that is opened before it runs. Raises SettingsError."""
        ...


async def run_both(process: Process, pushing: PushWork | None) -> None:
    """Until the process stops; it dies if what works beside it does."""
    if pushing is None:
        await process.run()
        return
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(pushing.run(), name="push")
            await process.run()
            working.cancel()
    finally:
        sys.setswitchinterval(usual_s)


def both(*sources: Callable[[], Iterable[Metric]]) -> Callable[[], Iterable[Metric]]:
    """The metrics of all of these."""
    return lambda: (metric for source in sources for metric in source())
