"""From one process with SQLite to MongoDB, without a client noticing; and stores that are not
ready."""

import asyncio
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end.conftest import MakeHub
from tests.support.configuration import shared_by_nodes
from tests.support.mongo_servers import mongo_database, mongo_server
from tests.support.polling import eventually
from tests.support.processes import HubProcess
from tests.support.redis_servers import redis_server
from tests.support.server_api import open_api
from tests.support.tokens import connection_token
from tests.support.wire_client import open_wire

CHANNELS = ("chat:a", "chat:b")


@pytest.fixture(scope="module")
def mongo() -> Iterator[str]:
    """A MongoDB-speaking server."""
    with mongo_server() as server:
        yield server.url


@pytest.fixture
def store_url(mongo: str) -> Iterator[str]:
    """An empty database of the test's own."""
    with mongo_database(mongo) as url:
        yield url


async def positions(hub: HubProcess, user: str = "ann") -> dict[str, dict[str, Any]]:
    """Where a client of each channel would go on from, having published three messages more."""
    found = {}
    async with open_wire(hub.websocket_url) as wire:
        await wire.connect(connection_token(user))
        for channel in CHANNELS:
            reply = (await wire.command("subscribe", channel=channel))["subscribe"]
            found[channel] = {"epoch": reply["epoch"], "offset": reply.get("offset", 0)}
            for number in range(3):
                answer = await wire.command("publish", channel=channel, data={"id": f"{number}"})
                assert "publish" in answer
    return found


async def test_a_client_goes_on_in_mongodb_where_it_was_in_sqlite(
    make_hub: MakeHub, store_url: str
) -> None:
    hub = make_hub({})
    await asyncio.to_thread(hub.start)
    left_off = await positions(hub)
    async with open_api(hub) as api:
        await api.call("revoke", user="mallory")
        await api.call("ban", user="mallory", channel="chat:a")
    database = str(hub.directory / "hub.db")

    refused = await asyncio.to_thread(hub.command, "store", "copy", database, store_url)
    assert refused.returncode == 1
    assert "in use by another hub" in refused.stderr

    assert await asyncio.to_thread(hub.terminate) == 0
    done = await asyncio.to_thread(hub.command, "store", "copy", database, store_url)
    assert (done.returncode, done.stdout) == (
        0,
        "copied 6 entries; the copy has all 2 channels\n",
    ), done.stderr
    again = await asyncio.to_thread(hub.command, "store", "copy", database, store_url)
    assert again.returncode == 1
    assert "empty" in again.stderr

    hub.configure(shared_by_nodes(store_url, host="127.0.0.1", drain_s=1.0))
    await asyncio.to_thread(hub.start)
    async with open_wire(hub.websocket_url) as wire:
        await wire.connect(connection_token("ann"))
        for channel, position in left_off.items():
            reply = await wire.command("subscribe", channel=channel, recover=True, **position)
            result = reply["subscribe"]
            assert result["recovered"] is True
            assert [pub["data"]["id"] for pub in result["publications"]] == ["0", "1", "2"]
            answer = await wire.command("publish", channel=channel, data={"id": "next"})
            assert "publish" in answer
            push = await wire.push("pub", channel)
            assert push["offset"] == position["offset"] + 4
    async with open_wire(hub.websocket_url) as wire:
        await wire.send("connect", token=connection_token("mallory", iat=1))
        assert await wire.closed() == (3500, "invalid token")


async def test_a_store_that_is_not_set_up_is_told_what_to_do(
    make_hub: MakeHub, store_url: str
) -> None:
    hub = make_hub(shared_by_nodes(store_url, host="127.0.0.1"))
    hub.launch()
    assert await asyncio.to_thread(hub.wait) == 1
    assert "realtime store init" in hub.log
    for _ in range(2):
        done = await asyncio.to_thread(hub.command, "store", "init")
        assert (done.returncode, done.stdout) == (0, "the store is ready\n"), done.stderr
    await asyncio.to_thread(hub.start)
    assert await asyncio.to_thread(hub.terminate) == 0


@pytest.mark.parametrize("command", [("serve",), ("worker",), ("store", "init")])
async def test_a_store_that_is_away_ends_every_command_with_a_reason(
    command: tuple[str, ...], make_hub: MakeHub
) -> None:
    hub = make_hub(shared_by_nodes("mongodb://u:password@127.0.0.1:1/db", host="127.0.0.1"))
    done = await asyncio.to_thread(hub.command, *command, timeout_s=30.0)
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr
    assert "password" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


async def test_a_hub_starts_without_redis_and_says_that_it_is_degraded(
    make_hub: MakeHub, store_url: str
) -> None:
    with redis_server() as redis:
        redis.kill9()
        hub = make_hub(shared_by_nodes(store_url, redis.url, host="127.0.0.1", drain_s=1.0))
        assert (await asyncio.to_thread(hub.command, "store", "init")).returncode == 0
        await asyncio.to_thread(hub.start)
        async with open_api(hub) as api:
            ready = await api.request("GET", "/ready")
            assert ready.status == 200
            assert '"broker": "degraded"' in ready.text
            metrics = (await api.request("GET", "/metrics")).text
            assert "realtime_broker_degraded 1.0" in metrics
        assert await positions(hub)
        await asyncio.to_thread(redis.start)
        async with open_api(hub) as api:

            async def is_well() -> bool:
                return '"broker": "ok"' in (await api.request("GET", "/ready")).text

            await eventually(is_well, 20.0)
        assert await asyncio.to_thread(hub.terminate) == 0


async def test_a_worker_works_until_it_is_told_to_stop(make_hub: MakeHub, store_url: str) -> None:
    hub = make_hub(shared_by_nodes(store_url, host="127.0.0.1"))
    assert (await asyncio.to_thread(hub.command, "store", "init")).returncode == 0
    hub.launch_command("worker")
    await asyncio.to_thread(hub.wait_for_log, "realtime: worker runs", 0, 15.0)
    hub.send(signal.SIGTERM)
    assert await asyncio.to_thread(hub.wait) == 0
