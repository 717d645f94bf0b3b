"""Chat by SDKs that we did not write: calls by `rpc`, what is said on subscriptions, and hints."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import pytest

from tests.end_to_end.conftest import OpenSdk
from tests.support.chat_users import CHANGES, SdkUser, personal, refusal
from tests.support.processes import HubProcess
from tests.support.proxy import Proxy, open_proxy
from tests.support.sdk import Event, SdkError
from tests.support.tokens import connection_token

SDKS: Final = ("python", "python-protobuf", "javascript", "javascript-protobuf", "javascript-sse")

ANY_JSON: Final[Any] = {"text": 'grüße \u2028 \U0001f600 </b> \\ "', "n": [0, -1.5, None, {"": []}]}

Meet = Callable[..., Awaitable[SdkUser]]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub with rooms, whose tests take users of their own."""
    hub = HubProcess(tmp_path_factory.mktemp("hub"), CHANGES)
    try:
        hub.start()
        yield hub
        assert hub.complaints() == []
    finally:
        hub.end()


@pytest.fixture(params=SDKS)
def sdk_name(request: pytest.FixtureRequest) -> str:
    """Which SDK, on which transport, in which format."""
    name: str = request.param
    return name


@pytest.fixture
async def meet(hub: HubProcess, open_sdk: OpenSdk, room: str) -> Meet:
    """Connect somebody who is nobody else's, and wait for the personal channel."""

    async def connected(name: str, *, url: str = "") -> SdkUser:
        user = f"{name}-{room}"
        sdk = await open_sdk(url or hub.websocket_url, connection_token(user))
        await sdk.joined()
        await sdk.next("subscribed", personal(user))
        return SdkUser(user, sdk)

    return connected


async def create(owner: SdkUser, *members: SdkUser | str) -> str:
    """A room with these members; its channel."""
    names = [member if isinstance(member, str) else member.name for member in members]
    made = await owner.call(
        "chat.create",
        namespace="room",
        client_id="create",
        title="A room",
        members=[{"user": name} for name in names],
    )
    channel: str = made["channel"]
    return channel


async def hint(user: SdkUser, kind: str, channel: str) -> Any:
    """The next hint of this kind about a channel on the personal channel."""
    while True:
        event = await user.sdk.next("publication", personal(user.name))
        assert event["offset"] == 0, "a hint has no place in a log"
        data = event["data"]
        if data["type"] == kind and data.get("channel") == channel:
            return data


async def said(user: SdkUser, channel: str) -> Event:
    """The next publication of a room that has an offset."""
    while True:
        event = await user.sdk.next("publication", channel)
        if event["offset"]:
            return event


async def signal(user: SdkUser, channel: str, kind: str) -> Any:
    """The next signal of a room: said while it lasts, and stored nowhere."""
    while True:
        event = await user.sdk.next("publication", channel)
        if event["tags"].get("kind") == kind:
            assert event["offset"] == 0
            return event["data"]


@contextlib.contextmanager
def down(proxy: Proxy) -> Iterator[None]:
    """Nobody gets through, for as long as the block lasts."""
    proxy.refusing = True
    proxy.cut()
    try:
        yield
    finally:
        proxy.refusing = False


async def test_a_message_arrives_as_it_was_sent(meet: Meet) -> None:
    ann, bob = await meet("ann"), await meet("bob")
    channel = await create(ann, bob)
    await hint(bob, "member", channel)
    await bob.sdk.subscribed(channel)
    sent = await ann.call("chat.send", channel=channel, client_id="c1", data=ANY_JSON)
    assert (sent["offset"], sent["n"], sent["duplicate"]) == (2, 1, False)
    event = await said(bob, channel)
    assert event["data"] == ANY_JSON
    assert (event["offset"], event["user"]) == (2, ann.name)
    assert event["tags"] == {"client_id": "c1"}
    page = await bob.call("chat.history", channel=channel)
    assert page["messages"] == [
        {
            "offset": 2,
            "n": 1,
            "user": ann.name,
            "data": ANY_JSON,
            "at": sent["at"],
            "client_id": "c1",
        }
    ]
    again = await ann.call("chat.send", channel=channel, client_id="c1", data=ANY_JSON)
    assert again == {**sent, "duplicate": True}
    refused = await refusal(ann, "chat.send", channel=channel, client_id="c1", data={})
    assert (refused.code, refused.why) == (409, "other_data")


