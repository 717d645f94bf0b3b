"""What a client of a stream says may reach any node, and finds its session (protocol 7)."""

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator
from typing import Final

import aiohttp
import pytest

from tests.end_to_end.cluster_presence import BEATEN_S
from tests.support.hub_cluster import HubCluster, hub_cluster
from tests.support.polling import eventually
from tests.support.server_api import ServerApi, open_api
from tests.support.stream_client import KINDS, Kind, StreamClient, open_stream
from tests.support.tokens import connection_token

SOON_S: Final = 1.0
ANSWER_TIMEOUT_S: Final = 2.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubCluster]:
    """Two hubs."""
    with hub_cluster(tmp_path_factory.mktemp("cluster"), 2) as cluster:
        yield cluster
        assert cluster.complaints() == []


@pytest.fixture
async def apis(cluster: HubCluster) -> AsyncIterator[list[ServerApi]]:
    """The server API of each, which know of each other."""
    async with contextlib.AsyncExitStack() as stack:
        apis = [await stack.enter_async_context(open_api(hub)) for hub in cluster.hubs]
        for api in apis:
            await eventually(lambda: knows_both(api), BEATEN_S)  # noqa: B023 - waited for at once
        yield apis


async def knows_both(api: ServerApi) -> bool:
    """Whether a node knows both."""
    return len((await api.call("info"))["nodes"]) == 2


@contextlib.asynccontextmanager
async def crossed(cluster: HubCluster, kind: Kind) -> AsyncIterator[StreamClient]:
    """A client whose stream is at the first hub, and whose requests go to the second."""
    here, there = cluster.hubs
    async with open_stream(
        here.url, kind, connection_token("ann"), emulation_url=f"{there.url}/emulation"
    ) as client:
        yield client


@pytest.mark.parametrize("kind", KINDS)
async def test_a_conversation_by_way_of_another_node(
    cluster: HubCluster, apis: list[ServerApi], kind: Kind, channel: str
) -> None:
    async with crossed(cluster, kind) as ann:
        assert (await ann.command("subscribe", channel=channel))["subscribe"]["recoverable"]
        commands = [
            {"id": number + 1, "publish": {"channel": channel, "data": number}}
            for number in range(20)
        ]
        for command in commands[:10]:
            assert await ann.say(command) == 204
        assert await ann.say(*commands[10:]) == 204
        assert [(await ann.push("pub", channel))["data"] for _ in range(20)] == list(range(20))
        assert (await ann.command("history", channel=channel))["history"]["offset"] == 20
    metrics = (await apis[1].request("GET", "/metrics")).text
    assert "realtime_emulations_forwarded_total 0.0" not in metrics
    assert 'realtime_emulations_total{status="204"}' in metrics


