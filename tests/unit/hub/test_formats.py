"""Clients of both formats in one channel, and payloads that are not JSON."""

import base64
import dataclasses
from typing import Final

import msgspec
import orjson
import pytest

from realtime.channels.live import Wire
from realtime.model import Entry
from realtime.protocol.calls import (
    BinaryHistoryAnswer,
    HistoryCall,
    PublishCall,
    SubscribeCall,
)
from realtime.protocol.json_codec import JsonCodec
from realtime.protocol.protobuf import ProtobufCodec
from realtime.settings.schema import ChannelOptions
from tests.support.hub import Node, make_settings, running, settled
from tests.support.memory_store import EPOCH
from tests.support.peer import MESSAGES, OTHER_LINES, Peer

OPEN: Final = ChannelOptions(
    history_size=-1, subscribe=("user",), publish=("user",), read_history=("user",)
)
LIVE: Final = ChannelOptions(subscribe=("user",), publish=("user",))
NAMESPACES: Final = {
    "chat": OPEN,
    "live": LIVE,
    "object": dataclasses.replace(LIVE, data_format="json_object"),
    "raw": dataclasses.replace(OPEN, data_format="binary"),
    "rawlive": dataclasses.replace(LIVE, data_format="binary"),
}
SETTINGS: Final = make_settings(namespaces=NAMESPACES)
OCTETS: Final = b"\x00\n\xff{"
ENCODED: Final = base64.b64encode(OCTETS).decode()


async def connected(node: Node, user: str = "phone", wire: Wire = MESSAGES) -> Peer:
    """A client of that format."""
    peer = node.peer(wire=wire)
    await peer.connect(node.token(user))
    return peer


@pytest.mark.parametrize("channel", ["chat:1", "live:1"])
async def test_clients_of_both_formats_see_the_same_offsets_and_bytes(channel: str) -> None:
    async with running(SETTINGS) as node:
        phone, browser = await connected(node), await node.connected("browser")
        for peer in (phone, browser):
            await peer.subscribe(channel)
        sent = b'{"b" :1.0, "a":"\\u00e9\xc3\xa9"}'
        await phone.publish(channel, sent)
        browser.send_bytes(
            b'{"id":77,"publish":{"channel":"%b","data":%b}}' % (channel.encode(), sent)
        )
        on_phone = await phone.received(channel, 2)
        on_browser = await browser.received(channel, 2)
        assert [pub["data"] for pub in on_phone] == [sent, sent]
        raw = [line for line in browser.transport.raw if b'"pub"' in line]
        assert all(b'"data":' + sent + b"," in line for line in raw)
        offsets = [pub.get("offset", 0) for pub in on_phone]
        assert offsets == [pub.get("offset", 0) for pub in on_browser]
        assert offsets == ([1, 2] if channel == "chat:1" else [0, 0])
        assert [pub["info"] for pub in on_phone] == [pub["info"] for pub in on_browser]


async def test_line_breaks_are_taken_out_of_what_a_protobuf_client_publishes() -> None:
    """One would break every receiver of JSON; and all are to get the same bytes."""
    async with running(SETTINGS) as node:
        phone, browser = await connected(node), await node.connected("browser")
        for peer in (phone, browser):
            await peer.subscribe("chat:1")
        await phone.publish("chat:1", b' {\r\n"a": [1,\n2]} \n')
        assert (await phone.received("chat:1", 1))[0]["data"] == b'{"a": [1,2]}'
        assert await browser.received("chat:1", 1)
        assert any(b'"data":{"a": [1,2]},' in line for line in browser.transport.raw)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        OCTETS,
        b"hi",
        b'"\xff"',
        b'"\\ud800"',
        b"1 2",
        b'1},"x":{"a":1',
        b"NaN",
        b"[" * 20_000 + b"]" * 20_000,
        b'"\n"',
    ],
    ids=range(11),
)
@pytest.mark.parametrize("namespace", ["chat", "live", "object"])
async def test_a_protobuf_client_may_publish_only_json_where_json_is_expected(
    namespace: str, data: bytes
) -> None:
    async with running(SETTINGS) as node:
        phone = await connected(node)
        await phone.subscribe(f"{namespace}:1")
        assert await phone.refused("publish", channel=f"{namespace}:1", data=data) == 107
        await phone.publish(f"{namespace}:1", b'{"n":1}')
        assert len(await phone.received(f"{namespace}:1", 1)) == 1


