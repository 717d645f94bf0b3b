"""Bans: over any token and any list, on every path, until they are lifted or over (design 6)."""

import pytest

from realtime.errors import CommandRefused
from realtime.hub.revoking import load_revocations
from realtime.protocol.calls import BanCall, SubscribeCall, UnbanCall
from tests.support.hub import make_settings, running, settled
from tests.support.peer import error
from tests.unit.hub.pair import two_nodes


async def test_a_ban_from_a_channel_ends_the_subscription_and_spares_the_rest() -> None:
    async with running() as node:
        alice = await node.subscribed("chat:1")
        await alice.subscribe("chat:2")
        bob = await node.subscribed("chat:1", "bob")
        await node.api.ban(BanCall(user="alice", channel="chat:1"))
        assert (await alice.push("unsubscribe", "chat:1"))["code"] == 2000
        await bob.publish("chat:1", "after")
        await bob.received("chat:1", 1)
        await settled()
        assert alice.data("chat:1") == []
        assert list(alice.client.subscriptions) == ["chat:2"]


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("subscribe", {}),
        ("subscribe", {"recover": True, "epoch": "", "offset": 0}),
        ("publish", {"data": 1}),
        ("history", {"limit": 10}),
        ("presence", {}),
        ("presence_stats", {}),
    ],
)
async def test_who_is_banned_from_a_channel_is_refused_everything_in_it(
    method: str, fields: dict[str, object]
) -> None:
    async with running() as node:
        await node.api.ban(BanCall(user="alice", channel="chat:1"))
        alice = await node.connected("alice")
        assert await alice.refused(method, channel="chat:1", **fields) == 103
        assert "error" not in await alice.command("subscribe", channel="chat:2")


async def test_a_ban_is_over_a_subscription_token_and_over_an_admin() -> None:
    async with running() as node:
        await node.api.ban(BanCall(user="alice", channel="chat:1"))
        alice = await node.connected("alice", role="admin")
        token = node.token("alice", channel="chat:1")
        assert await alice.refused("subscribe", channel="chat:1", token=token) == 103


async def test_a_ban_is_over_what_a_connection_token_and_the_backend_subscribe_to() -> None:
    async with running() as node:
        await node.api.ban(BanCall(user="alice", channel="chat:1"))
        alice = node.peer()
        result = await alice.connect(
            node.token("alice", channels=["chat:1", "chat:2"]),
            subs={"chat:1": {"recover": True, "offset": 0, "epoch": ""}},
        )
        assert set(result["subs"]) == {"chat:2"}
        await node.api.subscribe(SubscribeCall(user="alice", channel="chat:1"))
        assert list(alice.client.subscriptions) == ["chat:2"]


async def test_a_ban_catches_a_subscribe_that_waits_for_the_store() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        hold = node.store.hold("read")
        number = alice.send("subscribe", channel="chat:1")
        await hold.begun()
        await node.api.ban(BanCall(user="alice", channel="chat:1"))
        hold.release()
        assert error(await alice.reply(number)) == 103
        assert not alice.client.subscriptions


async def test_a_ban_from_the_hub_closes_and_refuses_connections() -> None:
    async with running() as node:
        alice, bob = await node.connected("alice"), await node.connected("bob")
        await node.api.ban(BanCall(user="alice"))
        assert await alice.closed() == 3507
        assert bob.code is None
        late = node.peer()
        late.send("connect", token=node.token("alice"))
        assert await late.closed() == 3507


async def test_a_ban_ends_when_it_is_lifted() -> None:
    async with running() as node:
        await node.api.ban(BanCall(user="alice"))
        await node.api.ban(BanCall(user="alice", channel="chat:1"))
        await node.api.unban(UnbanCall(user="alice"))
        alice = await node.connected("alice")
        assert await alice.refused("subscribe", channel="chat:1") == 103
        await node.api.unban(UnbanCall(user="alice", channel="chat:1"))
        assert "error" not in await alice.command("subscribe", channel="chat:1")


async def test_a_ban_ends_when_its_time_is_over() -> None:
    async with running() as node:
        expire_at = int(node.clock.wall()) + 60
        await node.api.ban(BanCall(user="alice", channel="chat:1", expire_at=expire_at))
        alice = await node.connected("alice")
        assert await alice.refused("subscribe", channel="chat:1") == 103
        node.clock.move(61)
        assert "error" not in await alice.command("subscribe", channel="chat:1")


async def test_guests_have_no_user_to_ban() -> None:
    async with running(make_settings(anonymous=True)) as node:
        guest = node.peer()
        await guest.connect()
        with pytest.raises(CommandRefused):
            await node.api.ban(BanCall(channel="chat:1"))
        assert guest.code is None


@pytest.mark.parametrize("call", [BanCall(user="a" * 256), BanCall(user="a", channel="none:1")])
async def test_a_ban_that_makes_no_sense_is_refused(call: BanCall) -> None:
    async with running() as node:
        with pytest.raises(CommandRefused) as refusal:
            await node.api.ban(call)
        assert refusal.value.error.code in (102, 107)
        assert not node.store.calls["revoke"]


async def test_a_ban_that_is_not_stored_is_not_acknowledged_and_bans_nobody() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        node.store.fail("revoke")
        with pytest.raises(CommandRefused) as refusal:
            await node.api.ban(BanCall(user="alice"))
        assert refusal.value.error.code == 100
        assert alice.code is None


async def test_a_ban_that_is_stored_but_cannot_be_read_back_holds_at_once() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        node.store.fail("revocations")
        await node.api.ban(BanCall(user="alice"))
        assert await alice.closed() == 3507


async def test_bans_are_known_after_a_restart_and_so_is_what_lifted_them() -> None:
    async with running() as node:
        await node.api.ban(BanCall(user="alice"))
        await node.api.ban(BanCall(user="bob"))
        await node.api.unban(UnbanCall(user="bob"))
        revocations = await load_revocations(node.store, node.clock)
        async with running(store=node.store, revocations=revocations) as restarted:
            late = restarted.peer()
            late.send("connect", token=restarted.token("alice"))
            assert await late.closed() == 3507
            await restarted.connected("bob")


@pytest.mark.parametrize("bus_is_dead", [False, True])
async def test_a_ban_on_one_node_holds_on_the_other_whether_or_not_the_bus_tells(
    bus_is_dead: bool,
) -> None:
    async with two_nodes() as pair:
        alice = await pair.here.subscribed("chat:1")
        if bus_is_dead:
            pair.lose()
        await pair.there.api.ban(BanCall(user="alice", channel="chat:1"))
        assert (await alice.push("unsubscribe", "chat:1"))["code"] == 2000
        assert await alice.refused("history", channel="chat:1", limit=1) == 103
