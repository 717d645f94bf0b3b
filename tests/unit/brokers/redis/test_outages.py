"""Whatever happens to Redis: noticed within 5 s, told once, and mended with all in force."""

import asyncio
import contextlib
import logging
import os
import sys
import time
from typing import Final

import msgspec
import pytest

from realtime.brokers.base import BUS_VERSION, BusMessage
from realtime.brokers.redis import Limits, RedisBroker
from realtime.brokers.redis.codec import encode_message
from realtime.model import Entry
from tests.support.redis_proxy import open_redis_proxy
from tests.support.redis_servers import RedisServer
from tests.unit.brokers.redis.redis_node import QUICK, RedisNode, redis_node

PASSWORD: Final = "correct-horse-battery"
LOGGER: Final = "realtime.brokers.redis.routes"


def outages(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said of the beginning of outages, and of their end."""
    return [record.getMessage() for record in caplog.records if record.name == LOGGER]


async def test_a_server_that_is_killed_and_comes_back_empty(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with redis_node(server.url, "one") as one, redis_node(server.url, "two") as two:
        await two.subscribe(*(f"chat:{number}" for number in range(2000)))
        await asyncio.to_thread(server.kill9)
        await one.doubts()
        await two.doubts()
        await asyncio.to_thread(server.start)
        await one.resumes(2)
        await two.resumes(2)
        await two.hears_from(one, "chat:1999")
        assert len(server.topics()) == 2000 + 5
        assert two.broker.statistics.reconnects == 1
    said = outages(caplog)
    assert len(said) == 4
    assert sum("in doubt" in line for line in said) == 2
    assert sum("well again" in line for line in said) == 2


async def test_a_server_that_stops_is_noticed_within_five_seconds(server: RedisServer) -> None:
    """With the limits as they are by default: this is the promise (design 3)."""
    async with (
        redis_node(server.url, "one", limits=Limits()) as one,
        redis_node(server.url, "two", limits=Limits()) as two,
    ):
        await two.subscribe("a")
        server.pause()
        try:
            started = time.monotonic()
            await one.doubts(within_s=5.0)
            await two.doubts(within_s=max(0.1, started + 5.0 - time.monotonic()))
            await asyncio.sleep(started + 8.0 - time.monotonic())  # connects are tried meanwhile
            assert one.broker.state == two.broker.state == "degraded"
        finally:
            server.resume()
        await one.resumes(2)
        await two.resumes(2)
        await two.hears_from(one)


async def test_subscribed_connections_that_are_killed(server: RedisServer) -> None:
    async with redis_node(server.url, "one") as one, redis_node(server.url, "two") as two:
        await two.subscribe("a")
        assert server.kill_pubsub() == 2
        await two.resumes(2)
        await one.resumes(2)
        await two.hears_from(one)


async def test_a_single_lost_canary_casts_doubt(server: RedisServer) -> None:
    """The next one proves it lost, long before the deadline of 5 s; and others with it, maybe."""
    limits = msgspec.structs.replace(QUICK, canary_s=60.0)
    async with open_redis_proxy(server.port) as proxy, redis_node(proxy.url, limits=limits) as node:
        proxy.loses = lambda topic, payload: proxy.lost == 0
        await node.resumes(2)
        assert proxy.lost == 1


async def test_a_bus_that_carries_nothing_but_answers_is_noticed(server: RedisServer) -> None:
    """PING is answered, so that only the canary can tell."""
    async with open_redis_proxy(server.port) as proxy, redis_node(proxy.url) as node:
        proxy.loses = lambda topic, payload: True
        await node.doubts(within_s=QUICK.canary_s + 1.0)
        proxy.loses = lambda topic, payload: False
        await node.resumes(2)


async def test_a_subscribed_connection_that_says_nothing_is_asked(server: RedisServer) -> None:
    """Without canaries; they would keep it busy."""
    limits = msgspec.structs.replace(QUICK, canary_interval_s=60.0, canary_s=120.0)
    async with open_redis_proxy(server.port) as proxy, redis_node(proxy.url, limits=limits) as node:
        await node.until(lambda: any(b"PING" in request for request in proxy.requests))
        assert node.broker.state == "ok"
        proxy.is_mute = True
        await node.doubts(within_s=QUICK.idle_s + QUICK.ping_s + 1.0)


async def test_a_server_that_is_not_there_yet(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(server.kill9)
    async with redis_node(server.url, is_well=False) as node:
        await node.until(lambda: bool(outages(caplog)))
        assert node.broker.state == "degraded"
        assert node.broker.subscribe("a") is None
        await asyncio.to_thread(server.start)
        await node.resumes(1)
        assert node.broker.statistics.reconnects == 0
        async with redis_node(server.url, "two") as two:
            await node.hears_from(two)
    assert len(outages(caplog)) == 1


async def test_a_wrong_password_is_never_shown_and_tried_again(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = server.url.replace("//", f"//:{PASSWORD}@")
    server.require_password("another")
    async with redis_node(url, is_well=False) as node:
        await node.until(lambda: bool(outages(caplog)))
        await node.until(lambda: server.wrong_passwords() > 2)
        assert PASSWORD not in repr(node.broker)
        server.require_password(PASSWORD)
        await node.well()
        assert PASSWORD not in repr(node.broker)
    assert len([line for line in outages(caplog) if "in doubt" in line]) == 1
    assert PASSWORD not in caplog.text


async def test_tries_are_spread_and_do_not_hammer(server: RedisServer) -> None:
    async with redis_node(server.url, limits=Limits(backoff_max_s=0.5)) as node:
        server.require_password("secret")
        server.kill_pubsub()
        await node.doubts()
        before = server.command("INFO", "stats")["total_connections_received"]
        await asyncio.sleep(2.0)  # a rate needs a time
        after = server.command("INFO", "stats")["total_connections_received"]
        assert after - before < 60


async def test_the_end_leaves_no_connection(server: RedisServer) -> None:
    async with redis_node(server.url) as node:
        assert server.connections() == 2
        await node.close()
        await node.until(lambda: server.connections() == 0)


async def test_a_run_that_is_cancelled_leaves_no_connection(server: RedisServer) -> None:
    node = RedisNode("one", RedisBroker(server.url, node="one"))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(node.run())
        await node.well()
        running.cancel()
    assert node.broker.state == "degraded"
    await node.until(lambda: server.connections() == 0)
    await node.close()


async def test_what_a_stopped_server_does_not_take_holds_no_socket_open(
    server: RedisServer,
) -> None:
    """A connection that ended in good order would wait for it, with all that it has to write."""

    def sockets() -> int:
        with contextlib.suppress(OSError):  # one was closed meanwhile
            links = [os.readlink(entry.path) for entry in os.scandir("/proc/self/fd")]
            return sum("socket:" in link for link in links)
        return sys.maxsize

    before = sockets()
    async with redis_node(server.url) as node:
        server.pause()
        try:
            node.publish("a", data=bytes(20_000_000))  # more than the kernel takes
            await node.doubts()
            await node.close()
            await node.until(lambda: sockets() <= before)
        finally:
            server.resume()


@pytest.mark.parametrize("turns", range(0, 24, 2))
async def test_a_run_may_be_cancelled_at_any_step(server: RedisServer, turns: int) -> None:
    node = RedisNode("one", RedisBroker(server.url, node="one"))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(node.run())
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        running.cancel()
    await node.until(lambda: server.connections() == 0)


# What arrives


async def test_a_newer_major_is_refused_and_counted(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with redis_node(server.url, "one") as one, redis_node(server.url, "two") as two:
        await two.subscribe("a")
        message = BusMessage("three", Entry("a", 0, b"1", 0))
        newer = bytes([BUS_VERSION + 1]) + encode_message(message, 1)[1:]
        for payload in (newer, b"", b"\x01", b"\x01\xc1", b"PRIVATE"):
            with server.client() as client:
                client.publish("realtime:c:a", payload)
                client.publish("realtime:all", payload)
        await two.hears_from(one)
        assert two.broker.statistics.refused == 10
        assert len(two.heard) == 1
        assert two.told == []
    assert len([line for line in caplog.messages if "cannot be read" in line]) == 2  # nodes
    assert "PRIVATE" not in caplog.text


async def test_a_receiver_with_a_defect_does_not_end_the_bus(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(lag_s: float) -> None:
        if len(two.heard) == 0:
            two.heard.append(BusMessage("", Entry("", 0, b"", 0)))
            raise ZeroDivisionError

    async with redis_node(server.url, "one") as one:
        async with redis_node(server.url, "two", on_lag=fail) as two:
            await two.subscribe("a")
            one.publish("a")
            await two.hears_from(one)
            assert two.broker.state == "ok"
    assert "ZeroDivisionError" in caplog.text


async def test_the_lag_is_what_the_clocks_say(server: RedisServer) -> None:
    lags: list[float] = []
    async with (
        redis_node(server.url, "one", now_ms=lambda: 10_000) as one,
        redis_node(server.url, "two", on_lag=lags.append, now_ms=lambda: 12_500) as two,
    ):
        await two.subscribe("a")
        for sent_ms in (0, 12_000, 99_000):
            one.broker.publish(BusMessage("one", Entry("a", 0, b"1", 0), sent_ms=sent_ms))
        two.publish("a")  # a node has no lag to itself
        await two.until(lambda: len(two.heard) == 3)
        await two.hears_from(one)
        assert lags[:3] == [2.5, 0.5, 0.0]
        assert two.heard[0].sent_ms == 10_000
        assert len(lags) == 4


async def test_the_canarys_way_is_measured(server: RedisServer) -> None:
    async with redis_node(server.url) as node:
        first = node.broker.statistics.canary_s
        assert 0 < first < 1
        await node.until(lambda: node.broker.statistics.canary_s != first)
