"""What a scenario breaks: hubs with a Redis and a MongoDB, and a balancer in front of them."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.faults.threads import in_thread
from tests.support.balancer import Balancer, open_balancer
from tests.support.configuration import NAMESPACES, Sections
from tests.support.hub_cluster import HubCluster
from tests.support.mongo_servers import MongoServer
from tests.support.processes import HubProcess
from tests.support.redis_proxy import RedisProxy, open_redis_proxy
from tests.support.redis_servers import RedisServer

BRIEF_SIZE: Final = 5
"""Entries that a channel of the namespace `brief` keeps."""

DATABASE: Final = "realtime"

_BRIEF: Final[Mapping[str, Any]] = {
    "history_size": BRIEF_SIZE,
    "subscribe": ["user"],
    "publish": ["user"],
    "read_history": ["user"],
}
_SETTINGS: Final[Sections] = {
    # Who was away for half a minute recovers it all: a denial is then always a finding.
    "client": {"recovery_max": 10_000, "outbox_max_bytes": 16_777_216},
    "namespaces": {**NAMESPACES, "brief": _BRIEF},
}


@dataclass(frozen=True, slots=True)
class Rig:
    """Everything is up when it is opened.

    `proxies` are between each hub and Redis, where the rig was opened with them.
    """

    hubs: Sequence[HubProcess]
    redis: RedisServer
    mongo: MongoServer
    balancer: Balancer
    proxies: Sequence[RedisProxy]
    cluster: HubCluster


@contextlib.asynccontextmanager
async def open_rig(
    directory: Path, *, nodes: int, proxied: bool, sabotage: str = ""
) -> AsyncIterator[Rig]:
    """A rig for as long as the block lasts; nothing outlives it.

    `sabotage` names what `tests.faults.broken_build` takes away from the hubs; "" is nothing.
    """
    async with contextlib.AsyncExitStack() as stack:
        redis, mongo = RedisServer(), MongoServer()
        stack.callback(redis.end)
        stack.callback(mongo.end)
        await in_thread(redis.start)
        await in_thread(mongo.start)
        proxies = [
            await stack.enter_async_context(open_redis_proxy(redis.port))
            for _ in range(nodes if proxied else 0)
        ]
        cluster = HubCluster(
            directory,
            redis,
            mongo,
            count=nodes,
            changes=_SETTINGS,
            broker_urls=[proxy.url for proxy in proxies],
        )
        stack.callback(cluster.end)
        if sabotage:
            for hub in cluster.hubs:
                hub.program = ("tests.faults.broken_build", sabotage)
        await in_thread(cluster.start)
        balancer = await stack.enter_async_context(
            open_balancer([hub.port for hub in cluster.hubs])
        )
        yield Rig(cluster.hubs, redis, mongo, balancer, proxies, cluster)
