"""Several hubs on one store and one bus, each in a process of its own, and what can break them.

Everything here blocks: asynchronous tests call it through `asyncio.to_thread`.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from tests.support.configuration import Sections, shared_by_nodes
from tests.support.mongo_servers import MongoServer
from tests.support.processes import HubProcess
from tests.support.redis_servers import RedisServer

_INIT_S: Final = 30.0


class HubCluster:
    """`count` hubs, a Redis and a MongoDB-speaking server of their own; `hub_cluster` makes one.

    `changes` are settings of every hub. `broker_urls` are where each hub finds the bus, if not at
    `redis` itself: a proxy in between, say.
    """

    def __init__(
        self,
        directory: Path,
        redis: RedisServer,
        mongo: MongoServer,
        *,
        count: int,
        changes: Sections | None = None,
        broker_urls: Sequence[str] = (),
    ) -> None:
        self.redis = redis
        self.mongo = mongo
        self.hubs: list[HubProcess] = []
        for number in range(count):
            folder = directory / f"hub{number}"
            folder.mkdir()
            broker_url = broker_urls[number] if broker_urls else redis.url
            settings: dict[str, dict[str, Any]] = shared_by_nodes(
                f"{mongo.url}/realtime", broker_url, name=f"hub{number}"
            )
            for section, values in (changes or {}).items():
                settings.setdefault(section, {}).update(values)
            self.hubs.append(HubProcess(folder, settings))

    def start(self) -> None:
        """Set the store up and start every hub."""
        self.init()
        with ThreadPoolExecutor(len(self.hubs)) as starting:
            list(starting.map(HubProcess.start, self.hubs))

    def init(self) -> None:
        """`realtime store init`, with the settings of the first hub."""
        settings = self.hubs[0].directory / "hub.toml"
        arguments = [sys.executable, "-m", "realtime", "store", "init", "--config", str(settings)]
        subprocess.run(arguments, check=True, timeout=_INIT_S, capture_output=True)

    def complaints(self) -> list[str]:
        """What no log of a healthy hub contains (targets.md, G), of every hub."""
        return [line for hub in self.hubs for line in hub.complaints()]

    def end(self) -> None:
        """Make sure that no hub is left running. Idempotent."""
        for hub in self.hubs:
            hub.end()


@contextlib.contextmanager
def hub_cluster(
    directory: Path,
    count: int = 3,
    changes: Sections | None = None,
    *,
    starts: bool = True,
) -> Iterator[HubCluster]:
    """A cluster that has started, for as long as the block lasts; nothing outlives it."""
    redis, mongo = RedisServer(), MongoServer()
    cluster: HubCluster | None = None
    try:
        redis.start()
        mongo.start()
        cluster = HubCluster(directory, redis, mongo, count=count, changes=changes)
        if starts:
            cluster.start()
        yield cluster
    finally:
        if cluster is not None:
            cluster.end()
        redis.end()
        mongo.end()