async def test_a_namespace_of_objects_takes_nothing_else_from_a_protobuf_client() -> None:
    async with running(SETTINGS) as node:
        phone = await connected(node)
        for data in (b"1", b"[]", b"null", b'"{}"'):
            assert await phone.refused("publish", channel="object:1", data=data) == 107
        await phone.publish("object:1", b" {}")


@pytest.mark.parametrize("channel", ["raw:1", "rawlive:1"])
async def test_a_binary_namespace_takes_any_bytes_from_a_protobuf_client_but_none(
    channel: str,
) -> None:
    async with running(SETTINGS) as node:
        phone, other = await connected(node), await connected(node, "other")
        await other.subscribe(channel)
        for octets in (OCTETS, b"\n", b" 1 "):
            await phone.publish(channel, octets)
        found = await other.received(channel, 3)
        assert [pub["data"] for pub in found] == [OCTETS, b"\n", b" 1 "]
        assert await phone.refused("publish", channel=channel, data=b"") == 107


# Every way in which such bytes could come to a client that takes only JSON.


@pytest.mark.parametrize(
    "command",
    [
        ("publish", {"channel": "raw:1", "data": 1}),
        ("subscribe", {"channel": "raw:1"}),
        ("subscribe", {"channel": "raw:1", "recover": True, "epoch": EPOCH, "offset": 0}),
        ("subscribe", {"channel": "rawlive:1"}),
        ("history", {"channel": "raw:1", "limit": -1}),
        ("history", {"channel": "raw:1"}),
    ],
)
async def test_a_json_client_that_asks_for_binary_is_closed(
    command: tuple[str, dict[str, object]],
) -> None:
    async with running(SETTINGS) as node:
        phone, browser = await connected(node), await node.connected("browser")
        await phone.publish("raw:1", OCTETS)
        browser.send_batch(command)
        assert await browser.closed() == 3506


@pytest.mark.parametrize("channel", ["raw:1", "rawlive:1"])
async def test_a_json_client_whose_token_names_a_binary_channel_is_closed(channel: str) -> None:
    async with running(SETTINGS) as node:
        browser = node.peer()
        browser.send("connect", token=node.token("browser", channels=[channel]))
        assert await browser.closed() == 3506
        phone = node.peer(wire=MESSAGES)
        result = await phone.connect(node.token("phone", channels=[channel]))
        assert list(result["subs"]) == [channel]


async def test_a_json_client_that_the_server_api_subscribes_to_binary_is_closed() -> None:
    async with running(SETTINGS) as node:
        browser, phone = await node.connected("ann"), await connected(node, "ann")
        await node.api.subscribe(SubscribeCall(user="ann", channel="raw:1"))
        assert await browser.closed() == 3506
        assert await phone.push("subscribe", "raw:1")


async def test_the_server_api_tells_binary_history_in_base64() -> None:
    async with running(SETTINGS) as node:
        phone = await connected(node)
        await node.api.publish(PublishCall(channel="raw:1", b64data=ENCODED, tags={"k": "v"}))
        await phone.publish("raw:1", OCTETS)
        page = await node.api.history(HistoryCall(channel="raw:1", limit=-1))
        assert isinstance(page, BinaryHistoryAnswer)
        first, second = orjson.loads(msgspec.json.encode(page))["publications"]
        assert first == {
            "data": None,
            "b64data": ENCODED,
            "offset": 1,
            "tags": {"k": "v"},
        }
        assert second["b64data"] == ENCODED
        assert second["info"] == {"user": "phone", "client": phone.id}
        assert (page.epoch, page.offset) == (EPOCH, 2)
        empty = await node.api.history(HistoryCall(channel="raw:1"))
        assert orjson.loads(msgspec.json.encode(empty)) == {
            "publications": [],
            "epoch": EPOCH,
            "offset": 2,
        }


