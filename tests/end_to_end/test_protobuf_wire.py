"""Protobuf over websockets on a real port, beside JSON (protocol 1.1 and 1.12)."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.sync.client import ClientConnection, connect

from tests.support.processes import HubProcess
from tests.support.protobuf_documents import command, delimited, frame, replies
from tests.support.protobuf_wire import SUBPROTOCOL, ProtobufWireClient, open_protobuf
from tests.support.server_api import ServerApi
from tests.support.tokens import connection_token
from tests.support.wire_client import WireClient, open_wire

OCTETS: Final = b"\x00\n\xff{"

RAW: Final = {
    "history_size": -1,
    "data_format": "binary",
    "subscribe": ["user"],
    "publish": ["user"],
    "read_history": ["user"],
}
"""A namespace for any bytes."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub that has a namespace for any bytes, too."""
    hub = HubProcess(tmp_path_factory.mktemp("hub"), {"namespaces": {"raw": RAW}})
    try:
        hub.start()
        yield hub
        assert hub.complaints() == []
    finally:
        hub.end()


@pytest.fixture
async def phone(hub: HubProcess) -> AsyncIterator[ProtobufWireClient]:
    """A Protobuf connection of ann, connected."""
    async with open_protobuf(hub.websocket_url) as phone:
        await phone.connect(connection_token("ann"))
        yield phone


@pytest.fixture
async def browser(hub: HubProcess) -> AsyncIterator[WireClient]:
    """A JSON connection of bob, connected."""
    async with open_wire(hub.websocket_url) as browser:
        await browser.connect(connection_token("bob"))
        yield browser


# Which format is spoken.


@pytest.mark.parametrize(
    ("query", "offers", "chosen"),
    [
        ("", [SUBPROTOCOL], SUBPROTOCOL),
        ("", ["chat", SUBPROTOCOL, "centrifuge-json"], SUBPROTOCOL),
        ("?format=protobuf", None, None),
        ("?cf_protocol=protobuf", None, None),
        ("?cf_protocol=json&format=protobuf", ["chat"], None),
    ],
)
async def test_a_client_that_asks_for_protobuf_gets_it(
    hub: HubProcess, query: str, offers: list[str] | None, chosen: str | None
) -> None:
    async with open_protobuf(hub.websocket_url + query, offers) as phone:
        assert phone.socket.subprotocol == chosen
        reply = await phone.connect(connection_token("ann"))
        assert reply["connect"]["ping"] == 25


@pytest.mark.parametrize(
    ("query", "offers", "chosen"),
    [
        ("", None, None),
        ("?format=json", None, None),
        ("", ["centrifuge-json", SUBPROTOCOL], "centrifuge-json"),
        ("?format=protobuf", ["centrifuge-json"], "centrifuge-json"),
    ],
)
async def test_a_client_that_does_not_gets_json(
    hub: HubProcess, query: str, offers: list[str] | None, chosen: str | None
) -> None:
    async with open_wire(hub.websocket_url + query, subprotocols=offers) as browser:
        assert browser.socket.subprotocol == chosen
        assert "connect" in await browser.connect(connection_token("ann"))


async def test_heads_that_are_familiar_keep_their_format(hub: HubProcess) -> None:
    """Only their keys differ, so the second of each kind is not read again."""
    for _ in range(2):
        async with open_protobuf(hub.websocket_url) as phone:
            assert "connect" in await phone.connect(connection_token("ann"))
        async with open_wire(hub.websocket_url) as browser:
            assert "connect" in await browser.connect(connection_token("ann"))
        async with open_protobuf(hub.websocket_url + "?format=protobuf", None) as phone:
            assert "connect" in await phone.connect(connection_token("ann"))


async def test_the_metrics_tell_the_formats_apart(
    hub: HubProcess, phone: ProtobufWireClient, browser: WireClient, api: ServerApi
) -> None:
    text = (await api.request("GET", "/metrics")).text
    for wire in ("json-websocket", "protobuf-websocket"):
        assert f'wire="{wire}"' in text


# What is said in it.


async def test_commands_may_come_in_the_first_frame(hub: HubProcess, channel: str) -> None:
    async with open_protobuf(hub.websocket_url) as phone:
        token = connection_token("ann")
        await phone.socket.send(
            delimited(
                command(1, connect={"token": token, "name": "swift", "data": OCTETS}),
                command(2, subscribe={"channel": channel, "flag": 1}),
                command(3, publish={"channel": channel, "data": b'{"n":1}'}),
                command(4, presence_stats={"channel": channel}),
                command(5, presence={"channel": channel}),
                command(6, history={"channel": channel, "limit": -1}),
            )
        )
        connected = (await phone.reply(1))["connect"]
        assert (connected["ping"], connected["pong"]) == (25, True)
        info = {"user": "ann", "client": connected["client"]}
        assert "subscribe" in await phone.reply(2)
        assert await phone.reply(3) == {"id": 3, "publish": {}}
        assert (await phone.reply(4))["presence_stats"] == {"num_clients": 1, "num_users": 1}
        assert (await phone.reply(5))["presence"] == {"presence": {connected["client"]: info}}
        published = {"data": b'{"n":1}', "info": info, "offset": 1}
        assert await phone.push("pub", channel) == published
        page = (await phone.reply(6))["history"]  # read before or after the commit
        assert page.get("offset", 0) == len(page.get("publications", ())) <= 1


