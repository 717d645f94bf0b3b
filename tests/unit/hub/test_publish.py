"""Publishing by clients: what is checked, what is stored, what is told (protocol 4.2, design 3)."""

import pytest

from realtime.settings.schema import ChannelOptions
from tests.support.hub import make_settings, running, settled
from tests.support.peer import error


async def test_the_ack_waits_for_the_commit_and_delivery_too() -> None:
    async with running() as node:
        alice, bob = await node.subscribed("chat:1"), await node.connected("bob")
        hold = node.store.hold("append")
        number = bob.send("publish", channel="chat:1", data="hi")
        await hold.begun()
        await settled()
        assert not bob.replied(number)
        assert alice.publications("chat:1") == []
        hold.release()
        assert await bob.reply(number) == {"id": number, "publish": {}}
        await alice.received("chat:1", 1)


@pytest.mark.parametrize("channel", ["chat:1", "live:1"])
async def test_raw_line_breaks_are_taken_out_of_a_payload(channel: str) -> None:
    async with running() as node:
        alice, bob = await node.subscribed(channel), await node.connected("bob")
        payload = b'{"id":9,"publish":{"channel":"%b","data":{\r"a": 1\r}}}' % channel.encode()
        bob.send_bytes(payload)
        await alice.received(channel, 1)
        assert any(b'{"a": 1}' in line for line in alice.transport.raw)


async def test_a_failing_store_is_a_temporary_error_and_nothing_is_delivered() -> None:
    async with running() as node:
        alice, bob = await node.subscribed("chat:1"), await node.connected("bob")
        node.store.fail("append")
        reply = await bob.command("publish", channel="chat:1", data="lost")
        assert reply["error"]["code"] == 100
        assert reply["error"]["temporary"] is True
        await bob.publish("chat:1", "kept")
        await alice.received("chat:1", 1)
        assert alice.data("chat:1") == ["kept"]
        assert alice.offsets("chat:1") == [1]


async def test_publishes_of_one_connection_keep_their_order_and_hold_nothing_up() -> None:
    async with running() as node:
        alice, bob = await node.subscribed("chat:1"), await node.connected("bob")
        hold = node.store.hold("append")
        numbers = [bob.send("publish", channel="chat:1", data=number) for number in range(5)]
        await hold.begun()
        await bob.command("presence_stats", channel="chat:1")
        assert not bob.replied(numbers[0])
        hold.release()
        await bob.reply(numbers[-1])
        await alice.received("chat:1", 5)
        assert alice.data("chat:1") == [0, 1, 2, 3, 4]
        answered = [document["id"] for document in bob.transport.documents if "publish" in document]
        assert answered == numbers


async def test_two_publishes_of_the_same_are_two_entries() -> None:
    """The client protocol has no idempotency key, so the node makes ids of its own."""
    async with running() as node:
        alice = await node.subscribed("chat:1")
        await alice.publish("chat:1", "hi")
        await alice.publish("chat:1", "hi")
        await alice.received("chat:1", 2)
        assert alice.offsets("chat:1") == [1, 2]


async def test_who_left_before_the_commit_is_published_all_the_same() -> None:
    async with running() as node:
        alice, bob = await node.subscribed("chat:1"), await node.connected("bob")
        hold = node.store.hold("append")
        bob.send("publish", channel="chat:1", data="last words")
        await hold.begun()
        bob.leave()
        hold.release()
        await alice.received("chat:1", 1)
        assert alice.data("chat:1") == ["last words"]


async def test_a_publication_says_who_made_it() -> None:
    async with running() as node:
        alice = await node.subscribed("chat:1")
        bob = await node.connected("bob", info={"name": "Bob"})
        token = node.token("bob", channel="chat:1", info={"mood": "fine"})
        await bob.publish("chat:1", 1)
        await bob.subscribe("chat:1", token=token)
        await bob.publish("chat:1", 2)
        await alice.received("chat:1", 2)
        info = {"user": "bob", "client": bob.id, "conn_info": {"name": "Bob"}}
        assert [publication["info"] for publication in alice.publications("chat:1")] == [
            info,
            {**info, "chan_info": {"mood": "fine"}},
        ]


