"""Publishing through the server API: once per key, with and without history (protocol 5.2)."""

import asyncio
import base64

import msgspec
import pytest

from realtime.errors import CommandRefused
from realtime.hub import api_publishing
from realtime.hub.api_publishing import IDEMPOTENCY_MS
from realtime.protocol.calls import BroadcastCall, PublishAnswer, PublishCall
from realtime.settings.schema import ChannelOptions, ClientSettings
from tests.support.faulty_store import FaultyStore
from tests.support.hub import Node, make_settings, running, settled
from tests.support.memory_store import EPOCH, MemoryStore


def call(data: object = "hi", channel: str = "chat:1", **fields: object) -> PublishCall:
    """A publish of `data` as JSON."""
    return PublishCall(channel=channel, data=msgspec.Raw(msgspec.json.encode(data)), **fields)  # type: ignore[arg-type]  # of PublishCall


async def refused(node: Node, bad: PublishCall) -> int:
    """The code that a publish is refused with."""
    with pytest.raises(CommandRefused) as refusal:
        await node.api.publish(bad)
    return refusal.value.error.code


async def test_the_answer_says_where_it_is_stored() -> None:
    async with running() as node:
        alice = await node.subscribed("chat:1")
        assert await node.api.publish(call()) == PublishAnswer(1, EPOCH)
        assert await node.api.publish(call()) == PublishAnswer(2, EPOCH)
        await alice.received("chat:1", 2)
        assert alice.publications("chat:1") == [
            {"data": "hi", "offset": 1},
            {"data": "hi", "offset": 2},
        ]


async def test_the_answer_waits_for_the_commit() -> None:
    async with running() as node:
        alice = await node.subscribed("chat:1")
        hold = node.store.hold("append")
        async with asyncio.TaskGroup() as tasks:
            publishing = tasks.create_task(node.api.publish(call()))
            await hold.begun()
            await settled()
            assert not publishing.done()
            assert alice.publications("chat:1") == []
            hold.release()
        assert publishing.result() == PublishAnswer(1, EPOCH)
        await alice.received("chat:1", 1)


async def test_without_history_there_is_no_position() -> None:
    async with running() as node:
        alice = await node.subscribed("live:1")
        assert msgspec.json.encode(await node.api.publish(call(channel="live:1"))) == b"{}"
        await alice.received("live:1", 1)
        assert alice.publications("live:1") == [{"data": "hi"}]


async def test_skip_history_delivers_without_storing() -> None:
    async with running() as node:
        alice = await node.subscribed("chat:1")
        assert await node.api.publish(call("typing", skip_history=True)) == PublishAnswer()
        assert await node.api.publish(call("stored")) == PublishAnswer(1, EPOCH)
        await alice.received("chat:1", 2)
        assert alice.publications("chat:1") == [
            {"data": "typing"},
            {"data": "stored", "offset": 1},
        ]


@pytest.mark.parametrize("twice_at_once", [False, True])
async def test_a_retry_with_the_same_key_is_the_same_message(twice_at_once: bool) -> None:
    async with running() as node:
        alice = await node.subscribed("chat:1")
        await node.api.publish(call("other"))
        once = call(idempotency_key="k")
        if twice_at_once:
            answers = list(await asyncio.gather(node.api.publish(once), node.api.publish(once)))
        else:
            answers = [await node.api.publish(once), await node.api.publish(once)]
        assert answers == [PublishAnswer(2, EPOCH)] * 2
        await node.api.publish(call("last"))
        await alice.received("chat:1", 3)
        assert alice.data("chat:1") == ["other", "hi", "last"]
        assert node.hub.statistics.duplicates == 1


async def test_a_retry_after_a_failed_commit_is_stored_once() -> None:
    async with running() as node:
        alice = await node.subscribed("chat:1")
        node.store.fail("append")
        once = call(idempotency_key="k")
        assert await refused(node, once) == 100
        assert await node.api.publish(once) == PublishAnswer(1, EPOCH)
        await alice.received("chat:1", 1)


async def test_a_retry_at_another_node_is_the_same_message() -> None:
    store = FaultyStore(MemoryStore())
    async with running(store=store) as here, running(store=store) as there:
        once = call(idempotency_key="k")
        assert await here.api.publish(once) == await there.api.publish(once)


@pytest.mark.parametrize("channel", ["chat:1", "live:1"])
async def test_the_same_key_with_another_message_is_a_conflict(channel: str) -> None:
    async with running() as node:
        await node.api.publish(call("one", channel, idempotency_key="k"))
        assert await refused(node, call("two", channel, idempotency_key="k")) == 113
        assert (
            await refused(node, call("one", channel, idempotency_key="k", tags={"a": "b"})) == 113
        )


async def test_the_same_key_in_another_channel_is_another_message() -> None:
    async with running() as node:
        await node.api.publish(call("one", "chat:1", idempotency_key="k"))
        await node.api.publish(call("two", "chat:2", idempotency_key="k"))
        await node.api.publish(call("three", "live:1", idempotency_key="k"))


