"""Processes on one port are nodes of a cluster like others: presence heals after one of them."""

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.end_to_end.cluster_presence import HEALED_S, REPEATED_S, leases
from tests.support.attentive_client import AttentiveClient, open_client
from tests.support.hub_cluster import HubCluster, hub_cluster
from tests.support.polling import eventually
from tests.support.server_api import open_api
from tests.support.tokens import connection_token

CLIENTS = 16
"""So many that each process has some, but once in 30,000 times."""


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubCluster]:
    """Two processes on one port."""
    changes = {"server": {"workers": 2}}
    with hub_cluster(tmp_path_factory.mktemp("workers"), 1, changes) as cluster:
        yield cluster
        assert cluster.complaints() == []


async def test_presence_heals_after_a_process_that_was_killed_and_replaced(
    cluster: HubCluster, channel: str
) -> None:
    (hub,) = cluster.hubs
    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(open_api(hub))
        clients = []
        for number in range(CLIENTS):
            client = await stack.enter_async_context(open_client(hub.websocket_url))
            await client.connect(connection_token(f"user{number}"))
            await client.command("subscribe", channel=channel, join_leave=True)
            clients.append(client)

        async def shown(expected: list[AttentiveClient]) -> bool:
            found = (await api.call("presence", channel=channel))["presence"]
            return set(found) == {client.client for client in expected}

        await eventually(lambda: shown(clients), 2.0)
        before = await leases(api)
        killed_at = time.monotonic()
        os.kill(hub.workers()[0], signal.SIGKILL)
        # The kernel closes the connections of one process, and only those.
        await asyncio.sleep(0.5)
        dead = [client for client in clients if client.closed_at is not None]
        living = [client for client in clients if client.closed_at is None]
        assert dead
        assert living
        await eventually(lambda: shown(living), killed_at + HEALED_S - time.monotonic())
        for client in living:
            await client.until(
                lambda: len(client.pushes("leave", channel)) >= len(dead),  # noqa: B023 - waited for at once
                killed_at + HEALED_S - time.monotonic(),
            )
        await asyncio.sleep(REPEATED_S)
        for client in living:
            left = [told.body["info"]["client"] for told in client.pushes("leave", channel)]
            assert Counter(left) == dict.fromkeys((client.client for client in dead), 1)

        after = await leases(api)
        assert len(after) == 2
        assert len(set(after.values()) - set(before.values())) == 1
        for number in range(CLIENTS):
            client = await stack.enter_async_context(open_client(hub.websocket_url))
            await client.connect(connection_token(f"late{number}"))
            await client.command("subscribe", channel=channel)
            living.append(client)
        await eventually(lambda: shown(living), 2.0)
        assert await living[0].error("publish", channel=channel, data="all together") == 0
        for client in living:
            await client.until(lambda: client.pushes("pub", channel) != [])  # noqa: B023 - waited for at once
