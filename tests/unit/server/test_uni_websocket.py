"""A websocket whose client only listens, over a transport without a socket."""

import json
from urllib.parse import quote

import pytest

from realtime.errors import SHUTDOWN
from realtime.server.uni_websocket import UnidirectionalWebsocket
from realtime.websocket import EMPTY_PING, frame_close, frame_text
from tests.support.hub import settled
from tests.unit.server.stream_house import StreamHouse, get, stream_house
from tests.unit.server.transport import SocketlessTransport
from tests.unit.websocket.browser_head import browser_head
from tests.unit.websocket.client_frames import BINARY, PONG, TEXT, client_frame

PATH = "/connection/uni_websocket"


async def upgraded(house: StreamHouse, query: str = "") -> SocketlessTransport:
    """A connection that is a websocket now."""
    transport = house.knock(browser_head(line=f"GET {PATH}{query} HTTP/1.1"))
    assert transport.take().startswith(b"HTTP/1.1 101 ") or query
    await settled()
    return transport


def document(frame: bytes) -> object:
    """The JSON in a short or medium text frame of the server."""
    start = 4 if frame[1] == 126 else 2
    return json.loads(frame[start:])


async def test_the_first_message_is_the_connect_request() -> None:
    async with stream_house() as house:
        transport = await upgraded(house)
        assert isinstance(transport.protocol, UnidirectionalWebsocket)
        assert transport.take() == b""
        transport.protocol.data_received(client_frame(TEXT, b'{"name":"me"}'))
        await settled()
        told = document(transport.take())
        assert list(told) == ["connect"]  # type: ignore[call-overload]
        transport.protocol.connection_lost(None)


async def test_the_query_may_be_it() -> None:
    async with stream_house() as house:
        transport = house.knock(browser_head(line=f"GET {PATH}?cf_connect={quote('{}')} HTTP/1.1"))
        await settled()
        written = transport.take()
        assert b'{"connect":{"client":"' in written
        assert b'"pong"' not in written
        transport.protocol.connection_lost(None)


async def test_a_proxy_may_bring_it_on_a_connection_that_served_http_before() -> None:
    async with stream_house() as house:
        transport = house.knock(get("/connection/init"))
        await settled()
        transport.take()
        transport.protocol.data_received(
            browser_head(line=f"GET {PATH}?cf_connect=%7B%7D HTTP/1.1")
        )
        await settled()
        assert b'{"connect":{"client":"' in transport.take()
        assert house.http.connections == []
        transport.protocol.connection_lost(None)


async def test_what_is_said_later_is_ignored() -> None:
    async with stream_house() as house:
        transport = await upgraded(house, "?cf_connect=%7B%7D")
        transport.take()
        for frame in (
            client_frame(TEXT, b"{}"),
            client_frame(TEXT, b'{"token":"x"}'),
            client_frame(TEXT, b'{"id":1,"subscribe":{"channel":"chat:1"}}'),
            client_frame(TEXT, b"garbage"),
            client_frame(TEXT, b""),
            client_frame(BINARY, b"\xff"),
        ):
            transport.protocol.data_received(frame)
        await settled()
        assert transport.take() == b""
        assert not transport.closing
        assert len(house.node.hub.clients) == 1
        transport.protocol.connection_lost(None)


@pytest.mark.parametrize(
    "frame", [client_frame(TEXT, b"[]"), client_frame(TEXT, b""), client_frame(BINARY, b"{}")]
)
async def test_a_first_message_that_is_none_is_a_bad_request(frame: bytes) -> None:
    async with stream_house() as house:
        transport = await upgraded(house)
        transport.protocol.data_received(frame)
        await settled()
        assert transport.take() == (
            frame_text(b'{"disconnect":{"code":3501,"reason":"bad request"}}')
            + frame_close(3501, "bad request")
        )
        transport.protocol.connection_lost(None)


async def test_a_close_is_said_in_both_ways_once() -> None:
    async with stream_house() as house:
        transport = await upgraded(house, "?cf_connect=%7B%7D")
        transport.take()
        (client,) = house.node.hub.clients
        house.node.hub.responder.close(client, SHUTDOWN)
        transport.protocol.close(SHUTDOWN)
        assert transport.take() == (
            frame_text(b'{"disconnect":{"code":3001,"reason":"shutdown"}}')
            + frame_close(3001, "shutdown")
        )
        transport.protocol.connection_lost(None)


async def test_both_pings_are_sent_and_the_native_one_must_be_answered() -> None:
    async with stream_house() as house:
        transport = await upgraded(house, "?cf_connect=%7B%7D")
        transport.take()
        for _ in range(2):
            for _ in range(26):
                await house.node.advance(1)
                if written := transport.take():
                    break
            assert written == frame_text(b"{}") + EMPTY_PING
            transport.protocol.data_received(client_frame(PONG, b""))
            await house.node.advance(9)
            assert transport.take() == b""
        for _ in range(26):
            await house.node.advance(1)
            if transport.take():
                break
        transport.protocol.data_received(client_frame(TEXT, b"{}"))
        await house.node.advance(9)
        assert frame_close(3012, "no pong") in transport.take()
        transport.protocol.connection_lost(None)


async def test_protobuf_is_not_spoken_there() -> None:
    async with stream_house() as house:
        for head in (
            browser_head(
                ("Sec-WebSocket-Protocol", "centrifuge-protobuf"), line=f"GET {PATH} HTTP/1.1"
            ),
            browser_head(line=f"GET {PATH}?format=protobuf HTTP/1.1"),
        ):
            answer = await house.asked(head)
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert answer.endswith(b"Here is JSON only.\n")
        named = browser_head(
            ("Sec-WebSocket-Protocol", "centrifuge-json"), line=f"GET {PATH} HTTP/1.1"
        )
        answer = await house.asked(named)
        assert b"\r\nSec-WebSocket-Protocol: centrifuge-json\r\n" in answer


async def test_each_websocket_is_there_only_where_it_is_on() -> None:
    for on, off in (("uni_websocket", "websocket"), ("websocket", "uni_websocket")):
        async with stream_house(transports={on}) as house:
            there = await house.asked(browser_head(line=f"GET /connection/{on} HTTP/1.1"))
            assert there.startswith(b"HTTP/1.1 101 ")
            missing = await house.asked(browser_head(line=f"GET /connection/{off} HTTP/1.1"))
            assert missing.startswith(b"HTTP/1.1 404 ")


async def test_heads_with_a_connect_request_are_not_remembered() -> None:
    async with stream_house() as house:
        for number in range(3):
            transport = await upgraded(house, f"?cf_connect=%7B%22name%22%3A%22{number}%22%7D")
            transport.protocol.connection_lost(None)
        assert len(house.doorway._familiar) == 0
