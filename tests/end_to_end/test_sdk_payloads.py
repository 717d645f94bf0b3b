"""Payloads through the published SDKs: any bytes where a namespace says so, JSON to the letter."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from typing import Final, Protocol

import pytest

from tests.end_to_end.conftest import MakeHub
from tests.support.configuration import NAMESPACES, Sections
from tests.support.processes import HubProcess
from tests.support.proxy import Proxy
from tests.support.sdk import SdkClient, SdkError, SubscribeOptions
from tests.support.sdks import KINDS, Sdks, installed
from tests.support.server_api import open_api
from tests.support.tokens import connection_token
from tests.support.wire_client import open_wire

PROTOBUF: Final = [name for name, kind in KINDS.items() if kind.protobuf]
JSON: Final = [name for name, kind in KINDS.items() if not kind.protobuf]

CHANGES: Final[Sections] = {
    "namespaces": {**NAMESPACES, "bytes": {**NAMESPACES["chat"], "data_format": "binary"}}
}

ANY_BYTES: Final = [
    b"\x00",
    b"\xff\xfe\xc3\x28",
    bytes(range(256)),
    b'{"looks": "like JSON"\n',
    b"\r\n",
    random.Random(1).randbytes(50_000),  # noqa: S311 - the same in every run
]

ODD_JSON: Final = '{ "a" : 1.0,\t"b":"\\u00e9\\/é", "c":[1e2 , -0], "a":null }'
"""Spaces, escapes and numbers that a parser would print in another way, and a name twice."""


class OpenClient(Protocol):
    """Makes a connected client of any SDK; the fixture closes it."""

    async def __call__(self, name: str, url: str, *, raw: bool) -> SdkClient:
        """A client of the SDK `name`, with `raw` as for `Sdks.open`."""
        ...


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub with a namespace for any bytes."""
    hub = HubProcess(tmp_path_factory.mktemp("hub"), CHANGES)
    try:
        hub.start()
        yield hub
        assert hub.complaints() == []
    finally:
        hub.end()


@pytest.fixture
async def open_client(sdks: Sdks) -> AsyncIterator[OpenClient]:
    """Connects clients, and closes them at last."""
    clients: list[SdkClient] = []

    async def connected(name: str, url: str, *, raw: bool) -> SdkClient:
        client = await sdks.open(name, url, connection_token(name), raw=raw)
        clients.append(client)
        await client.joined()
        return client

    yield connected
    for client in clients:
        await client.close()


async def test_any_bytes_arrive_as_they_were_sent(
    hub: HubProcess, open_client: OpenClient, room: str
) -> None:
    """Each SDK publishes each payload; every SDK gets them all, at the same offsets."""
    channel = f"bytes:{room}"
    there = installed(PROTOBUF)
    clients = [await open_client(name, hub.websocket_url, raw=True) for name in there]
    for client in clients:
        await client.subscribed(channel)
    sent = [payload for _ in clients for payload in ANY_BYTES]
    for client in clients:
        for payload in ANY_BYTES:
            await client.publish(channel, payload)
    for client in clients:
        assert await client.publications(channel, len(sent)) == sent
        offsets = [event["offset"] for event in client.journal.all("publication", channel)]
        assert offsets == list(range(1, len(sent) + 1))
        page = await client.history(channel, limit=len(sent))
        assert page.entries == list(enumerate(sent, 1))


@pytest.mark.parametrize("name", PROTOBUF)
async def test_any_bytes_are_recovered(
    hub: HubProcess, proxy: Proxy, open_client: OpenClient, room: str, name: str
) -> None:
    """Cut off while they are published, and again."""
    channel = f"bytes:{room}"
    writer = await open_client("python-protobuf", hub.websocket_url, raw=True)
    reader = await open_client(name, proxy.websocket_url, raw=True)
    await reader.subscribed(channel)
    for _ in range(2):
        proxy.refusing = True
        proxy.cut()
        for payload in ANY_BYTES:
            await writer.publish(channel, payload)
        proxy.refusing = False
        assert (await reader.next("subscribed", channel))["recovered"] is True
        assert await reader.publications(channel, len(ANY_BYTES)) == ANY_BYTES


