"""Tokens that run out while a phone is in a pocket, and refreshes that do not work at first."""

import asyncio

import pytest

from tests.end_to_end.conftest import MakeHub, OpenSdk
from tests.support.processes import HubProcess
from tests.support.proxy import Proxy
from tests.support.server_api import ServerApi, open_api
from tests.support.tokens import connection_token, seconds_left


async def test_a_token_that_expired_in_the_pocket_is_replaced_and_nothing_is_lost(
    hub: HubProcess, proxy: Proxy, open_sdk: OpenSdk, api: ServerApi, channel: str, room: str
) -> None:
    """Its old socket is still open when the phone is back, with the next token of its device."""
    short = connection_token("ann", ttl_s=3, device_id=room)
    sdk = await open_sdk(proxy.websocket_url, short, [connection_token("ann", device_id=room)])
    await sdk.joined()
    await sdk.subscribed(channel)
    await api.call("publish", channel=channel, data="before")
    assert await sdk.publications(channel, 1) == ["before"]
    proxy.refusing = True
    assert proxy.strand() >= 1
    missed = [f"missed {number}" for number in range(20)]
    for data in missed:
        await api.call("publish", channel=channel, data=data)
    await asyncio.sleep(seconds_left(short) + 0.1)
    proxy.refusing = False
    await sdk.next("get_token")
    assert (await sdk.next("subscribed", channel))["recovered"] is True
    assert await sdk.publications(channel, len(missed)) == missed
    await api.call("publish", channel=channel, data="after")
    assert await sdk.publications(channel, 1) == ["after"]
    assert 109 in [event["code"] for event in sdk.journal.all("error")]
    assert sdk.journal.all("disconnected") == []
    present = (await api.call("presence", channel=channel))["presence"]
    assert set(present) == {sdk.journal.all("connected")[-1]["client"]}


@pytest.mark.parametrize(("sdk_name", "close_s"), [("python", 12.0), ("java", 22.0)])
async def test_a_refresh_that_fails_for_now_is_made_again_and_the_connection_stays(
    make_hub: MakeHub, open_sdk: OpenSdk, channel: str, close_s: float
) -> None:
    """The hub has had too many commands of this client just then, which is temporary.

    It waits for longer than SDKs do before they try again: 5 to 10 seconds, Java's 10 to 20.
    """
    hub = make_hub(
        {
            "client": {"expired_close_s": close_s},
            "limits": {"connection_commands_per_s": 0.3, "connection_commands_burst": 3.0},
        }
    )
    await asyncio.to_thread(hub.start)
    short = connection_token("ann", ttl_s=1)
    sdk = await open_sdk(hub.websocket_url, short, [connection_token("ann")])
    await sdk.joined()
    await sdk.subscribed(channel)
    await sdk.publish(channel, "the last command for now")
    assert (await sdk.next("error"))["code"] == 111
    # Past the time at which the connection would have been closed.
    await asyncio.sleep(seconds_left(short) + close_s + 0.5)
    async with open_api(hub) as api:
        await api.call("publish", channel=channel, data="still here")
    assert (await sdk.publications(channel, 2))[-1] == "still here"
    assert len(sdk.journal.all("connected")) == 1
    assert sdk.journal.all("disconnected") == []
