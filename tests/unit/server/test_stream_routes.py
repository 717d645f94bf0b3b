"""Requests for streams that are refused, and what browsers are told (protocol 7)."""

import json

import pytest

from realtime.server import bodies
from tests.support.hub import settled
from tests.unit.server.stream_house import CONNECT, get, headers, post, status, stream_house

PAGE = "Origin: https://app.example.com"
ORIGINS = ("https://app.example.com",)
STREAMS = ("http_stream", "sse", "uni_http_stream", "uni_sse")


@pytest.mark.parametrize(
    ("request_bytes", "code"),
    [
        (get("/connection/http_stream?cf_connect=%7B%7D"), 405),
        (b"PUT /connection/sse HTTP/1.1\r\nHost: hub\r\n\r\n", 405),
        (post("/connection/init", b"{}"), 405),
        (post("/connection/uni_sse", b""), 400),
        (get("/connection/sse"), 400),
        (get("/connection/uni_sse?cf_connect="), 400),
        (post("/connection/http_stream", b'{"id":1,"connect":{"token":"\xff"}}'), 400),
        (post("/connection/http_stream", b"x" * 70_000), 413),
        (get("/connection/elsewhere"), 404),
        (get("/emulation"), 405),
        (b"POST /connection/sse HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}", 505),
        (b"GET /connection/uni_sse?cf_connect=%7B%7D HTTP/1.0\r\n\r\n", 505),
    ],
)
async def test_what_cannot_be_a_stream_is_refused(request_bytes: bytes, code: int) -> None:
    async with stream_house() as house:
        answer = await house.asked(request_bytes)
        assert status(answer) == code
        assert "connection" not in headers(answer) or headers(answer)["connection"] == "close"
        assert house.gate.connections == 0
        assert house.http.connections == []


async def test_http_1_0_is_told_what_its_proxy_needs() -> None:
    async with stream_house() as house:
        answer = await house.asked(b"GET /connection/uni_sse?cf_connect=%7B%7D HTTP/1.0\r\n\r\n")
        assert answer.endswith(b"Where this came through nginx: proxy_http_version 1.1;\n")


async def test_a_chunked_body_is_too_long_as_soon_as_it_is() -> None:
    async with stream_house() as house:
        head = post("/connection/http_stream", b"").replace(
            b"Content-Length: 0", b"Transfer-Encoding: chunked"
        )
        transport = house.knock(head + b"11171\r\n" + b"x" * 0x11171 + b"\r\n")
        await settled()
        assert status(transport.take()) == 413
        transport.protocol.connection_lost(None)


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_TIMEOUT_S", 0.0)
    async with stream_house() as house:
        request = post("/connection/http_stream", CONNECT)
        transport = house.knock(request[:-5])
        await settled()
        assert status(transport.take()) == 408
        assert house.gate.connections == 0
        transport.protocol.connection_lost(None)


