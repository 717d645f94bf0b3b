"""What a subscribe is answered with (protocol 1.4, 2.4), one case of the table a test."""

import msgspec
import pytest

from realtime.channels.cursor import TAIL_ENTRIES_MAX
from realtime.protocol.calls import HistoryRemoveCall, PublishCall
from realtime.settings.durations import Duration
from realtime.settings.schema import ChannelOptions, ClientSettings
from tests.support.faulty_store import FaultyStore
from tests.support.hub import Node, make_settings, running
from tests.support.memory_store import EPOCH, MemoryStore
from tests.support.peer import OTHER_LINES, offsets

REJECT = 2
"""The flag that asks for error 112 in place of `recovered: false`."""


async def fill(node: Node, channel: str, count: int) -> None:
    """Publish 1, 2, 3 … from a client that then leaves."""
    writer = await node.connected("writer")
    for number in range(1, count + 1):
        await writer.publish(channel, number)
    writer.leave()


async def test_without_recover_the_position_is_the_head_and_nothing_else_is_said() -> None:
    async with running() as node:
        await fill(node, "chat:1", 3)
        alice = await node.connected()
        assert await alice.subscribe("chat:1") == {
            "recoverable": True,
            "positioned": True,
            "epoch": EPOCH,
            "offset": 3,
        }


async def test_an_empty_log_has_position_zero_which_is_left_out() -> None:
    async with running() as node:
        alice = await node.connected()
        assert await alice.subscribe("chat:1") == {
            "recoverable": True,
            "positioned": True,
            "epoch": EPOCH,
        }


async def test_recovery_answers_the_offset_that_was_asked_and_what_follows_it() -> None:
    async with running() as node:
        await fill(node, "chat:1", 5)
        alice = await node.connected()
        reply = await alice.subscribe("chat:1", recover=True, epoch=EPOCH, offset=2)
        assert reply["offset"] == 2
        assert reply["recovered"] is True
        assert reply["was_recovering"] is True
        assert offsets(reply["publications"]) == [3, 4, 5]
        assert [publication["data"] for publication in reply["publications"]] == [3, 4, 5]


async def test_recovery_of_nothing_succeeds_without_publications() -> None:
    async with running() as node:
        await fill(node, "chat:1", 5)
        alice = await node.connected()
        reply = await alice.subscribe("chat:1", recover=True, epoch=EPOCH, offset=5)
        assert reply["recovered"] is True
        assert "publications" not in reply
        assert reply["offset"] == 5


async def test_an_empty_epoch_is_not_checked() -> None:
    async with running() as node:
        await fill(node, "chat:1", 2)
        alice = await node.connected()
        reply = await alice.subscribe("chat:1", recover=True, epoch="", offset=1)
        assert reply["recovered"] is True
        assert reply["epoch"] == EPOCH


@pytest.mark.parametrize(
    "position",
    [
        pytest.param({"epoch": "another", "offset": 2}, id="another epoch"),
        pytest.param({"epoch": "another", "offset": 5}, id="another epoch at the head"),
        pytest.param({"epoch": EPOCH, "offset": 6}, id="beyond the head"),
        pytest.param({"epoch": EPOCH, "offset": 2**63 - 1}, id="the largest offset"),
    ],
)
@pytest.mark.parametrize("warm", [True, False], ids=["from memory", "from the store"])
async def test_a_position_that_cannot_be_proven_is_denied(
    position: dict[str, object], warm: bool
) -> None:
    async with running() as node:
        if warm:
            await node.subscribed("chat:1", "somebody")
        await fill(node, "chat:1", 5)
        alice = await node.connected()
        reply = await alice.subscribe("chat:1", recover=True, **position)
        assert "recovered" not in reply
        assert "publications" not in reply
        assert reply["was_recovering"] is True
        assert reply["offset"] == 5
        bob = await node.connected("bob")
        code = await bob.refused(
            "subscribe", channel="chat:1", recover=True, flag=REJECT, **position
        )
        assert code == 112
        assert "chat:1" not in bob.client.subscriptions


async def test_a_recovery_that_succeeds_is_not_rejected() -> None:
    async with running() as node:
        await fill(node, "chat:1", 3)
        alice = await node.connected()
        reply = await alice.subscribe(
            "chat:1", recover=True, epoch=EPOCH, offset=1, flag=REJECT | 1
        )
        assert reply["recovered"] is True