@pytest.mark.parametrize("skip_history", [False, True])
async def test_a_retry_without_history_is_delivered_once_until_it_is_forgotten(
    skip_history: bool,
) -> None:
    inner = MemoryStore()
    async with running(store=inner) as node:
        channel = "chat:1" if skip_history else "live:1"
        alice = await node.subscribed(channel)
        once = call(channel=channel, idempotency_key="k", skip_history=skip_history)
        await node.api.publish(once)
        await node.api.publish(once)
        await settled()
        assert alice.data(channel) == ["hi"]
        inner.now_ms = node.clock.wall_ms() + IDEMPOTENCY_MS
        await node.api.publish(once)
        await alice.received(channel, 2)


async def test_tags_go_with_the_publication() -> None:
    async with running() as node:
        alice = await node.subscribed("chat:1")
        bob = await node.subscribed("live:1", "bob")
        await node.api.publish(call(tags={"lang": "en"}))
        await node.api.publish(call(channel="live:1", tags={"lang": "de"}))
        assert (await alice.received("chat:1", 1))[0]["tags"] == {"lang": "en"}
        assert (await bob.received("live:1", 1))[0]["tags"] == {"lang": "de"}


async def test_base64_is_taken_where_it_holds_json() -> None:
    async with running() as node:
        alice = await node.subscribed("chat:1")
        encoded = base64.b64encode(b'{"a" : 1}').decode()
        await node.api.publish(PublishCall(channel="chat:1", b64data=encoded))
        await alice.received("chat:1", 1)
        assert b'"data":{"a" : 1}' in alice.transport.raw[-1]


async def test_line_breaks_are_taken_out_of_a_payload() -> None:
    """The transport of these tests fails on a document of two lines."""
    async with running() as node:
        alice = await node.subscribed("chat:1")
        await node.api.publish(
            PublishCall(channel="chat:1", data=msgspec.Raw(b'{\r\n "a": "\\n"\n}'))
        )
        await alice.received("chat:1", 1)
        assert b'"data":{ "a": "\\n"},' in alice.transport.raw[-1]


async def test_what_no_recovery_could_hold_is_refused() -> None:
    async with running(make_settings(client=ClientSettings(outbox_max_bytes=4096))) as node:
        assert await node.api.publish(call("x" * 4094)) == PublishAnswer(1, EPOCH)
        assert await refused(node, call("x" * 4095)) == 107


async def test_what_is_taken_or_refused_is_counted() -> None:
    async with running() as node:
        await node.api.publish(call())
        await node.api.publish(call(channel="live:1"))
        await refused(node, call(channel="nowhere:1"))
        broadcast = BroadcastCall(channels=["chat:1", "nowhere:1"], data=msgspec.Raw(b"1"))
        await node.api.broadcast(broadcast)
        assert node.hub.statistics.publications_received == 3
        # A refusal of the whole call is counted where it is answered.
        assert node.hub.statistics.errors == {102: 1}


async def test_a_binary_namespace_takes_any_bytes() -> None:
    settings = make_settings(
        namespaces={"raw": ChannelOptions(history_size=-1, data_format="binary")}
    )
    inner = MemoryStore()
    async with running(settings, store=inner) as node:
        octets = b"\x00\n\xff{"
        encoded = base64.b64encode(octets).decode()
        await node.api.publish(PublishCall(channel="raw:1", b64data=encoded))
        assert inner.entries("raw:1")[0].data == octets


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (PublishCall(channel="chat:1"), 107),
        (PublishCall(channel="chat:1", data=msgspec.Raw(b"null")), 107),
        (call(channel=""), 107),
        (call(channel="chat:*"), 107),
        (call(channel="nowhere:1"), 102),
        (call(b64data="aGk="), 107),
        (PublishCall(channel="chat:1", b64data="not base64!"), 107),
        (PublishCall(channel="chat:1", b64data=base64.b64encode(b"not json").decode()), 107),
        (call(idempotency_key="k" * 256), 107),
        (call(version=1), 108),
    ],
)
async def test_what_makes_no_sense_is_refused_and_not_stored(bad: PublishCall, code: int) -> None:
    inner = MemoryStore()
    async with running(store=inner) as node:
        assert await refused(node, bad) == code
        assert inner.entries("chat:1") == []


async def test_a_failing_store_is_a_temporary_error() -> None:
    async with running() as node:
        node.store.fail("append")
        assert await refused(node, call()) == 100
        node.store.fail("claim")
        assert await refused(node, call(channel="live:1", idempotency_key="k")) == 100


async def test_a_broadcast_answers_each_channel_in_order() -> None:
    async with running() as node:
        alice = await node.subscribed("chat:2")
        answer = await node.api.broadcast(
            BroadcastCall(
                channels=["chat:1", "nowhere:1", "live:1", "chat:2"],
                data=msgspec.Raw(b'"all"'),
                idempotency_key="k",
            )
        )
        assert msgspec.to_builtins(answer) == {
            "responses": [
                {"result": {"offset": 1, "epoch": EPOCH}},
                {"error": {"code": 102, "message": "unknown channel"}},
                {"result": {}},
                {"result": {"offset": 1, "epoch": EPOCH}},
            ]
        }
        await alice.received("chat:2", 1)


async def test_a_broadcast_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_publishing, "BROADCAST_MAX", 2)
    async with running() as node:
        for channels in ([], ["chat:1", "chat:2", "chat:3"]):
            with pytest.raises(CommandRefused) as refusal:
                await node.api.broadcast(BroadcastCall(channels=channels, data=msgspec.Raw(b"1")))
            assert refusal.value.error.code == 107
