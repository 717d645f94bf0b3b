"""HTTP streams and server-sent events: a conversation without a websocket (protocol 7)."""

import asyncio
import json
import signal
from typing import Final

import aiohttp
import pytest

from realtime.server.gate import HTTP_CONNECTIONS_MAX
from tests.end_to_end.conftest import MakeHub
from tests.support.polling import eventually
from tests.support.processes import HubProcess
from tests.support.raw_socket import open_raw, read_all
from tests.support.server_api import open_api
from tests.support.stream_client import KINDS, Kind, ask, open_stream
from tests.support.tokens import connection_token
from tests.support.wire_client import open_wire

STREAMS: Final = ("http_stream", "sse", "uni_http_stream", "uni_sse")
SOON_S: Final = 5.0


def request(path: str, said: str, version: str = "1.1") -> bytes:
    """A POST that asks for a stream."""
    return (
        f"POST /connection/{path} HTTP/{version}\r\nHost: hub\r\n"
        f"Content-Length: {len(said.encode())}\r\n\r\n{said}"
    ).encode()


def connect(path: str, user: str = "ann", *channels: str) -> str:
    """What a client of that path begins with."""
    token = connection_token(user)
    if path.startswith("uni_"):
        return json.dumps({"token": token, "subs": {channel: {} for channel in channels}})
    commands: list[object] = [{"id": 1, "connect": {"token": token}}]
    commands += [
        {"id": number, "subscribe": {"channel": channel}}
        for number, channel in enumerate(channels, 2)
    ]
    return "\n".join(map(json.dumps, commands))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_whole_conversation(hub: HubProcess, kind: Kind, channel: str) -> None:
    async with (
        open_stream(hub.url, kind, connection_token("ann")) as ann,
        open_wire(hub.websocket_url) as bob,
    ):
        assert ann.told["pong"] is True
        await bob.connect(connection_token("bob"))
        subscribed = await ann.command("subscribe", channel=channel, join_leave=True)
        assert subscribed["subscribe"]["recoverable"] is True
        await bob.command("subscribe", channel=channel)
        assert (await ann.push("join", channel))["info"]["user"] == "ann"
        assert (await ann.push("join", channel))["info"]["user"] == "bob"
        assert (await ann.command("publish", channel=channel, data={"a": [1]}))["publish"] == {}
        await bob.command("publish", channel=channel, data="é\n")
        for client in (ann, bob):
            assert (await client.push("pub", channel))["data"] == {"a": [1]}
            assert (await client.push("pub", channel))["data"] == "é\n"
        presence = (await ann.command("presence", channel=channel))["presence"]["presence"]
        assert {entry["user"] for entry in presence.values()} == {"ann", "bob"}
        history = (await ann.command("history", channel=channel, limit=10))["history"]
        assert [each["offset"] for each in history["publications"]] == [1, 2]
        assert (await ann.command("rpc", method="x"))["error"]["code"] == 108
        assert (await ann.command("unsubscribe", channel=channel))["unsubscribe"] == {}


@pytest.mark.parametrize("kind", KINDS)
async def test_commands_of_one_body_keep_their_order(
    hub: HubProcess, kind: Kind, channel: str
) -> None:
    async with open_stream(hub.url, kind, connection_token("ann")) as ann:
        await ann.command("subscribe", channel=channel)
        for first in (0, 50):
            commands = [
                {"id": number + 1, "publish": {"channel": channel, "data": number}}
                for number in range(first, first + 50)
            ]
            assert await ann.say(*commands) == 204
        assert [(await ann.push("pub", channel))["data"] for _ in range(100)] == list(range(100))


@pytest.mark.parametrize("kind", KINDS)
async def test_recovery_after_a_kill(make_hub: MakeHub, kind: Kind) -> None:
    hub = make_hub({})
    await asyncio.to_thread(hub.start)
    channel = "chat:killed"
    async with open_stream(hub.url, kind, connection_token("ann")) as ann:
        epoch = (await ann.command("subscribe", channel=channel))["subscribe"]["epoch"]
        await ann.command("publish", channel=channel, data=1)
        assert (await ann.push("pub", channel))["offset"] == 1
        await asyncio.to_thread(hub.kill9)
        assert await ann.ended() == []
    await asyncio.to_thread(hub.start)
    async with open_api(hub) as api:
        await api.call("publish", channel=channel, data=2)
    async with open_stream(hub.url, kind, connection_token("ann")) as ann:
        position = {"recover": True, "epoch": epoch, "offset": 1}
        found = (await ann.command("subscribe", channel=channel, **position))["subscribe"]
        assert found["recovered"] is True
        assert [each["data"] for each in found["publications"]] == [2]


@pytest.mark.parametrize("kind", KINDS)
async def test_who_answers_no_ping_is_told_and_who_does_stays(
    make_hub: MakeHub, kind: Kind
) -> None:
    hub = make_hub({"client": {"ping_interval_s": 1.0, "pong_timeout_s": 0.5}})
    await asyncio.to_thread(hub.start)
    async with (
        open_stream(hub.url, kind, connection_token("ann")) as ann,
        open_stream(hub.url, kind, connection_token("bob")) as bob,
    ):
        assert (ann.told["ping"], ann.told["pong"]) == (1, True)
        bob.answers_pings = False
        for _ in range(3):
            await ann.ping()
        assert (await bob.ended())[-1] == {
            "push": {"disconnect": {"code": 3012, "reason": "no pong"}}
        }
        assert await bob.say({}) == 404
        assert await ann.say({}) == 204


