"""Streams flow through nginx and HAProxy with the shipped configurations: nothing is kept back."""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

import aiohttp
import pytest

from tests.deployment.children import Child, started
from tests.deployment.places import Places
from tests.deployment.proxy_programs import HAPROXY, NGINX, ProxyProgram
from tests.support.polling import eventually
from tests.support.processes import HubProcess
from tests.support.server_api import ServerApi, open_api
from tests.support.stream_client import KINDS, Kind, ask, open_stream
from tests.support.tokens import connection_token

SOON_S: Final = 1.0
REACHED_S: Final = 15.0
PING_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Front:
    """The proxy, in place of the hub that is behind it."""

    address: str
    hub: HubProcess
    program: Child

    @property
    def url(self) -> str:
        """Where clients come in."""
        return f"http://{self.address}:8080"

    @property
    def api_url(self) -> str:
        """Base of the server API's methods."""
        return f"http://{self.address}:9000/api"

    def api(self) -> contextlib.AbstractAsyncContextManager[ServerApi]:
        """The server API; all that it wants of a hub is where it is."""
        return open_api(cast(HubProcess, self))


@pytest.fixture(params=[NGINX, HAPROXY], ids=lambda program: str(program.name), scope="module")
def front(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    """A hub and a proxy; the second hub that it knows of is not there."""
    program: ProxyProgram = request.param
    directory = tmp_path_factory.mktemp(program.name)
    places = Places(directory)
    program.install(places)
    address = places.addresses["hub1"]
    server = {"host": address, "internal_port": 9000, "trusted_proxies": ["127.0.0.0/8"]}
    client = {"ping_interval_s": PING_S, "pong_timeout_s": PING_S - 0.1}
    hub = HubProcess(tmp_path_factory.mktemp("hub"), {"server": server, "client": client})
    hub.port = 8000
    try:
        hub.start()
        with started(directory / "logs") as children:
            child = program.start(places, children)
            yield Front(places.addresses["proxy"], hub, child)
            said = child.log
            assert "eyJ" not in said, "a token is in the proxy's log"
        assert hub.complaints() == []
    finally:
        hub.end()


@pytest.fixture
async def reached(front: Front) -> Front:
    """The same, once the proxy has found the hub."""
    async with aiohttp.ClientSession() as session:

        async def answers() -> bool:
            async with session.get(f"{front.url}/connection/init") as answer:
                return answer.status == 200

        await eventually(answers, within_s=REACHED_S)
    return front


@pytest.mark.parametrize("kind", KINDS)
async def test_a_conversation_flows_both_ways(reached: Front, kind: Kind, channel: str) -> None:
    async with (
        open_stream(reached.url, kind, connection_token("ann")) as ann,
        reached.api() as api,
    ):
        await ann.command("subscribe", channel=channel)
        for number in range(5):
            began = time.monotonic()
            await api.call("publish", channel=channel, data=number)
            assert (await ann.push("pub", channel))["data"] == number
            assert time.monotonic() - began < SOON_S
        # Long ones, each way.
        await ann.command("publish", channel=channel, data="x" * 60_000)
        assert (await ann.push("pub", channel))["data"] == "x" * 60_000
        assert (await ann.command("rpc", method="x"))["error"]["code"] == 108


@pytest.mark.parametrize("kind", ["uni_sse", "uni_sse-get", "uni_http_stream"])
async def test_who_only_listens_hears_at_once(reached: Front, kind: str, channel: str) -> None:
    said = json.dumps({"token": connection_token("ann"), "subs": {channel: {}}})
    async with (
        aiohttp.ClientSession() as session,
        reached.api() as api,
        ask(session, reached.url, kind, said) as answer,
        asyncio.timeout(10),
    ):
        assert answer.status == 200
        while b'"connect"' not in await answer.content.readline():
            pass
        began = time.monotonic()
        await api.call("publish", channel=channel, data="now")
        while b'"now"' not in await answer.content.readline():
            pass
        assert time.monotonic() - began < SOON_S


@pytest.mark.parametrize("kind", ["http_stream", "sse", "uni_http_stream", "uni_sse"])
async def test_the_hub_learns_who_has_left(reached: Front, kind: str, channel: str) -> None:
    token = connection_token("ann", subs={channel: {}})
    connect = {"token": token}
    said = json.dumps(connect if kind.startswith("uni_") else {"id": 1, "connect": connect})
    async with reached.api() as api:

        async def is_there() -> bool:
            return bool((await api.call("presence_stats", channel=channel))["num_clients"] == 1)

        async def is_gone() -> bool:
            return bool((await api.call("presence_stats", channel=channel))["num_clients"] == 0)

        async with aiohttp.ClientSession() as session, ask(session, reached.url, kind, said):
            await eventually(is_there)
        # HAProxy notices when it has something for the client: a ping, at the latest.
        await eventually(is_gone, within_s=2 * PING_S + SOON_S)


async def test_the_clients_hear_that_the_hub_closes(reached: Front) -> None:
    async with (
        open_stream(reached.url, "sse", connection_token("zoe")) as zoe,
        reached.api() as api,
    ):
        await api.call("disconnect", user="zoe")
        assert (await zoe.ended())[-1]["push"]["disconnect"]["code"] == 3503
