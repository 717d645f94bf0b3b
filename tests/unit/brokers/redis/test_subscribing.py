"""How the Redis driver asks for channels: in batches, lazily given up, and what waiting means."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

import msgspec
import pytest

from realtime.brokers.redis import Limits
from tests.support.redis_proxy import open_redis_proxy
from tests.support.redis_servers import RedisServer
from tests.unit.brokers.redis.redis_node import QUICK, RedisNode, redis_node

MANY: Final = 10_000
LINGERING: Final = msgspec.structs.replace(QUICK, unsubscribe_s=30.0)
CHANNEL_BYTES_MAX: Final = 256


@pytest.fixture
async def pair(server: RedisServer) -> AsyncIterator[tuple[RedisNode, RedisNode]]:
    """Two nodes on one server."""
    async with AsyncExitStack() as stack:
        yield (
            await stack.enter_async_context(redis_node(server.url, "one")),
            await stack.enter_async_context(redis_node(server.url, "two")),
        )


def told(server: RedisServer) -> tuple[int, int]:
    """How many SUBSCRIBE and UNSUBSCRIBE the server has had."""
    calls = server.calls()
    return calls.get("subscribe", 0), calls.get("unsubscribe", 0)


async def test_ten_thousand_channels_are_asked_for_in_ten_commands(server: RedisServer) -> None:
    async with redis_node(server.url) as node:
        before, _ = told(server)
        await node.subscribe(*(f"chat:{number}" for number in range(MANY)))
        after, _ = told(server)
        assert after - before == MANY / Limits().subscribe_batch_max
        assert len(server.topics()) == MANY + 3  # to all, to this node, canaries


async def test_flapping_costs_no_command(server: RedisServer) -> None:
    async with redis_node(server.url, limits=LINGERING) as node:
        await node.subscribe("a")
        before = told(server)
        for _ in range(100):
            node.broker.unsubscribe("a")
            await asyncio.sleep(0)
            assert node.broker.subscribe("a") is None
            await asyncio.sleep(0)
        for _ in range(5):
            node.broker.unsubscribe("a")
            await asyncio.sleep(0.03)  # long enough to tell the server, were it told at once
            assert node.broker.subscribe("a") is None
        assert told(server) == before


async def test_coming_back_before_redis_has_confirmed_the_end_costs_no_reconnect(
    server: RedisServer,
) -> None:
    limits = Limits(unsubscribe_s=0.05)
    async with (
        open_redis_proxy(server.port) as proxy,
        redis_node(proxy.url, "one", limits=limits) as node,
        redis_node(server.url, "two", limits=limits) as other,
    ):
        await node.subscribe("a")
        server.pause()
        try:
            node.broker.unsubscribe("a")
            await node.until(lambda: any(b"UNSUBSCRIBE" in sent for sent in proxy.requests))
            in_force = node.broker.subscribe("a")
            assert in_force is not None
        finally:
            server.resume()
        async with asyncio.timeout(5):
            await in_force
        await node.hears_from(other)
        assert (node.broker.statistics.reconnects, node.resumed) == (0, 1)


async def test_channels_that_nobody_comes_back_to_are_given_up_together(
    server: RedisServer,
) -> None:
    async with redis_node(server.url) as node:
        names = [f"chat:{number}" for number in range(100)]
        await node.subscribe("kept", *names)
        for name in names:
            node.broker.unsubscribe(name)
        assert len(server.topics()) == 104
        await node.until(lambda: len(server.topics()) == 4)
        assert told(server)[1] <= 2  # two, should this process not get a turn between two of them


async def test_a_channel_that_was_given_up_can_be_asked_for_again(
    server: RedisServer, pair: tuple[RedisNode, RedisNode]
) -> None:
    one, two = pair
    await two.subscribe("a")
    before = len(server.topics())
    two.broker.unsubscribe("a")
    await two.until(lambda: len(server.topics()) < before)
    in_force = two.broker.subscribe("a")
    assert in_force is not None
    await in_force
    await two.hears_from(one)


async def test_what_comes_for_a_channel_in_its_last_moments_is_not_for_the_hub(
    server: RedisServer,
) -> None:
    async with (
        redis_node(server.url, "one", limits=LINGERING) as one,
        redis_node(server.url, "two", limits=LINGERING) as two,
    ):
        await two.subscribe("a", "b")
        two.broker.unsubscribe("a")
        too_late = one.publish("a")
        await two.hears_from(one, "b")
        assert too_late not in two.heard


async def test_all_who_wait_for_a_channel_wait_for_the_same_command(server: RedisServer) -> None:
    async with redis_node(server.url) as node:
        before, _ = told(server)
        await node.subscribe("a", "a", "a")
        assert told(server)[0] == before + 1


async def test_one_who_stops_waiting_does_not_stop_the_others(server: RedisServer) -> None:
    async with redis_node(server.url) as node:
        first, second = (node.broker.subscribe("a") for _ in range(2))
        assert isinstance(first, asyncio.Future) and isinstance(second, asyncio.Future)
        first.cancel()
        async with asyncio.timeout(5):
            await second
        assert not second.cancelled()


async def test_nobody_waits_for_a_bus_that_is_away(server: RedisServer) -> None:
    async with redis_node(server.url) as node, redis_node(server.url, "two") as other:
        await asyncio.to_thread(server.kill9)
        await node.doubts()
        await node.until(lambda: node.broker.subscribe("a") is None)
        await asyncio.to_thread(server.start)
        await node.resumes(2)
        await other.resumes(2)
        await node.hears_from(other)


async def test_whoever_waits_when_the_bus_falls_silent_is_let_go(server: RedisServer) -> None:
    """It is Redis that has stopped: connections stay open, and nothing is answered."""
    async with redis_node(server.url) as node:
        server.pause()
        try:
            in_force = node.broker.subscribe("a")
            assert in_force is not None
            async with asyncio.timeout(QUICK.subscribe_s + 1):
                await in_force
            await node.doubts()
        finally:
            server.resume()
        await node.resumes(2)
        assert node.broker.subscribe("a") is None


async def test_a_confirmation_that_is_lost_casts_doubt(server: RedisServer) -> None:
    """Canaries go on coming back, so that nothing else would tell."""
    async with open_redis_proxy(server.port) as proxy, redis_node(proxy.url) as node:
        proxy.is_mute = True
        in_force = node.broker.subscribe("a")
        assert in_force is not None
        await node.until(lambda: proxy.lost >= 1)
        proxy.is_mute = False
        async with asyncio.timeout(QUICK.subscribe_s + 2):
            await in_force
        await node.resumes(2)


async def test_a_channel_in_force_costs_little_memory(server: RedisServer) -> None:
    async with redis_node(server.url) as node:
        tracemalloc.start()
        try:
            await node.subscribe(*(f"warm-up:{number}" for number in range(MANY)))
            before, _ = tracemalloc.get_traced_memory()
            await node.subscribe(*(f"chat:{number}" for number in range(MANY)))

            def is_little() -> bool:
                after, _ = tracemalloc.get_traced_memory()
                return (after - before) / MANY < CHANNEL_BYTES_MAX

            # What asking took is let go of in a moment, or after a connection that was too slow.
            await node.until(is_little)
        finally:
            tracemalloc.stop()