async def test_after_112_the_client_may_subscribe_anew() -> None:
    async with running() as node:
        alice = await node.connected()
        assert (
            await alice.refused(
                "subscribe", channel="chat:1", recover=True, epoch="another", flag=REJECT
            )
            == 112
        )
        assert "recovered" not in await alice.subscribe("chat:1")


@pytest.mark.parametrize("warm", [True, False], ids=["from memory", "from the store"])
async def test_as_many_as_the_limit_are_recovered_and_one_more_is_denied(warm: bool) -> None:
    settings = make_settings(client=ClientSettings(recovery_max=4))
    async with running(settings) as node:
        if warm:
            await node.subscribed("chat:1", "somebody")
        await fill(node, "chat:1", 6)
        alice = await node.connected()
        reply = await alice.subscribe("chat:1", recover=True, epoch=EPOCH, offset=2)
        assert offsets(reply["publications"]) == [3, 4, 5, 6]
        bob = await node.connected("bob")
        reply = await bob.subscribe("chat:1", recover=True, epoch=EPOCH, offset=1)
        assert "recovered" not in reply
        assert reply["offset"] == 6


async def test_more_bytes_than_a_client_may_have_waiting_are_not_recovered() -> None:
    settings = make_settings(client=ClientSettings(outbox_max_bytes=1024))
    async with running(settings) as node:
        writer = await node.connected("writer")
        for _ in range(2):
            await writer.publish("chat:1", "x" * 600)
        alice = await node.connected()
        assert "recovered" not in await alice.subscribe("chat:1", recover=True, offset=0)
        bob = await node.connected("bob")
        assert (await bob.subscribe("chat:1", recover=True, offset=1))["recovered"] is True


async def test_what_memory_has_is_recovered_without_the_store() -> None:
    async with running() as node:
        await node.subscribed("chat:1", "somebody")
        await fill(node, "chat:1", 5)
        node.store.calls.clear()
        alice = await node.connected()
        reply = await alice.subscribe("chat:1", recover=True, epoch=EPOCH, offset=1)
        assert offsets(reply["publications"]) == [2, 3, 4, 5]
        assert not node.store.calls


async def test_what_came_before_the_first_subscriber_is_recovered_from_the_store() -> None:
    async with running() as node:
        await fill(node, "chat:1", 3)
        somebody = await node.subscribed("chat:1", "somebody")
        writer = await node.connected("writer")
        await writer.publish("chat:1", 4)
        await somebody.received("chat:1", 1)
        alice = await node.connected()
        reply = await alice.subscribe("chat:1", recover=True, epoch=EPOCH, offset=1)
        assert offsets(reply["publications"]) == [2, 3, 4]


async def test_more_than_memory_keeps_is_recovered_from_the_store() -> None:
    count = TAIL_ENTRIES_MAX + 10
    settings = make_settings(client=ClientSettings(recovery_max=2 * count))
    async with running(settings) as node:
        await node.subscribed("chat:1", "somebody")
        writer = await node.connected("writer")
        writer.send_batch(*[("publish", {"channel": "chat:1", "data": 1})] * count)
        await writer.reply(count + 1)
        alice = await node.connected()
        reply = await alice.subscribe("chat:1", recover=True, epoch=EPOCH, offset=0)
        assert offsets(reply["publications"]) == list(range(1, count + 1))


@pytest.mark.parametrize("warm", [True, False], ids=["from memory", "from the store"])
async def test_what_retention_hides_is_not_recovered(warm: bool) -> None:
    """`short` keeps three entries."""
    async with running() as node:
        if warm:
            await node.subscribed("short:1", "somebody")
        await fill(node, "short:1", 5)
        alice = await node.connected()
        reply = await alice.subscribe("short:1", recover=True, epoch=EPOCH, offset=1)
        assert "recovered" not in reply
        assert reply["offset"] == 5
        bob = await node.connected("bob")
        reply = await bob.subscribe("short:1", recover=True, epoch=EPOCH, offset=2)
        assert offsets(reply["publications"]) == [3, 4, 5]


