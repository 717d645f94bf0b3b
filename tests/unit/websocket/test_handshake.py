"""The check of an opening handshake, rule by rule; sections are those of RFC 6455."""

import pytest

from realtime.websocket import handshake
from realtime.websocket.handshake import Accept, check
from realtime.websocket.head import RequestHead, parse_head
from realtime.websocket.responses import Refuse
from tests.unit.websocket.browser_head import KEY, browser_head, head_of

PATH = "/connection/websocket"
GOOD = Accept(KEY, None, False, PATH, False)


def checked(head: bytes, *allowed_origins: str) -> Accept | Refuse:
    """The verdict on a head that must be well-formed."""
    parsed = parse_head(head)
    assert isinstance(parsed, RequestHead), parsed
    return check(parsed, allowed_origins)


def with_header(name: str, value: str) -> Accept | Refuse:
    """The verdict on a browser's head in which this header has another value."""
    return checked(browser_head((name, value), without=(name.lower(),)))


def without_header(name: str) -> Accept | Refuse:
    """The verdict on a browser's head in which this header is missing."""
    return checked(browser_head(without=(name,)))


def test_a_browser_is_accepted() -> None:
    assert checked(browser_head()) == GOOD


def test_the_least_that_4_2_1_asks_for_is_accepted() -> None:
    head = head_of(
        ("host", "x"),
        ("upgrade", "WEBSOCKET"),
        ("connection", "keep-alive , UPGRADE"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-version", "13"),
        line="GET / HTTP/1.1",
    )
    assert checked(head) == Accept(KEY, None, False, "/", False)


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS", "CONNECT", "get"])
def test_another_method_is_405(method: str) -> None:
    assert checked(browser_head(line=f"{method} / HTTP/1.1")) == handshake.NOT_GET


@pytest.mark.parametrize("version", ["1.0", "1.2", "2.0", "0.9"])
def test_another_http_version_is_505(version: str) -> None:
    assert checked(browser_head(line=f"GET / HTTP/{version}")) == handshake.NOT_HTTP_1_1


# Headers


@pytest.mark.parametrize(
    "host",
    ["x", "localhost:8000", "127.0.0.1", "[::1]", "[fe80::1%25en0]:8000", "a_b.example", "x:"],
)
def test_a_valid_host_is_accepted(host: str) -> None:
    head = browser_head(("Host", host), without=("host", "origin"))
    assert checked(head) == GOOD


@pytest.mark.parametrize("host", ["", "a b", "a/b", "user@x", "x:y", "x:1:2", "[::1", "ä", "a,b c"])
def test_an_invalid_host_is_400(host: str) -> None:
    """RFC 9112, 3.2."""
    assert with_header("Host", host) == handshake.BAD_HOST


def test_a_missing_or_repeated_host_is_400() -> None:
    assert without_header("host") == handshake.BAD_HOST
    assert checked(browser_head(("Host", "chat.example.com"))) == handshake.BAD_HOST


@pytest.mark.parametrize(
    "value", ["websocket", "WebSocket", "WEBSOCKET", ",websocket", "websocket,"]
)
def test_the_upgrade_header_must_be_websocket_in_any_case(value: str) -> None:
    assert with_header("Upgrade", value) == GOOD


@pytest.mark.parametrize("value", ["h2c", "websocket/13", "websockets", "h2c, websocket"])
def test_another_upgrade_is_426(value: str) -> None:
    assert with_header("Upgrade", value) == handshake.NO_UPGRADE


@pytest.mark.parametrize(
    "value", ["Upgrade", "upgrade", "keep-alive, Upgrade", "Upgrade,keep-alive", ", UPGRADE ,"]
)
def test_the_connection_header_must_list_upgrade_in_any_case(value: str) -> None:
    assert with_header("Connection", value) == GOOD


def test_the_connection_header_may_come_more_than_once() -> None:
    """RFC 9110, 5.2."""
    head = browser_head(("Connection", "keep-alive"))
    assert checked(head) == GOOD
    head = browser_head(
        ("Connection", "keep-alive"), ("Connection", "Upgrade"), without=("connection",)
    )
    assert checked(head) == GOOD


@pytest.mark.parametrize("value", ["close", "keep-alive", "upgrades"])
def test_a_connection_header_without_upgrade_is_426(value: str) -> None:
    assert with_header("Connection", value) == handshake.NO_UPGRADE


@pytest.mark.parametrize("name", ["upgrade", "connection"])
def test_a_missing_upgrade_or_connection_header_is_426(name: str) -> None:
    assert without_header(name) == handshake.NO_UPGRADE


@pytest.mark.parametrize("name", ["Upgrade", "Connection"])
@pytest.mark.parametrize("value", ["", ",", "web socket", "upgrade; websocket", "(upgrade)"])
def test_a_malformed_upgrade_or_connection_header_is_400(name: str, value: str) -> None:
    assert with_header(name, value) == handshake.BAD_UPGRADE


def test_repeated_upgrade_headers_are_426() -> None:
    assert checked(browser_head(("Upgrade", "websocket"))) == handshake.NO_UPGRADE


@pytest.mark.parametrize(
    "key",
    [
        "",
        KEY[:-1],
        KEY[:-2],
        KEY + "=",
        KEY + "====",
        " ".join(KEY),
        KEY[:-4] + "ZQQ=",
        KEY[:-4] + "ZQQZ",
        "=" + KEY[1:],
        "-" + KEY[1:],
        "ä" + KEY[1:],
        "not base64 of 16 bytes!!",
        "A" * 5000,
    ],
)
def test_a_key_that_is_not_base64_of_16_bytes_is_400(key: str) -> None:
    assert with_header("Sec-WebSocket-Key", key) == handshake.BAD_KEY


def test_a_missing_or_repeated_key_is_400() -> None:
    assert without_header("sec-websocket-key") == handshake.BAD_KEY
    assert checked(browser_head(("Sec-WebSocket-Key", KEY))) == handshake.BAD_KEY


@pytest.mark.parametrize("version", ["", "8", "0", "14", "013", "13.0", "13, 8", "8, 13"])
def test_another_version_is_426(version: str) -> None:
    """4.4."""
    outcome = with_header("Sec-WebSocket-Version", version)
    assert outcome == handshake.OTHER_VERSION
    assert isinstance(outcome, Refuse)
    assert outcome.status == 426


def test_a_missing_or_repeated_version_is_400() -> None:
    assert without_header("sec-websocket-version") == handshake.BAD_VERSION
    assert checked(browser_head(("Sec-WebSocket-Version", "13"))) == handshake.BAD_VERSION


def test_a_body_is_400() -> None:
    """Its bytes would be read as frames."""
    for header in (
        ("Content-Length", "1"),
        ("Content-Length", ""),
        ("Content-Length", "00"),
        ("Content-Length", "-0"),
        ("Transfer-Encoding", "chunked"),
        ("Transfer-Encoding", "identity"),
        ("Transfer-Encoding", ""),
    ):
        assert checked(browser_head(header)) == handshake.HAS_BODY
    twice = browser_head(("Content-Length", "0"), ("Content-Length", "5"))
    assert checked(twice) == handshake.HAS_BODY


def test_a_body_of_no_bytes_is_none() -> None:
    assert checked(browser_head(("Content-Length", "0"))) == GOOD
    assert checked(browser_head(("Content-Length", "0"), ("Content-Length", "0"))) == GOOD


@pytest.mark.parametrize("value", ["permessage-deflate", "", "a b c", "x; y=1, x; z"])
def test_extensions_are_ignored(value: str) -> None:
    """9.1: a server need not accept any."""
    assert with_header("Sec-WebSocket-Extensions", value) == GOOD


# Origins


def test_a_foreign_origin_is_403() -> None:
    head = browser_head(("Origin", "https://evil.example"), without=("origin",))
    outcome = checked(head)
    assert outcome == handshake.FORBIDDEN_ORIGIN
    assert isinstance(outcome, Refuse)
    assert outcome.status == 403
    assert checked(head, "https://evil.example") == GOOD
    assert checked(browser_head(), "https://evil.example") == handshake.FORBIDDEN_ORIGIN


def test_no_origin_is_accepted() -> None:
    assert checked(browser_head(without=("origin",)), "https://app.example.com") == GOOD


def test_repeated_origins_are_400() -> None:
    head = browser_head(("Origin", "https://chat.example.com"))
    assert checked(head, "*") == handshake.BAD_ORIGIN


# Subprotocols (4.2.2, protocol 1.12)


@pytest.mark.parametrize(
    ("offers", "chosen"),
    [
        ("centrifuge-json", "centrifuge-json"),
        ("centrifuge-protobuf", "centrifuge-protobuf"),
        ("centrifuge-protobuf, centrifuge-json", "centrifuge-protobuf"),
        ("centrifuge-json, centrifuge-protobuf", "centrifuge-json"),
        ("x,centrifuge-json", "centrifuge-json"),
        ("x, centrifuge-protobuf", "centrifuge-protobuf"),
    ],
)
def test_the_first_format_offered_is_chosen(offers: str, chosen: str) -> None:
    outcome = with_header("Sec-WebSocket-Protocol", offers)
    assert outcome == Accept(KEY, chosen, False, PATH, chosen == "centrifuge-protobuf")


def test_offers_may_come_in_several_headers() -> None:
    head = browser_head(
        ("Sec-WebSocket-Protocol", "chat"),
        ("Sec-WebSocket-Protocol", ""),
        ("Sec-WebSocket-Protocol", "centrifuge-protobuf"),
    )
    assert checked(head) == Accept(KEY, "centrifuge-protobuf", False, PATH, True)


def test_an_empty_header_counts_as_no_offer() -> None:
    """centrifuge-python sends one."""
    assert with_header("Sec-WebSocket-Protocol", "") == GOOD


def test_an_unknown_subprotocol_is_passed_over() -> None:
    assert with_header("Sec-WebSocket-Protocol", "chat, Centrifuge-JSON") == GOOD


@pytest.mark.parametrize("value", [",", "a b", "a;b", "centrifuge-json centrifuge-json"])
def test_a_malformed_subprotocol_header_is_400(value: str) -> None:
    assert with_header("Sec-WebSocket-Protocol", value) == handshake.BAD_SUBPROTOCOL


# Query (protocol 1.6, 1.12)


def with_query(query: str) -> Accept | Refuse:
    """The verdict on a browser's head with this query."""
    return checked(browser_head(line=f"GET /connection/websocket?{query} HTTP/1.1"))


@pytest.mark.parametrize(
    "query", ["format=protobuf", "a=b&cf_protocol=protobuf", "format=%70rotobuf"]
)
def test_a_query_may_ask_for_protobuf(query: str) -> None:
    assert with_query(query) == Accept(KEY, None, False, PATH, True)


def test_a_subprotocol_says_more_than_the_query() -> None:
    head = browser_head(
        ("Sec-WebSocket-Protocol", "centrifuge-json"), line=f"GET {PATH}?format=protobuf HTTP/1.1"
    )
    assert checked(head) == Accept(KEY, "centrifuge-json", False, PATH, False)
    unknown = browser_head(
        ("Sec-WebSocket-Protocol", "chat"), line=f"GET {PATH}?format=protobuf HTTP/1.1"
    )
    assert checked(unknown) == Accept(KEY, None, False, PATH, True)


@pytest.mark.parametrize(
    "query",
    ["", "&&", "format=json", "cf_protocol=", "cf_protocol_version=v2", "x=protobuf", "%", "=&="],
)
def test_any_other_query_is_ignored(query: str) -> None:
    assert with_query(query) == GOOD


def test_native_pings_may_be_asked_for() -> None:
    assert with_query("a=b&cf_ws_frame_ping_pong=true") == Accept(KEY, None, True, PATH, False)
    assert with_query("cf_ws_frame_ping_pong=false") == GOOD
    assert with_query("cf_ws_frame_ping_pong") == GOOD
    assert with_query("cf_ws_frame_ping_pong=&cf_ws_frame_ping_pong=true") == GOOD
