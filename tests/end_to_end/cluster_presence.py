"""Clients that are present on the hubs of a cluster, watchers of their coming and going, and what
the cluster says of them."""

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Final

from pymongo import MongoClient

from tests.support.attentive_client import AttentiveClient, open_client
from tests.support.hub_cluster import HubCluster
from tests.support.polling import eventually
from tests.support.processes import HubFailed, HubProcess
from tests.support.server_api import ServerApi, open_api
from tests.support.tokens import connection_token

HEALED_S: Final = 15.0
"""Within which nothing is left of a node that has died (design 2)."""

REPEATED_S: Final = 3.0
"""Within which somebody else would have announced the same again."""

BEATEN_S: Final = 4.0
"""Within which every node knows what another says of itself."""


PAUSE_S: Final = 13.0
"""More than a lease, and more than a node needs to give up on the store twice."""


class Presence:
    """One channel of a cluster, its members and its watchers."""

    def __init__(self, cluster: HubCluster, channel: str, stack: contextlib.AsyncExitStack) -> None:
        self.cluster = cluster
        self.channel = channel
        self._stack = stack
        self.members: dict[HubProcess, list[AttentiveClient]] = {}
        self.watchers: dict[HubProcess, list[AttentiveClient]] = {}
        """Members, too; they came before the others."""

    async def api(self, hub: HubProcess) -> ServerApi:
        """The hub's server API."""
        return await self._stack.enter_async_context(open_api(hub))

    async def watch(self, hub: HubProcess, count: int = 2) -> None:
        """Add watchers on a hub."""
        for number in range(count):
            client = await self._enter(hub, f"watcher{number}")
            self.watchers.setdefault(hub, []).append(client)

    async def join(self, hub: HubProcess, count: int = 2) -> list[str]:
        """Add members on a hub; every watcher has been told once it returns. Their ids."""
        ids = []
        for number in range(count):
            client = await self._enter(hub, f"member{number}")
            self.members.setdefault(hub, []).append(client)
            ids.append(client.client)
        await self.told("join", ids)
        return ids

    async def _enter(self, hub: HubProcess, user: str) -> AttentiveClient:
        client = await self._stack.enter_async_context(open_client(hub.websocket_url))
        await client.connect(connection_token(user))
        assert await client.error("subscribe", channel=self.channel, join_leave=True) == 0
        return client

    # What watchers are told.

    async def told(
        self,
        kind: str,
        ids: Collection[str],
        *,
        times: int = 1,
        but: int = 0,
        within_s: float = BEATEN_S,
    ) -> None:
        """Wait until every watcher was told so often that each came or went, all of them but `but`.

        Raises TimeoutError.
        """

        def all_told(watcher: AttentiveClient) -> bool:
            counts = self._counts(watcher, kind, ids)
            return sum(1 for client in ids if counts[client] >= times) >= len(ids) - but

        async with asyncio.timeout(within_s), asyncio.TaskGroup() as group:
            for watcher in self._watching():
                group.create_task(watcher.until(lambda w=watcher: all_told(w), within_s))  # type: ignore[misc]  # bound at once

    def most(self, kind: str, ids: Collection[str]) -> int:
        """How often a watcher was told the same of one of them, at most."""
        counted = [self._counts(watcher, kind, ids) for watcher in self._watching()]
        return max((count for counts in counted for count in counts.values()), default=0)

    def untold(self, kind: str) -> bool:
        """Whether no watcher was told such a thing of anybody."""
        return not any(watcher.pushes(kind, self.channel) for watcher in self._watching())

    def _watching(self) -> list[AttentiveClient]:
        return [
            watcher
            for watchers in self.watchers.values()
            for watcher in watchers
            if watcher.closed_at is None
        ]

    def _counts(self, watcher: AttentiveClient, kind: str, ids: Collection[str]) -> Counter[str]:
        told = [push.body["info"]["client"] for push in watcher.pushes(kind, self.channel)]
        return Counter(client for client in told if client in ids)

    # What nodes say.

    def ids(self, *hubs: HubProcess) -> set[str]:
        """The ids of all who are on these hubs."""
        there = [*self.members.items(), *self.watchers.items()]
        return {client.client for hub, clients in there if hub in hubs for client in clients}

    async def is_shown(self, *on: HubProcess, asked: Sequence[HubProcess], within_s: float) -> None:
        """Wait until each hub that is asked says that those on `on` are present, and nobody else.

        Clients are asked, and the server API for the numbers. Raises TimeoutError.
        """
        expected = self.ids(*on)
        until = time.monotonic() + within_s
        for hub in asked:
            api = await self.api(hub)
            client = self.watchers.get(hub, self.members.get(hub, []))[0]

            async def shows(client: AttentiveClient = client, api: ServerApi = api) -> bool:
                reply = await client.command("presence", channel=self.channel)
                stats = await api.call("presence_stats", channel=self.channel)
                shown = set(reply.get("presence", {}).get("presence", ()))
                return shown == expected and stats["num_clients"] == len(expected)

            await eventually(shows, max(until - time.monotonic(), 0.01))


