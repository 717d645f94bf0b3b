"""The published SDKs, unpatched, use everything the hub offers; each test runs once with each."""

import pytest

from tests.end_to_end.conftest import OpenSdk
from tests.support.polling import eventually
from tests.support.processes import HubProcess
from tests.support.proxy import Proxy
from tests.support.sdk import Person, SdkError, SubscribeOptions
from tests.support.sdks import all_but
from tests.support.server_api import ServerApi
from tests.support.tokens import connection_token

ANY_JSON = {
    "text": 'grüße \u2028 \U0001f600 </script> \\ " \n',
    "numbers": [0, -1, 1.5, 1e21, 2**53],
    "nested": {"null": None, "list": [[], {}], "true": True, "": ""},
}


async def test_a_client_connects_with_a_token(hub: HubProcess, open_sdk: OpenSdk) -> None:
    sdk = await open_sdk(hub.websocket_url, connection_token("ann"))
    await sdk.connect()
    assert (await sdk.next("connected"))["client"]


async def test_a_client_disconnects_and_connects_again(hub: HubProcess, open_sdk: OpenSdk) -> None:
    sdk = await open_sdk(hub.websocket_url, connection_token("ann"))
    first = await sdk.joined()
    await sdk.disconnect()
    await sdk.next("disconnected")
    assert await sdk.joined() != first


async def test_a_publication_reaches_every_subscriber_with_its_publisher(
    hub: HubProcess, open_sdk: OpenSdk, channel: str
) -> None:
    ann = await open_sdk(hub.websocket_url, connection_token("ann"))
    bob = await open_sdk(hub.websocket_url, connection_token("bob"))
    client = await ann.joined()
    await bob.joined()
    for sdk in (ann, bob):
        await sdk.subscribed(channel)
    await ann.publish(channel, ANY_JSON)
    for sdk in (ann, bob):
        publication = await sdk.next("publication", channel)
        assert publication.fields == {
            "data": ANY_JSON,
            "offset": 1,
            "user": "ann",
            "client": client,
            "tags": {},
        }


async def test_a_publication_of_the_server_has_tags_and_no_publisher(
    hub: HubProcess, open_sdk: OpenSdk, api: ServerApi, channel: str
) -> None:
    sdk = await open_sdk(hub.websocket_url, connection_token("ann"))
    await sdk.joined()
    await sdk.subscribed(channel)
    await api.call("publish", channel=channel, data=[1], tags={"kind": "test"})
    publication = await sdk.next("publication", channel)
    assert publication.fields == {
        "data": [1],
        "offset": 1,
        "user": None,
        "client": None,
        "tags": {"kind": "test"},
    }


async def test_an_ephemeral_channel_delivers_without_offsets(
    hub: HubProcess, open_sdk: OpenSdk, room: str
) -> None:
    sdk = await open_sdk(hub.websocket_url, connection_token("ann"))
    await sdk.joined()
    subscribed = await sdk.subscribed(f"live:typing-{room}")
    assert (subscribed["recoverable"], subscribed["positioned"]) == (False, False)
    await sdk.publish(f"live:typing-{room}", "…")
    publication = await sdk.next("publication", f"live:typing-{room}")
    assert (publication["data"], publication["offset"]) == ("…", 0)


async def test_publications_keep_the_order_they_were_made_in(
    hub: HubProcess, open_sdk: OpenSdk, channel: str, room: str
) -> None:
    sdk = await open_sdk(hub.websocket_url, connection_token("ann"))
    await sdk.joined()
    for name in (channel, f"live:{room}"):
        await sdk.subscribed(name)
        for number in range(50):
            await sdk.publish(name, number)
        assert await sdk.publications(name, 50) == list(range(50))


