"""The bus of a cluster, stopped or killed, and what its nodes say of it."""

from typing import Final

from tests.support.polling import eventually
from tests.support.redis_servers import RedisServer
from tests.support.server_api import ServerApi

DOUBT_S: Final = 10.0
"""Within which a node has noticed that the bus has stopped."""


async def every_bus_is(apis: list[ServerApi], state: str) -> None:
    """Wait until every node says so of its bus."""

    async def so() -> bool:
        answers = [await api.request("GET", "/ready") for api in apis]
        return all(f'"broker": "{state}"' in answer.text for answer in answers)

    await eventually(so, DOUBT_S)


async def break_bus(how: str, redis: RedisServer, apis: list[ServerApi]) -> None:
    """Have the bus be "up", "stopped" and known to be, "stopping" this very moment, or "dead"."""
    if how in ("stopped", "stopping"):
        redis.pause()
    elif how == "dead":
        redis.kill9()
    if how in ("stopped", "dead"):
        await every_bus_is(apis, "degraded")