async def test_a_client_that_leaves_in_its_body_is_nobodys_trouble(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with stream_house() as house:
        for request in (post("/connection/http_stream", CONNECT), post("/emulation", CONNECT)):
            transport = house.knock(request[:-5])
            await settled()
            transport.protocol.connection_lost(None)
            await settled()
            assert house.http.connections == []
        assert house.gate.connections == 0
    assert not caplog.records


async def test_a_full_hub_says_so_before_it_reads_the_body() -> None:
    async with stream_house(connections_max=1) as house:
        stream, _ = await house.streaming(post("/connection/http_stream", CONNECT))
        for name in STREAMS:
            transport = house.knock(post(f"/connection/{name}", CONNECT)[:-5])
            await settled()
            answer = transport.take()
            assert status(answer) == 503
            assert answer.endswith(b"There are too many connections. Try again later.\n")
            transport.protocol.connection_lost(None)
        assert house.node.hub.statistics.refused_handshakes == 4
        stream.protocol.connection_lost(None)
        stream, _ = await house.streaming(post("/connection/http_stream", CONNECT))
        stream.protocol.connection_lost(None)


async def test_a_hub_that_stops_begins_no_stream() -> None:
    async with stream_house() as house:
        house.gate.closed = True
        assert status(await house.asked(post("/connection/http_stream", CONNECT))) == 503


async def test_a_transport_that_is_off_is_not_there() -> None:
    async with stream_house(transports={"sse", "websocket"}) as house:
        for name in ("http_stream", "uni_http_stream", "uni_sse"):
            assert status(await house.asked(post(f"/connection/{name}", CONNECT))) == 404
        stream, _ = await house.streaming(post("/connection/sse", CONNECT))
        stream.protocol.connection_lost(None)
        assert status(await house.asked(post("/emulation", b"{}"))) == 400
    async with stream_house(transports={"uni_sse"}) as house:
        assert status(await house.asked(post("/emulation", b"{}"))) == 404
        assert status(await house.asked(get("/connection/websocket"))) == 404


# What browsers are told.


@pytest.mark.parametrize("name", STREAMS)
async def test_a_page_of_an_allowed_origin_may_read_the_stream(name: str) -> None:
    async with stream_house(origins=ORIGINS) as house:
        said = b"{}" if name.startswith("uni_") else CONNECT
        transport = house.knock(post(f"/connection/{name}", said, PAGE))
        await settled()
        told = headers(transport.take())
        assert told["access-control-allow-origin"] == "https://app.example.com"
        assert told["access-control-allow-credentials"] == "true"
        assert told["vary"] == "Origin"
        transport.protocol.connection_lost(None)


@pytest.mark.parametrize(
    "request_bytes",
    [
        post("/connection/http_stream", b"", PAGE),
        post("/connection/http_stream", b"x" * 70_000, PAGE),
        get("/connection/http_stream", PAGE),
        get("/connection/init", PAGE),
        post("/emulation", b"", PAGE),
        post("/emulation", b'{"session":"a.b","data":"{}"}', PAGE),
        post("/connection/sse", b"{}", PAGE, "Content-Type: application/octet-stream"),
    ],
)
async def test_such_a_page_may_read_what_is_wrong_too(request_bytes: bytes) -> None:
    async with stream_house(origins=ORIGINS) as house:
        told = headers(await house.asked(request_bytes))
        assert told["access-control-allow-origin"] == "https://app.example.com"
        assert told["access-control-allow-credentials"] == "true"


@pytest.mark.parametrize(
    ("origin", "code"),
    [
        ("https://evil.example.com", 403),
        ("null", 403),
        ("https://app.example.com.evil.com", 403),
        ("https://app.example.com\r\nOrigin: https://app.example.com", 400),
    ],
)
async def test_other_pages_are_refused_everywhere(origin: str, code: int) -> None:
    async with stream_house(origins=ORIGINS) as house:
        page = f"Origin: {origin}"
        for request in (
            post("/connection/http_stream", CONNECT, page),
            post("/connection/uni_sse", b"{}", page),
            get("/connection/sse?cf_connect=%7B%7D", page),
            post("/emulation", b'{"session":"a.b","data":"{}"}', page),
            get("/connection/init", page),
            f"OPTIONS /emulation HTTP/1.1\r\nHost: hub\r\n{page}\r\n\r\n".encode(),
        ):
            answer = await house.asked(request)
            assert status(answer) == code
            assert "access-control-allow-origin" not in headers(answer)


@pytest.mark.parametrize("origins", [(), ORIGINS])
async def test_an_image_of_another_site_performs_nothing(origins: tuple[str, ...]) -> None:
    async with stream_house(origins=origins) as house:
        for site in ("cross-site", "same-site"):
            for request in (
                get("/connection/sse?cf_connect=%7B%7D", f"Sec-Fetch-Site: {site}"),
                get("/connection/uni_sse?cf_connect=%7B%7D", f"Sec-Fetch-Site: {site}"),
                get("/connection/uni_http_stream?cf_connect=%7B%7D", f"Sec-Fetch-Site: {site}"),
                post("/emulation", b'{"session":"a.b","data":"{}"}', f"Sec-Fetch-Site: {site}"),
            ):
                assert status(await house.asked(request)) == 403
        assert house.gate.connections == 0


@pytest.mark.parametrize(
    ("origins", "lines"),
    [
        ((), ("Sec-Fetch-Site: same-origin",)),
        ((), ("Sec-Fetch-Site: none",)),
        (("*",), ("Sec-Fetch-Site: cross-site",)),
        (ORIGINS, (PAGE, "Sec-Fetch-Site: cross-site")),
    ],
)
async def test_who_may_come_may_do_so_from_any_site(
    origins: tuple[str, ...], lines: tuple[str, ...]
) -> None:
    async with stream_house(origins=origins) as house:
        stream, _ = await house.streaming(get("/connection/uni_sse?cf_connect=%7B%7D", *lines))
        stream.protocol.connection_lost(None)


async def test_without_a_list_the_hubs_own_pages_may_come() -> None:
    async with stream_house() as house:
        assert status(await house.asked(get("/connection/init", "Origin: https://hub"))) == 200
        assert status(await house.asked(get("/connection/init", "Origin: https://hubs"))) == 403
        assert status(await house.asked(get("/connection/init"))) == 200


@pytest.mark.parametrize("path", [*(f"/connection/{name}" for name in STREAMS), "/emulation"])
async def test_a_browser_may_ask_first(path: str) -> None:
    async with stream_house(origins=ORIGINS) as house:
        request = (
            f"OPTIONS {path} HTTP/1.1\r\nHost: hub\r\n{PAGE}\r\n"
            "Access-Control-Request-Method: POST\r\n"
            "Access-Control-Request-Headers: content-type, x-own\r\n\r\n"
        )
        answer = await house.asked(request.encode())
        assert status(answer) == 204
        told = headers(answer)
        assert told["access-control-allow-origin"] == "https://app.example.com"
        assert told["access-control-allow-methods"] == "GET, POST, OPTIONS"
        assert told["access-control-allow-headers"] == "content-type, x-own"
        assert told["access-control-max-age"] == "600"
        assert told["vary"] == "Origin, Access-Control-Request-Headers"


@pytest.mark.parametrize("wanted", ["x" * 600, "a b", "a;b", ",", "é"])
async def test_headers_that_are_no_names_are_not_allowed(wanted: str) -> None:
    async with stream_house(origins=ORIGINS) as house:
        request = (
            f"OPTIONS /emulation HTTP/1.1\r\nHost: hub\r\n{PAGE}\r\n"
            f"Access-Control-Request-Headers: {wanted}\r\n\r\n"
        )
        answer = await house.asked(request.encode())
        assert status(answer) == 204
        assert "access-control-allow-headers" not in headers(answer)


# The other direction.


async def test_an_emulation_request_speaks_for_its_session() -> None:
    async with stream_house() as house:
        stream, body = await house.streaming(post("/connection/http_stream", CONNECT))
        told = json.loads(body.split(b"\r\n")[1])["connect"]
        ask = {"session": told["session"], "node": told["node"]}
        assert await house.emulate({**ask, "data": '{"id":2,"rpc":{"method":"m"}}'}) == 204
        await settled()
        assert b'{"id":2,"error":{"code":108,' in stream.take()
        for wrong, code in (
            ({**ask, "session": "a.b", "data": "{}"}, 404),
            ({**ask, "node": "another", "data": "{}"}, 404),
            ({**ask, "data": "x" * 65_537}, 413),
            ({**ask, "data": "x" * 300_000}, 413),
            ({**ask, "data": {}}, 400),
            ({**ask}, 400),
            (b'{"session":"a.b","data":"\xff"}', 400),
            (b"[" * 50_000, 400),
        ):
            assert await house.emulate(wrong) == code
        assert house.node.hub.statistics.emulations == {204: 1, 404: 2, 413: 2, 400: 4}
        stream.protocol.connection_lost(None)
        assert await house.emulate({**ask, "data": "{}"}) == 404


async def test_text_is_as_long_as_it_is_and_not_as_it_is_written() -> None:
    async with stream_house() as house:
        stream, body = await house.streaming(post("/connection/http_stream", CONNECT))
        told = json.loads(body.split(b"\r\n")[1])["connect"]
        command = json.dumps({"id": 2, "rpc": {"data": '"' * 32_000}}, ensure_ascii=False)
        assert len(command) <= 65_536
        assert await house.emulate({"session": told["session"], "data": command}) == 204
        await settled()
        assert b'{"id":2,"error":{"code":108,' in stream.take()
        stream.protocol.connection_lost(None)


async def test_a_protobuf_request_brings_bytes() -> None:
    async with stream_house() as house:
        octets = "Content-Type: application/octet-stream"
        stream, body = await house.streaming(
            post("/connection/http_stream", b"\x04\x08\x01\x22\x00", octets)
        )
        (client,) = house.node.hub.clients
        session = client.session_id.encode()
        rpc = b"\x04\x08\x02\x6a\x00"  # {id: 2, rpc: {}}
        message = b"\x12%c%b\x1a%c%b" % (len(session), session, len(rpc), rpc)
        assert await house.emulate(message, octets) == 204
        await settled()
        assert b"\x08\x02\x12" in stream.take()  # {id: 2, error: …}
        assert await house.emulate(b"\x0a\x05n", octets) == 400
        stream.protocol.connection_lost(None)
        assert body


async def test_connections_of_requests_are_kept_while_there_are_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stream_house() as house:
        stream, body = await house.streaming(post("/connection/http_stream", CONNECT))
        told = json.loads(body.split(b"\r\n")[1])["connect"]
        request = post(
            "/emulation", json.dumps({"session": told["session"], "data": "{}"}).encode()
        )
        transport = house.knock(request)
        await settled()
        assert status(transport.take()) == 204
        assert not transport.closing
        monkeypatch.setattr("realtime.server.emulation.KEPT_MAX", 0)
        transport.protocol.data_received(request)
        await settled()
        assert headers(transport.take())["connection"] == "close"
        assert transport.closing
        stream.protocol.connection_lost(None)
