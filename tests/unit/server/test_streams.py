"""Streams behind the door, byte by byte, over a transport without a socket."""

import asyncio
import gc
import json
from urllib.parse import quote

import pytest
from aiohttp.web import RequestHandler

from realtime.errors import SHUTDOWN, Disconnect
from realtime.server.gate import CLOSE_TIMEOUT_S
from realtime.server.stream import IGNORED_MAX_BYTES, StreamConnection, UnidirectionalStream
from realtime.server.websocket import WRITE_HIGH_BYTES, WRITE_LOW_BYTES
from realtime.settings.schema import ClientSettings
from tests.support.hub import settled
from tests.unit.server.stream_house import (
    CONNECT,
    chunks,
    documents,
    get,
    post,
    stream_house,
)

HTTP_STREAM = post("/connection/http_stream", CONNECT)
SSE = get(f"/connection/sse?cf_connect={quote(CONNECT)}")
UNI_HTTP_STREAM = post("/connection/uni_http_stream", b"{}")
UNI_SSE = get("/connection/uni_sse?cf_connect=%7B%7D")
REPLACED = Disconnect(3510, "replaced")
ALL = (HTTP_STREAM, SSE, UNI_HTTP_STREAM, UNI_SSE)


def handlers() -> set[RequestHandler]:
    """aiohttp's ends of connections; other tests may have left some."""
    return {each for each in gc.get_objects() if isinstance(each, RequestHandler)}


async def test_an_http_stream_is_answered_with_lines_of_json() -> None:
    async with stream_house() as house:
        transport = house.knock(HTTP_STREAM)
        await settled()
        head, _, body = transport.take().partition(b"\r\n\r\n")
        assert head == (
            b"HTTP/1.1 200 OK\r\n"
            b"Content-Type: application/x-ndjson\r\n"
            b"Transfer-Encoding: chunked\r\n"
            b"Cache-Control: private, no-cache, no-store, must-revalidate, max-age=0\r\n"
            b"X-Accel-Buffering: no\r\n"
            b"X-Content-Type-Options: nosniff\r\n"
            b"Connection: close\r\n"
            b"Vary: Origin"
        )
        (line,) = chunks(body)
        assert line.endswith(b"}\n")
        told = json.loads(line)["connect"]
        assert told["pong"] is True
        assert told["node"] == house.node.hub.node
        assert told["session"].startswith(told["client"] + ".")
        assert isinstance(transport.protocol, StreamConnection)
        assert transport.limits == (WRITE_HIGH_BYTES, WRITE_LOW_BYTES)
        transport.protocol.connection_lost(None)


async def test_server_sent_events_begin_with_an_empty_line() -> None:
    async with stream_house() as house:
        transport = house.knock(SSE)
        await settled()
        head, _, body = transport.take().partition(b"\r\n\r\n")
        assert b"\r\nContent-Type: text/event-stream\r\n" in head
        opening, event = chunks(body)
        assert opening == b"\r\n"
        assert event.startswith(b'data: {"id":1,"connect":{"client":"')
        assert event.endswith(b"}\n\n")
        transport.protocol.connection_lost(None)


async def test_events_may_be_asked_for_in_a_body() -> None:
    async with stream_house() as house:
        transport, body = await house.streaming(post("/connection/sse", CONNECT))
        assert documents(body)[0]["id"] == 1
        transport.protocol.connection_lost(None)


async def test_a_body_may_bring_more_than_the_connect() -> None:
    async with stream_house() as house:
        said = CONNECT + b'\n{"id":2,"subscribe":{"channel":"nowhere:1"}}\n'
        transport, body = await house.streaming(post("/connection/http_stream", said))
        replies = documents(body)
        assert [reply["id"] for reply in replies] == [1, 2]
        assert replies[1]["error"]["code"] == 102
        transport.protocol.connection_lost(None)


async def test_protobuf_is_asked_for_by_the_bodys_type() -> None:
    async with stream_house() as house:
        request = post(
            "/connection/http_stream",
            b"\x04\x08\x01\x22\x00",  # {id: 1, connect: {}}
            "Content-Type: application/octet-stream",
        )
        transport = house.knock(request)
        await settled()
        head, _, body = transport.take().partition(b"\r\n\r\n")
        assert b"\r\nContent-Type: application/octet-stream\r\n" in head
        (message,) = chunks(body)
        length = message[0] & 0x7F | message[1] << 7
        assert length == len(message) - 2
        assert message[2:5] == b"\x08\x01\x2a"  # {id: 1, connect: …}
        transport.protocol.connection_lost(None)


@pytest.mark.parametrize("path", ["sse", "uni_sse", "uni_http_stream"])
async def test_what_speaks_json_only_says_so(path: str) -> None:
    async with stream_house() as house:
        request = post(
            f"/connection/{path}", b"\x04\x08\x01\x22\x00", "Content-Type: application/octet-stream"
        )
        answer = await house.asked(request)
        assert answer.startswith(b"HTTP/1.1 415 ")
        assert answer.endswith(b"Here is JSON only.\n")


