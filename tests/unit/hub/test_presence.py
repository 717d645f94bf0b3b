"""Who is there, how many, and who is told of comings and goings (protocol 1.4, 1.5, 4.2)."""

import pytest

from realtime.brokers.memory import MemoryBroker, MemoryBus
from realtime.protocol.calls import PresenceCall, PresenceStatsCall, UnsubscribeCall
from realtime.settings.schema import ChannelOptions, Grant
from tests.support.faulty_store import FaultyStore
from tests.support.hub import Node, make_settings, running, settled
from tests.support.memory_store import MemoryStore
from tests.support.peer import OTHER_LINES, Document, Peer

EVERYONE: tuple[Grant, ...] = ("guest",)
OPTIONS = ChannelOptions(
    presence=True,
    join_leave=True,
    subscribe=EVERYONE,
    publish=EVERYONE,
    read_presence=("user",),
)
FORCED = ChannelOptions(
    join_leave=True, force_push_join_leave=True, subscribe=EVERYONE, publish=EVERYONE
)
SILENT = ChannelOptions(presence=True, subscribe=EVERYONE, read_presence=EVERYONE)
LOGGED = ChannelOptions(
    history_size=-1,
    presence=True,
    join_leave=True,
    subscribe=EVERYONE,
    publish=EVERYONE,
    read_presence=EVERYONE,
)
SETTINGS = make_settings(
    namespaces={"asked": OPTIONS, "forced": FORCED, "silent": SILENT, "log": LOGGED},
    anonymous=True,
)


async def presence(peer: Peer, channel: str) -> Document:
    """Who is there."""
    reply = await peer.command("presence", channel=channel)
    found: Document = reply["presence"]["presence"]
    return found


async def stats(peer: Peer, channel: str) -> tuple[int, int]:
    """How many connections and users there are."""
    reply = (await peer.command("presence_stats", channel=channel))["presence_stats"]
    return reply["num_clients"], reply["num_users"]


def users(peer: Peer, kind: str, channel: str) -> list[str]:
    """Whose joins or leaves were pushed."""
    return [push["info"]["user"] for push in peer.pushes(kind, channel)]


async def test_presence_lists_connections_and_stats_count_users() -> None:
    async with running(SETTINGS) as node:
        alice, again, bob = [await node.connected(user) for user in ("alice", "alice", "bob")]
        assert await presence(alice, "asked:1") == {}
        assert await stats(alice, "asked:1") == (0, 0)
        for peer in (alice, again, bob):
            await peer.subscribe("asked:1")
        assert await presence(alice, "asked:1") == {
            peer.id: {"user": user, "client": peer.id}
            for peer, user in ((alice, "alice"), (again, "alice"), (bob, "bob"))
        }
        assert await stats(bob, "asked:1") == (3, 2)
        again.leave()
        await bob.command("unsubscribe", channel="asked:1")
        assert list(await presence(alice, "asked:1")) == [alice.id]
        assert await stats(alice, "asked:1") == (1, 1)


async def test_guests_are_shown_with_an_empty_user() -> None:
    async with running(SETTINGS) as node:
        guest = node.peer()
        await guest.connect()
        await guest.subscribe("silent:1")
        assert await presence(guest, "silent:1") == {guest.id: {"user": "", "client": guest.id}}


async def test_presence_that_is_off_is_not_available() -> None:
    async with running(SETTINGS) as node:
        alice = await node.connected()
        assert await alice.refused("presence", channel="forced:1") == 108
        assert await alice.refused("presence_stats", channel="forced:1") == 108


async def test_presence_that_one_may_not_read_is_denied() -> None:
    async with running(SETTINGS) as node:
        guest = node.peer()
        await guest.connect()
        assert await guest.refused("presence", channel="asked:1") == 103
        assert await guest.refused("presence_stats", channel="asked:1") == 103


async def test_the_server_api_sees_the_same() -> None:
    async with running(SETTINGS) as node:
        alice = await node.connected("alice", info={"n": 1})
        await alice.subscribe("asked:1")
        answer = await node.api.presence(PresenceCall(channel="asked:1"))
        assert list(answer.presence) == [alice.id]
        counted = await node.api.presence_stats(PresenceStatsCall(channel="asked:1"))
        assert (counted.num_clients, counted.num_users) == (1, 1)