async def test_a_protobuf_client_recovers_and_reads_binary_history() -> None:
    async with running(SETTINGS) as node:
        phone = await connected(node)
        for number in range(3):
            await phone.publish("raw:1", OCTETS + bytes((number,)))
        since = {"recover": True, "epoch": EPOCH, "offset": 1}
        result = await phone.subscribe("raw:1", **since)
        assert [pub["data"][-1] for pub in result["publications"]] == [1, 2]
        assert (result["recovered"], result["offset"]) == (True, 1)
        page = (await phone.command("history", channel="raw:1", limit=-1))["history"]
        assert [pub["data"][-1] for pub in page["publications"]] == [0, 1, 2]


async def test_what_the_server_api_publishes_comes_as_json_where_json_is_expected() -> None:
    async with running(SETTINGS) as node:
        phone, browser = await connected(node), await node.connected("browser")
        for peer in (phone, browser):
            await peer.subscribe("chat:1")
        spaced = base64.b64encode(b' {\n"a": 1}\n').decode()
        await node.api.publish(PublishCall(channel="chat:1", b64data=spaced))
        assert (await phone.received("chat:1", 1))[0]["data"] == b'{"a": 1}'
        assert (await browser.received("chat:1", 1))[0]["data"] == {"a": 1}


async def test_other_payloads_of_a_protobuf_client_may_be_any_bytes() -> None:
    """They go to no client. Nothing is registered for them either."""
    async with running(SETTINGS) as node:
        phone = node.peer(wire=MESSAGES)
        await phone.connect(node.token("phone"), data=OCTETS)
        assert await phone.refused("rpc", method="sum", data=OCTETS) == 108
        await phone.subscribe("live:1", data=OCTETS)
        phone.send_bytes(b"\x06\x62\x04\x0a\x02\xff\x00")
        assert await phone.closed() == 3508


async def test_infos_and_data_of_tokens_come_to_a_protobuf_client_as_json() -> None:
    async with running(SETTINGS) as node:
        phone = node.peer(wire=MESSAGES)
        subs = {"chat:1": {"data": {"d": 1}, "info": {"c": 2}}}
        result = await phone.connect(node.token("phone", info={"n": 1}, subs=subs))
        assert result["subs"]["chat:1"]["data"] == b'{"d":1}'
        await phone.publish("chat:1", b"1")
        [pub] = await phone.received("chat:1", 1)
        assert (pub["info"]["conn_info"], pub["info"]["chan_info"]) == (b'{"n":1}', b'{"c":2}')


# What several formats cost.


class Counts:
    """A wire of the codec, and how often its documents were encoded and framed."""

    def __init__(self, codec: type[JsonCodec | ProtobufCodec], end: bytes) -> None:
        self.encoded = self.framed = 0
        counts = self

        class Counting(codec):  # type: ignore[misc, valid-type]  # a class chosen when it runs
            def publication(self, entry: Entry) -> bytes:
                counts.encoded += 1
                document: bytes = super().publication(entry)
                return document

        def frame(document: bytes) -> bytes:
            self.framed += 1
            return document + end

        self.wire = Wire("counted", Counting(), frame)


@pytest.mark.parametrize("each", [1, 20])
@pytest.mark.parametrize("channel", ["chat:1", "live:1"])
async def test_subscribers_of_both_formats_cost_one_encode_and_one_frame_a_format(
    channel: str, each: int
) -> None:
    formats = [Counts(JsonCodec, b"\n"), Counts(ProtobufCodec, b"")]
    async with running(SETTINGS) as node:
        peers = [await connected(node, wire=counts.wire) for counts in formats * each]
        for peer in peers:
            await peer.subscribe(channel)
        await settled()
        before = [counts.framed for counts in formats]
        publisher = await connected(node, "publisher", OTHER_LINES)
        await publisher.publish(channel, {"n": 1})
        for peer in peers:
            await peer.received(channel, 1)
        assert [counts.encoded for counts in formats] == [1, 1]
        framed = [counts.framed - count for counts, count in zip(formats, before, strict=True)]
        assert framed == [1, 1]
