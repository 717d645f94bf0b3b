"""Who is put out of a room through one node is out of it on every node in two seconds.

Two hubs, somebody connected to each, and a publisher that goes on through each, while Redis is up,
is stopped at that very moment, has been stopped for a while, or is gone.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.end_to_end.chat_houses import CHANGES, PATHS, House, ask, build, verdict
from tests.end_to_end.cluster_bus import break_bus
from tests.end_to_end.cluster_taking import AFTER_S, CUT_S, Publishers
from tests.support.attentive_client import AttentiveClient, open_client
from tests.support.hub_cluster import HubCluster, hub_cluster
from tests.support.redis_servers import RedisServer
from tests.support.server_api import ServerApi

ACTS: Final = (("left", "leave"), ("kicked", "kick"), ("banned", "ban"), ("kicked", "kick"))
"""Who is put out, and by what. In the last one's house nothing else happens."""

LESS: Final[tuple[tuple[str, str, Mapping[str, str]], ...]] = (
    ("moderator", "mute", {}),
    ("member", "role", {"role": "reader"}),
)
"""Who may not speak any more, and by what."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubCluster]:
    """Two hubs with rooms; whoever stops Redis starts it again."""
    with hub_cluster(tmp_path_factory.mktemp("cluster"), 2, CHANGES) as cluster:
        yield cluster
        assert cluster.complaints() == []


@dataclass(slots=True)
class Victim:
    """Somebody with a connection to every node, subscribed to the house of their own."""

    house: House
    who: str
    urls: list[str]
    clients: list[AttentiveClient] = field(default_factory=list)
    done_at: float = 0.0
    breaches: list[str] = field(default_factory=list)

    async def come(self, stack: contextlib.AsyncExitStack) -> None:
        """Connect to every node and subscribe there."""
        for url in self.urls:
            client = await stack.enter_async_context(open_client(url))
            await client.connect(self.house.token(self.who))
            assert await client.error("subscribe", channel=self.house.channel) == 0
            for path in ("history", "presence", "publish"):
                assert await ask(client, self.house.channel, path) == 0
            self.clients.append(client)

    async def suffer(self, act: str, **params: str) -> None:
        """Have it done through the first node, and wait until the time is over."""
        await self.house.act(act, self.who, **params)
        self.done_at = time.monotonic()
        await asyncio.sleep(CUT_S)

    async def look(self) -> None:
        """What is left on each node, for the old connection and for new ones."""
        for number, client in enumerate(self.clients):
            told = client.pushes("unsubscribe", self.house.channel)
            if [push.body["code"] for push in told] != [2000]:
                self.breaches.append(f"{self.who}, node {number}: told {told}")
            paths = ("history", "presence", "presence_stats", "publish", "recovery")
            for path in paths:
                await self._note(number, path, await ask(client, self.house.channel, path))
            for path in PATHS:
                code = await verdict(self.house, self.who, path, self.urls[number])
                await self._note(number, f"anew: {path}", code)

    async def _note(self, number: int, path: str, code: int) -> None:
        if code not in (103, 404):
            self.breaches.append(f"{self.who}, node {number}: {path} answered with {code}")

    def times(self) -> Iterator[tuple[float, float]]:
        """For each node, seconds until they were told, and until the last delivery."""
        for client in self.clients:
            told = [push.at for push in client.pushes("unsubscribe", self.house.channel)]
            heard = [push.at for push in client.pushes("pub", self.house.channel)]
            yield min(told, default=float("inf")) - self.done_at, heard[-1] - self.done_at


async def houses(apis: list[ServerApi], room: str, names: list[str]) -> list[House]:
    """One house for each of these."""
    return [await build(apis[0], f"{room}-{name}") for name in names]


@pytest.mark.parametrize("bus", ["up", "stopping", "stopped", "dead"])
async def test_who_is_put_out_is_out_on_every_node_in_two_seconds(
    cluster: HubCluster, redis: RedisServer, apis: list[ServerApi], room: str, bus: str
) -> None:
    urls = [hub.websocket_url for hub in cluster.hubs]
    built = await houses(apis, f"{room}{bus}", [str(number) for number in range(len(ACTS))])
    victims = [Victim(house, who, urls) for house, (who, _) in zip(built, ACTS, strict=True)]
    others = [Victim(house, "member", urls) for house in built]
    channels = [house.channel for house in built[:-1]]
    async with contextlib.AsyncExitStack() as stack:
        for somebody in (*victims, *others):
            await somebody.come(stack)
        publishers = Publishers(apis, channels)
        async with asyncio.TaskGroup() as group:
            for number in range(len(apis)):
                group.create_task(publishers.run(number))
            for somebody in victims[:-1]:
                for client in somebody.clients:
                    await client.until(
                        lambda: len(client.pushes("pub", somebody.house.channel)) > 8  # noqa: B023 - waited for at once
                    )
            await break_bus(bus, redis, apis)
            async with asyncio.TaskGroup() as acts:
                for victim, (_, act) in zip(victims, ACTS, strict=True):
                    acts.create_task(victim.suffer(act))
            async with asyncio.TaskGroup() as looks:
                for victim in victims:
                    looks.create_task(victim.look())
            await asyncio.sleep(AFTER_S)
            publishers.stop()
        assert [breach for victim in victims for breach in victim.breaches] == []
        for victim in victims:
            for told_s, last_s in victim.times():
                assert max(told_s, last_s) <= CUT_S
        over_at = max(victim.done_at for victim in victims) + CUT_S
        for other in others[:-1]:
            for client in other.clients:
                await client.until(
                    lambda: client.pushes("pub", other.house.channel)[-1].at > over_at  # noqa: B023 - waited for at once
                )
                assert client.pushes("unsubscribe", other.house.channel) == []
    slowest = max(told_s for victim in victims for told_s, _ in victim.times())
    print(f"{bus}: told after {slowest:.2f} s")  # noqa: T201 - pytest -rP shows how long it took


@pytest.mark.parametrize("bus", ["up", "stopping", "stopped"])
async def test_who_may_say_less_may_say_less_on_every_node(
    cluster: HubCluster, redis: RedisServer, apis: list[ServerApi], room: str, bus: str
) -> None:
    urls = [hub.websocket_url for hub in cluster.hubs]
    (house,) = await houses(apis, f"{room}{bus}", ["less"])
    victims = [Victim(house, who, urls) for who, _, _ in LESS]
    async with contextlib.AsyncExitStack() as stack:
        for victim in victims:
            await victim.come(stack)
        await break_bus(bus, redis, apis)
        for who, act, params in LESS:
            await house.act(act, who, **params)
        await asyncio.sleep(CUT_S)
        for victim in victims:
            for client in victim.clients:
                assert await ask(client, house.channel, "publish") in (103, 423)
                assert await ask(client, house.channel, "history") == 0
                assert client.pushes("unsubscribe", house.channel) == []


async def test_who_was_let_in_through_one_node_may_come_through_another_at_once(
    cluster: HubCluster, redis: RedisServer, apis: list[ServerApi], room: str
) -> None:
    (house,) = await houses(apis, room, ["door"])
    async with (
        open_client(cluster.hubs[1].websocket_url) as inside,
        open_client(cluster.hubs[1].websocket_url) as outside,
    ):
        await inside.connect(house.token("member"))
        assert await inside.error("subscribe", channel=house.channel) == 0
        await outside.connect(house.token("stranger"))
        assert await outside.error("subscribe", channel=house.channel) == 103
        redis.pause()
        await house.act("join", "stranger")
        assert await outside.error("subscribe", channel=house.channel) == 0
