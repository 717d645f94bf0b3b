"""nginx and HAProxy with the shipped configurations, in front of two stubs of hubs.

Only addresses and paths are changed, by the table in `places.py`. With real hubs, and a rolling
restart of them, they are run by the end-to-end tests.
"""

import asyncio
import contextlib
import re
import tomllib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

import aiohttp
import pytest
from yarl import URL

from realtime.settings.schema import ClientSettings, ServerSettings
from tests.deployment.children import Children, started
from tests.deployment.command import CONFIG
from tests.deployment.places import Places
from tests.deployment.proxy_programs import HAPROXY, NGINX, ProxyProgram
from tests.deployment.stub_hub import KEY, StubHub
from tests.support.polling import eventually

HANDSHAKE: Final = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}
TRIES: Final = 12
MANY: Final = 200
_TIMEOUT: Final = aiohttp.ClientTimeout(total=15)
_OUT_WITHIN_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Proxied:
    """A running proxy, and the stubs behind it, of which none listens yet."""

    address: str
    hubs: tuple[StubHub, StubHub]
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        """Where clients come in."""
        return f"http://{self.address}:8080"

    async def ask(self, path: str, *, method: str = "GET", port: int = 8080) -> tuple[int, str]:
        """One request on a connection of its own: status and text of the answer."""
        url = URL(f"http://{self.address}:{port}{path}", encoded=True)
        async with self.session.request(method, url, headers={"Connection": "close"}) as answer:
            return answer.status, await answer.text()

    @contextlib.asynccontextmanager
    async def both(self) -> AsyncIterator[None]:
        """Both hubs listen, and the proxy sends clients to both."""
        one, other = self.hubs
        async with one.listening(), other.listening():
            await self.reach({"hub1", "hub2"})
            for hub in self.hubs:
                hub.requests.clear()
            yield

    async def reach(self, names: set[str]) -> None:
        """Wait until clients are sent to these hubs, and to no other."""
        await eventually(lambda: self._reaches(names), within_s=_OUT_WITHIN_S)

    async def _reaches(self, names: set[str]) -> bool:
        answers = [await self.ask("/connection/x") for _ in range(TRIES)]
        return {text for status, text in answers if status == 200} == names


@pytest.fixture(params=[NGINX, HAPROXY], ids=lambda program: str(program.name), scope="module")
def proxy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ProxyProgram, Places, Children]]:
    """A proxy that runs with its shipped configuration."""
    program: ProxyProgram = request.param
    directory = tmp_path_factory.mktemp(program.name)
    places = Places(directory)
    program.install(places)
    with started(directory / "logs") as children:
        program.start(places, children)
        yield program, places, children


@pytest.fixture
async def proxied(proxy: tuple[ProxyProgram, Places, Children]) -> AsyncIterator[Proxied]:
    """The proxy, with fresh stubs."""
    _, places, _ = proxy
    hubs = (StubHub("hub1", places.addresses["hub1"]), StubHub("hub2", places.addresses["hub2"]))
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        yield Proxied(places.addresses["proxy"], hubs, session)


def test_a_proxy_takes_its_configuration(proxy: tuple[ProxyProgram, Places, Children]) -> None:
    program, places, children = proxy
    assert "warn" not in program.checked(places, children).lower()


async def test_clients_are_spread_over_the_hubs(proxied: Proxied) -> None:
    async with proxied.both():
        answers = [await proxied.ask("/connection/websocket") for _ in range(TRIES)]
    assert {text for _, text in answers} == {"hub1", "hub2"}