async def test_changes_of_a_message_are_events_of_its_room(meet: Meet) -> None:
    ann, bob = await meet("ann"), await meet("bob")
    channel = await create(ann, bob)
    for user in (ann, bob):
        await user.sdk.subscribed(channel)
    here = {"channel": channel, "offset": 2}
    await ann.call("chat.send", channel=channel, client_id="c1", data={"text": "one"})
    await ann.call("chat.edit", client_id="c2", data={"text": "two"}, **here)
    await bob.call("chat.react", client_id="c3", emoji="👍", **here)
    await bob.call("chat.unreact", client_id="c4", emoji="👍", **here)
    await ann.call("chat.pin", client_id="c5", **here)
    await bob.call(
        "chat.send",
        channel=channel,
        client_id="c6",
        data={"text": "reply"},
        reply_to=2,
        mentions=[ann.name],
    )
    await bob.call(
        "chat.send",
        channel=channel,
        client_id="c7",
        data={"text": "to both"},
        reply_to=2,
        also_to_channel=True,
    )
    await ann.call("chat.delete", client_id="c8", **here)
    await ann.call("chat.mute", channel=channel, user=bob.name, client_id="c9")
    await ann.call("chat.update", channel=channel, client_id="c10", title="New")
    events = [await said(bob, channel) for _ in range(10)]
    seen = [(event["offset"], event["user"], event["tags"], event["data"]) for event in events]
    ref = {"ref": "2"}
    assert seen == [
        (2, ann.name, {"client_id": "c1"}, {"text": "one"}),
        (3, ann.name, {"kind": "edit"} | ref, {"text": "two"}),
        (4, bob.name, {"kind": "reaction"} | ref, {"emoji": "👍", "shown": True}),
        (5, bob.name, {"kind": "reaction"} | ref, {"emoji": "👍", "shown": False}),
        (6, ann.name, {"kind": "pin"} | ref, {"pinned": True}),
        (
            7,
            bob.name,
            {"client_id": "c6", "mentions": f'["{ann.name}"]'} | ref,
            {"text": "reply"},
        ),
        (8, bob.name, {"client_id": "c7", "also": "1"} | ref, {"text": "to both"}),
        (9, ann.name, {"kind": "delete"} | ref, {}),
        (10, ann.name, {"kind": "member"}, {"act": "mute", "user": bob.name, "until": -1}),
        (11, ann.name, {"kind": "channel"}, {"act": "update", "title": "New"}),
    ]
    shown = await bob.call("chat.message", **here)
    assert shown["data"] == {}
    assert shown["deleted_at"]
    refused = await refusal(bob, "chat.send", channel=channel, client_id="c11", data={})
    assert (refused.code, refused.why) == (423, "muted")


async def test_typing_and_receipts_are_signals(meet: Meet) -> None:
    ann, bob = await meet("ann"), await meet("bob")
    channel = await create(ann, bob)
    for user in (ann, bob):
        await user.sdk.subscribed(channel)
    await bob.call("chat.typing", channel=channel)
    assert (await signal(ann, channel, "typing"))["user"] == bob.name
    await bob.call("chat.send", channel=channel, client_id="c1", data={"text": "there"})
    assert await signal(ann, channel, "typing") == {"user": bob.name, "until": 0}
    assert await ann.call("chat.read", channel=channel) == {"offset": 2}
    receipt = {"user": ann.name, "delivered": 2, "read": 2}
    while await signal(bob, channel, "receipt") != receipt:
        pass  # bob's own, moved by sending
    assert receipt in (await bob.call("chat.receipts", channel=channel))["receipts"]