async def test_what_is_not_permitted_is_refused_with_its_code(
    hub: HubProcess, open_sdk: OpenSdk, room: str
) -> None:
    sdk = await open_sdk(hub.websocket_url, connection_token("ann"))
    await sdk.joined()
    for channel, code in (
        (f"live:not-subscribed-{room}", 103),
        ("plain:x", 103),
        ("unknown:x", 102),
    ):
        with pytest.raises(SdkError) as refused:
            await sdk.publish(channel, "x")
        assert refused.value.code == code
    for channel, code in (("closed:x", 103), (f"$chat:x-{room}", 103), ("unknown:x", 102)):
        await sdk.subscribe(channel, SubscribeOptions())
        assert (await sdk.next("unsubscribed", channel))["code"] == code


async def test_presence_names_who_is_there(
    hub: HubProcess, open_sdk: OpenSdk, channel: str
) -> None:
    ann = await open_sdk(hub.websocket_url, connection_token("ann", info={"name": "Ann"}))
    bob = await open_sdk(hub.websocket_url, connection_token("bob"))
    clients = [await sdk.joined() for sdk in (ann, bob)]
    for sdk in (ann, bob):
        await sdk.subscribed(channel)
    assert await ann.presence(channel) == {
        clients[0]: Person("ann", {"name": "Ann"}),
        clients[1]: Person("bob"),
    }


async def test_presence_stats_count_connections_and_users(
    hub: HubProcess, open_sdk: OpenSdk, channel: str
) -> None:
    sdks = [
        await open_sdk(hub.websocket_url, connection_token(user)) for user in ("ann", "ann", "bob")
    ]
    for sdk in sdks:
        await sdk.joined()
        await sdk.subscribed(channel)
    assert await sdks[0].presence_stats(channel) == (3, 2)
    await sdks[1].unsubscribe(channel)
    await sdks[1].next("unsubscribed", channel)

    async def is_counted() -> bool:
        return await sdks[1].presence_stats(channel) == (2, 2)

    # Requests beside a stream may overtake each other.
    await eventually(is_counted)


@pytest.mark.parametrize(
    ("channel", "options"),
    [
        ("chat:door", SubscribeOptions(join_leave=True)),
        # Pushed to who did not ask.
        ("live:door", SubscribeOptions()),
    ],
)
async def test_who_comes_and_goes_is_told(
    hub: HubProcess, open_sdk: OpenSdk, room: str, channel: str, options: SubscribeOptions
) -> None:
    channel = f"{channel}-{room}"
    ann = await open_sdk(hub.websocket_url, connection_token("ann"))
    bob = await open_sdk(hub.websocket_url, connection_token("bob", info=[7]))
    await ann.joined()
    client = await bob.joined()
    await ann.subscribed(channel, options)
    await bob.subscribed(channel, options)
    info = {"user": "bob", "client": client, "conn_info": [7], "chan_info": None}
    while (join := await ann.next("join", channel))["user"] == "ann":
        # One's own join may come too.
        pass
    assert join.fields == info
    await bob.close()
    assert (await ann.next("leave", channel)).fields == info


async def test_history_is_read_in_pages_both_ways(
    hub: HubProcess, open_sdk: OpenSdk, api: ServerApi, channel: str
) -> None:
    for number in range(1, 8):
        await api.call("publish", channel=channel, data=number)
    sdk = await open_sdk(hub.websocket_url, connection_token("ann"))
    await sdk.joined()
    everything = [(number, number) for number in range(1, 8)]

    nothing = await sdk.history(channel)
    assert (nothing.entries, nothing.offset) == ([], 7)
    assert nothing.epoch
    assert (await sdk.history(channel, limit=100)).entries == everything
    assert (await sdk.history(channel, limit=2)).entries == everything[:2]
    page = await sdk.history(channel, limit=2, since=(2, nothing.epoch))
    assert (page.entries, page.offset, page.epoch) == (everything[2:4], 7, nothing.epoch)
    assert (await sdk.history(channel, limit=3, reverse=True)).entries == everything[:3:-1]
    page = await sdk.history(channel, limit=2, since=(4, nothing.epoch), reverse=True)
    assert page.entries == [(3, 3), (2, 2)]


