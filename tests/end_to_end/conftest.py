"""Hubs in processes of their own, and the published SDKs as clients of them."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from tests.end_to_end.cluster_bus import every_bus_is
from tests.support.configuration import Sections
from tests.support.hub_cluster import HubCluster
from tests.support.processes import HubProcess
from tests.support.proxy import Proxy, open_proxy
from tests.support.redis_servers import RedisFailed, RedisServer
from tests.support.sdk import SdkClient
from tests.support.sdks import KINDS, Sdks
from tests.support.server_api import ServerApi, open_api

MakeHub = Callable[[Sections], HubProcess]
OpenProxy = Callable[[HubProcess], Awaitable[Proxy]]

_ROOMS = itertools.count(1)


class OpenSdk(Protocol):
    """Makes a client of the SDK under test; the fixture closes it."""

    async def __call__(
        self,
        url: str,
        token: str = "",
        tokens: Sequence[str] = (),
        certificate: Path | None = None,
        *,
        emulation_at: str = "",
    ) -> SdkClient:
        """Make a client of the hub at `url`, not connected yet; arguments as for `Sdks.open`."""
        ...


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub for the tests of a module that only use it; each takes channels of its own."""
    hub = HubProcess(tmp_path_factory.mktemp("hub"))
    try:
        hub.start()
        yield hub
        assert hub.complaints() == []
    finally:
        hub.end()


@pytest.fixture
def make_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeHub]:
    """Make hubs with settings of their own, not started yet; none outlives the test."""
    hubs: list[HubProcess] = []

    def make(changes: Sections) -> HubProcess:
        hub = HubProcess(tmp_path_factory.mktemp("hub"), changes)
        hubs.append(hub)
        return hub

    try:
        yield make
        for hub in hubs:
            assert hub.complaints() == []
    finally:
        for hub in hubs:
            hub.end()


@pytest.fixture
async def api(hub: HubProcess) -> AsyncIterator[ServerApi]:
    """The server API of the module's hub."""
    async with open_api(hub) as api:
        yield api


@pytest.fixture
async def proxy(hub: HubProcess) -> AsyncIterator[Proxy]:
    """A proxy in front of the module's hub."""
    async with open_proxy(hub.port) as proxy:
        yield proxy


@pytest.fixture
def room() -> str:
    """A name that no other test uses, for channels and users of one's own in a shared hub."""
    return f"room{next(_ROOMS)}"


@pytest.fixture
def channel(room: str) -> str:
    """A channel with everything on, of one's own."""
    return f"chat:{room}"


@pytest.fixture(params=list(KINDS))
def sdk_name(request: pytest.FixtureRequest) -> str:
    """Which SDK, on which transport, in which format; whoever uses `open_sdk` runs with each."""
    name: str = request.param
    return name


@pytest.fixture
async def open_sdk(sdk_name: str, sdks: Sdks) -> AsyncIterator[OpenSdk]:
    """Makes clients of the SDK under test and closes them at last."""
    clients: list[SdkClient] = []

    async def open_client(
        url: str,
        token: str = "",
        tokens: Sequence[str] = (),
        certificate: Path | None = None,
        *,
        emulation_at: str = "",
    ) -> SdkClient:
        client = await sdks.open(
            sdk_name, url, token, tokens, certificate, emulation_at=emulation_at
        )
        clients.append(client)
        return client

    yield open_client
    for client in clients:
        await client.close()


@pytest.fixture
async def apis(cluster: HubCluster) -> AsyncIterator[list[ServerApi]]:
    """The server API of each hub of the module's cluster."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_api(hub)) for hub in cluster.hubs]


@pytest.fixture
async def redis(cluster: HubCluster, apis: list[ServerApi]) -> AsyncIterator[RedisServer]:
    """Redis, which a test may stop or kill; afterwards it is there again and trusted."""
    redis = cluster.redis
    await every_bus_is(apis, "ok")
    yield redis
    with contextlib.suppress(RedisFailed):  # it was killed
        redis.kill9()
    await asyncio.to_thread(redis.start)
    await every_bus_is(apis, "ok")
