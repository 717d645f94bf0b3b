"""How the Redis driver publishes: a pipeline a tick, within bounds, and what an outage leaves."""

import asyncio
import time
from typing import Final

import msgspec
import pytest

from realtime.brokers.base import BusMessage, ControlMessage
from realtime.brokers.redis import RedisBroker
from realtime.model import Entry
from tests.support.redis_proxy import open_redis_proxy
from tests.support.redis_servers import RedisServer
from tests.unit.brokers.redis.redis_node import QUICK, RedisNode, redis_node

RARELY: Final = msgspec.structs.replace(QUICK, canary_interval_s=30.0, canary_s=60.0, idle_s=30.0)
"""Nothing on the wire but what the test makes."""

SMALL: Final = msgspec.structs.replace(QUICK, buffer_messages_max=100)


async def test_what_is_published_in_one_tick_goes_out_in_one_pipeline(server: RedisServer) -> None:
    async with (
        open_redis_proxy(server.port) as proxy,
        redis_node(proxy.url, "one", limits=RARELY) as one,
        redis_node(server.url, "two") as two,
    ):
        await two.subscribe("a")
        proxy.requests.clear()
        messages = [one.publish("a", data=b"%d" % number) for number in range(100)]
        await two.hears(messages[-1])
        assert two.heard == messages
        (request,) = proxy.requests
        assert request.count(b"PUBLISH") == 100


async def test_the_next_pipeline_fills_while_one_is_in_flight(server: RedisServer) -> None:
    async with (
        open_redis_proxy(server.port) as proxy,
        redis_node(proxy.url, "one", limits=RARELY) as one,
        redis_node(server.url, "two", limits=RARELY) as two,
    ):
        await two.subscribe("a")
        proxy.requests.clear()
        server.pause()
        try:
            first = one.publish("a", data=b"first")
            await one.until(lambda: len(proxy.requests) == 1)
            for number in range(9):
                one.publish("a", data=b"%d" % number)
                await asyncio.sleep(0)
            assert len(proxy.requests) == 1
        finally:
            server.resume()
        await two.hears(one.publish("a", data=b"last"))
        assert two.heard[0] == first
        assert [request.count(b"PUBLISH") for request in proxy.requests] == [1, 10]


async def test_a_pipeline_is_bounded(server: RedisServer) -> None:
    limits = msgspec.structs.replace(RARELY, pipeline_messages_max=10)
    async with (
        open_redis_proxy(server.port) as proxy,
        redis_node(proxy.url, "one", limits=limits) as one,
        redis_node(server.url, "two") as two,
    ):
        await two.subscribe("a")
        proxy.requests.clear()
        messages = [one.publish("a", data=b"%d" % number) for number in range(25)]
        await two.hears(messages[-1])
        assert [request.count(b"PUBLISH") for request in proxy.requests] == [10, 10, 5]


async def test_a_large_message_travels(server: RedisServer) -> None:
    async with redis_node(server.url, "one") as one, redis_node(server.url, "two") as two:
        await two.subscribe("a")
        await two.hears(one.publish("a", data=b"\r\n" * 2_000_000))


async def test_the_buffer_is_bounded_while_the_bus_is_away(server: RedisServer) -> None:
    async with redis_node(server.url, limits=SMALL) as node:
        await asyncio.to_thread(server.kill9)
        await node.doubts()
        before = node.broker.statistics.dropped
        for number in range(1000):
            node.publish(f"chat:{number}")
        counted = node.broker.statistics
        assert counted.published == 1000
        # Each time that it was full of ephemeral messages, it was emptied.
        assert counted.dropped - before == 1000 - 100


async def test_after_an_outage_the_others_learn_how_far_each_log_goes(server: RedisServer) -> None:
    """Only the newest entry of each channel: what is before it, they find in the store."""
    async with (
        open_redis_proxy(server.port) as proxy,
        redis_node(proxy.url, "one", limits=SMALL) as one,
        redis_node(server.url, "two") as two,
    ):
        await two.subscribe("a", "b", "c")
        proxy.is_refusing = True
        proxy.cut()
        await one.doubts()
        for offset in range(1, 500):
            one.publish("a", offset=offset)
            one.publish("c", data=b"ephemeral")
        last = [one.publish("a", offset=500), one.publish("b", offset=7)]
        await asyncio.sleep(QUICK.stale_s)  # what makes an outage a long one is its length
        proxy.is_refusing = False
        for message in last:
            await two.hears(message)
        await two.hears_from(one, "c")
        assert two.heard[:2] == last
        assert len(two.heard) == 3


async def test_a_moment_without_a_connection_loses_nothing(server: RedisServer) -> None:
    limits = msgspec.structs.replace(QUICK, stale_s=30.0)
    async with (
        open_redis_proxy(server.port) as proxy,
        redis_node(proxy.url, "one", limits=limits) as one,
        redis_node(server.url, "two") as two,
    ):
        await two.subscribe("a")
        proxy.is_refusing = True  # or the moment may be over before it is seen
        proxy.cut()
        await one.doubts()
        messages = [one.publish("a", data=b"%d" % number) for number in range(10)]
        proxy.is_refusing = False
        for message in messages:
            await two.hears(message)


async def test_what_was_on_its_way_when_the_link_broke_is_repeated_if_it_is_stored(
    server: RedisServer,
) -> None:
    async with (
        redis_node(server.url, "one") as one,
        redis_node(server.url, "two", limits=RARELY) as two,
    ):
        await two.subscribe("a")
        server.pause()
        try:
            stored, ephemeral = one.publish("a", offset=1), one.publish("a")
            await one.doubts()
            before = one.broker.statistics.dropped
        finally:
            server.resume()
        assert before == 1
        await one.resumes(2)
        await two.hears_from(one)
        assert two.heard.count(stored) == 2
        assert two.heard.count(ephemeral) == 1


@pytest.mark.parametrize(
    "entry",
    [Entry("a", 2**64, b"", 0), Entry("a\ud800", 0, b"", 0), Entry("a", 0, b"", 0, tags={1: 2})],  # type: ignore[dict-item]  # what no client can make
)
async def test_what_cannot_be_written_is_dropped_and_fails_nothing(
    server: RedisServer, entry: Entry
) -> None:
    async with redis_node(server.url, "one") as one, redis_node(server.url, "two") as two:
        await two.subscribe("b")
        one.broker.publish(BusMessage("one", entry))
        one.broker.control(ControlMessage("one", "\ud800"))
        await two.hears_from(one, "b")
        assert one.broker.statistics.dropped >= 1
        assert one.broker.state == "ok"


async def test_closing_does_not_wait_for_a_bus_that_has_stopped(server: RedisServer) -> None:
    async with redis_node(server.url) as node:
        server.pause()
        try:
            node.publish("a", offset=1)
            started = time.monotonic()
            await node.close()
            assert time.monotonic() - started < QUICK.close_s + 1.0
        finally:
            server.resume()
        assert node.broker.statistics.dropped == 1


async def test_what_is_published_before_the_run_goes_out_when_it_is_well(
    server: RedisServer,
) -> None:
    async with redis_node(server.url, "two") as two:
        await two.subscribe("a")
        early = RedisNode("one", RedisBroker(server.url, node="one"))
        message = early.publish("a")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(early.run())
            await two.hears(message)
            await early.close()