async def test_a_websocket_is_passed_on_as_it_is(proxied: Proxied) -> None:
    async with proxied.both():
        async with proxied.session.get(
            f"{proxied.url}/connection/websocket",
            headers={**HANDSHAKE, "X-Forwarded-For": "1.2.3.4"},
        ) as answer:
            assert answer.status == 101
        (seen,) = [request for hub in proxied.hubs for request in hub.of_clients()]
    assert seen.headers["upgrade"] == "websocket"
    assert seen.headers["connection"].lower() == "upgrade"
    # With its port, as pages' origins have it.
    assert seen.headers["host"] == f"{proxied.address}:8080"
    # Last is what the proxy saw itself, which is all that a hub believes.
    claimed, seen_address = seen.headers["x-forwarded-for"].split(", ")
    assert claimed == "1.2.3.4"
    assert seen_address.startswith("127.")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/publish",
        "/api/v10/sync",
        "/x/api/v1/sync",
        "/metrics",
        "/health",
        "/ready",
        "/x/connection/",
    ],
)
async def test_what_is_not_public_is_not_asked_of_a_hub(proxied: Proxied, path: str) -> None:
    async with proxied.both():
        assert (await proxied.ask(path))[0] == 404
        assert [request for hub in proxied.hubs for request in hub.of_clients()] == []


async def test_chat_over_http_is_passed_on_as_it_is(proxied: Proxied) -> None:
    path = "/api/v1/channels/chat%3Ax/messages/7/reactions/%F0%9F%91%8D?client_id=a%2Fb"
    async with proxied.both():
        assert (await proxied.ask(path, method="DELETE"))[0] == 200
        seen = [request for hub in proxied.hubs for request in hub.of_clients()]
    assert [(request.port, request.target) for request in seen] == [(8000, path)]


async def test_backends_reach_the_internal_ports_api_and_nothing_else(proxied: Proxied) -> None:
    async with proxied.both():
        status, _ = await proxied.ask("/api/info", method="POST", port=9000)
        assert status == 200
        assert (await proxied.ask("/metrics", port=9000))[0] == 404
        seen = [request for hub in proxied.hubs for request in hub.of_clients()]
    assert [(request.port, request.target) for request in seen] == [(9000, "/api/info")]


async def test_a_hub_that_refuses_connections_is_passed_over(proxied: Proxied) -> None:
    one, _ = proxied.hubs
    async with one.listening():
        await proxied.reach({"hub1"})
        answers = [await proxied.ask("/connection/websocket") for _ in range(TRIES)]
    assert set(answers) == {(200, "hub1")}


async def test_a_hub_that_comes_back_gets_clients_again(proxied: Proxied) -> None:
    one, other = proxied.hubs
    async with one.listening():
        await proxied.reach({"hub1"})
        async with other.listening():
            await proxied.reach({"hub1", "hub2"})


# HAProxy needs a health check to find a hub again, two seconds at most.
@pytest.mark.parametrize("proxy", [NGINX], ids=["nginx"], indirect=True)
async def test_hubs_that_are_replaced_quickly_leave_nobody_outside(proxied: Proxied) -> None:
    """nginx takes a server that failed back when a request to it has ended, and websockets do
    not end: so it must not count failures."""
    one, other = proxied.hubs
    async with contextlib.AsyncExitStack() as stack:
        for hub in (one, other, one, other):
            async with hub.listening():
                for _ in range(TRIES):
                    _, writer = await opened(proxied)
                    stack.callback(writer.close)


@pytest.mark.parametrize(
    ("path", "port"),
    [("/emulation", 8080), ("/api/v1/channels/x/messages", 8080), ("/api/publish", 9000)],
)
async def test_a_post_that_was_sent_is_not_sent_again(
    proxied: Proxied, path: str, port: int
) -> None:
    async with proxied.both():
        for hub in proxied.hubs:
            hub.manner = "die"
        status, _ = await proxied.ask(path, method="POST", port=port)
        seen = [request for hub in proxied.hubs for request in hub.of_clients()]
    assert status == 502
    assert [request.target for request in seen] == [path]