async def test_a_subscriber_whose_recovery_is_ahead_of_its_node_is_present() -> None:
    store = FaultyStore(MemoryStore())
    async with running(SETTINGS, store=store) as here, running(SETTINGS, store=store) as there:
        writer = await there.connected("writer")
        early = await here.connected("early")
        await early.subscribe("log:1")
        await writer.publish("log:1", 1)
        late = await here.connected("late")
        hold = store.hold("missed")
        await late.subscribe("log:1", recover=True, offset=0)
        assert set(await presence(early, "log:1")) == {early.id, late.id}
        hold.release()


async def test_a_subscriber_that_still_waits_is_not_present() -> None:
    async with running(SETTINGS) as node:
        early = await node.connected("early")
        hold = node.store.hold("read")
        late = await node.connected("late")
        late.send("subscribe", channel="log:1")
        await hold.begun()
        assert await presence(early, "log:1") == {}
        hold.release()


# Joins and leaves


async def test_who_asks_and_may_read_presence_is_told() -> None:
    async with running(SETTINGS) as node:
        alice = await node.connected("alice")
        await alice.subscribe("asked:1", join_leave=True)
        bob = await node.connected("bob", info={"n": "B"})
        await bob.subscribe("asked:1")
        assert (await alice.push("join", "asked:1"))["info"]["user"] == "alice"
        await settled()
        bob.leave()
        assert (await alice.push("leave", "asked:1"))["info"] == {
            "user": "bob",
            "client": bob.id,
            "conn_info": {"n": "B"},
        }
        assert users(alice, "join", "asked:1") == ["alice", "bob"]
        assert not bob.pushes("join", "asked:1")


async def test_who_asks_and_may_not_read_presence_is_not_told() -> None:
    async with running(SETTINGS) as node:
        guest = node.peer()
        await guest.connect()
        await guest.subscribe("asked:1", join_leave=True)
        alice = await node.connected("alice")
        await alice.subscribe("asked:1")
        alice.leave()
        await settled()
        assert not guest.pushes("join", "asked:1")
        assert not guest.pushes("leave", "asked:1")


async def test_being_a_subscriber_is_enough_where_subscribers_may() -> None:
    options = ChannelOptions(
        presence=True, join_leave=True, subscribe=("user",), read_presence=("subscriber",)
    )
    async with running(make_settings(namespaces={"own": options})) as node:
        alice = await node.connected("alice")
        await alice.subscribe("own:1", join_leave=True)
        bob = await node.connected("bob")
        await bob.subscribe("own:1")
        await alice.push("join", "own:1")
        await settled()
        assert users(alice, "join", "own:1") == ["alice", "bob"]


async def test_where_it_is_forced_everyone_is_told() -> None:
    async with running(SETTINGS) as node:
        guest = node.peer(wire=OTHER_LINES)
        await guest.connect()
        await guest.subscribe("forced:1")
        alice = await node.connected("alice")
        await alice.subscribe("forced:1")
        bob = await node.connected("bob")
        await bob.subscribe("forced:1")
        await bob.command("unsubscribe", channel="forced:1")
        await settled()
        assert users(guest, "join", "forced:1") == ["", "alice", "bob"]
        assert users(alice, "join", "forced:1") == ["alice", "bob"]
        assert users(guest, "leave", "forced:1") == ["bob"]
        assert users(bob, "leave", "forced:1") == []


async def test_where_joins_are_off_nobody_is_told() -> None:
    async with running(SETTINGS) as node:
        alice = await node.connected("alice")
        await alice.subscribe("silent:1", join_leave=True)
        bob = await node.connected("bob")
        await bob.subscribe("silent:1")
        bob.leave()
        await settled()
        assert not alice.pushes("join", "silent:1")
        assert not alice.pushes("leave", "silent:1")


async def test_a_join_comes_after_the_subscribe_reply() -> None:
    async with running(SETTINGS) as node:
        alice = await node.connected("alice")
        await alice.subscribe("forced:1")
        await settled()
        kinds = ["reply" if "id" in document else "push" for document in alice.transport.documents]
        assert kinds == ["reply", "reply", "push"]


async def test_every_end_of_a_subscription_is_one_leave() -> None:
    async with running(SETTINGS) as node:
        watcher = await node.connected("watcher")
        await watcher.subscribe("asked:1", join_leave=True)
        one, two, three, four = [await node.connected(f"u{number}") for number in range(4)]
        for peer in (one, two, three, four):
            await peer.subscribe("asked:1")
        await one.command("unsubscribe", channel="asked:1")
        two.leave()
        two.leave()
        await node.api.unsubscribe(UnsubscribeCall(user="u2", channel="asked:1"))
        three.leave()
        four.send_bytes(b"nonsense")
        await settled()
        assert users(watcher, "leave", "asked:1") == ["u0", "u1", "u2", "u3"]


