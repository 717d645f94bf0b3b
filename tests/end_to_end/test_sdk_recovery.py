"""The published SDKs recover what they missed, or are told that they cannot; with each SDK."""

import asyncio
import json

from tests.end_to_end.conftest import MakeHub, OpenSdk
from tests.support.processes import HubProcess
from tests.support.proxy import Proxy
from tests.support.sdk import SdkClient
from tests.support.server_api import ServerApi, open_api
from tests.support.tokens import connection_token

EVERYTHING = list(range(1, 61))


async def assert_recovered(sdk: SdkClient, channel: str, data: list[int]) -> None:
    """Wait for the last of `data`; all of it came, once, in order, and recovery was said."""
    while (await sdk.next("publication", channel))["data"] != data[-1]:
        pass
    assert [event["data"] for event in sdk.journal.all("publication", channel)] == data
    offsets = [event["offset"] for event in sdk.journal.all("publication", channel)]
    assert offsets == sorted(set(offsets))
    again = sdk.journal.all("subscribed", channel)[1:]
    assert again
    assert all(event["recovered"] and event["was_recovering"] for event in again)


async def test_nothing_is_lost_or_repeated_when_the_hub_is_killed(
    make_hub: MakeHub, open_sdk: OpenSdk, channel: str
) -> None:
    hub = make_hub({})
    await asyncio.to_thread(hub.start)
    sdk = await open_sdk(hub.websocket_url, connection_token("ann"))
    await sdk.joined()
    assert (await sdk.subscribed(channel))["recoverable"] is True
    async with open_api(hub) as api:
        for number in EVERYTHING[:20]:
            await api.call("publish", channel=channel, data=number)
        # The hub dies with what it has just acked perhaps not delivered yet.
        await asyncio.to_thread(hub.restart)
        for number in EVERYTHING[20:40]:
            await api.call("publish", channel=channel, data=number)
        await sdk.next("subscribed", channel)
        for number in EVERYTHING[40:]:
            await api.call("publish", channel=channel, data=number)
    await assert_recovered(sdk, channel, EVERYTHING)


async def test_nothing_is_lost_or_repeated_when_the_socket_is_cut(
    hub: HubProcess, proxy: Proxy, open_sdk: OpenSdk, api: ServerApi, channel: str
) -> None:
    sdk = await open_sdk(proxy.websocket_url, connection_token("ann"))
    await sdk.joined()
    await sdk.subscribed(channel)
    for number in EVERYTHING:
        if number % 15 == 0:
            # Within one of the next frames.
            proxy.cut_after(150 + number)
        await api.call("publish", channel=channel, data=number)
    await assert_recovered(sdk, channel, EVERYTHING)


async def test_a_server_side_subscription_recovers_too(
    hub: HubProcess, proxy: Proxy, open_sdk: OpenSdk, api: ServerApi, channel: str
) -> None:
    sdk = await open_sdk(proxy.websocket_url, connection_token("ann", channels=[channel]))
    await sdk.joined()
    await sdk.next("subscribed", channel)
    for number in EVERYTHING:
        if number % 20 == 0:
            proxy.cut()
        await api.call("publish", channel=channel, data=number)
    await assert_recovered(sdk, channel, EVERYTHING)


async def test_a_gap_that_retention_has_eaten_is_admitted(
    hub: HubProcess, proxy: Proxy, open_sdk: OpenSdk, api: ServerApi, room: str
) -> None:
    """The channel keeps three entries; five are missed. Then three are missed, and recovered."""
    channel = f"short:gap-{room}"
    sdk = await open_sdk(proxy.websocket_url, connection_token("ann"))
    await sdk.joined()
    await sdk.subscribed(channel)
    await api.call("publish", channel=channel, data=1)
    await sdk.publications(channel, 1)

    await miss(proxy, api, channel, [2, 3, 4, 5, 6])
    subscribed = await sdk.next("subscribed", channel)
    assert subscribed["was_recovering"] is True
    assert subscribed["recovered"] is False
    assert subscribed["offset"] == 6
    await api.call("publish", channel=channel, data=7)
    assert await sdk.publications(channel, 1) == [7]

    await miss(proxy, api, channel, [8, 9, 10])
    subscribed = await sdk.next("subscribed", channel)
    assert subscribed["recovered"] is True
    assert await sdk.publications(channel, 3) == [8, 9, 10]


async def miss(proxy: Proxy, api: ServerApi, channel: str, data: list[int]) -> None:
    """Publish while no client gets through."""
    proxy.refusing = True
    proxy.cut()
    commands = [{"publish": {"channel": channel, "data": item}} for item in data]
    answer = await api.post("/api/batch", json.dumps({"commands": commands}))
    assert answer.text.count('"offset"') == len(data)
    proxy.refusing = False


async def test_a_long_absence_is_recovered_up_to_the_limit(
    hub: HubProcess, proxy: Proxy, open_sdk: OpenSdk, api: ServerApi, channel: str
) -> None:
    """The default of `client.recovery_max` is 300; who missed more is told to reload."""
    sdk = await open_sdk(proxy.websocket_url, connection_token("ann"))
    await sdk.joined()
    await sdk.subscribed(channel)
    missed = list(range(300))
    await miss(proxy, api, channel, missed)
    assert (await sdk.next("subscribed", channel))["recovered"] is True
    assert await sdk.publications(channel, 300) == missed
    await miss(proxy, api, channel, [*missed, 300])
    subscribed = await sdk.next("subscribed", channel)
    assert (subscribed["recovered"], subscribed["offset"]) == (False, 601)
