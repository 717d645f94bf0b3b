"""Tokens as the published SDKs use them: refused, expired, refreshed; each test runs with each."""

import asyncio
from collections.abc import Iterator
from typing import get_args

import pytest

from tests.end_to_end.conftest import OpenSdk
from tests.support.configuration import HMAC_SECRET, Sections
from tests.support.processes import HubProcess
from tests.support.sdk import Person, SubscribeOptions
from tests.support.sdks import KINDS, Language, Sdks
from tests.support.server_api import ServerApi
from tests.support.tokens import connection_token, seconds_left, subscription_token
from tests.support.wire_client import open_wire

CLOSE_S = 1.5
WRONG_SECRET = "another-secret-of-more-than-32-bytes-0123456789"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub that waits shortly for refreshes, and gives every user a personal channel."""
    changes: Sections = {
        "client": {"expired_close_s": CLOSE_S},
        "auth": {"personal_channels": True, "personal_namespace": "chat"},
    }
    hub = HubProcess(tmp_path_factory.mktemp("hub"), changes)
    try:
        hub.start()
        yield hub
        assert hub.complaints() == []
    finally:
        hub.end()


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("not-a-token", id="garbage"),
        pytest.param(connection_token("ann", secret=WRONG_SECRET), id="wrong secret"),
        pytest.param(subscription_token("ann", "chat:x"), id="subscription token"),
        pytest.param(connection_token("ann", role="emperor"), id="unknown role"),
    ],
)
async def test_a_bad_token_is_refused_for_good(
    hub: HubProcess, open_sdk: OpenSdk, token: str
) -> None:
    sdk = await open_sdk(hub.websocket_url, token)
    await sdk.connect()
    assert (await sdk.next("disconnected")).fields == {"code": 3500, "reason": "invalid token"}


async def test_no_token_is_refused_for_good(hub: HubProcess, open_sdk: OpenSdk) -> None:
    sdk = await open_sdk(hub.websocket_url)
    await sdk.connect()
    assert (await sdk.next("disconnected"))["code"] == 3501


async def test_an_expired_token_is_replaced_and_the_client_connects(
    hub: HubProcess, open_sdk: OpenSdk
) -> None:
    expired = connection_token("ann", ttl_s=-10)
    sdk = await open_sdk(hub.websocket_url, expired, [connection_token("ann")])
    await sdk.connect()
    await sdk.next("get_token")
    await sdk.next("connected")
    assert [event["code"] for event in sdk.journal.all("error")] == [109]


@pytest.mark.parametrize("language", get_args(Language))
async def test_connections_and_subscriptions_refresh_their_tokens_and_go_on(
    hub: HubProcess, sdks: Sdks, room: str, language: Language
) -> None:
    """All of a language at a time, for each waits for seconds."""
    async with asyncio.TaskGroup() as group:
        for name, kind in KINDS.items():
            if kind.language == language:
                group.create_task(refresh_and_go_on(hub, sdks, name, f"$chat:{room}-{name}"))


async def refresh_and_go_on(hub: HubProcess, sdks: Sdks, name: str, channel: str) -> None:
    """Two clients: ann's connection expires, bob's subscription does."""
    short = connection_token("ann", ttl_s=1)
    ann = await sdks.open(name, hub.websocket_url, short, [connection_token("ann")])
    bob = await sdks.open(name, hub.websocket_url, connection_token("bob"))
    try:
        for sdk, ttl_s, user in ((ann, 600, "ann"), (bob, 1, "bob")):
            await sdk.joined()
            short = subscription_token(user, channel, ttl_s=ttl_s)
            options = SubscribeOptions(token=short, tokens=[subscription_token(user, channel)])
            await sdk.subscribed(channel, options)
        await ann.next("get_token")
        await bob.next("get_token", channel)
        # Past the time at which the first tokens' owners would have been closed.
        await asyncio.sleep(seconds_left(short) + CLOSE_S + 0.5)
        for sdk in (ann, bob):
            await sdk.publish(channel, "still here")
            assert await sdk.publications(channel, 1) == ["still here"]
            assert len(sdk.journal.all("connected")) == 1
            assert len(sdk.journal.all("subscribed", channel)) == 1
        asked = [
            len(sdk.journal.all("get_token", place))
            for sdk in (ann, bob)
            for place in ("", channel)
        ]
        assert asked == [1, 0, 0, 1]
    finally:
        await ann.close()
        await bob.close()


async def test_a_connection_that_does_not_refresh_is_closed(hub: HubProcess) -> None:
    """By hand, for an SDK without a source of tokens gives up by itself."""
    token = connection_token("ann", ttl_s=1)
    async with open_wire(hub.websocket_url) as wire:
        connected = (await wire.connect(token))["connect"]
        assert connected["expires"] is True
        assert 1 <= connected["ttl"] <= 2
        assert await wire.closed() == (3005, "connection expired")
    assert CLOSE_S - 0.1 < -seconds_left(token) < CLOSE_S + 2


async def test_a_private_channel_opens_to_a_subscription_token(
    hub: HubProcess, open_sdk: OpenSdk, room: str
) -> None:
    sdk = await open_sdk(hub.websocket_url, connection_token("ann"))
    client = await sdk.joined()
    for channel in (f"$chat:secret-{room}", "closed:secret"):
        token = subscription_token("ann", channel, info={"seat": 7})
        await sdk.subscribed(channel, SubscribeOptions(token=token))
        await sdk.publish(channel, "psst")
        assert await sdk.publications(channel, 1) == ["psst"]
        assert await sdk.presence(channel) == {client: Person("ann", None, {"seat": 7})}
        await sdk.unsubscribe(channel)


async def test_an_expired_subscription_token_is_replaced(
    hub: HubProcess, open_sdk: OpenSdk, room: str
) -> None:
    sdk = await open_sdk(hub.websocket_url, connection_token("ann"))
    await sdk.joined()
    channel = f"$chat:late-{room}"
    expired = subscription_token("ann", channel, ttl_s=-10)
    options = SubscribeOptions(token=expired, tokens=[subscription_token("ann", channel)])
    await sdk.subscribed(channel, options)
    assert len(sdk.journal.all("get_token", channel)) == 1
    assert [event["code"] for event in sdk.journal.all("error", channel)] == [109]


@pytest.mark.parametrize(
    ("user", "channel", "secret", "outcome"),
    [
        pytest.param("ann", "$chat:mine", WRONG_SECRET, 103, id="invalid"),
        pytest.param("bob", "$chat:mine", HMAC_SECRET, 3500, id="another user"),
        pytest.param("ann", "$chat:another", HMAC_SECRET, 3500, id="another channel"),
    ],
)
async def test_a_subscription_token_of_another_is_refused(
    hub: HubProcess, open_sdk: OpenSdk, user: str, channel: str, secret: str, outcome: int
) -> None:
    sdk = await open_sdk(hub.websocket_url, connection_token("ann"))
    await sdk.joined()
    token = subscription_token(user, channel, secret=secret)
    await sdk.subscribe("$chat:mine", SubscribeOptions(token=token))
    if outcome == 103:
        assert (await sdk.next("unsubscribed", "$chat:mine"))["code"] == outcome
    else:
        assert (await sdk.next("disconnected"))["code"] == outcome


async def test_server_side_subscriptions_come_with_the_connection(
    hub: HubProcess, open_sdk: OpenSdk, api: ServerApi, channel: str, room: str
) -> None:
    """The channels of the token, and the user's personal channel."""
    user = f"personal-{room}"
    channels = [channel, f"chat:#{user}"]
    sdk = await open_sdk(hub.websocket_url, connection_token(user, channels=[channel]))
    await sdk.joined()
    for channel in channels:
        assert (await sdk.next("subscribed", channel))["recoverable"] is True
        await api.call("publish", channel=channel, data=channel)
        assert await sdk.publications(channel, 1) == [channel]
