"""Blocks on the wire: who blocks the other user of a direct channel is not served of it."""

import pytest

from realtime.rows import MEMBERS
from realtime.stores.base import Write
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat_hub import chat_node, two_chat_nodes
from tests.support.hub import until

READS = [
    ("subscribe", {}),
    ("subscribe", {"recover": True, "epoch": "", "offset": 0}),
    ("history", {"limit": 10}),
    ("presence", {}),
]


async def note(tables: SQLiteStore, blocks: int) -> None:
    """Alice blocks bob, or no more, as far as the members' rows have it."""
    await tables.write([Write(MEMBERS, ("room:1", "alice"), set={"blocks": blocks})])


@pytest.fixture
async def tables() -> SQLiteStore:
    store = SQLiteStore(":memory:")
    await store.open()
    return store


@pytest.mark.parametrize(("method", "fields"), READS)
@pytest.mark.parametrize("followed", [False, True], ids=["cold", "followed"])
async def test_who_blocks_is_refused_until_they_do_no_more(
    tables: SQLiteStore, method: str, fields: dict[str, object], followed: bool
) -> None:
    async with chat_node(tables=tables) as chat:
        await chat.join("alice", "bob")
        await note(tables, 1)
        if followed:
            await chat.node.subscribed("room:1", "bob")
        alice = await chat.node.connected("alice")
        for _ in range(2):
            assert await alice.refused(method, channel="room:1", **fields) == 103
        bob = await chat.node.connected("bob")
        assert "error" not in await bob.command(method, channel="room:1", **fields)
        # Nothing tells a node that follows the channel; it holds at once all the same.
        await note(tables, 0)
        assert "error" not in await alice.command(method, channel="room:1", **fields)
    await tables.close()


async def test_a_token_for_the_channel_is_no_way_around_it(tables: SQLiteStore) -> None:
    async with chat_node(tables=tables) as chat:
        await chat.join("alice", "bob")
        await note(tables, 1)
        alice = await chat.node.connected("alice")
        token = chat.node.token("alice", channel="room:1")
        assert await alice.refused("subscribe", channel="room:1", token=token) == 103
    await tables.close()


async def test_the_subscriptions_of_who_blocks_end_on_every_node() -> None:
    async with two_chat_nodes() as pair:
        await pair.here.join("alice", "bob")
        peers = [
            await node.node.subscribed("room:1", user)
            for node in (pair.here, pair.there)
            for user in ("alice", "bob")
        ]
        tables = pair.here.memberships._store
        await tables.write([Write(MEMBERS, ("room:1", "alice"), set={"blocks": 1})])
        await pair.there.chat.stage.cut("alice", "room:1")
        await until(lambda: not any("room:1" in p.client.subscriptions for p in peers[::2]))
        assert all("room:1" in peer.client.subscriptions for peer in peers[1::2])
        for peer in peers[::2]:
            assert await peer.refused("subscribe", channel="room:1") == 103