async def test_who_only_listens_is_sent_bare_pushes() -> None:
    async with stream_house() as house:
        for request in (UNI_HTTP_STREAM, UNI_SSE):
            transport, body = await house.streaming(request)
            (told,) = documents(body)
            assert list(told) == ["connect"]
            assert "pong" not in told["connect"]
            assert "node" not in told["connect"]
            assert isinstance(transport.protocol, UnidirectionalStream)
            transport.protocol.connection_lost(None)


async def test_aiohttp_is_left_with_nothing() -> None:
    async with stream_house() as house:
        before, known = len(asyncio.all_tasks()), handlers()
        for request in ALL:
            transport = house.knock(request)
            await settled()
            assert isinstance(transport.protocol, StreamConnection)
            assert house.http.connections == []
            assert len(asyncio.all_tasks()) == before
            gc.collect()
            assert handlers() <= known
            assert house.gate.connections == 1
            transport.protocol.connection_lost(None)
            assert house.gate.connections == 0
            assert not transport.closing


async def test_a_stream_may_come_on_a_connection_that_served_http_before() -> None:
    async with stream_house() as house:
        transport = house.knock(get("/connection/init"))
        await settled()
        assert transport.take().endswith(b"\r\n\r\n{}")
        transport.protocol.data_received(HTTP_STREAM)
        await settled()
        assert transport.take().startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson")
        assert house.http.connections == []
        transport.protocol.connection_lost(None)


async def test_a_connection_that_was_paused_is_read_again_once_it_is_a_stream() -> None:
    async with stream_house() as house:
        transport = house.knock(HTTP_STREAM + get("/connection/init") * 40)
        assert not transport.reading  # aiohttp has read ahead enough
        await settled()
        assert isinstance(transport.protocol, StreamConnection)
        assert transport.reading
        transport.protocol.connection_lost(None)


async def test_a_connection_whose_answers_were_not_read_is_not_taken_over() -> None:
    async with stream_house() as house:
        transport = house.knock(get("/connection/init"))
        await settled()
        transport.take()
        transport.unsent_bytes = 100_000
        transport.protocol.data_received(HTTP_STREAM)
        await settled()
        assert transport.take().startswith(b"HTTP/1.1 503 ")
        assert house.gate.connections == 0
        transport.protocol.connection_lost(None)


@pytest.mark.parametrize("request_bytes", ALL)
async def test_what_comes_behind_the_request_is_ignored_within_bounds(request_bytes: bytes) -> None:
    async with stream_house() as house:
        transport = house.knock(request_bytes + HTTP_STREAM)
        await settled()
        assert transport.take().count(b"HTTP/1.1 ") == 1
        assert house.gate.connections == 1
        transport.protocol.data_received(b"x" * IGNORED_MAX_BYTES)
        assert not transport.aborted
        transport.protocol.data_received(b"x")
        assert transport.aborted
        transport.protocol.connection_lost(None)


async def test_garbage_right_behind_the_request_is_no_stream() -> None:
    async with stream_house() as house:
        transport = house.knock(HTTP_STREAM + b"garbage\r\n\r\n")
        await settled()
        assert transport.take().startswith(b"HTTP/1.0 400 ")
        assert house.gate.connections == 0
        transport.protocol.connection_lost(None)


@pytest.mark.parametrize(
    ("request_bytes", "ending"),
    [
        (HTTP_STREAM, b'{"push":{"disconnect":{"code":3001,"reason":"shutdown"}}}\n\r\n'),
        (SSE, b'data: {"push":{"disconnect":{"code":3001,"reason":"shutdown"}}}\n\n\r\n'),
        (UNI_HTTP_STREAM, b'{"disconnect":{"code":3001,"reason":"shutdown"}}\n\r\n'),
        (UNI_SSE, b'data: {"disconnect":{"code":3001,"reason":"shutdown"}}\n\n\r\n'),
    ],
)
async def test_a_close_is_a_push_and_the_end_of_the_answer(
    request_bytes: bytes, ending: bytes
) -> None:
    async with stream_house() as house:
        transport, _ = await house.streaming(request_bytes)
        (client,) = house.node.hub.clients
        house.node.hub.responder.close(client, SHUTDOWN)
        written = transport.take()
        assert written.endswith(ending + b"0\r\n\r\n")
        assert transport.closing
        assert not transport.aborted
        house.node.hub.responder.close(client, SHUTDOWN)
        transport.protocol.close(SHUTDOWN)
        assert transport.take() == b""
        # A peer that does not take it is not waited for.
        house.gate.sweep(asyncio.get_running_loop().time() + CLOSE_TIMEOUT_S + 0.1)
        assert transport.aborted
        transport.protocol.connection_lost(None)


