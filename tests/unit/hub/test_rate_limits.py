"""How fast clients may go, per connection, user and address (issue: settings, limits)."""

import pytest

from realtime.settings.schema import LimitsSettings
from tests.support.hub import Node, make_settings, running
from tests.support.peer import Document, Peer


async def publish(peer: Peer) -> Document:
    """A publish, and its answer."""
    return await peer.command("publish", channel="chat:1", data=1)


def is_limited(reply: Document) -> bool:
    """Whether the answer is 111, which is temporary."""
    error = reply.get("error")
    if error is None:
        return False
    assert error == {"code": 111, "message": "too many requests", "temporary": True}
    return True


async def admitted(peer: Peer, method: str = "publish", tries: int = 10) -> int:
    """How many of so many commands were performed."""
    replies = [await peer.command(method, channel="chat:1", data=1) for _ in range(tries)]
    return sum(not is_limited(reply) for reply in replies)


async def connected(node: Node, user: str, address: str = "192.0.2.1") -> Peer:
    """A client from an address."""
    peer = node.peer(address=address)
    await peer.connect(node.token(user))
    return peer


async def test_a_connection_may_make_so_many_commands_and_then_so_many_a_second() -> None:
    limits = LimitsSettings(connection_commands_per_s=1, connection_commands_burst=5)
    async with running(make_settings(limits=limits)) as node:
        alice, other = await connected(node, "alice"), await connected(node, "alice")
        assert await admitted(alice, "presence_stats") == 4  # the connect was one
        node.clock.move(2)
        assert await admitted(alice, "presence_stats") == 2
        assert await admitted(other, "presence_stats") == 5


async def test_publishes_have_a_limit_of_their_own() -> None:
    limits = LimitsSettings(connection_publishes_per_s=1, connection_publishes_burst=3)
    async with running(make_settings(limits=limits)) as node:
        alice = await connected(node, "alice")
        assert await admitted(alice) == 3
        assert await admitted(alice, "presence_stats") == 10


@pytest.mark.parametrize("kind", ["commands", "publishes"])
async def test_a_users_connections_share_a_limit(kind: str) -> None:
    limits = LimitsSettings(**{f"user_{kind}_per_s": 0.001, f"user_{kind}_burst": 6})
    async with running(make_settings(limits=limits)) as node:
        one, two = await connected(node, "alice"), await connected(node, "alice")
        assert await admitted(one, tries=4) == 4
        assert await admitted(two) == 2
        assert await admitted(await connected(node, "bob"), tries=5) == 5


@pytest.mark.parametrize("kind", ["commands", "publishes"])
async def test_an_addresses_connections_share_a_limit(kind: str) -> None:
    limits = LimitsSettings(**{f"address_{kind}_per_s": 0.001, f"address_{kind}_burst": 8})
    async with running(make_settings(limits=limits)) as node:
        one = await connected(node, "alice", "2001:db8::1")
        two = await connected(node, "bob", "2001:db8::2")
        used = await admitted(one, tries=3) + await admitted(two)
        assert used == 8 - (2 if kind == "commands" else 0)  # two connects
        assert await admitted(await connected(node, "carol", "2001:db8:1::1"), tries=5) == 5


async def test_a_connect_above_the_limit_is_refused_for_now() -> None:
    limits = LimitsSettings(address_commands_per_s=0.001, address_commands_burst=1)
    async with running(make_settings(limits=limits)) as node:
        await connected(node, "alice")
        late = node.peer()
        assert is_limited(await late.command("connect", token=node.token("bob")))
        assert len(node.hub.clients) == 1


async def test_a_send_above_the_limit_is_counted_and_not_answered() -> None:
    limits = LimitsSettings(connection_commands_per_s=0.001, connection_commands_burst=1)
    async with running(make_settings(limits=limits)) as node:
        alice = await connected(node, "alice")
        before = len(alice.transport.documents)
        alice.send_bytes(b'{"send":{"data":1}}')
        assert is_limited(await alice.command("presence_stats", channel="chat:1"))
        assert len(alice.transport.documents) == before + 1
        assert node.hub.statistics.errors[111] == 2


async def test_without_limits_nothing_is_counted() -> None:
    async with running() as node:
        alice = await connected(node, "alice")
        assert await admitted(alice, tries=50) == 50
        assert alice.client.command_tat == 0.0
