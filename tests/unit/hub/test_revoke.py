"""Taking tokens back, through the server API (design 6)."""

import pytest

from realtime.auth.claims import YEAR_10000
from realtime.errors import CommandRefused
from realtime.hub.revoking import load_revocations
from realtime.protocol.calls import RevokeCall
from tests.support.hub import make_settings, running, settled


async def test_revoking_a_user_closes_older_connections_and_refuses_older_tokens() -> None:
    async with running() as node:
        token = node.token("alice")
        alice, bob = await node.connected("alice"), await node.connected("bob")
        node.clock.move(2)
        await node.api.revoke(RevokeCall(user="alice"))
        assert await alice.closed() == 3500
        assert bob.code is None
        late = node.peer()
        late.send("connect", token=token)
        assert await late.closed() == 3500
        node.clock.move(2)
        assert "client" in await node.peer().connect(node.token("alice"))


async def test_revoking_one_token_spares_the_others() -> None:
    async with running() as node:
        one = await node.connected("alice", jti="one")
        two = await node.connected("alice", jti="two")
        token = node.token("alice", jti="one")
        await node.api.revoke(RevokeCall(jti="one"))
        assert await one.closed() == 3500
        assert two.code is None
        late = node.peer()
        late.send("connect", token=token)
        assert await late.closed() == 3500
        two.send("refresh", token=token)
        assert await two.closed() == 3500


async def test_revoking_a_subscription_token_ends_its_subscription() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        token = node.token("alice", channel="chat:1", jti="s")
        await alice.subscribe("chat:1", token=token)
        await alice.subscribe("chat:2")
        await node.api.revoke(RevokeCall(jti="s"))
        assert (await alice.push("unsubscribe", "chat:1"))["code"] == 2501
        assert list(alice.client.subscriptions) == ["chat:2"]
        assert await alice.refused("subscribe", channel="chat:1", token=token) == 103


async def test_revoking_the_token_that_refreshed_a_subscription_ends_it() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        await alice.subscribe("chat:1", token=node.token("alice", channel="chat:1", jti="old"))
        fresh = node.token("alice", channel="chat:1", jti="new")
        await alice.command("sub_refresh", channel="chat:1", token=fresh)
        await node.api.revoke(RevokeCall(jti="old"))
        await settled()
        assert not alice.pushes("unsubscribe", "chat:1")
        await node.api.revoke(RevokeCall(jti="new"))
        assert (await alice.push("unsubscribe", "chat:1"))["code"] == 2501


async def test_a_revoked_user_cannot_subscribe_by_an_older_token() -> None:
    async with running() as node:
        token = node.token("alice", channel="$chat:1")
        node.clock.move(2)
        await node.api.revoke(RevokeCall(user="alice"))
        node.clock.move(2)
        alice = await node.connected("alice")
        assert await alice.refused("subscribe", channel="$chat:1", token=token) == 103


async def test_guests_without_tokens_are_nobodys_to_revoke() -> None:
    async with running(make_settings(anonymous=True)) as node:
        guest = node.peer()
        await guest.connect()
        await node.api.revoke(RevokeCall(user="alice"))
        await node.api.revoke(RevokeCall(jti="x"))
        assert guest.code is None


async def test_a_revocation_is_known_after_a_restart() -> None:
    async with running() as node:
        token = node.token("alice", jti="one")
        await node.api.revoke(RevokeCall(jti="one"))
        revocations = await load_revocations(node.store, node.clock)
        async with running(store=node.store, revocations=revocations) as restarted:
            peer = restarted.peer()
            peer.send("connect", token=token)
            assert await peer.closed() == 3500


async def test_a_revocation_may_end_with_its_last_token() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        expire_at = int(node.clock.wall()) + 60
        node.clock.move(2)
        await node.api.revoke(RevokeCall(user="alice", expire_at=expire_at))
        assert await alice.closed() == 3500
        await node.api.revoke(RevokeCall(user="alice", expire_at=YEAR_10000))


async def test_a_revocation_that_is_not_stored_is_not_acknowledged() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        node.store.fail("revoke")
        with pytest.raises(CommandRefused) as refusal:
            await node.api.revoke(RevokeCall(user="alice"))
        assert refusal.value.error.code == 100
        assert alice.code is None
