"""An SDK whose network takes nothing in is closed, comes back, and knows that it missed a lot."""

import json
from collections.abc import Iterator
from typing import Final

import pytest

from tests.end_to_end.conftest import OpenSdk
from tests.support.polling import eventually
from tests.support.processes import HubProcess
from tests.support.proxy import Proxy
from tests.support.server_api import ServerApi
from tests.support.tokens import connection_token

KINDS: Final = (
    "python",
    "python-protobuf",
    "javascript-sse",
    "javascript-http_stream",
    "javascript-http_stream-protobuf",
)
"""Each transport in each of its formats."""

BODY: Final = "x" * 50_000
# More than the kernel's buffers for two connections take in (net.ipv4.tcp_wmem is 4 MB).
MESSAGES: Final = 300


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub that keeps little for who is slow."""
    hub = HubProcess(tmp_path_factory.mktemp("hub"), {"client": {"outbox_max_bytes": 200_000}})
    try:
        hub.start()
        yield hub
        assert hub.complaints() == []
    finally:
        hub.end()


@pytest.mark.parametrize("sdk_name", KINDS, indirect=True)
async def test_a_slow_reader_is_closed_and_told_to_reload_and_the_others_go_on(
    hub: HubProcess, proxy: Proxy, open_sdk: OpenSdk, api: ServerApi, channel: str
) -> None:
    slow = await open_sdk(proxy.websocket_url, connection_token("slow"))
    quick = await open_sdk(hub.websocket_url, connection_token("quick"))
    for sdk in (slow, quick):
        await sdk.joined()
        await sdk.subscribed(channel)
    proxy.stall()

    async def is_gone() -> bool:
        stats = await api.call("presence_stats", channel=channel)
        return bool(stats["num_clients"] == 1)

    for _ in range(MESSAGES // 10):
        commands = [{"publish": {"channel": channel, "data": BODY}}] * 10
        answer = await api.post("/api/batch", json.dumps({"commands": commands}))
        assert answer.text.count('"offset"') == len(commands)
    await eventually(is_gone, within_s=15.0)
    assert 'code="3008"' in (await api.request("GET", "/metrics")).text
    assert await quick.publications(channel, MESSAGES) == [BODY] * MESSAGES
    proxy.resume()
    # What it has missed is more than the hub keeps for one client, so recovery is denied.
    again = await slow.next("subscribed", channel)
    assert (again["was_recovering"], again["recovered"], again["offset"]) == (True, False, MESSAGES)
    await api.call("publish", channel=channel, data="on we go")
    for sdk in (slow, quick):
        while (await sdk.next("publication", channel))["data"] != "on we go":
            pass
        offsets = [event["offset"] for event in sdk.journal.all("publication", channel)]
        assert offsets == sorted(set(offsets))
    assert len(quick.journal.all("connected")) == 1