@pytest.mark.parametrize("path", STREAMS)
async def test_a_hub_that_stops_ends_its_streams(make_hub: MakeHub, path: str) -> None:
    hub = make_hub({})
    await asyncio.to_thread(hub.start)
    said = connect(path)
    async with aiohttp.ClientSession() as session:
        async with ask(session, hub.url, path, said) as answer:
            await answer.content.readline()
            began = asyncio.get_running_loop().time()
            hub.send(signal.SIGTERM)
            rest = await answer.content.read()
        assert b'"disconnect":{"code":3001,"reason":"shutdown"}' in rest
        assert await asyncio.to_thread(hub.wait) == 0
        assert asyncio.get_running_loop().time() - began < SOON_S
    await asyncio.sleep(0.05)


@pytest.mark.parametrize("path", STREAMS)
async def test_a_client_that_leaves_is_gone_at_once(
    hub: HubProcess, path: str, channel: str
) -> None:
    async with aiohttp.ClientSession() as session, open_api(hub) as api:

        async def count() -> int:
            stats = await api.call("presence_stats", channel=channel)
            return int(stats["num_clients"])

        async with ask(session, hub.url, path, connect(path, "ann", channel)) as answer:
            assert answer.status == 200
            await answer.content.readline()

            async def is_there() -> bool:
                return await count() == 1

            await eventually(is_there)

        async def is_gone() -> bool:
            return await count() == 0

        await eventually(is_gone)


@pytest.mark.parametrize("path", STREAMS)
async def test_one_connection_too_many_is_refused(make_hub: MakeHub, path: str) -> None:
    hub = make_hub({"server": {"connections_max": 2}})
    await asyncio.to_thread(hub.start)
    async with aiohttp.ClientSession() as session, open_wire(hub.websocket_url):
        async with (
            ask(session, hub.url, path, connect(path)) as first,
            ask(session, hub.url, path, connect(path)) as second,
        ):
            assert (first.status, second.status) == (200, 503)

        async def has_room() -> bool:
            async with ask(session, hub.url, path, connect(path)) as answer:
                return answer.status == 200

        await eventually(has_room)


@pytest.mark.parametrize("path", STREAMS)
def test_a_stream_on_a_connection_that_served_http_before(hub: HubProcess, path: str) -> None:
    with open_raw(hub.port) as connection:
        for _ in range(3):
            connection.sendall(b"GET /connection/init HTTP/1.1\r\nHost: hub\r\n\r\n")
            heard = b""
            while not heard.endswith(b"\r\n\r\n{}"):
                heard += connection.recv(4096)
        # Two of them at once: the second is nobody's.
        connection.sendall(request(path, connect(path)) * 2)
        heard = b""
        while b'"connect":{' not in heard:
            heard += connection.recv(4096)
        assert heard.startswith(b"HTTP/1.1 200 OK\r\n")
        # Nor is what comes later, and there may not be much of it.
        connection.sendall(b"x" * 60_000)
        connection.sendall(b"x" * 60_000)
        rest = read_all(connection)
        assert b"HTTP/1.1" not in rest


def test_garbage_is_not_repeated_in_the_log(hub: HubProcess) -> None:
    offset = hub.log_bytes
    with open_raw(hub.port) as connection:
        connection.sendall(b"GET /connection/init HTTP/1.1\r\nHost: hub\r\n\r\n")
        connection.recv(4096)
        connection.sendall(b"planted-garbage \xff\r\n\r\n")
        read_all(connection)
    with open_raw(hub.port) as connection:
        connection.sendall(
            request("http_stream", connect("http_stream")) + b"planted-garbage\r\n\r\n"
        )
        read_all(connection)
    assert "planted-garbage" not in hub.log[offset:]
    assert "Traceback" not in hub.log[offset:]


@pytest.mark.parametrize("path", STREAMS)
def test_http_1_0_is_told_what_is_missing(hub: HubProcess, path: str) -> None:
    with open_raw(hub.port) as connection:
        connection.sendall(request(path, connect(path), "1.0"))
        answer = read_all(connection)
    assert answer.split(b" ", 2)[1] == b"505"
    assert b"proxy_http_version 1.1" in answer


@pytest.mark.parametrize("path", ["/connection/http_stream", "/emulation"])
async def test_bodies_that_do_not_come_keep_nobody_out(hub: HubProcess, path: str) -> None:
    """Slowly sent ones are ended after 10 s, and the others are served meanwhile."""
    half = request("http_stream", connect("http_stream"))[:-10]
    head = half.replace(b"/connection/http_stream", path.encode())
    writers = []
    readers = []
    for _ in range(50):
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        writer.write(head)
        readers.append(reader)
        writers.append(writer)
    async with open_stream(hub.url, "http_stream", connection_token("ann")) as ann:
        assert (await ann.command("rpc", method="x"))["error"]["code"] == 108
    async with asyncio.timeout(15):
        for reader in readers:
            assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
    for writer in writers:
        writer.close()
        await writer.wait_closed()


async def test_more_slow_bodies_than_connections_for_them_keep_nobody_out(hub: HubProcess) -> None:
    half = request("http_stream", connect("http_stream"))[:-10]
    writers = []
    for _ in range(HTTP_CONNECTIONS_MAX + 100):
        _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        writer.write(half)
        writers.append(writer)
    async with asyncio.timeout(5), open_api(hub) as api:
        assert (await api.request("GET", "/health")).status == 200
        async with open_stream(hub.url, "http_stream", connection_token("ann")) as ann:
            assert (await ann.command("rpc", method="x"))["error"]["code"] == 108
    for writer in writers:
        writer.transport.abort()
    # asyncio tells of an aborted connection a turn of the loop later.
    await asyncio.sleep(0.05)