async def test_who_does_not_look_is_told_on_the_personal_channel(
    hub: HubProcess, meet: Meet
) -> None:
    ann, bob = await meet("ann"), await meet("bob")
    phone = await meet("bob")
    channel = await create(ann, bob)
    told = await hint(bob, "member", channel)
    assert told["channel"] == channel
    await ann.call("chat.send", channel=channel, client_id="c1", data={"text": "hello"})
    told = await hint(bob, "channel", channel)
    while told["offset"] < 2:  # of the room's creation
        told = await hint(bob, "channel", channel)
    assert (told["offset"], told["n"]) == (2, 1)
    assert told["last"]["data"] == {"text": "hello"}
    (synced,) = (await bob.call("chat.sync"))["channels"]
    assert (synced["channel"], synced["unread"], synced["last"]["offset"]) == (channel, 1, 2)
    await bob.call("chat.read", channel=channel)
    told = await hint(phone, "marker", channel)
    while told["read"] < 2:
        told = await hint(phone, "marker", channel)
    assert (told["unread"], told["badge"]) == (0, 0)
    assert await phone.call("chat.badge") == {"badge": 0}


async def test_a_plain_publish_into_a_room_is_a_send(meet: Meet) -> None:
    ann, bob = await meet("ann"), await meet("bob")
    channel = await create(ann, bob)
    await bob.sdk.subscribed(channel)
    data = {"text": "plain", "client_id": "outbox-1"}
    for _ in range(2):
        await ann.sdk.publish(channel, data)
    with pytest.raises(SdkError) as refused:
        await ann.sdk.publish(channel, {**data, "text": "other"})
    assert refused.value.code == 409
    await ann.sdk.publish(channel, "anything")
    first, second = await said(bob, channel), await said(bob, channel)
    assert (first["offset"], first["data"], first["user"]) == (2, data, ann.name)
    assert (second["offset"], second["data"]) == (3, "anything")
    sent = await ann.call("chat.send", channel=channel, client_id="outbox-1", data=data)
    assert (sent["offset"], sent["duplicate"]) == (2, True)
    page = await bob.call("chat.history", channel=channel)
    assert [(message["n"], message["data"]) for message in page["messages"]] == [
        (1, data),
        (2, "anything"),
    ]
    assert (await bob.call("chat.sync"))["channels"][0]["unread"] == 2


async def test_who_comes_back_is_shown_the_present_truth(hub: HubProcess, meet: Meet) -> None:
    async with open_proxy(hub.port) as proxy:
        ann, bob = await meet("ann"), await meet("bob", url=proxy.websocket_url)
        channel = await create(ann, bob)
        for user in (ann, bob):  # the hub keeps the newest of a room that somebody looks at
            await user.sdk.subscribed(channel)
        await ann.call("chat.send", channel=channel, client_id="c1", data={"text": "before"})
        await said(bob, channel)
        await bob.sdk.next("subscribing", channel)  # for the first time
        with down(proxy):
            await bob.sdk.next("subscribing", channel)
            for number, text in enumerate(("said wrong", "said in anger", "last"), 2):
                await ann.call(
                    "chat.send", channel=channel, client_id=f"c{number}", data={"text": text}
                )
            await ann.call(
                "chat.edit", channel=channel, offset=3, client_id="e", data={"text": "right"}
            )
            await ann.call("chat.delete", channel=channel, offset=4, client_id="d")
        event = await bob.sdk.next("subscribed", channel)
        assert event["recovered"]
        events = [await said(bob, channel) for _ in range(5)]
    assert [(event["offset"], event["data"]) for event in events] == [
        (3, {"text": "right"}),
        (4, {}),
        (5, {"text": "last"}),
        (6, {"text": "right"}),
        (7, {}),
    ]
    assert set(events[0]["tags"]) == {"client_id", "edited_at"}
    assert set(events[1]["tags"]) == {"client_id", "deleted_at"}
    texts = repr([event.fields for event in bob.sdk.journal.events])
    assert "wrong" not in texts
    assert "anger" not in texts