async def test_any_bytes_outlive_the_hub(
    make_hub: MakeHub, open_client: OpenClient, room: str
) -> None:
    """It is killed when they are acked; each SDK reads them afterwards, as they were."""
    channel = f"bytes:{room}"
    hub = make_hub(CHANGES)
    await asyncio.to_thread(hub.start)
    there = installed(PROTOBUF)
    writer = await open_client(there[-1], hub.websocket_url, raw=True)
    for payload in ANY_BYTES:
        await writer.publish(channel, payload)
    await asyncio.to_thread(hub.restart)
    for name in there:
        reader = await open_client(name, hub.websocket_url, raw=True)
        page = await reader.history(channel, limit=100)
        assert page.entries == list(enumerate(ANY_BYTES, 1))


@pytest.mark.parametrize("name", JSON)
async def test_a_json_client_is_refused_where_payloads_are_bytes(
    hub: HubProcess, open_client: OpenClient, room: str, name: str
) -> None:
    client = await open_client(name, hub.websocket_url, raw=False)
    await client.subscribe(f"bytes:{room}", SubscribeOptions())
    refused = {"code": 3506, "reason": "inappropriate protocol"}
    assert (await client.next("disconnected")).fields == refused


@pytest.mark.parametrize("name", PROTOBUF)
async def test_bytes_that_are_no_json_are_refused_where_payloads_are_json(
    hub: HubProcess, open_client: OpenClient, channel: str, name: str
) -> None:
    client = await open_client(name, hub.websocket_url, raw=True)
    await client.subscribed(channel)
    for payload in (b"\xff", b"{", b"", b"1 2"):
        with pytest.raises(SdkError) as refused:
            await client.publish(channel, payload)
        assert refused.value.code == 107
    await client.publish(channel, b"[1]")
    assert await client.publications(channel, 1) == [b"[1]"]


async def test_all_formats_see_the_same_offsets_and_the_same_bytes(
    hub: HubProcess, open_client: OpenClient, channel: str
) -> None:
    """A Protobuf SDK says what bytes it got; of a JSON client the frame is looked at."""
    raw = [await open_client(name, hub.websocket_url, raw=True) for name in installed(PROTOBUF)]
    parsed = [await open_client(name, hub.websocket_url, raw=False) for name in installed(JSON)]
    for client in (*raw, *parsed):
        await client.subscribed(channel)
    async with open_wire(hub.websocket_url) as wire:
        await wire.connect(connection_token("wire"))
        await wire.command("subscribe", channel=channel)
        sent = []
        for number, client in enumerate(raw):
            sent.append(ODD_JSON.replace("null", str(number)))
            await client.publish(channel, sent[-1].encode())
        for number, client in enumerate(parsed):
            await client.publish(channel, {"n": number})
        frames = ""
        while frames.count('"pub"') < len(raw) + len(parsed):
            frames += str(await asyncio.wait_for(wire.socket.recv(), 10))
    offsets = list(range(1, len(raw) + len(parsed) + 1))
    bytes_seen = await raw[0].publications(channel, len(offsets))
    assert bytes_seen[: len(sent)] == [text.encode() for text in sent]
    for client in raw[1:]:
        assert await client.publications(channel, len(offsets)) == bytes_seen
    for client in parsed:
        values = await client.publications(channel, len(offsets))
        assert values == [json.loads(payload) for payload in bytes_seen]
    for client in (*raw, *parsed):
        events = client.journal.all("publication", channel)
        assert [event["offset"] for event in events] == offsets
    for payload in bytes_seen:
        assert f'"data":{payload.decode()}' in frames


async def test_any_bytes_of_a_backend_arrive_as_they_were_sent(
    hub: HubProcess, open_client: OpenClient, room: str
) -> None:
    channel = f"bytes:{room}"
    client = await open_client("python-protobuf", hub.websocket_url, raw=True)
    await client.subscribed(channel)
    async with open_api(hub) as api:
        await api.call("publish", channel=channel, b64data="AP/+")
        page = await api.call("history", channel=channel, limit=1)
    assert await client.publications(channel, 1) == [b"\x00\xff\xfe"]
    assert page["publications"][0]["b64data"] == "AP/+"
