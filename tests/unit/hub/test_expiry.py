"""Connections and subscriptions that run out, and what refreshes them (protocol 3.5)."""

import pytest

from realtime.protocol.calls import RefreshCall, SubscribeCall, UnsubscribeCall
from tests.support.hub import Node, make_settings, running, settled
from tests.support.peer import Peer, result

GRACE_S = 25
"""`client.expired_close_s`."""


async def pass_time(node: Node, seconds: int, *peers: Peer) -> None:
    """Let time pass for clients that answer their pings."""
    for _ in range(seconds):
        for peer in peers:
            if peer.code is None:
                peer.send_bytes(b"{}")
        await node.advance(1)


async def test_who_does_not_refresh_is_closed_some_time_after_the_expiry() -> None:
    async with running() as node:
        alice = await node.connected("alice", ttl_s=60)
        forever = await node.connected("bob", ttl_s=None)
        await pass_time(node, 60 + GRACE_S - 2, alice, forever)
        assert alice.code is None
        await pass_time(node, 4, alice, forever)
        assert alice.code == 3005
        assert forever.code is None


async def test_a_refresh_moves_the_expiry() -> None:
    async with running() as node:
        alice = await node.connected("alice", ttl_s=60)
        await pass_time(node, 50, alice)
        token = node.token("alice", ttl_s=100)
        reply = result(await alice.command("refresh", token=token), "refresh")
        assert reply == {
            "client": alice.id,
            "version": node.hub.version,
            "expires": True,
            "ttl": reply["ttl"],
        }
        assert 99 <= reply["ttl"] <= 100
        await pass_time(node, 100 + GRACE_S - 3, alice)
        assert alice.code is None
        await pass_time(node, 5, alice)
        assert alice.code == 3005


async def test_a_refresh_within_the_grace_is_in_time() -> None:
    async with running() as node:
        alice = await node.connected("alice", ttl_s=60)
        await pass_time(node, 70, alice)
        await alice.command("refresh", token=node.token("alice", ttl_s=None))
        await pass_time(node, 100, alice)
        assert alice.code is None


async def test_a_token_that_never_expires_ends_the_refreshing() -> None:
    async with running() as node:
        alice = await node.connected("alice", ttl_s=60)
        reply = await alice.command("refresh", token=node.token("alice", ttl_s=None))
        assert "expires" not in reply["refresh"]
        await pass_time(node, 200, alice)
        assert alice.code is None


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param({}, 3501, id="no token"),
        pytest.param({"token": ""}, 3501, id="an empty token"),
        pytest.param({"token": "x.y.z"}, 3500, id="not a token"),
    ],
)
async def test_a_refresh_that_makes_no_sense_closes(fields: dict[str, str], code: int) -> None:
    async with running() as node:
        alice = await node.connected("alice")
        alice.send("refresh", **fields)
        assert await alice.closed() == code


async def test_a_refresh_with_an_expired_token_is_3005_and_with_anothers_3500() -> None:
    async with running() as node:
        alice, bob, carol = [await node.connected(user) for user in ("alice", "bob", "carol")]
        alice.send("refresh", token=node.token("alice", ttl_s=-1))
        assert await alice.closed() == 3005
        bob.send("refresh", token=node.token("alice"))
        assert await bob.closed() == 3500
        carol.send("refresh", token=node.token("carol", channel="chat:1"))
        assert await carol.closed() == 3500


async def test_a_refresh_changes_role_and_info_from_then_on() -> None:
    async with running() as node:
        alice = await node.connected("alice", info={"mood": "good"})
        assert await alice.refused("subscribe", channel="unnamed") == 103
        token = node.token("alice", role="admin", info={"mood": "better"})
        await alice.command("refresh", token=token)
        await alice.subscribe("unnamed")
        await alice.publish("unnamed", 1)
        published = await alice.received("unnamed", 1)
        assert published[0]["info"]["conn_info"] == {"mood": "better"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (["chat:1"], ["chat:1"], None),
        (["chat:1", "chat:2"], ["chat:2", "chat:1"], None),
        (["chat:1"], [], 3010),
        ([], ["chat:1"], 3010),
        (["chat:1"], ["chat:2"], 3010),
    ],
)
async def test_other_server_side_channels_in_a_refresh_force_a_new_connection(
    before: list[str], after: list[str], expected: int | None
) -> None:
    async with running() as node:
        alice = await node.connected("alice", channels=before)
        alice.send("refresh", token=node.token("alice", channels=after))
        await settled()
        assert alice.code == expected