async def test_a_full_hub_is_not_made_everybodys_problem(proxied: Proxied) -> None:
    async with proxied.both():
        for hub in proxied.hubs:
            hub.manner = "full"
        answers = [await proxied.ask("/connection/websocket") for _ in range(TRIES)]
        seen = [request for hub in proxied.hubs for request in hub.of_clients()]
        # Each was told once, by one hub, and none was taken out for it.
        assert {status for status, _ in answers} == {503}
        assert len(seen) == TRIES
        for hub in proxied.hubs:
            hub.manner = "serve"
        assert (await proxied.ask("/connection/websocket"))[0] == 200


# nginx asks no hub whether it is ready; one that drains refuses connections, which it does notice.
@pytest.mark.parametrize("proxy", [HAPROXY], ids=["haproxy"], indirect=True)
async def test_haproxy_sends_nobody_new_to_a_hub_that_is_not_ready(proxied: Proxied) -> None:
    one, other = proxied.hubs
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(one.listening())
        await proxied.reach({"hub1"})
        for _ in range(MANY):
            _, busy = await opened(proxied)
            stack.callback(busy.close)
        await stack.enter_async_context(other.listening())
        # It has none, so everyone goes there, even while it is given its share slowly.
        await proxied.reach({"hub2"})
        reader, writer = await opened(proxied)
        stack.callback(writer.close)
        other.is_ready = False
        await proxied.reach({"hub1"})
        # Who is there stays there.
        writer.write(b"still here")
        assert await asyncio.wait_for(reader.readexactly(10), 5) == b"still here"


async def opened(proxied: Proxied) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A websocket through the proxy, of which the other end says what is said to it."""
    lines = [f"{name}: {value}" for name, value in HANDSHAKE.items()]
    head = "\r\n".join(["GET /connection/websocket HTTP/1.1", "Host: x", *lines, "", ""])
    reader, writer = await asyncio.open_connection(proxied.address, 8080)
    writer.write(head.encode())
    assert b" 101 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    return reader, writer


def test_silence_between_two_pings_ends_no_connection() -> None:
    production = tomllib.loads((CONFIG / "production.toml").read_text(encoding="utf-8"))
    client = ClientSettings()
    longest_s = max(client.ping_interval_s, *production["client"]["ping_intervals_s"].values())
    silence_s = longest_s + client.pong_timeout_s
    nginx = (CONFIG / "nginx.conf").read_text(encoding="utf-8")
    haproxy = (CONFIG / "haproxy.cfg").read_text(encoding="utf-8")
    (location,) = re.findall(r"location /connection/ \{(.*?)\n        \}", nginx, re.S)
    found = re.findall(r"proxy_(?:read|send)_timeout (\d+)s;", location)
    found += re.findall(r"timeout tunnel (\d+)s", haproxy)
    streams = re.findall(r"^    timeout (?:client|server) (\d+)s", haproxy, re.M)
    found += [seconds for seconds in streams if seconds != "30"]  # the defaults, of the API
    assert len(found) == 5
    assert all(float(seconds) >= 2 * silence_s for seconds in found)


def test_idle_connections_to_hubs_are_closed_by_the_proxy_first() -> None:
    from realtime.server.http import HTTP_KEEPALIVE_S

    nginx = (CONFIG / "nginx.conf").read_text(encoding="utf-8")
    for seconds in re.findall(r"\n\s+keepalive_timeout (\d+)s;", nginx):
        assert float(seconds) < HTTP_KEEPALIVE_S


def test_nginx_has_room_for_what_the_hubs_take() -> None:
    nginx = (CONFIG / "nginx.conf").read_text(encoding="utf-8")
    (descriptors,) = re.findall(r"^worker_rlimit_nofile (\d+);", nginx, re.M)
    (connections,) = re.findall(r"worker_connections (\d+);", nginx)
    (workers,) = re.findall(r"^worker_processes (\d+);", nginx, re.M)
    assert int(descriptors) >= int(connections)
    # A websocket is two connections.
    hubs = len(re.findall(r"server hub\d:8000", nginx))
    assert int(workers) * int(connections) >= 2 * hubs * ServerSettings().connections_max
