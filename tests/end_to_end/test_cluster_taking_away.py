"""What is taken away through one node is gone on every node in two seconds, whatever the bus does.

Three hubs, a client of the same user on each, and a publisher that goes on through each: nothing
more is delivered, recovered or shown.
"""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.end_to_end.cluster_bus import break_bus
from tests.end_to_end.cluster_taking import AFTER_S, CUT_S, NAMESPACES, TAKINGS, Publishers, Victim
from tests.support.attentive_client import AttentiveClient, open_client
from tests.support.hub_cluster import HubCluster, hub_cluster
from tests.support.processes import HubProcess
from tests.support.redis_servers import RedisServer
from tests.support.server_api import ServerApi
from tests.support.tokens import connection_token, subscription_token


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubCluster]:
    """Three hubs; whoever stops Redis starts it again."""
    directory = tmp_path_factory.mktemp("cluster")
    with hub_cluster(directory, 3, {"namespaces": NAMESPACES}) as cluster:
        yield cluster
        assert cluster.complaints() == []


async def bystanders(
    cluster: HubCluster, channels: list[str], stack: contextlib.AsyncExitStack
) -> list[AttentiveClient]:
    """One more client on each node, which is in every channel and loses nothing."""
    clients = []
    for hub in cluster.hubs:
        client = await stack.enter_async_context(open_client(hub.websocket_url))
        await client.connect(connection_token("bystander"))
        for channel in channels:
            token = subscription_token("bystander", channel)
            assert await client.error("subscribe", channel=channel, token=token) == 0
        clients.append(client)
    return clients


@pytest.mark.parametrize("bus", ["up", "stopping", "stopped", "dead"])
async def test_what_is_taken_away_is_gone_on_every_node_in_two_seconds(
    cluster: HubCluster, redis: RedisServer, apis: list[ServerApi], room: str, bus: str
) -> None:
    victims = [Victim(taking, room, cluster.hubs) for taking in TAKINGS]
    channels = [victim.channel for victim in victims]
    async with contextlib.AsyncExitStack() as stack:
        for victim in victims:
            await victim.join(stack)
        others = await bystanders(cluster, channels, stack)
        publishers = Publishers(apis, channels)
        async with asyncio.TaskGroup() as group:
            for number in range(len(apis)):
                group.create_task(publishers.run(number))
            for victim in victims:
                await victim.hears_every_hub()
            await break_bus(bus, redis, apis)
            async with asyncio.TaskGroup() as orders:
                for victim in victims:
                    orders.create_task(victim.suffer(apis[0]))
            await asyncio.sleep(AFTER_S)
            publishers.stop()
        assert [breach for victim in victims for breach in victim.judge()] == []
        over_at = max(victim.ordered_at for victim in victims) + CUT_S
        for client in others:
            assert client.closed_at is None
            for channel in channels:
                await client.until(lambda: client.pushes("pub", channel)[-1].at > over_at)  # noqa: B023 - waited for at once
                assert client.pushes("unsubscribe", channel) == []
    told = [times for victim in victims for times in victim.times()]
    print(  # noqa: T201 - pytest -rP shows how long it took
        f"{bus}: told after {max(t for t, _ in told):.2f} s,"
        f" last delivery after {max(last for _, last in told):.2f} s"
    )


def by_command(hub: HubProcess, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command against a hub as an operator does."""
    return hub.command(*words, "--url", hub.url)


async def test_commands_ban_unban_and_revoke_on_every_node_without_the_bus(
    cluster: HubCluster, redis: RedisServer, room: str
) -> None:
    channel, hub = f"chat:{room}", cluster.hubs[0]
    users = {name: f"{name}-{room}" for name in ("silenced", "banned", "revoked")}
    tokens = {name: connection_token(user) for name, user in users.items()}
    commands = (
        ("ban", users["silenced"], "--channel", channel),
        ("ban", users["banned"]),
        ("revoke", users["revoked"]),
    )
    async with contextlib.AsyncExitStack() as stack:
        clients: dict[str, list[AttentiveClient]] = {name: [] for name in users}
        for name, node in ((name, node) for node in cluster.hubs for name in users):
            client = await stack.enter_async_context(open_client(node.websocket_url))
            await client.connect(tokens[name])
            assert await client.error("subscribe", channel=channel) == 0
            clients[name].append(client)
        redis.pause()
        done = await asyncio.gather(
            *(asyncio.to_thread(by_command, hub, *command) for command in commands)
        )
        ordered_at = time.monotonic()
        assert [(order.returncode, order.stdout) for order in done] == [
            (0, "banned\n"),
            (0, "banned\n"),
            (0, "revoked\n"),
        ]
        await asyncio.sleep(ordered_at + CUT_S - time.monotonic())
        for client in clients["silenced"]:
            assert [told.body["code"] for told in client.pushes("unsubscribe", channel)] == [2000]
            assert await client.error("history", channel=channel) == 103
        assert [client.close_code for client in clients["banned"]] == [3507] * 3
        assert [client.close_code for client in clients["revoked"]] == [3500] * 3

        undone = await asyncio.gather(
            asyncio.to_thread(by_command, hub, "unban", users["silenced"], "--channel", channel),
            asyncio.to_thread(by_command, hub, "unban", users["banned"]),
        )
        ordered_at = time.monotonic()
        assert [(order.returncode, order.stdout) for order in undone] == [(0, "unbanned\n")] * 2
        await asyncio.sleep(ordered_at + CUT_S - time.monotonic())
        for client in clients["silenced"]:
            assert await client.error("subscribe", channel=channel) == 0
        for node in cluster.hubs:
            client = await stack.enter_async_context(open_client(node.websocket_url))
            assert "connect" in await client.connect(tokens["banned"])