async def test_history_under_another_epoch_is_unrecoverable(
    hub: HubProcess, open_sdk: OpenSdk, api: ServerApi, channel: str
) -> None:
    await api.call("publish", channel=channel, data=1)
    sdk = await open_sdk(hub.websocket_url, connection_token("ann"))
    await sdk.joined()
    with pytest.raises(SdkError) as refused:
        await sdk.history(channel, limit=1, since=(0, "other"))
    assert refused.value.code == 112


async def test_what_a_channel_does_not_offer_is_not_available(
    hub: HubProcess, open_sdk: OpenSdk
) -> None:
    sdk = await open_sdk(hub.websocket_url, connection_token("ann"))
    await sdk.joined()
    await sdk.subscribed("plain:x")
    for call in (
        sdk.history("plain:x"),
        sdk.presence("plain:x"),
        sdk.presence_stats("plain:x"),
        sdk.rpc("method", {}),
    ):
        with pytest.raises(SdkError) as refused:
            await call
        assert refused.value.code == 108


# The Java SDK takes a late reply for a subscription that its application has ended.
@pytest.mark.parametrize("sdk_name", all_but("java"), indirect=True)
async def test_unsubscribing_before_the_reply_leaves_nothing_behind(
    hub: HubProcess, proxy: Proxy, open_sdk: OpenSdk, api: ServerApi, channel: str
) -> None:
    sdk = await open_sdk(proxy.websocket_url, connection_token("ann"))
    await sdk.joined()
    proxy.stall()

    async def subscribers() -> int:
        stats = await api.call("presence_stats", channel=channel)
        return int(stats["num_clients"])

    async def is_there() -> bool:
        return await subscribers() == 1

    async def is_gone() -> bool:
        return await subscribers() == 0

    await sdk.subscribe(channel, SubscribeOptions())
    await eventually(is_there)
    await sdk.unsubscribe(channel)
    await sdk.next("unsubscribed", channel)
    proxy.resume()
    # Beside a stream the SDK waits for the reply first: requests may overtake each other.
    await eventually(is_gone)
    assert not sdk.journal.all("subscribed", channel)
    await sdk.subscribed(channel)
    await sdk.publish(channel, "again")
    assert await sdk.publications(channel, 1) == ["again"]


async def test_every_byte_may_come_by_itself(
    hub: HubProcess, proxy: Proxy, open_sdk: OpenSdk, channel: str
) -> None:
    proxy.piece_bytes = 1
    sdk = await open_sdk(proxy.websocket_url, connection_token("ann"))
    await sdk.joined()
    await sdk.subscribed(channel)
    await sdk.publish(channel, ANY_JSON)
    assert await sdk.publications(channel, 1) == [ANY_JSON]


async def test_the_server_unsubscribes_a_client_for_good(
    hub: HubProcess, open_sdk: OpenSdk, api: ServerApi, channel: str, room: str
) -> None:
    user = f"unsubscribed-{room}"
    sdk = await open_sdk(hub.websocket_url, connection_token(user))
    await sdk.joined()
    await sdk.subscribed(channel)
    await api.call("unsubscribe", user=user, channel=channel)
    assert (await sdk.next("unsubscribed", channel))["code"] == 2000


async def test_the_server_disconnects_a_client_for_good(
    hub: HubProcess, open_sdk: OpenSdk, api: ServerApi, room: str
) -> None:
    user = f"disconnected-{room}"
    sdk = await open_sdk(hub.websocket_url, connection_token(user))
    await sdk.joined()
    await api.call("disconnect", user=user)
    assert (await sdk.next("disconnected")).fields == {"code": 3503, "reason": "force disconnect"}


async def test_the_server_subscribes_a_client(
    hub: HubProcess, open_sdk: OpenSdk, api: ServerApi, channel: str, room: str
) -> None:
    user = f"subscribed-{room}"
    sdk = await open_sdk(hub.websocket_url, connection_token(user))
    await sdk.joined()
    await api.call("subscribe", user=user, channel=channel, data={"why": "test"})
    assert (await sdk.next("subscribed", channel))["data"] == {"why": "test"}
    await api.call("publish", channel=channel, data="hello")
    assert await sdk.publications(channel, 1) == ["hello"]
