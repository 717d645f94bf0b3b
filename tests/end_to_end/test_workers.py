"""Several hub processes on one port, each a node of its own over MongoDB and Redis."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import websockets

from tests.end_to_end.conftest import MakeHub
from tests.support.checker import Checker
from tests.support.configuration import shared_by_nodes
from tests.support.mongo_servers import mongo_database, mongo_server
from tests.support.polling import eventually
from tests.support.processes import HubFailed, HubProcess
from tests.support.redis_servers import RedisServer, redis_server
from tests.support.server_api import open_api
from tests.support.tokens import connection_token
from tests.support.wire_client import WireClient, open_wire

CHANNEL = "chat:room"


@pytest.fixture(scope="module")
def mongo() -> Iterator[str]:
    """A MongoDB-speaking server."""
    with mongo_server() as server:
        yield server.url


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A Redis server."""
    with redis_server() as server:
        yield server


@pytest.fixture
def make_workers(
    mongo: str, redis: RedisServer, make_hub: MakeHub
) -> Iterator[Callable[..., HubProcess]]:
    """Make a parent with workers, on a store of its own that is ready, not started yet."""
    with contextlib.ExitStack() as databases:

        def make(workers: int, **server: Any) -> HubProcess:
            url = databases.enter_context(mongo_database(mongo))
            hub = make_hub(
                shared_by_nodes(
                    url, redis.url, host="127.0.0.1", drain_s=1.0, workers=workers, **server
                )
            )
            assert hub.command("store", "init").returncode == 0
            return hub

        yield make


def is_gone(pid: int) -> bool:
    """Whether the process has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def make_sure_is_gone(pid: int) -> None:
    """For orphans, whose parent nobody can ask to end them."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def two_ports() -> int:
    """The first of two adjacent ports that are free, below those that the kernel chooses."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000, 2):
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", port))
            two.bind(("127.0.0.1", port + 1))
            return port
    raise AssertionError("no ports are free")


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what other processes do."""

    async def asked() -> bool:
        return holds()

    await eventually(asked, 15.0)


@contextlib.asynccontextmanager
async def subscriber(hub: HubProcess, user: str) -> AsyncIterator[WireClient]:
    """A client that is subscribed to the channel."""
    async with open_wire(hub.websocket_url) as wire:
        await wire.connect(connection_token(user))
        await wire.command("subscribe", channel=CHANNEL)
        yield wire


async def test_clients_of_one_port_hear_one_another_whichever_process_has_them(
    make_workers: Callable[..., HubProcess],
) -> None:
    hub = make_workers(3)
    await asyncio.to_thread(hub.start)
    assert len(hub.workers()) == 3
    assert hub.log.count("listening on") == 1
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(subscriber(hub, f"user{number}"))
            for number in range(24)
        ]
        for number, client in enumerate(clients):
            reply = await client.command("publish", channel=CHANNEL, data={"id": number})
            assert "publish" in reply
        for client in clients:
            got = [await client.push("pub", CHANNEL) for _ in clients]
            assert [pub["offset"] for pub in got] == list(range(1, 25))
            assert [pub["data"]["id"] for pub in got] == list(range(24))
    assert await asyncio.to_thread(hub.terminate) == 0


async def test_each_worker_has_metrics_of_its_own(
    make_workers: Callable[..., HubProcess],
) -> None:
    first = two_ports()
    hub = make_workers(2, internal_port=first)
    await asyncio.to_thread(hub.start)
    async with contextlib.AsyncExitStack() as stack:
        for number in range(20):
            await stack.enter_async_context(subscriber(hub, f"user{number}"))
        counts = []
        for port in (first, first + 1):
            async with open_api(hub) as api:
                hub.url = f"http://127.0.0.1:{port}"
                text = (await api.request("GET", "/metrics")).text
            counts += [
                float(line.split()[1])
                for line in text.splitlines()
                if line.startswith("realtime_clients ")
            ]
    assert sum(counts) == 20
    assert min(counts) > 0  # one in a million times the kernel would choose so