async def test_both_formats_see_the_same_offsets_and_bytes(
    hub: HubProcess, phone: ProtobufWireClient, browser: WireClient, channel: str
) -> None:
    await phone.command("subscribe", channel=channel)
    await browser.command("subscribe", channel=channel)
    odd = b'{"b" :1.00,  "a":"\\u00e9 \xc3\xa9"}'
    assert "publish" in await phone.command("publish", channel=channel, data=odd)
    text = odd.decode()
    await browser.send_text(f'{{"id":50,"publish":{{"channel":"{channel}","data":{text}}}}}')
    for offset in (1, 2):
        on_phone = await phone.push("pub", channel)
        on_browser = await browser.push("pub", channel)
        assert (on_phone["offset"], on_browser["offset"]) == (offset, offset)
        assert on_phone["info"] == on_browser["info"]
        assert on_phone["data"] == odd
        assert on_browser["data"] == json.loads(odd)


async def test_a_json_client_receives_the_bytes_themselves(
    hub: HubProcess, phone: ProtobufWireClient, channel: str
) -> None:
    odd = b'{"b" :1.00,  "a":"\\u00e9 \xc3\xa9"}'
    async with websockets.connect(hub.websocket_url, proxy=None) as socket:
        await socket.send(json.dumps({"id": 1, "connect": {"token": connection_token("bob")}}))
        await socket.send(json.dumps({"id": 2, "subscribe": {"channel": channel}}))

        async def comes(text: str) -> None:
            async with asyncio.timeout(10):
                while text not in await socket.recv(decode=True):
                    pass

        await comes('"id":2')
        await phone.command("publish", channel=channel, data=b" " + odd + b"\r\n")
        await comes(odd.decode())


async def test_a_protobuf_client_recovers_what_it_missed(
    hub: HubProcess, phone: ProtobufWireClient, api: ServerApi, channel: str
) -> None:
    first = (await phone.command("subscribe", channel=channel))["subscribe"]
    await phone.command("unsubscribe", channel=channel)
    for number in range(3):
        await api.call("publish", channel=channel, data={"n": number}, tags={"k": "v"})
    since = {"recover": True, "epoch": first["epoch"], "offset": 1}
    result = (await phone.command("subscribe", channel=channel, **since))["subscribe"]
    assert result == {
        "recoverable": True,
        "epoch": first["epoch"],
        "publications": [
            {"data": b'{"n": 1}', "offset": 2, "tags": {"k": "v"}},
            {"data": b'{"n": 2}', "offset": 3, "tags": {"k": "v"}},
        ],
        "recovered": True,
        "offset": 1,
        "positioned": True,
        "was_recovering": True,
    }


async def test_joins_leaves_and_errors_come_in_protobuf(
    hub: HubProcess, phone: ProtobufWireClient, browser: WireClient, channel: str
) -> None:
    await phone.command("subscribe", channel=channel, join_leave=True)
    await browser.command("subscribe", channel=channel)
    joined = await phone.push("join", channel)
    while joined["info"]["user"] != "bob":  # its own comes first
        joined = await phone.push("join", channel)
    await browser.command("unsubscribe", channel=channel)
    assert (await phone.push("leave", channel))["info"] == joined["info"]
    error = (await phone.command("subscribe", channel=channel))["error"]
    assert error == {"code": 105, "message": "already subscribed"}
    error = (await phone.command("rpc", method="sum", data=OCTETS))["error"]
    assert error["code"] == 108


async def test_what_is_no_json_is_refused_where_json_is_expected(
    phone: ProtobufWireClient, channel: str
) -> None:
    for data in (b"", OCTETS, b"1 2", b"[" * 60_000):
        reply = await phone.command("publish", channel=channel, data=data)
        assert reply["error"] == {"code": 107, "message": "bad request"}


async def test_a_binary_namespace_is_for_protobuf_alone(
    hub: HubProcess, phone: ProtobufWireClient, api: ServerApi
) -> None:
    await phone.command("subscribe", channel="raw:1")
    assert "publish" in await phone.command("publish", channel="raw:1", data=OCTETS)
    assert (await phone.push("pub", "raw:1"))["data"] == OCTETS
    page = await api.call("history", channel="raw:1", limit=-1)
    assert page["publications"][0]["b64data"] == "AAr/ew=="
    for method in ("subscribe", "history", "publish"):
        async with open_wire(hub.websocket_url) as browser:
            await browser.connect(connection_token("bob"))
            await browser.send(method, channel="raw:1", data=1)
            assert await browser.closed() == (3506, "inappropriate protocol")


