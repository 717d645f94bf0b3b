"""What one connection asks is bounded, so that the others get their turn (promise 9)."""

import asyncio

import pytest

from realtime.hub import reading
from realtime.hub.client import UNANSWERED_MAX
from realtime.hub.dispatch import COMMANDS_PER_TURN
from realtime.settings.schema import ChannelOptions
from tests.support.hub import make_settings, running, settled, until

WATCHED = ChannelOptions(
    history_size=10,
    presence=True,
    join_leave=True,
    force_push_join_leave=True,
    subscribe=("user",),
    publish=("user",),
    read_presence=("token",),
)


async def test_a_connection_is_read_no_further_while_too_many_of_its_publishes_wait() -> None:
    async with running() as node:
        alice, bob = await node.connected("alice"), await node.connected("bob")
        hold = node.store.hold("append")
        for number in range(UNANSWERED_MAX - 1):
            alice.send("publish", channel="chat:1", data=number)
        assert alice.transport.reading
        alice.send("publish", channel="chat:1", data="one more")
        assert not alice.transport.reading
        assert bob.transport.reading
        hold.release()
        await until(lambda: alice.transport.reading)
        await bob.publish("chat:2", "heard")
        assert alice.client.unanswered == 0


async def test_a_long_message_is_performed_in_turns_and_in_order() -> None:
    async with running() as node:
        alice, bob = await node.connected("alice"), await node.connected("bob")
        numbers = alice.send_batch(*[("presence_stats", {"channel": "chat:1"})] * 200)
        performed = node.hub.statistics.commands
        bob_number = bob.send("presence_stats", channel="chat:1")
        # Bob is answered although most of what Alice asked is still to be done.
        assert performed <= COMMANDS_PER_TURN + 2
        await settled()
        assert bob.replied(bob_number)
        await alice.reply(numbers[-1])
        found = [item["id"] for item in alice.transport.documents if item.get("id") in numbers]
        assert found == numbers


async def test_above_a_size_a_channel_gives_numbers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PRESENCE_MAX", 2)
    async with running() as node:
        alice = await node.subscribed("chat:1", "alice")
        await node.subscribed("chat:1", "bob")
        assert len((await alice.command("presence", channel="chat:1"))["presence"]["presence"]) == 2
        await node.subscribed("chat:1", "carol")
        assert await alice.refused("presence", channel="chat:1") == 108
        stats = await alice.command("presence_stats", channel="chat:1")
        assert stats["presence_stats"]["num_clients"] == 3


async def test_joins_are_among_the_first_to_be_dropped_for_a_client_that_does_not_read() -> None:
    async with running(make_settings(namespaces={"room": WATCHED})) as node:
        alice = await node.subscribed("room:1", "alice")
        node.hub.paused(alice.client)
        backlog = alice.client.outbox.backlog
        assert backlog is not None
        await node.subscribed("room:1", "bob")
        await settled()
        assert backlog.size > 0
        assert backlog.waited(node.clock.monotonic() + 60) == 0.0  # nothing durable waits


async def test_a_subscription_token_lets_its_bearer_watch() -> None:
    options = ChannelOptions(presence=True, join_leave=True, read_presence=("token",))
    async with running(make_settings(namespaces={"asked": options})) as node:
        alice = await node.connected("alice")
        for user in ("alice", "bob"):
            peer = alice if user == "alice" else await node.connected(user)
            token = node.token(user, channel="asked:1")
            await peer.subscribe("asked:1", token=token, join_leave=user == "alice")
        await settled()
        assert [push["info"]["user"] for push in alice.pushes("join", "asked:1")][-1] == "bob"


async def test_a_refreshed_info_is_what_presence_shows() -> None:
    async with running() as node:
        alice = await node.connected("alice", info={"name": "old"})
        await alice.subscribe("chat:1")
        await alice.command("refresh", token=node.token("alice", info={"name": "new"}))
        shown = (await alice.command("presence", channel="chat:1"))["presence"]["presence"]
        assert [entry["conn_info"] for entry in shown.values()] == [{"name": "new"}]


async def test_a_defect_of_a_driver_is_an_error_to_those_who_wait() -> None:
    async with running() as node:
        alice = await node.connected("alice")
        node.store.fail("read", error=ValueError("not mapped"))  # type: ignore[arg-type]  # a defect
        assert await alice.refused("subscribe", channel="chat:1") == 100
        await alice.subscribe("chat:1")
        node.store.fail("read", error=ValueError("not mapped"))  # type: ignore[arg-type]  # a defect
        assert await alice.refused("history", channel="chat:1", limit=1) == 100
        assert (await alice.command("history", channel="chat:1", limit=1))["history"]


async def test_an_append_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.hub.commits.APPEND_TIMEOUT_S", 0.05)
    async with running() as node:
        alice = await node.connected("alice")
        hold = node.store.hold("append")
        async with asyncio.timeout(5):
            assert await alice.refused("publish", channel="chat:1", data=1) == 100
        assert node.hub.commits.failing
        hold.release()
        await alice.publish("chat:1", 2)
        assert not node.hub.commits.failing