async def test_a_refresh_has_nothing_to_say_about_the_server_apis_subscriptions() -> None:
    async with running() as node:
        alice = await node.connected("alice", channels=["chat:1", "chat:2"])
        await node.api.subscribe(SubscribeCall(user="alice", channel="chat:9"))
        await node.api.unsubscribe(UnsubscribeCall(user="alice", channel="chat:1"))
        token = node.token("alice", channels=["chat:1", "chat:2"])
        assert "refresh" in await alice.command("refresh", token=token)
        assert list(alice.client.subscriptions) == ["chat:2", "chat:9"]


async def test_a_guest_may_refresh_a_guests_token() -> None:
    async with running(make_settings(anonymous=True)) as node:
        guest = node.peer()
        await guest.connect(node.token("", ttl_s=10))
        assert "refresh" in await guest.command("refresh", token=node.token("", ttl_s=100))


# Subscriptions


async def subscribed_by_token(node: Node, ttl_s: float) -> Peer:
    """A client subscribed to `chat:1` by a token that expires so soon."""
    alice = await node.connected("alice", ttl_s=None)
    token = node.token("alice", channel="chat:1", ttl_s=ttl_s)
    reply = await alice.subscribe("chat:1", token=token)
    assert reply["expires"] is True
    assert ttl_s - 1 <= reply["ttl"] <= ttl_s
    return alice


async def test_a_subscription_that_is_not_refreshed_ends_with_2501() -> None:
    async with running() as node:
        alice = await subscribed_by_token(node, 60)
        await alice.subscribe("chat:2")
        await pass_time(node, 60 + GRACE_S - 2, alice)
        assert alice.pushes("unsubscribe", "chat:1") == []
        await pass_time(node, 4, alice)
        assert alice.pushes("unsubscribe", "chat:1") == [
            {"code": 2501, "reason": "subscription expired"}
        ]
        assert alice.code is None
        assert list(alice.client.subscriptions) == ["chat:2"]


async def test_a_sub_refresh_moves_the_expiry() -> None:
    async with running() as node:
        alice = await subscribed_by_token(node, 60)
        await pass_time(node, 70, alice)
        token = node.token("alice", channel="chat:1", ttl_s=100)
        reply = await alice.command("sub_refresh", channel="chat:1", token=token)
        assert reply["sub_refresh"]["expires"] is True
        assert 99 <= reply["sub_refresh"]["ttl"] <= 100
        await pass_time(node, 100 + GRACE_S - 3, alice)
        assert alice.pushes("unsubscribe", "chat:1") == []
        await pass_time(node, 5, alice)
        assert len(alice.pushes("unsubscribe", "chat:1")) == 1


async def test_the_next_expiry_is_found_after_one_has_passed() -> None:
    async with running() as node:
        alice = await node.connected("alice", ttl_s=None)
        for number, ttl_s in enumerate((60, 30, 90)):
            channel = f"chat:{number}"
            await alice.subscribe(channel, token=node.token("alice", channel=channel, ttl_s=ttl_s))
        for expected in (1, 0, 2):
            while f"chat:{expected}" in alice.client.subscriptions:
                await pass_time(node, 1, alice)
            assert len(alice.pushes("unsubscribe", f"chat:{expected}")) == 1
        assert not alice.client.subscriptions


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"channel": "chat:2", "token": "x.y.z"}, 103, id="not subscribed"),
        pytest.param({"channel": "chat:1"}, 107, id="no token"),
        pytest.param({"channel": "chat:1", "token": "x.y.z", "type": 1}, 108, id="tracked keys"),
    ],
)
async def test_a_sub_refresh_that_makes_no_sense_is_refused(
    fields: dict[str, object], expected: int
) -> None:
    async with running() as node:
        alice = await subscribed_by_token(node, 60)
        assert await alice.refused("sub_refresh", **fields) == expected


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        pytest.param({"channel": "chat:2"}, 3500, id="another channel"),
        pytest.param({"sub": "bob", "channel": "chat:1"}, 3500, id="another user"),
        pytest.param({"channel": "chat:1", "client": "another"}, 3500, id="another connection"),
        pytest.param({}, 3500, id="a connection token"),
    ],
)
async def test_a_sub_refresh_with_a_token_for_something_else_closes(
    claims: dict[str, object], code: int
) -> None:
    async with running() as node:
        alice = await subscribed_by_token(node, 60)
        token = node.token(**{"user": "alice", **claims})  # type: ignore[arg-type]  # claims are any
        alice.send("sub_refresh", channel="chat:1", token=token)
        assert await alice.closed() == code