async def test_pongs_by_way_of_another_node_keep_a_client(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    changes = {"client": {"ping_interval_s": 1.0, "pong_timeout_s": 0.9}}
    with hub_cluster(tmp_path_factory.mktemp("cluster"), 2, changes) as cluster:
        async with open_api(cluster.hubs[1]) as api:
            await eventually(lambda: knows_both(api), BEATEN_S)
        async with crossed(cluster, "http_stream") as ann:
            for _ in range(4):
                await ann.ping()


async def test_a_hub_that_has_just_started_is_known_when_it_has_clients(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with hub_cluster(tmp_path_factory.mktemp("cluster"), 2, starts=False) as cluster:
        here, there = cluster.hubs
        cluster.init()
        await asyncio.to_thread(there.start)
        await asyncio.to_thread(here.start)
        async with crossed(cluster, "http_stream") as ann:

            async def is_taken() -> bool:
                # Until both listen to the bus, words get lost on it: 503, and an SDK comes back.
                status = await ann.say({})
                assert status in (204, 503)
                return status == 204

            await eventually(is_taken, within_s=10.0)
            assert (await ann.command("rpc", method="x"))["error"]["code"] == 108


async def test_who_is_nowhere_is_told_so_at_once(
    cluster: HubCluster, apis: list[ServerApi]
) -> None:
    async with crossed(cluster, "http_stream") as ann:
        session, node = ann.told["session"], ann.told["node"]
        began = time.monotonic()
        assert await ann.say({}, session=f"{ann.told['client']}.guessed") == 404
        assert await ann.say({}, session="nobody.at-all") == 404
        for other in ("a-node-that-never-was", f"{node}.another-lease", "x" * 500, "."):
            ann.told["node"] = other
            assert await ann.say({}) == 404
        assert time.monotonic() - began < SOON_S
        ann.told["node"] = node
        assert await ann.say({}, session=session) == 204


async def test_what_is_malformed_is_refused_wherever_it_comes(
    cluster: HubCluster, apis: list[ServerApi]
) -> None:
    there = cluster.hubs[1]
    async with crossed(cluster, "http_stream") as ann, aiohttp.ClientSession() as session:
        asked = {"session": ann.told["session"], "node": ann.told["node"]}
        for body, status in (
            (b"", 400),
            (b"[]", 400),
            (json.dumps(asked).encode(), 400),
            (b'{"session":"a.b","data":"\xff"}', 400),
            (b"[" * 100_000, 400),
            (json.dumps({**asked, "data": "x" * 65_537}).encode(), 413),
            (b"x" * 1_000_000, 413),
        ):
            async with session.post(
                f"{there.url}/emulation", data=body, headers={"Content-Type": "application/json"}
            ) as answer:
                assert answer.status == status
        # The longest that a message may be, and then nothing that a message may be.
        assert await ann.say({"id": 9, "rpc": {"data": "x" * 65_000}}) == 204
        assert (await ann.reply(9))["error"]["code"] == 108
        assert await ann.say({"id": 10, "nothing": {}}) == 204
        assert (await ann.ended())[-1]["push"]["disconnect"]["code"] == 3501


async def test_a_backend_reaches_a_session_from_any_node(
    cluster: HubCluster, apis: list[ServerApi], channel: str
) -> None:
    async with crossed(cluster, "http_stream") as ann, crossed(cluster, "sse") as other:
        session = ann.told["session"]
        there = apis[1]
        await there.call("subscribe", user="ann", channel=channel, session=session)
        assert (await ann.push("subscribe", channel))["recoverable"] is True
        expire_at = int(time.time()) + 1000
        await there.call("refresh", user="ann", session=session, expire_at=expire_at)
        assert (await ann.push("refresh"))["expires"] is True
        await there.call("unsubscribe", user="ann", channel=channel, session=session)
        assert (await ann.push("unsubscribe", channel))["code"] == 2000
        await there.call("disconnect", user="ann", session=session)
        assert (await ann.ended())[-1]["push"]["disconnect"]["code"] == 3503
        assert (await other.command("rpc", method="x"))["error"]["code"] == 108


async def test_a_node_that_is_paused_or_dead_is_not_waited_for(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with hub_cluster(tmp_path_factory.mktemp("cluster"), 2) as cluster:
        here, there = cluster.hubs
        async with open_api(there) as api:
            await eventually(lambda: knows_both(api), BEATEN_S)
            async with crossed(cluster, "http_stream") as ann:
                assert await ann.say({}) == 204
                here.send(signal.SIGSTOP)
                began = time.monotonic()
                assert await ann.say({}) == 503
                assert time.monotonic() - began < ANSWER_TIMEOUT_S + 1.0
                here.send(signal.SIGCONT)
                assert (await ann.command("rpc", method="x"))["error"]["code"] == 108
                await asyncio.to_thread(here.kill9)

                async def is_known_to_be_dead() -> bool:
                    return await ann.say({}) == 404

                await eventually(is_known_to_be_dead, within_s=20.0)
                began = time.monotonic()
                assert await ann.say({}) == 404
                assert time.monotonic() - began < SOON_S
        assert there.complaints() == []