@pytest.mark.parametrize("warm", [True, False], ids=["from memory", "from the store"])
async def test_what_is_too_old_is_not_recovered(warm: bool) -> None:
    hour = ChannelOptions(
        history_size=-1,
        history_ttl=Duration.parse("1h"),
        subscribe=("user",),
        publish=("user",),
    )
    async with running(make_settings(namespaces={"hour": hour})) as node:
        if warm:
            await node.subscribed("hour:1", "somebody")
        await fill(node, "hour:1", 2)
        node.clock.move(1800)
        await fill(node, "hour:1", 1)
        node.clock.move(1801)
        alice = await node.connected()
        assert "recovered" not in await alice.subscribe("hour:1", recover=True, offset=1)
        bob = await node.connected("bob")
        assert offsets((await bob.subscribe("hour:1", recover=True, offset=2))["publications"]) == [
            3
        ]


async def test_a_truncated_history_is_not_recovered() -> None:
    async with running() as node:
        await node.subscribed("chat:1", "somebody")
        await fill(node, "chat:1", 3)
        await node.api.history_remove(HistoryRemoveCall(channel="chat:1"))
        alice = await node.connected()
        assert "recovered" not in await alice.subscribe("chat:1", recover=True, offset=2)
        bob = await node.connected("bob")
        assert (await bob.subscribe("chat:1", recover=True, offset=3))["recovered"] is True


async def test_a_client_ahead_of_this_node_is_answered_from_the_store() -> None:
    """Another node stored 4 and 5; the bus has not told this one yet."""
    store = FaultyStore(MemoryStore())
    async with running(store=store) as here, running(store=store) as elsewhere:
        early = await here.subscribed("chat:1", "early")
        await fill(elsewhere, "chat:1", 5)
        alice = await here.connected()
        reply = await alice.subscribe("chat:1", recover=True, epoch=EPOCH, offset=4)
        assert reply["recovered"] is True
        assert offsets(reply["publications"]) == [5]
        # The read told the node what it had missed.
        await early.received("chat:1", 5)
        assert early.offsets("chat:1") == [1, 2, 3, 4, 5]
        await fill(here, "chat:1", 1)
        await alice.received("chat:1", 1)
        assert alice.offsets("chat:1") == [6]


async def test_an_ephemeral_channel_has_no_position() -> None:
    async with running() as node:
        alice = await node.connected()
        assert await alice.subscribe("live:1") == {}
        bob = await node.connected("bob")
        reply = await bob.subscribe("live:1", recover=True, epoch=EPOCH, offset=7)
        assert reply == {"was_recovering": True}


async def test_recovered_publications_say_who_published_and_with_which_tags() -> None:
    async with running() as node:
        writer = await node.connected("writer", info={"name": "Writer"})
        await writer.publish("chat:1", {"text": "hi"})
        call = PublishCall(channel="chat:1", data=msgspec.Raw(b'"api"'), tags={"lang": "en"})
        await node.api.publish(call)
        alice = await node.connected()
        reply = await alice.subscribe("chat:1", recover=True)
        assert reply["publications"] == [
            {
                "data": {"text": "hi"},
                "info": {"user": "writer", "client": writer.id, "conn_info": {"name": "Writer"}},
                "offset": 1,
            },
            {"data": "api", "offset": 2, "tags": {"lang": "en"}},
        ]


async def test_subscribers_of_different_wire_formats_get_the_same() -> None:
    async with running() as node:
        one, other = node.peer(), node.peer(wire=OTHER_LINES)
        for peer in (one, other):
            await peer.connect(node.token("alice"))
            await peer.subscribe("chat:1")
        await fill(node, "chat:1", 3)
        assert await one.received("chat:1", 3) == await other.received("chat:1", 3)
        assert all(line.startswith(b" ") for line in other.transport.raw)
        assert not any(line.startswith(b" ") for line in one.transport.raw)


async def test_the_bytes_of_a_payload_are_kept() -> None:
    payload = b'{"b":1.0,"a":[ 1e2 , "\\u00e9\\/"],  "a":null}'
    async with running() as node:
        alice = await node.subscribed("chat:1")
        alice.send_bytes(b'{"id":77,"publish":{"channel":"chat:1","data":' + payload + b"}}")
        await alice.received("chat:1", 1)
        (line,) = [line for line in alice.transport.raw if b'"pub"' in line]
        assert b'"data":' + payload + b"," in line
        bob = await node.connected("bob")
        bob.send("subscribe", channel="chat:1", recover=True)
        await bob.reply(2)
        assert b'"data":' + payload + b"," in bob.transport.raw[-1]