async def test_users_guests_and_the_server_api_are_different_senders() -> None:
    """The same id from another sender is another message, so senders must not be confusable."""
    settings = make_settings(
        namespaces={"chat": ChannelOptions(history_size=-1, publish=("guest",))}, anonymous=True
    )
    async with running(settings) as node:
        guest = node.peer()
        await guest.connect()
        await guest.publish("chat:1", 1)
        user = await node.connected("alice")
        await user.publish("chat:1", 2)
        stored = node.store.inner.entries("chat:1")  # type: ignore[attr-defined]  # a MemoryStore
        assert [entry.sender for entry in stored] == [f"g:{guest.id}", "u:alice"]


@pytest.mark.parametrize(
    ("data", "format", "code"),
    [
        ("[1]", "json", None),
        ('""', "json", None),
        ("null", "json", None),
        ("{}", "json_object", None),
        (' {"a":1}', "json_object", None),
        ("[1]", "json_object", 107),
        ('"{}"', "json_object", 107),
        ("null", "json_object", 107),
    ],
)
@pytest.mark.parametrize("history", [0, -1])
async def test_the_payload_must_have_the_namespaces_format(
    data: str, format: str, code: int | None, history: int
) -> None:
    options = ChannelOptions(history_size=history, publish=("user",), data_format=format)  # type: ignore[arg-type]  # one of the formats
    async with running(make_settings(namespaces={"own": options})) as node:
        alice = await node.connected()
        alice.send_bytes(b'{"id":9,"publish":{"channel":"own:1","data":%b}}' % data.encode())
        reply = await alice.reply(9)
        assert (error(reply) if "error" in reply else None) == code


async def test_no_payload_is_a_bad_request() -> None:
    async with running() as node:
        alice = await node.connected()
        assert await alice.refused("publish", channel="chat:1") == 107
        assert await alice.refused("publish", channel="live:1") == 107


async def test_a_binary_namespace_is_not_for_json_clients() -> None:
    options = ChannelOptions(subscribe=("user",), publish=("user",), data_format="binary")
    settings = make_settings(namespaces={"own": options})
    for command in (
        ("publish", {"channel": "own:1", "data": 1}),
        ("subscribe", {"channel": "own:1"}),
    ):
        async with running(settings) as node:
            alice = await node.connected()
            alice.send_batch(command)
            assert await alice.closed() == 3506


@pytest.mark.parametrize("method", ["publish", "subscribe", "unsubscribe", "history", "presence"])
async def test_a_command_without_its_channel_is_malformed(method: str) -> None:
    async with running() as node:
        alice = await node.connected()
        alice.send(method, data=1)
        assert await alice.closed() == 3501


@pytest.mark.parametrize(
    "method", ["publish", "subscribe", "history", "presence", "presence_stats"]
)
@pytest.mark.parametrize(
    ("channel", "code"),
    [
        ("nowhere:1", 102),
        ("unnamed", 103),
        ("chat:" + "x" * 251, 107),
        ("chat:*", 107),
        ("chat:\u00e9", 107),
        ("chat:a\u0000b", 107),
    ],
)
async def test_a_channel_that_cannot_be_is_refused_by_its_name(
    method: str, channel: str, code: int
) -> None:
    rules = ChannelOptions(history_size=1, presence=True)
    async with running(make_settings(channels=rules)) as node:
        alice = await node.connected()
        assert await alice.refused(method, channel=channel, data=1) == code


async def test_publishing_to_nobody_holds_no_channel_open() -> None:
    async with running() as node:
        alice = await node.connected()
        await alice.publish("chat:1", 1)
        await alice.publish("live:1", 1)
        assert not list(node.hub.delivery)


async def test_an_ephemeral_publish_is_answered_at_once_and_reaches_its_publisher_too() -> None:
    async with running() as node:
        alice = await node.subscribed("live:1")
        await alice.publish("live:1", {"typing": True})
        await alice.received("live:1", 1)
        assert "offset" not in alice.publications("live:1")[0]
        assert not node.store.calls["append"]
