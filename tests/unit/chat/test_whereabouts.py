"""Presence of users on several nodes: one store, words that a test carries, leases that it ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from realtime.chat import shared_whereabouts as module
from realtime.chat.blocks import Blocks
from realtime.chat.caller import Caller
from realtime.chat.calls.presence import GetPresence, SetPresence, WatchPresence
from realtime.chat.others import Others
from realtime.chat.presence import Presence
from realtime.chat.shared_whereabouts import SharedWhereabouts
from realtime.cluster.lease import LeaseKeeper
from realtime.errors import StoreUnavailable
from realtime.hub.peers import Peers
from realtime.rows import HERE, USERS
from realtime.stores.base import NodeInfo, Span, Write
from tests.support.chat import ChatParts, chat_parts
from tests.support.hub import until

T = 1_700_000_000_000


@dataclass
class Node:
    """One of several: its lease, its words, and its presence."""

    cluster: "Cluster"
    node: str
    presence: Presence = field(init=False)
    is_sure: bool = True
    handlers: dict[str, Callable[[Any], Awaitable[None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        around = self.cluster.parts.around
        self.presence = Presence(around, Blocks(around))
        self.presence.join(Others(self, self))

    @property
    def living(self) -> frozenset[str]:
        """See `Leases`."""
        return self.cluster.living

    @property
    def infos(self) -> Mapping[str, NodeInfo]:
        """See `Leases`."""
        return {node: NodeInfo(node, "1") for node in self.living}

    def on(self, kind: str, body: type[Any], handler: Callable[[Any], Awaitable[None]]) -> None:
        """See `Words`."""
        self.handlers[kind] = handler

    def tell(self, kind: str, body: msgspec.Struct) -> None:
        """See `Words`."""
        self.cluster.words.append((self, kind, body))

    @property
    def whereabouts(self) -> SharedWhereabouts:
        """What it writes with."""
        found = self.presence._whereabouts
        assert isinstance(found, SharedWhereabouts)
        return found

    def connected(self, user: str, client: str) -> None:
        """A connection comes."""
        self.presence.connected(Caller(user, "user", client=client))

    def departed(self, user: str, client: str) -> None:
        """A connection goes."""
        self.presence.departed(Caller(user, "user", client=client))

    async def state(self, user: str) -> tuple[str, int]:
        """What a user is, asked here, and since when after T."""
        (found,) = (await self.presence.get(Caller("x", "user"), GetPresence((user,)))).users
        return found.state, found.since - T if found.since else -1


class Cluster:
    """Nodes a, b and c."""

    def __init__(self, parts: ChatParts) -> None:
        self.parts = parts
        self.words: list[tuple[Node, str, msgspec.Struct]] = []
        self.living = frozenset({"a", "b", "c"})
        self.nodes = [Node(self, name) for name in sorted(self.living)]

    async def second(self, *, deliver: bool = True) -> None:
        """A second passes: what waits is written and told, and watchers hear of it."""
        self.parts.clock.now_ms += 1_000
        living = [node for node in self.nodes if node.node in self.living]
        for node in living:
            if node.is_sure:
                await node.whereabouts.write()
        words, self.words = self.words, []
        for sender, kind, body in words if deliver else ():
            for node in living:
                if node is not sender:
                    await node.handlers[kind](body)
        for node in living:
            await node.presence.round()

    async def seconds(self, count: int, *, deliver: bool = True) -> None:
        """Some of them."""
        for _ in range(count):
            await self.second(deliver=deliver)

    def told(self) -> list[tuple[str, str, str]]:
        """Who was told of whom what."""
        found = [
            (watcher, one["user"], one["state"])
            for watchers, data, _ in self.parts.stage.hints
            for watcher in watchers
            for one in msgspec.json.decode(data)["users"]
        ]
        self.parts.stage.hints.clear()
        return found

    async def rows(self) -> list[tuple[str, str, str]]:
        """User, node and state of every row."""
        found = await self.parts.store.find(HERE, Span(), limit=100)
        return [(row.user, row.node, row.state) for row in found]


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with chat_parts() as parts:
        known = ("ann", "bob")
        await parts.store.write([Write(USERS, (user,), initial={"name": user}) for user in known])
        yield Cluster(parts)


async def watch(node: Node, watcher: str, *users: str) -> None:
    await node.presence.watch(Caller(watcher, "user"), WatchPresence(users))


async def test_a_user_is_known_on_every_node(cluster: Cluster) -> None:
    a, b, _ = cluster.nodes
    a.connected("ann", "c1")
    assert await a.state("ann") == ("active", 0)
    await cluster.second()
    assert await b.state("ann") == ("active", 0)
    assert await b.state("bob") == ("offline", -1)


async def test_a_user_is_the_best_of_all_nodes_devices(cluster: Cluster) -> None:
    a, b, c = cluster.nodes
    for node, client in ((a, "phone"), (b, "laptop")):
        node.connected("ann", client)
    await a.presence.set(Caller("ann", "user", client="phone"), SetPresence("background"))
    await b.presence.set(Caller("ann", "user", client="laptop"), SetPresence("away"))
    await cluster.second()
    assert [await node.state("ann") for node in (a, b, c)] == [("background", 0)] * 3


async def test_watchers_of_other_nodes_are_told(cluster: Cluster) -> None:
    a, b, c = cluster.nodes
    await watch(b, "bob", "ann")
    await watch(c, "eve", "ann")
    a.connected("ann", "c1")
    await cluster.second()
    assert cluster.told() == [("bob", "ann", "active"), ("eve", "ann", "active")]
    a.departed("ann", "c1")
    await cluster.seconds(14)
    assert cluster.told() == []
    await cluster.seconds(2)
    assert cluster.told() == [("bob", "ann", "offline"), ("eve", "ann", "offline")]
    assert await b.state("ann") == ("offline", 1_000)
    assert await cluster.rows() == []


async def test_changing_nodes_is_not_noticed(cluster: Cluster) -> None:
    a, b, c = cluster.nodes
    a.connected("ann", "c1")
    await cluster.second()
    await watch(c, "eve", "ann")
    a.departed("ann", "c1")
    await cluster.seconds(5)
    b.connected("ann", "c2")
    await cluster.seconds(30)
    assert cluster.told() == []
    assert await cluster.rows() == [("ann", "b", "active")]


async def test_the_users_of_a_node_that_dies_are_gone_with_it(cluster: Cluster) -> None:
    a, b, c = cluster.nodes
    a.connected("ann", "c1")
    a.connected("bob", "c2")
    b.connected("bob", "c3")
    await cluster.second()
    await watch(c, "eve", "ann", "bob")
    cluster.living -= {"a"}
    assert await c.state("ann") == ("offline", -1)
    assert await c.state("bob") == ("active", 0)
    c.presence._watching.changed(None)  # as `run` does when a lease is gone
    await cluster.second()
    assert cluster.told() == [("eve", "ann", "offline")]


async def test_rows_of_the_dead_are_swept_and_their_users_were_here(cluster: Cluster) -> None:
    a, b, _ = cluster.nodes
    a.connected("ann", "c1")
    b.connected("bob", "c2")
    await cluster.second()
    cluster.living -= {"a"}
    await b.whereabouts.sweep()
    assert await cluster.rows() == [("ann", "a", "active"), ("bob", "b", "active")]
    cluster.parts.clock.now_ms += 5_000
    await b.whereabouts.sweep()
    assert await cluster.rows() == [("bob", "b", "active")]
    assert await b.state("ann") == ("offline", 6_000)


async def test_rows_of_a_node_that_is_only_new_are_not_swept(cluster: Cluster) -> None:
    _, b, _ = cluster.nodes
    cluster.living -= {"a"}
    await cluster.parts.store.write([Write(HERE, ("ann", "a"), set={"state": "active"})])
    await b.whereabouts.sweep()
    cluster.living |= {"a"}
    await b.whereabouts.sweep()
    cluster.living -= {"a"}
    await b.whereabouts.sweep()
    assert await cluster.rows() == [("ann", "a", "active")]


async def test_a_node_that_was_called_dead_says_everything_again(cluster: Cluster) -> None:
    a, b, _ = cluster.nodes
    a.connected("ann", "c1")
    a.connected("bob", "c2")
    await cluster.second()
    cluster.living = frozenset({"a2", "b", "c"})
    assert await b.state("ann") == ("offline", -1)
    a.node = "a2"
    await cluster.second()
    assert await b.state("ann") == ("active", 0)
    for _ in range(2):
        await b.whereabouts.sweep()
    assert await cluster.rows() == [("ann", "a2", "active"), ("bob", "a2", "active")]
    assert await a.state("ann") == ("active", 0)


async def test_nothing_is_written_under_a_lease_that_may_be_lost(cluster: Cluster) -> None:
    a, _, _ = cluster.nodes
    a.is_sure = False
    a.connected("ann", "c1")
    with pytest.raises(TimeoutError):
        await a.whereabouts.write()
    assert await cluster.rows() == []
    a.is_sure = True
    await cluster.second()
    assert await cluster.rows() == [("ann", "a", "active")]


async def test_a_lost_word_is_made_up_for(cluster: Cluster) -> None:
    a, b, _ = cluster.nodes
    await watch(b, "bob", "ann")
    a.connected("ann", "c1")
    await cluster.seconds(6, deliver=False)
    assert cluster.told() == [("bob", "ann", "active")]


async def test_what_is_said_over_http_at_one_node_holds_at_all(cluster: Cluster) -> None:
    a, b, c = cluster.nodes
    a.connected("ann", "c1")
    await cluster.second()
    await b.presence.set(Caller("ann", "user"), SetPresence("away"))
    await cluster.seconds(2)
    assert await c.state("ann") == ("away", 2_000)


async def test_a_row_of_a_later_version_says_nothing(cluster: Cluster) -> None:
    _, b, _ = cluster.nodes
    await cluster.parts.store.write([Write(HERE, ("ann", "a"), set={"state": "flying"})])
    assert await b.state("ann") == ("offline", -1)


async def test_many_users_on_many_nodes_are_all_found(cluster: Cluster) -> None:
    _, b, _ = cluster.nodes
    nodes = [f"n{number}" for number in range(30)]
    cluster.living |= set(nodes)
    users = [f"user {number:02}" for number in range(20)]
    await cluster.parts.store.write(
        [
            Write(HERE, (user, node), set={"state": "away", "since": T})
            for user in users
            for node in nodes
        ]
    )
    found = await b.whereabouts.elsewhere(users)
    assert sorted(found) == users


async def test_the_last_moment_is_kept_where_somebody_was_here_later(cluster: Cluster) -> None:
    _, b, _ = cluster.nodes
    store = cluster.parts.store
    await store.write([Write(USERS, ("ann",), set={"last_seen": T + 99_000})])
    await store.write([Write(HERE, ("ann", "dead"), set={"state": "active"})])
    for _ in range(2):
        await b.whereabouts.sweep()
    assert await b.state("ann") == ("offline", 99_000)


async def test_the_loops_write_tell_and_notice_who_is_gone(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for constant in ("ROUND_S", "LOOK_S", "NODE_GONE_S"):
        monkeypatch.setattr(module, constant, 0.01)
    a, b, _ = cluster.nodes
    heard: list[object] = []
    b.whereabouts.begin(heard.append, lambda *_: None)
    async with asyncio.TaskGroup() as group:
        loops = [group.create_task(node.whereabouts.run()) for node in (a, b)]
        a.connected("ann", "c1")
        await until(lambda: cluster.words)
        assert await cluster.rows() == [("ann", "a", "active")]
        a.node = "a2"
        await until(lambda: len(cluster.words) == 2)
        cluster.living -= {"a"}
        await until(lambda: heard)
        assert heard == [None]
        for loop in loops:
            loop.cancel()


async def test_the_loop_outlives_a_store_that_is_away(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for constant in ("ROUND_S", "RETRY_MIN_S", "RETRY_MAX_S"):
        monkeypatch.setattr(module, constant, 0.01)
    a, _, _ = cluster.nodes
    failures = 0

    async def away(*_: object) -> None:
        nonlocal failures
        failures += 1
        raise StoreUnavailable("away")

    async with asyncio.TaskGroup() as group:
        with monkeypatch.context() as patched:
            patched.setattr(cluster.parts.store, "write", away)
            loop = group.create_task(a.whereabouts.run())
            a.connected("ann", "c1")
            await until(lambda: failures > 1)
        await until(lambda: cluster.words)
        assert await cluster.rows() == [("ann", "a", "active")]
        loop.cancel()


def fits(peers: Peers, lease: LeaseKeeper) -> Others:
    """What a hub has is what is asked for: for the type checker to say."""
    return Others(peers, lease)
