"""What tells phones, in the two shapes that it has: one process on SQLite, or hubs and workers.

All of it are processes that die where a test says (`push_deaths`), and send to fake services that
run in the test's own event loop.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.end_to_end import push_deaths as deaths
from tests.support.chat_users import UNLIMITED, rest_session, rest_user
from tests.support.configuration import Sections, shared_by_nodes
from tests.support.hub_cluster import HubCluster, hub_cluster
from tests.support.polling import eventually
from tests.support.processes import HubProcess
from tests.support.push_town import ROOM, Town
from tests.support.redis_servers import RedisServer
from workers.fakepush import FakePush

LEASE_S: Final = 2.0
"""How long nobody else does what somebody has taken on, who may have died."""

START_S: Final = 20.0
"""How long a worker may take to be ready."""

DIES_S: Final = 15.0
"""How long until somebody gets to the place to die at."""

PUSH: Final[Mapping[str, Any]] = {
    "lease": f"{LEASE_S * 1_000:.0f}ms",
    "ack_wait": "1s",
    "background_wait": "1s",
    "retry_min": "1s",
    "retry_max": "2s",
    "pause": "1s",
    "small_max": 100,
}

TOKENS_MAX: Final = 100_000
"""Provider tokens of APNs that are taken: whoever starts again makes another one."""

ONE_PROCESS: Final = "one process"
NODES: Final = "nodes"
SHAPES: Final = (ONE_PROCESS, NODES)

WORKERS: Final = 2


class Shape:
    """The town, and the processes in it. `pushers` call the services: workers, or the hub itself.

    `program` is what they run, and words before the command.
    """

    def __init__(
        self,
        town: Town,
        folder: Path,
        pushers: Sequence[HubProcess],
        *,
        program: Sequence[str],
        redis: RedisServer | None = None,
    ) -> None:
        self.town = town
        self.pushers = pushers
        self._folder = folder
        self._redis = redis
        self.processes: Sequence[HubProcess] = (
            pushers if town.hub in pushers else [town.hub, *pushers]
        )
        for process in self.processes:
            process.program = program

    def __repr__(self) -> str:
        return f"<Shape of {len(self.processes)}>"

    @property
    def is_one(self) -> bool:
        """Whether one process does everything."""
        return len(self.processes) == 1

    @property
    def redis(self) -> RedisServer:
        """The bus of nodes."""
        assert self._redis is not None, "there is one process"
        return self._redis

    # Dying and living.

    async def start(self) -> None:
        """Have all of them run that do not, and take back what was planted. Does nothing if so."""
        self.uproot()
        down = [process for process in self.processes if not process.is_running]
        await asyncio.gather(*map(self.revive, down))

    async def revive(self, process: HubProcess) -> None:
        """Start one again that has died, until it works."""
        if process is self.town.hub:
            await asyncio.to_thread(process.start)
        else:
            process.launch_command("worker")
        if process in self.pushers:
            await eventually(lambda: self._is_ready(process), START_S)

    async def _is_ready(self, process: HubProcess) -> bool:
        assert process.is_running, process.log[-3_000:]
        return (self._folder / f"{deaths.READY}-{process.pid}").exists()

    def plant(self, place: str) -> None:
        """Have whoever gets there first die, or be held; or what else the name says."""
        (self._folder / place).touch()

    def uproot(self) -> None:
        """Take back all that was planted and not found."""
        for path in self._folder.iterdir():
            if path.name.partition("-")[0] not in (deaths.READY, deaths.RAISED, deaths.SETTLED):
                path.unlink()

    def listed(self, name: str) -> list[str]:
        """A list of jobs that the processes write."""
        path = self._folder / name
        return path.read_text().splitlines(keepends=True) if path.exists() else []

    async def died(self) -> HubProcess:
        """Wait until one of them has died, who was killed; which one."""

        async def holds() -> bool:
            return any(not process.is_running for process in self.processes)

        await eventually(holds, DIES_S)
        (dead,) = [process for process in self.processes if not process.is_running]
        assert await asyncio.to_thread(dead.wait) == -signal.SIGKILL, dead.log[-3_000:]
        return dead

    async def told_by(self, name: str) -> HubProcess:
        """Who has written this file: the last one to call a service, or who is held."""
        path = self._folder / name

        async def holds() -> bool:
            return path.exists() and path.read_text() != ""

        await eventually(holds, DIES_S)
        pid = int(path.read_text())
        (process,) = [process for process in self.processes if process.pid == pid]
        return process

    def goes_on(self) -> None:
        """Let go whoever is held."""
        self.plant(deaths.GO)

    def complaints(self) -> list[str]:
        """What no log of a healthy process contains."""
        return [line for process in self.processes for line in process.complaints()]


def settings_of(fake: FakePush) -> dict[str, Mapping[str, Any]]:
    """Settings of whoever is in a town."""
    settings: dict[str, Mapping[str, Any]] = {**fake.settings()}
    settings["push"] = {**settings["push"], **PUSH}
    return {**settings, "namespaces": {"room": ROOM}, "chat": UNLIMITED}


@contextlib.asynccontextmanager
async def open_shape(
    name: str, directory: Path, *, program: Sequence[str] = (), hubs: int = 1
) -> AsyncIterator[Shape]:
    """One of SHAPES, everything started; nothing outlives it. `hubs` are those of nodes."""
    folder = directory / "places"
    folder.mkdir()
    ran = (*(program or (deaths.MODULE,)), str(folder))
    async with contextlib.AsyncExitStack() as stack:
        fake = await stack.enter_async_context(FakePush(directory=directory))
        fake.world.rule({"apns_tokens_max": TOKENS_MAX})
        session = await stack.enter_async_context(rest_session())
        settings = settings_of(fake)
        redis = None
        if name == ONE_PROCESS:
            hub = HubProcess(directory, settings)
            stack.push_async_callback(asyncio.to_thread, hub.end)
            pushers = [hub]
        else:
            cluster = await _entered(stack, directory, settings, hubs)
            hub, redis = cluster.hubs[0], cluster.redis
            pushers = [_worker(directory, number, cluster, settings) for number in range(WORKERS)]
            for pusher in pushers:
                stack.push_async_callback(asyncio.to_thread, pusher.end)
        town = Town(hub, fake, session, rest_user(hub, session, "admin", role="admin"), settings)
        shape = Shape(town, folder, pushers, program=ran, redis=redis)
        await shape.start()
        yield shape
        town.check()
        assert shape.complaints() == []


async def _entered(
    stack: contextlib.AsyncExitStack, directory: Path, settings: Sections, hubs: int
) -> HubCluster:
    """The servers that nodes share, and hubs that are not started yet."""
    opened = hub_cluster(directory, hubs, settings, starts=False)
    cluster = await asyncio.to_thread(opened.__enter__)
    stack.push_async_callback(asyncio.to_thread, opened.__exit__, None, None, None)
    await asyncio.to_thread(cluster.init)
    return cluster


def _worker(directory: Path, number: int, cluster: HubCluster, settings: Sections) -> HubProcess:
    folder = directory / f"worker{number}"
    folder.mkdir()
    shared = shared_by_nodes(f"{cluster.mongo.url}/realtime", cluster.redis.url, name=folder.name)
    return HubProcess(folder, {**settings, **shared})
