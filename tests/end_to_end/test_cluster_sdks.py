"""The published SDKs on a cluster: everything that holds for one hub holds for two, over MongoDB
and Redis, with each client on another node and the server API on yet another. What clients of
streams say goes to the node that does not have their stream.
"""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.end_to_end import test_sdk_recovery, test_sdks
from tests.end_to_end.conftest import MakeHub, OpenSdk
from tests.support.balancer import open_balancer
from tests.support.configuration import Sections, shared_by_nodes
from tests.support.hub_cluster import HubCluster, hub_cluster
from tests.support.polling import eventually
from tests.support.processes import HubProcess
from tests.support.sdk import Person, SdkClient
from tests.support.sdks import KINDS
from tests.support.server_api import ServerApi, open_api
from tests.support.tokens import connection_token

_EVENTUAL: Final = {
    "test_presence_names_who_is_there",
    "test_presence_stats_count_connections_and_users",
}
"""What other nodes know a moment later; both have a test below."""


def _tests(module: Any) -> dict[str, Callable[..., Any]]:
    return {
        name: test
        for name, test in vars(module).items()
        if name.startswith("test_") and name not in _EVENTUAL
    }


_KINDS: Final = (
    "javascript",
    "python-protobuf",
    "javascript-sse",
    "javascript-http_stream-protobuf",
    "java",
)
"""Each language, format and transport once; a hub by itself has tests with every mixture."""


globals().update(_tests(test_sdks) | _tests(test_sdk_recovery))


@pytest.fixture(params=_KINDS)
def sdk_name(request: pytest.FixtureRequest) -> str:
    """Which SDK."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubCluster]:
    """Two hubs."""
    with hub_cluster(tmp_path_factory.mktemp("cluster"), 2) as cluster:
        yield cluster
        assert cluster.complaints() == []


@pytest.fixture(scope="module")
def hub(cluster: HubCluster) -> HubProcess:
    """The node that clients are told of."""
    return cluster.hubs[0]


@pytest.fixture
async def api(cluster: HubCluster) -> AsyncIterator[ServerApi]:
    """The server API of the other node."""
    async with open_api(cluster.hubs[1]) as api:
        yield api


@pytest.fixture
def make_hub(
    cluster: HubCluster, tmp_path_factory: pytest.TempPathFactory, make_hub: MakeHub
) -> MakeHub:
    """One more node."""

    def make(changes: Sections) -> HubProcess:
        shared = shared_by_nodes(f"{cluster.mongo.url}/realtime", cluster.redis.url, name="more")
        return make_hub({**shared, **changes})

    return make


@pytest.fixture
async def open_sdk(cluster: HubCluster, open_sdk: OpenSdk) -> OpenSdk:
    """Every second client is on the other node."""
    numbers = itertools.count()

    async def open_somewhere(
        url: str,
        token: str = "",
        tokens: Sequence[str] = (),
        certificate: Path | None = None,
        *,
        emulation_at: str = "",
    ) -> SdkClient:
        first, second = (hub.websocket_url for hub in cluster.hubs)
        if url == first:
            url, emulation_at = (first, second) if next(numbers) % 2 else (second, first)
        return await open_sdk(url, token, tokens, certificate, emulation_at=emulation_at)

    return open_somewhere


async def test_presence_is_that_of_both_nodes(
    hub: HubProcess, open_sdk: OpenSdk, channel: str
) -> None:
    infos: list[Any] = [{"name": "Ann"}, None, None]
    sdks: dict[str, SdkClient] = {}
    people: dict[str, Person] = {}
    for user, info in zip(("ann", "ann", "bob"), infos, strict=True):
        claims = {} if info is None else {"info": info}
        sdk = await open_sdk(hub.websocket_url, connection_token(user, **claims))
        client = await sdk.joined()
        await sdk.subscribed(channel)
        sdks[client], people[client] = sdk, Person(user, info)

    async def shown(sdk: SdkClient, expected: dict[str, Person], numbers: tuple[int, int]) -> bool:
        found = await sdk.presence(channel), await sdk.presence_stats(channel)
        return found == (expected, numbers)

    for sdk in sdks.values():
        await eventually(lambda: shown(sdk, people, (3, 2)), 1.0)  # noqa: B023 - waited for at once
    gone = next(iter(sdks))
    await sdks[gone].unsubscribe(channel)
    await sdks[gone].next("unsubscribed", channel)
    del people[gone]
    for sdk in sdks.values():
        await eventually(lambda: shown(sdk, people, (2, 2)), 1.0)  # noqa: B023 - waited for at once


@pytest.mark.parametrize(
    "sdk_name",
    [name for name, kind in KINDS.items() if kind.is_emulated],
    indirect=True,
)
async def test_a_balancer_may_send_a_stream_and_its_requests_to_different_nodes(
    cluster: HubCluster, open_sdk: OpenSdk, channel: str
) -> None:
    """It gives each connection to the node with the fewest, so requests go where no stream is."""
    before = await forwarded(cluster)
    async with open_balancer([hub.port for hub in cluster.hubs]) as balancer:
        sdks = [await open_sdk(balancer.websocket_url, connection_token("ann")) for _ in range(4)]
        for sdk in sdks:
            await sdk.joined()
            await sdk.subscribed(channel)
        for number in range(12):
            await sdks[number % 4].publish(channel, number)
        for sdk in sdks:
            assert await sdk.publications(channel, 12) == list(range(12))
            assert len(sdk.journal.all("connected")) == 1
            assert sdk.journal.all("error") == []
            await sdk.close()
    assert await forwarded(cluster) > before


async def forwarded(cluster: HubCluster) -> float:
    """How many requests the nodes have handed to the one with the stream, all together."""
    name = "realtime_emulations_forwarded_total "
    count = 0.0
    for hub in cluster.hubs:
        async with open_api(hub) as api:
            lines = (await api.request("GET", "/metrics")).text.splitlines()
        count += sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))
    return count