async def test_pings_are_empty_messages_and_answered_by_them(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    changes = {"client": {"ping_interval_s": 1.0, "pong_timeout_s": 0.5}}
    hub = HubProcess(tmp_path_factory.mktemp("pinging"), changes)
    try:
        hub.start()
        async with (
            open_protobuf(hub.websocket_url) as phone,
            open_protobuf(hub.websocket_url) as silent,
        ):
            silent.answers_pings = False
            for client in (phone, silent):
                await client.connect(connection_token("ann"))
            for _ in range(3):
                await phone.ping()
            assert (await silent.closed())[0] == 3012
            assert "error" in await phone.command("rpc", method="sum")
    finally:
        hub.end()


# What is no message.

WRONG: Final[dict[str, tuple[str | bytes, int]]] = {
    "text": ("{}", 3501),
    "text of json": ('{"id":1,"connect":{}}', 3501),
    "empty": (b"", 3501),
    "json in binary": (b'{"id":1,"connect":{}}', 3501),
    "cut off": (frame(1, connect={"token": "t"})[:-1], 3501),
    "cut off length": (b"\x80", 3501),
    "endless length": (b"\xff" * 20, 3501),
    "longer than it says": (frame(1, connect={}) + b"\x07", 3501),
    "not utf-8": (b"\x07\x08\x01\x22\x03\x0a\x01\xff", 3501),
    "id 0": (frame(0, connect={}), 3501),
    "no method": (frame(1), 3501),
    "ping": (frame(1, ping={}), 3501),
    "subscribe first": (frame(1, subscribe={"channel": "chat:x"}), 3501),
    "no token": (frame(1, connect={}), 3501),
    "bad token": (frame(1, connect={"token": "x"}), 3500),
    "too long": (b"x" * 65_537, 1009),
}


@pytest.mark.parametrize(("sent", "code"), WRONG.values(), ids=WRONG)
async def test_what_is_wrong_gets_its_code(hub: HubProcess, sent: str | bytes, code: int) -> None:
    async with open_protobuf(hub.websocket_url) as phone:
        await phone.socket.send(sent)
        assert (await phone.closed())[0] == code


async def test_binary_on_a_json_connection_is_refused_as_before(hub: HubProcess) -> None:
    async with open_wire(hub.websocket_url) as browser:
        await browser.send_text(frame(1, connect={"token": connection_token("ann")}))
        assert await browser.closed() == (3501, "bad request")


_TOKEN: Final = connection_token("mutant")
CONNECT: Final = frame(1, connect={"token": _TOKEN})
COMMANDS: Final = (
    frame(1, connect={"token": _TOKEN, "data": OCTETS, "headers": {"a": "b"}}),
    frame(2, subscribe={"channel": "chat:mutant", "recover": True, "offset": 3, "epoch": "x"}),
    frame(3, publish={"channel": "chat:mutant", "data": '{"text": "grüße"}'.encode()}),
    frame(4, history={"channel": "chat:mutant", "limit": 3, "since": {"offset": 1}}),
    delimited(command(5, presence={"channel": "chat:mutant"}), command(), command(6, rpc={})),
)


@pytest.fixture(scope="module")
def neighbour(hub: HubProcess) -> Iterator[ClientConnection]:
    """A Protobuf connection that does nothing wrong."""
    options: dict[str, Any] = {"proxy": None, "subprotocols": [SUBPROTOCOL]}
    with connect(hub.websocket_url, **options) as connection:
        connection.send(frame(1, connect={"token": connection_token("good")}))
        assert "connect" in replies(connection.recv(10, decode=False))[0]
        yield connection


def assert_goes_on(connection: ClientConnection) -> None:
    """The connection answers a command, and a ping if one came."""
    connection.send(frame(2, presence_stats={"channel": "chat:good"}))
    while True:
        for reply in replies(connection.recv(10, decode=False)):
            if reply == {}:
                connection.send(b"\x00")
            elif reply.get("id") == 2:
                assert "presence_stats" in reply
                return


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    original=st.sampled_from(COMMANDS),
    at=st.integers(0, 200),
    cut=st.integers(0, 8),
    put=st.binary(max_size=8),
    connected=st.booleans(),
)
def test_mutated_commands_hurt_nobody_else(
    hub: HubProcess,
    neighbour: ClientConnection,
    original: bytes,
    at: int,
    cut: int,
    put: bytes,
    connected: bool,
) -> None:
    at %= len(original)
    options: dict[str, Any] = {"proxy": None, "subprotocols": [SUBPROTOCOL], "close_timeout": 5}
    with connect(hub.websocket_url, **options) as connection:
        if connected:
            connection.send(CONNECT)
        connection.send(original[:at] + put + original[at + cut :])
        connection.close()
        assert connection.close_code in (1000, 3500, 3501, 3505, 3506)
    assert_goes_on(neighbour)