@pytest.mark.parametrize(
    ("request_bytes", "disconnect", "stays_away"),
    [
        (UNI_SSE, REPLACED, True),
        (UNI_SSE, SHUTDOWN, False),
        (UNI_HTTP_STREAM, REPLACED, False),
        (SSE, REPLACED, False),
    ],
)
async def test_a_browser_that_only_listens_is_told_not_to_come_back(
    request_bytes: bytes, disconnect: Disconnect, stays_away: bool
) -> None:
    async with stream_house() as house:
        transport, _ = await house.streaming(request_bytes)
        (client,) = house.node.hub.clients
        house.node.hub.responder.close(client, disconnect)
        *_, retry, said, last = (b"", *chunks(transport.take()))
        assert (retry == b"retry: 3600000\n\n") is stays_away
        assert str(disconnect.code).encode() in said
        assert last == b""
        transport.protocol.connection_lost(None)


@pytest.mark.parametrize("request_bytes", ALL)
async def test_a_peer_that_says_no_more_and_does_not_read_is_ended_by_the_gate(
    request_bytes: bytes,
) -> None:
    async with stream_house() as house:
        transport, _ = await house.streaming(request_bytes)
        assert transport.protocol.eof_received() is False
        transport.close()  # as asyncio does
        transport.protocol.close(SHUTDOWN)
        house.gate.sweep(asyncio.get_running_loop().time() + CLOSE_TIMEOUT_S)
        assert transport.aborted
        transport.protocol.connection_lost(None)


async def test_a_refused_connect_is_answered_or_closes_as_the_client_can_hear_it() -> None:
    async with stream_house() as house:
        expired = house.node.token("ann", ttl_s=-100)
        said = json.dumps({"id": 1, "connect": {"token": expired}}).encode()
        transport, body = await house.streaming(post("/connection/http_stream", said))
        assert documents(body)[0]["error"]["code"] == 109
        assert not transport.closing
        transport.protocol.connection_lost(None)
        said = json.dumps({"token": expired}).encode()
        transport, body = await house.streaming(post("/connection/uni_http_stream", said))
        assert documents(body) == [{"disconnect": {"code": 3005, "reason": "connection expired"}}]
        assert transport.closing
        transport.protocol.connection_lost(None)


@pytest.mark.parametrize("said", [b"{", b"[]", b'{"id":1}', b'{"id":1,"ping":{}}', b"[" * 50_000])
async def test_what_is_no_connect_command_is_a_bad_request(said: bytes) -> None:
    async with stream_house() as house:
        transport, body = await house.streaming(post("/connection/http_stream", said))
        assert documents(body) == [
            {"push": {"disconnect": {"code": 3501, "reason": "bad request"}}}
        ]
        assert body.endswith(b"0\r\n\r\n")
        transport.protocol.connection_lost(None)


async def test_a_client_that_reads_nothing_is_slow() -> None:
    client = ClientSettings(outbox_max_bytes=1_024)
    async with stream_house(client=client) as house:
        transport, _ = await house.streaming(HTTP_STREAM)
        (known,) = house.node.hub.clients
        transport.protocol.pause_writing()
        house.node.hub.fanout.send(known.outbox, b"5\r\nhallo\r\n")
        await settled()
        assert transport.take() == b""
        transport.protocol.resume_writing()
        await settled()
        assert transport.take() == b"5\r\nhallo\r\n"
        transport.protocol.pause_writing()
        house.node.hub.fanout.send(known.outbox, b"x" * 2_000)
        await settled()
        assert documents(transport.take()) == [
            {"push": {"disconnect": {"code": 3008, "reason": "slow"}}}
        ]
        assert house.node.hub.statistics.slow_closes == 1
        transport.protocol.connection_lost(None)


async def test_a_ping_is_a_document_like_any_other() -> None:
    async with stream_house() as house:
        for request, ping in (
            (HTTP_STREAM, b"3\r\n{}\n\r\n"),
            (SSE, b"a\r\ndata: {}\n\n\r\n"),
            (UNI_HTTP_STREAM, b"3\r\n{}\n\r\n"),
            (UNI_SSE, b"a\r\ndata: {}\n\n\r\n"),
        ):
            transport, _ = await house.streaming(request)
            for _ in range(26):
                await house.node.advance(1)
                if written := transport.take():
                    break
            assert written == ping
            await house.node.advance(9)
            is_listener = request in (UNI_HTTP_STREAM, UNI_SSE)
            assert transport.closing is not is_listener
            transport.protocol.connection_lost(None)


async def test_who_comes_through_a_trusted_proxy_has_its_own_address() -> None:
    async with stream_house(proxies=("10.0.0.0/8",)) as house:
        for header, peer, address in (
            ("X-Forwarded-For: 198.51.100.7, 203.0.113.9", "10.0.0.1", "203.0.113.9"),
            ("X-Forwarded-For: 203.0.113.9", "192.0.2.1", "192.0.2.1"),
            ("X-Other: 1", "10.0.0.1", "10.0.0.1"),
        ):
            request = post("/connection/http_stream", CONNECT, header)
            transport, _ = await house.streaming(request, peer=peer)
            (client,) = house.node.hub.clients
            assert client.transport.address == address
            transport.protocol.connection_lost(None)
    async with stream_house() as house:
        transport, _ = await house.streaming(post("/connection/sse", CONNECT, "X-Forwarded-For: 1"))
        assert transport.protocol.address == "192.0.2.1"
        transport.protocol.connection_lost(None)