async def test_sigterm_drains_all_of_them(make_workers: Callable[..., HubProcess]) -> None:
    hub = make_workers(2)
    await asyncio.to_thread(hub.start)
    workers = hub.workers()
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(subscriber(hub, f"user{number}"))
            for number in range(10)
        ]
        hub.send(signal.SIGTERM)
        for client in clients:
            assert await client.closed() == (3001, "shutdown")
    assert await asyncio.to_thread(hub.wait) == 0
    assert all(map(is_gone, workers))


async def test_workers_drain_and_end_when_their_parent_is_killed(
    make_workers: Callable[..., HubProcess],
) -> None:
    hub = make_workers(2)
    await asyncio.to_thread(hub.start)
    workers = hub.workers()
    async with contextlib.AsyncExitStack() as stack:
        for worker in workers:
            stack.callback(make_sure_is_gone, worker)
        clients = [
            await stack.enter_async_context(subscriber(hub, f"user{number}"))
            for number in range(10)
        ]
        os.kill(hub.pid, signal.SIGKILL)
        for client in clients:
            assert await client.closed() == (3001, "shutdown")
        await until(lambda: all(map(is_gone, workers)))
    assert await asyncio.to_thread(hub.wait) == -signal.SIGKILL
    await asyncio.to_thread(hub.start)