async def leases(api: ServerApi) -> dict[str, str]:
    """The ids of the living hubs by their names, as one of them says."""
    return {node["name"]: node["uid"] for node in (await api.call("info"))["nodes"]}


async def sweeper_of(cluster: HubCluster, dead: str, hubs: dict[str, HubProcess]) -> HubProcess:
    """Wait until somebody sweeps the dead node; which of `hubs`, by the ids of their leases."""

    def holder() -> str:
        with MongoClient[dict[str, Any]](cluster.mongo.url) as client:
            for task in client["realtime"]["tasks"].find({}).sort("_id", -1):
                if dead in str(task["_id"]):
                    return str(task["holder"])
        return ""

    async with asyncio.timeout(HEALED_S):
        while (found := await asyncio.to_thread(holder)) not in hubs:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.05)
    return hubs[found]


# Scenarios, which raise AssertionError or TimeoutError.


async def whole(cluster: HubCluster, *program: str) -> None:
    """Start the hubs that do not run, all of them anew where a program is named; wait until they
    know of each other, and of nobody else."""
    for hub in cluster.hubs:
        hub.program = program or ("realtime",)
        if program and is_running(hub):
            # By a drain, so that nobody has to find it dead.
            await asyncio.to_thread(hub.terminate)
        if not is_running(hub):
            await asyncio.to_thread(hub.start)
    async with contextlib.AsyncExitStack() as stack:
        for hub in cluster.hubs:
            api = await stack.enter_async_context(open_api(hub))
            # One that was killed is there until it is found dead.
            await eventually(lambda: knows(api, len(cluster.hubs)), HEALED_S)  # noqa: B023 - waited for at once


def is_running(hub: HubProcess) -> bool:
    """Whether the process is there; whoever ends one waits for its end."""
    try:
        os.kill(hub.pid, 0)
    except (HubFailed, ProcessLookupError):
        return False
    return True


async def knows(api: ServerApi, count: int) -> bool:
    """Whether a node knows that many."""
    return len((await api.call("info"))["nodes"]) == count


async def heals_after_a_kill(presence: Presence) -> list[str]:
    """Kill the last hub, with members: presence is right in time, or TimeoutError; what was told
    of somebody more or less often than once."""
    cluster = presence.cluster
    *survivors, doomed = cluster.hubs
    await presence.join(survivors[0])
    ids = await presence.join(doomed, 5)
    await presence.is_shown(*cluster.hubs, asked=survivors, within_s=1.0)
    killed_at = time.monotonic()
    await asyncio.to_thread(doomed.kill9)
    await presence.is_shown(*survivors, asked=survivors, within_s=HEALED_S)
    await presence.told("leave", ids, within_s=killed_at + HEALED_S - time.monotonic())
    print(f"healed after {time.monotonic() - killed_at:.1f} s")  # noqa: T201 - for pytest -rP
    await asyncio.sleep(REPEATED_S)
    told = {
        "joins of the dead": (presence.most("join", ids), 1),
        "leaves of the dead": (presence.most("leave", ids), 1),
        "leaves of the living": (presence.most("leave", presence.ids(*survivors)), 0),
    }
    return [f"{count} {what}" for what, (count, right) in told.items() if count != right]


async def lives_through_a_pause(presence: Presence, pause_s: float = PAUSE_S) -> list[str]:
    """Pause the store: presence is right soon after, or TimeoutError; what was wrongly told."""
    cluster = presence.cluster
    hubs = cluster.hubs
    for hub in hubs:
        await presence.join(hub)
    api = await presence.api(hubs[0])
    before = await leases(api)
    await presence.is_shown(*hubs, asked=hubs, within_s=1.0)
    cluster.mongo.pause()
    try:
        await asyncio.sleep(pause_s)
    finally:
        cluster.mongo.resume()
    await presence.is_shown(*hubs, asked=hubs, within_s=5.0)
    # Time for everybody to read the leases, and to do what one who is wrong would do.
    await asyncio.sleep(REPEATED_S)
    await presence.is_shown(*hubs, asked=hubs, within_s=5.0)
    breaches = [] if await leases(api) == before else ["a node was called dead"]
    return breaches + ([] if presence.untold("leave") else ["leaves were announced"])