async def test_a_subscribe_that_failed_is_neither_join_nor_leave() -> None:
    async with running(SETTINGS) as node:
        watcher = await node.connected("watcher")
        await watcher.subscribe("log:1", join_leave=True)
        await watcher.push("join", "log:1")
        alice = await node.connected("alice")
        node.store.fail("read")
        assert await alice.refused("subscribe", channel="log:1", recover=True, offset=9) == 100
        alice.leave()
        await settled()
        assert users(watcher, "join", "log:1") == ["watcher"]
        assert users(watcher, "leave", "log:1") == []


async def test_joins_and_leaves_reach_other_nodes() -> None:
    bus, store = MemoryBus(), FaultyStore(MemoryStore())
    async with (
        running(SETTINGS, store=store, broker=MemoryBroker(bus)) as here,
        running(SETTINGS, store=store, broker=MemoryBroker(bus)) as there,
    ):
        watcher = await here.connected("watcher")
        await watcher.subscribe("asked:1", join_leave=True)
        alice = await there.connected("alice", info={"n": 1})
        await alice.subscribe("asked:1")
        alice.leave()
        pushed = await watcher.push("leave", "asked:1")
        assert pushed["info"] == {"user": "alice", "client": alice.id, "conn_info": {"n": 1}}
        assert users(watcher, "join", "asked:1") == ["watcher", "alice"]


# Overrides of a token


async def with_override(node: Node, channel: str, **override: bool) -> Peer:
    """A subscriber by a token with these overrides, and then a guest that comes and goes."""
    alice = await node.connected("alice")
    values = {name: {"value": value} for name, value in override.items()}
    token = node.token("alice", channel=channel, override=values)
    await alice.subscribe(channel, token=token, join_leave=True)
    guest = node.peer()
    await guest.connect()
    await guest.subscribe(channel)
    guest.leave()
    await settled()
    return alice


async def test_an_override_hides_a_subscriber_from_presence() -> None:
    async with running(SETTINGS) as node:
        alice = await with_override(node, "asked:1", presence=False)
        assert await presence(alice, "asked:1") == {}
        assert await stats(alice, "asked:1") == (0, 0)
        # Presence and joins are two options.
        assert users(alice, "join", "asked:1") == ["alice", ""]


async def test_an_override_keeps_a_subscribers_join_and_leave_from_others() -> None:
    async with running(SETTINGS) as node:
        watcher = await node.connected("watcher")
        await watcher.subscribe("asked:1", join_leave=True)
        alice = await with_override(node, "asked:1", join_leave=False)
        alice.leave()
        await settled()
        assert users(watcher, "join", "asked:1") == ["watcher", ""]
        assert users(watcher, "leave", "asked:1") == [""]


@pytest.mark.parametrize(
    ("channel", "override", "told"),
    [
        ("asked:1", {"force_push_join_leave": True}, True),
        ("asked:1", {"force_push_join_leave": False}, False),
        ("forced:1", {"force_push_join_leave": False}, False),
        ("forced:1", {}, True),
    ],
)
async def test_an_override_decides_who_is_told(
    channel: str, override: dict[str, bool], told: bool
) -> None:
    async with running(SETTINGS) as node:
        alice = await with_override(node, channel, **override)
        assert bool(alice.pushes("leave", channel)) is told


async def test_an_override_of_recovery_is_told_to_the_client() -> None:
    async with running(SETTINGS) as node:
        alice = await node.connected("alice")
        override = {"force_recovery": {"value": False}}
        token = node.token("alice", channel="log:1", override=override)
        reply = await alice.subscribe("log:1", token=token)
        assert "recoverable" not in reply
        assert reply["positioned"] is True


async def test_overrides_of_a_connection_token_hold_for_its_channels() -> None:
    async with running(SETTINGS) as node:
        hidden = {"presence": {"value": False}}
        shown = {"presence": {"value": True}}
        alice = await node.connected(
            "alice",
            channels=["asked:1"],
            subs={"asked:2": {}, "asked:3": {"override": shown}},
            override=hidden,
        )
        assert await presence(alice, "asked:1") == {}
        assert await presence(alice, "asked:2") == {}
        assert list(await presence(alice, "asked:3")) == [alice.id]
