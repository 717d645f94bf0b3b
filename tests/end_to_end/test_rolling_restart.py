"""A deploy at noon: hubs are stopped and started one after the other, behind a proxy, under load.

Hubs, Redis and proxies are run by the commands of `config/compose.yaml` with the shipped settings;
only hosts and paths are those of `tests/deployment/places.py`.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final, cast

import pytest

from tests.deployment import compose
from tests.deployment.children import Child
from tests.deployment.deployment import Deployment, open_deployment, open_mongodb
from tests.deployment.proxy_programs import HAPROXY, NGINX, ProxyProgram
from tests.support.checker import Checker
from tests.support.processes import HubProcess
from tests.support.server_api import ServerApi, open_api
from tests.support.steady_load import SteadyLoad

HUBS: Final = ("hub1", "hub2")
ROUNDS: Final = 2
CHANNELS: Final = tuple(f"private:room{number}" for number in range(10))
"""So many that both hubs rarely append to one at once: the hot channel is another test's."""

SUBSCRIBERS: Final = 4
SDK_PUBLISHERS: Final = 12
API_PUBLISHERS: Final = 2
RATE_PER_S: Final = 100
UP_S: Final = 1.5
"""How long both hubs serve before the next one is stopped."""


@dataclass(frozen=True, slots=True)
class Front:
    """The proxy in place of a hub: clients at one port, backends at the other."""

    address: str

    @property
    def websocket_url(self) -> str:
        """Where clients connect."""
        return f"ws://{self.address}:8080/connection/websocket"

    @property
    def api_url(self) -> str:
        """Base of the server API's methods."""
        return f"http://{self.address}:9000/api"

    @contextlib.asynccontextmanager
    async def api(self) -> AsyncIterator[ServerApi]:
        """The server API; all that it wants of a hub is where it is."""
        async with open_api(cast(HubProcess, self)) as api:
            yield api


class Hubs:
    """Both hubs, each of which is stopped and started as Compose does it."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._grace_s = compose.seconds(compose.services()["hub1"]["stop_grace_period"])
        self._running = {name: deployment.service(name) for name in HUBS}
        self.ended: list[Child] = []

    def replace(self, name: str) -> None:
        """Stop one hub, and start it again once it has ended."""
        self.stop(name)
        self._running[name] = self._deployment.service(name)

    def stop(self, name: str) -> None:
        """Stop one hub, which must end in good order within its grace period."""
        child = self._running[name]
        assert child.terminate(self._grace_s) == 0, child.log
        self.ended.append(child)

    def complaints(self) -> list[str]:
        """The logs in which there is what a healthy hub never writes."""
        signs = ("Traceback (most recent call last)", "was never ", "Exception in callback")
        logs = {child.log for child in (*self.ended, *self._running.values())}
        return [log for log in logs if any(sign in log for sign in signs)]


@pytest.fixture(
    params=[NGINX, pytest.param(HAPROXY, marks=pytest.mark.thorough)],
    ids=lambda program: str(program.name),
)
def proxied(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Front, Hubs]]:
    """Two hubs, and a proxy in front of them."""
    program: ProxyProgram = request.param
    directory = tmp_path_factory.mktemp("rolling")
    with open_mongodb() as url, open_deployment(directory, url) as deployment:
        program.install(deployment.places)
        deployment.redis()
        deployment.done(compose.command("store-init"))
        hubs = Hubs(deployment)
        program.start(deployment.places, deployment.children)
        yield Front(deployment.places.addresses["proxy"]), hubs
        assert hubs.complaints() == []


async def replace_again_and_again(hubs: Hubs) -> list[float]:
    """Replace each hub in turn; how long each was away, in seconds."""
    away_s = []
    for _ in range(ROUNDS):
        for name in HUBS:
            await asyncio.sleep(UP_S)
            began = time.monotonic()
            await asyncio.to_thread(hubs.replace, name)
            away_s.append(time.monotonic() - began)
    await asyncio.sleep(UP_S)
    return away_s


@pytest.mark.timeout(300)
async def test_a_rolling_restart_loses_nothing_and_nobody(proxied: tuple[Front, Hubs]) -> None:
    front, hubs = proxied
    checker = Checker()
    load = SteadyLoad(
        front.websocket_url,
        checker,
        CHANNELS,
        sdk_publishers=SDK_PUBLISHERS,
        api_publishers=API_PUBLISHERS,
        rate_per_s=RATE_PER_S,
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(load.close)
        api = await stack.enter_async_context(front.api())
        await load.open(SUBSCRIBERS)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run(api))
            away_s = await replace_again_and_again(hubs)
            load.stop()
        await load.settle(api)
    moves = [
        event
        for sdk in load.subscribers
        for channel in CHANNELS
        for event in sdk.journal.all("subscribed", channel)[1:]
    ]
    # pytest shows it where the test fails.
    print(checker.counts(), dict(load.outcomes), f"{len(moves)} moves, away {away_s}")  # noqa: T201
    assert checker.check() == []
    # Whoever was there has been moved, again and again, and nobody had to reload.
    assert len(moves) >= ROUNDS * SUBSCRIBERS * len(CHANNELS)
    assert all(event["recovered"] for event in moves)