async def test_a_sub_refresh_with_an_expired_token_is_109_and_not_quietly_forever() -> None:
    async with running() as node:
        alice = await subscribed_by_token(node, 60)
        token = node.token("alice", channel="chat:1", ttl_s=-1)
        assert await alice.refused("sub_refresh", channel="chat:1", token=token) == 109
        await pass_time(node, 60 + GRACE_S + 2, alice)
        assert len(alice.pushes("unsubscribe", "chat:1")) == 1


async def test_a_sub_refresh_with_garbage_closes() -> None:
    async with running() as node:
        alice = await subscribed_by_token(node, 60)
        alice.send("sub_refresh", channel="chat:1", token="x.y.z")
        assert await alice.closed() == 3500


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        pytest.param({"channel": "closed:1", "exp": 1}, 109, id="expired"),
        pytest.param({}, 103, id="a connection token"),
    ],
)
async def test_a_subscription_token_that_is_no_good_is_an_error(
    claims: dict[str, object], expected: int
) -> None:
    async with running() as node:
        alice = await node.connected()
        token = node.token("alice", ttl_s=None, **claims)
        assert await alice.refused("subscribe", channel="chat:1", token=token) == expected
        assert await alice.refused("subscribe", channel="chat:1", token="x.y.z") == 103


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"user": "alice", "channel": "chat:2"}, id="another channel"),
        pytest.param({"user": "bob", "channel": "chat:1"}, id="another user"),
        pytest.param({"user": "", "channel": "chat:1"}, id="a guest's"),
        pytest.param({"user": "alice", "channel": "chat:1", "client": "x"}, id="another client"),
    ],
)
async def test_a_subscription_token_for_something_else_closes(claims: dict[str, str]) -> None:
    async with running() as node:
        alice = await node.connected()
        alice.send("subscribe", channel="chat:1", token=node.token(**claims))  # type: ignore[arg-type]  # claims are any
        assert await alice.closed() == 3500


async def test_a_subscription_token_carries_data_and_info() -> None:
    async with running() as node:
        alice = await node.connected()
        token = node.token(
            "alice", channel="chat:1", ttl_s=None, client=alice.id, data={"d": 1}, info={"i": 2}
        )
        reply = await alice.subscribe("chat:1", token=token)
        assert reply["data"] == {"d": 1}
        assert "expires" not in reply
        who = result(await alice.command("presence", channel="chat:1"), "presence")
        assert who["presence"][alice.id] == {
            "user": "alice",
            "client": alice.id,
            "chan_info": {"i": 2},
        }


# The server API


async def test_the_server_api_moves_an_expiry_and_the_client_is_told() -> None:
    async with running() as node:
        alice = await node.connected("alice", ttl_s=60)
        until = int(node.clock.wall()) + 500
        await node.api.refresh(RefreshCall(user="alice", expire_at=until))
        pushed = await alice.push("refresh")
        assert pushed["expires"] is True
        assert 498 <= pushed["ttl"] <= 500
        await pass_time(node, 500 + GRACE_S - 3, alice)
        assert alice.code is None
        await pass_time(node, 5, alice)
        assert alice.code == 3005


async def test_the_server_api_ends_connections_as_expired() -> None:
    async with running() as node:
        alice, other = await node.connected("alice"), await node.connected("alice")
        await node.api.refresh(RefreshCall(user="alice", client=alice.id, expired=True))
        assert await alice.closed() == 3005
        assert other.code is None


async def test_a_subscription_of_the_server_api_that_expires_closes_with_3006() -> None:
    async with running() as node:
        alice = await node.connected("alice", ttl_s=None)
        until = int(node.clock.wall()) + 60
        call = SubscribeCall(user="alice", channel="chat:1", expire_at=until)
        await node.api.subscribe(call)
        await pass_time(node, 60 + GRACE_S - 2, alice)
        assert alice.code is None
        await pass_time(node, 4, alice)
        assert alice.code == 3006