class Chatter:
    """Publishes one message after the other, each once, and hears all that is said."""

    def __init__(self, hub: HubProcess, name: str, checker: Checker) -> None:
        self.name = name
        self.acked = 0
        self.reconnects = 0
        self._sent = 0
        self._hub = hub
        self._checker = checker
        self._position: dict[str, Any] = {}
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Talk until `quiet`."""
        while not self._stop.is_set():
            with contextlib.suppress(OSError, websockets.WebSocketException, TimeoutError):
                async with open_wire(self._hub.websocket_url) as wire:
                    await wire.connect(connection_token(self.name))
                    await self._subscribe(wire)
                    await self._talk(wire)
            self.reconnects += 1

    def quiet(self) -> None:
        """Say no more."""
        self._stop.set()

    async def catch_up(self, head: int) -> None:
        """Hear what is left, up to the offset `head`: in the reply, or soon after."""
        async with open_wire(self._hub.websocket_url) as wire:
            await wire.connect(connection_token(self.name))
            await self._subscribe(wire)
            while self._position["offset"] < head:
                self._heard(await wire.push("pub", CHANNEL))

    async def _subscribe(self, wire: WireClient) -> None:
        fields = {"recover": True, **self._position} if self._position else {}
        reply = await wire.command("subscribe", channel=CHANNEL, **fields)
        if "error" in reply:
            # Draining, or the store is busy: for now only.
            assert reply["error"]["temporary"] is True, reply
            raise TimeoutError
        result = reply["subscribe"]
        assert not self._position or result["recovered"] is True
        if not self._position:
            self._checker.entitled(CHANNEL, self.name, result.get("offset", 0))
        self._position = {"epoch": result["epoch"], "offset": result.get("offset", 0)}
        for publication in result.get("publications", ()):
            self._heard(publication)

    async def _talk(self, wire: WireClient) -> None:
        while not self._stop.is_set():
            self._sent += 1
            client_id = f"{self.name}-{self._sent}"
            self._checker.sent(CHANNEL, client_id)
            reply = await wire.command("publish", channel=CHANNEL, data={"id": client_id})
            if "publish" in reply:
                self.acked += 1
                self._checker.acked(CHANNEL, client_id)
            else:
                assert reply["error"]["temporary"] is True, reply
            self._drain(wire)

    def _drain(self, wire: WireClient) -> None:
        for document in list(wire._kept):
            if "pub" in document.get("push", ()):
                wire._kept.remove(document)
                self._heard(document["push"]["pub"])

    def _heard(self, publication: dict[str, Any]) -> None:
        self._checker.received(CHANNEL, self.name, publication["offset"], publication["data"]["id"])
        self._position["offset"] = publication["offset"]


@contextlib.asynccontextmanager
async def talking(hub: HubProcess, checker: Checker) -> AsyncIterator[list[Chatter]]:
    """Four clients that talk for as long as the block lasts; then everything is compared."""
    chatters = [Chatter(hub, f"chatter{number}", checker) for number in range(4)]
    async with asyncio.TaskGroup() as tasks:
        for chatter in chatters:
            tasks.create_task(chatter.run())
        await until(lambda: all(chatter.acked >= 3 for chatter in chatters))
        yield chatters
        before = [chatter.acked for chatter in chatters]
        await until(
            lambda: all(c.acked >= was + 3 for c, was in zip(chatters, before, strict=True))
        )
        for chatter in chatters:
            chatter.quiet()
    async with open_api(hub) as api:
        log = await api.log(CHANNEL)
    checker.stored(CHANNEL, log)
    for chatter in chatters:
        await chatter.catch_up(log[-1].offset)
    assert checker.check() == [], checker.counts()


async def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(
    make_workers: Callable[..., HubProcess],
) -> None:
    hub = make_workers(2)
    await asyncio.to_thread(hub.start)
    async with talking(hub, Checker()):
        first = hub.workers()
        for _ in range(2):
            offset = hub.log_bytes
            killed = hub.workers()[0]
            os.kill(killed, signal.SIGKILL)
            await asyncio.to_thread(hub.wait_for_log, "ended with SIGKILL", offset)
            await asyncio.to_thread(hub.wait_for_log, " listens", offset, 15.0)
    assert len(hub.workers()) == 2
    assert set(hub.workers()) != set(first)


async def test_a_rolling_restart_loses_nothing_and_always_has_somebody_who_listens(
    make_workers: Callable[..., HubProcess],
) -> None:
    hub = make_workers(2)
    await asyncio.to_thread(hub.start)
    first = hub.workers()
    async with talking(hub, Checker()) as chatters, asyncio.TaskGroup() as tasks:
        rolled = asyncio.Event()

        async def knock() -> None:
            """A new connection is taken at any moment of it."""
            while not rolled.is_set():
                try:
                    async with open_wire(hub.websocket_url) as wire:
                        reply = await wire.connect(connection_token("visitor"))
                        assert "connect" in reply
                except (websockets.WebSocketException, ConnectionResetError):
                    # One that the kernel gave to a worker in the moment in which it stopped.
                    continue

        tasks.create_task(knock())
        offset = hub.log_bytes
        hub.send(signal.SIGUSR1)
        await asyncio.to_thread(hub.wait_for_log, "all workers were restarted", offset, 30.0)
        rolled.set()
        assert sum(chatter.reconnects for chatter in chatters) >= len(chatters)
    assert set(hub.workers()).isdisjoint(first)
    assert await asyncio.to_thread(hub.terminate) == 0


async def test_workers_without_a_store_are_given_up_with_a_reason_and_no_password(
    make_hub: MakeHub,
) -> None:
    hub = make_hub(
        shared_by_nodes("mongodb://u:password@127.0.0.1:1/db", "redis://127.0.0.1:1", workers=2)
    )
    hub.launch()
    assert await asyncio.to_thread(hub.wait, 30.0) == 1
    assert "127.0.0.1:1" in hub.log
    assert "every worker ends with exit code 1" in hub.log
    assert "password" not in hub.log


async def test_a_port_that_somebody_has_is_told_before_any_worker_is_started(
    make_workers: Callable[..., HubProcess],
) -> None:
    hub, other = make_workers(2), make_workers(2)
    await asyncio.to_thread(hub.start)
    other.port = hub.port
    with pytest.raises(HubFailed, match="exit 1 at start"):
        await asyncio.to_thread(other.start)
    assert f"cannot listen on 127.0.0.1:{hub.port}: Address already in use" in other.log
    assert len(hub.workers()) == 2
