"""Cutting and parsing request heads (RFC 9112)."""

import pytest

from realtime.websocket.head import (
    HEAD_MAX_BYTES,
    HEADERS_MAX,
    HEADERS_TOO_LARGE,
    LINE_MAX_BYTES,
    MALFORMED,
    TARGET_TOO_LONG,
    UNSUPPORTED_TARGET,
    HeadReader,
    RequestHead,
    is_upgrade,
    parse_head,
)
from realtime.websocket.responses import Refuse
from tests.unit.websocket.browser_head import browser_head, head_of

HEAD = browser_head()
LINE = "GET / HTTP/1.1"


def parsed(head: bytes) -> RequestHead:
    """The head, which must be good."""
    outcome = parse_head(head)
    assert isinstance(outcome, RequestHead), outcome
    return outcome


def feed_all(data: bytes, size: int) -> tuple[bytes, bytes] | Refuse | None:
    """The reader's answer to pieces of `size` bytes, with what was left of them put behind."""
    reader = HeadReader()
    for start in range(0, len(data), size):
        outcome = reader.feed(data[start : start + size])
        if isinstance(outcome, tuple):
            return outcome[0], outcome[1] + data[start + size :]
        if outcome is not None:
            return outcome
    return None


# Cutting


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 100, len(HEAD) - 1, len(HEAD), 10_000])
@pytest.mark.parametrize("rest", [b"", b"\x81\x80abcd", b"\r\n\r\n"])
def test_a_head_is_cut_from_pieces_of_any_size(size: int, rest: bytes) -> None:
    assert feed_all(HEAD + rest, size) == (HEAD, rest)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_an_unfinished_head_is_waited_for(size: int) -> None:
    assert feed_all(HEAD[:-1], size) is None


def test_a_head_without_headers_is_cut() -> None:
    assert HeadReader().feed(b"GET / HTTP/1.1\r\n\r\n") == (b"GET / HTTP/1.1\r\n\r\n", b"")


def padded(size: int, *, line_size: int = 4000) -> bytes:
    """A well-formed head of exactly `size` bytes."""
    head = head_of(("Host", "x"))[:-2]
    while len(head) + 2 < size:
        chunk = min(line_size, size - 2 - len(head))
        if 0 < size - 2 - len(head) - chunk < 5:
            chunk -= 5
        head += b"a:" + b"x" * (chunk - 4) + b"\r\n"
    return head + b"\r\n"


@pytest.mark.parametrize("size", [1, 1000, HEAD_MAX_BYTES, HEAD_MAX_BYTES * 2])
def test_a_head_of_the_greatest_size_is_cut_and_a_greater_one_is_431(size: int) -> None:
    largest = padded(HEAD_MAX_BYTES)
    assert len(largest) == HEAD_MAX_BYTES
    assert feed_all(largest, size) == (largest, b"")
    assert isinstance(parse_head(largest), RequestHead)
    too_large = padded(HEAD_MAX_BYTES + 1)
    assert feed_all(too_large, size) == HEADERS_TOO_LARGE
    assert parse_head(too_large) == HEADERS_TOO_LARGE


@pytest.mark.parametrize("size", [1, 1000, HEAD_MAX_BYTES])
def test_a_request_line_that_is_too_long_is_414(size: int) -> None:
    fits = head_of(("Host", "x"), line=f"GET /{'a' * (LINE_MAX_BYTES - 16)} HTTP/1.1")
    assert feed_all(fits, size) == (fits, b"")
    assert isinstance(parse_head(fits), RequestHead)
    too_long = fits.replace(b"/a", b"/aa", 1)
    assert parse_head(too_long) == TARGET_TOO_LONG
    outcome = feed_all(too_long, size)
    assert outcome in (TARGET_TOO_LONG, (too_long, b""))
    # Nobody sends a line for ever: it is refused before its end.
    assert feed_all(b"GET /" + b"a" * (LINE_MAX_BYTES - 5), size) == TARGET_TOO_LONG
    assert feed_all(b"GET /" + b"a" * (LINE_MAX_BYTES - 6), size) is None


@pytest.mark.parametrize("size", [1, 1000, HEAD_MAX_BYTES])
def test_a_header_line_that_is_too_long_is_431(size: int) -> None:
    fits = head_of(("Host", "x"), ("Cookie", "a" * (LINE_MAX_BYTES - 10)))
    assert feed_all(fits, size) == (fits, b"")
    assert isinstance(parse_head(fits), RequestHead)
    too_long = fits.replace(b" a", b" aa", 1)
    assert parse_head(too_long) == HEADERS_TOO_LARGE
    unfinished = head_of(("Cookie", "a" * LINE_MAX_BYTES))[:-4]
    assert feed_all(unfinished, size) == HEADERS_TOO_LARGE


def test_too_many_headers_are_431() -> None:
    fields = [(f"X-{number}", "y") for number in range(HEADERS_MAX)]
    assert isinstance(parse_head(head_of(*fields)), RequestHead)
    assert parse_head(head_of(*fields, ("One", "more"))) == HEADERS_TOO_LARGE


@pytest.mark.parametrize("size", [1, 100])
def test_lines_without_cr_are_refused_rather_than_waited_for(size: int) -> None:
    assert feed_all(HEAD.replace(b"\r", b""), size) == MALFORMED


# Is it for us?


@pytest.mark.parametrize(
    "header",
    ["Upgrade: websocket", "upgrade:WebSocket", "UPGRADE: h2c, websocket", "Upgrade: websockets"],
)
def test_a_head_that_asks_for_a_websocket_is_an_upgrade(header: str) -> None:
    assert is_upgrade(f"POST / HTTP/1.0\r\nHost: x\r\n{header}\r\n\r\n".encode())
    assert is_upgrade(f"GET / HTTP/1.1\r\nUpgrade: h2c\r\n{header}\r\nA: b\r\n\r\n".encode())


@pytest.mark.parametrize(
    "header",
    ["Connection: Upgrade", "Upgrade: h2c", "X-Upgrade: websocket", "Upgrade: h2c\r\nA: websocket"],
)
def test_any_other_head_is_plain_http(header: str) -> None:
    assert not is_upgrade(f"GET /websocket HTTP/1.1\r\n{header}\r\n\r\n".encode())


# Parsing


def test_a_browsers_head_is_parsed() -> None:
    head = parsed(browser_head(line="GET /connection/websocket?a=b&c HTTP/1.1"))
    assert head.method == "GET"
    assert head.target == "/connection/websocket?a=b&c"
    assert head.path == "/connection/websocket"
    assert head.query == "a=b&c"
    assert head.version == "1.1"
    assert head.headers["host"] == "chat.example.com"
    assert head.headers["accept-encoding"] == "gzip, deflate, br, zstd"
    assert len(head.headers) == 13
    assert head.repeated == {}


def test_a_head_may_have_no_headers() -> None:
    assert parsed(head_of()).headers == {}


def test_repeated_headers_keep_all_their_values() -> None:
    head = parsed(head_of(("A", "1"), ("Host", "x"), ("a", "2"), ("A", "")))
    assert head.headers == {"a": "1", "host": "x"}
    assert head.repeated == {"a": ["1", "2", ""]}
    assert head.values("a") == ["1", "2", ""]
    assert head.values("host") == ["x"]
    assert head.values("missing") == []


def test_outer_spaces_are_no_part_of_a_value() -> None:
    """RFC 9112, 5.1."""
    head = parsed(b"GET / HTTP/1.1\r\nA:b\r\nC: \t d e\t \r\nF:\r\nG: \r\n\r\n")
    assert head.headers == {"a": "b", "c": "d e", "f": "", "g": ""}


def test_bytes_beyond_ascii_are_kept_as_latin_1() -> None:
    """RFC 9110, 5.5."""
    assert parsed(head_of(("X-Name", "Ä\xff"))).headers == {"x-name": "Ä\xff"}


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/a%20b?c=%20?d", "/a%20b", "c=%20?d"),
        ("//x?y", "//x", "y"),
        ("http://chat.example.com/a?b", "/a", "b"),
        ("HTTPS://chat.example.com:8000", "/", ""),
        ("http://chat.example.com?b", "/", "b"),
    ],
)
def test_targets_are_paths_or_http_uris(target: str, path: str, query: str) -> None:
    """RFC 9112, 3.2.1 and 3.2.2."""
    head = parsed(head_of(line=f"GET {target} HTTP/1.1"))
    assert (head.target, head.path, head.query) == (target, path, query)


@pytest.mark.parametrize("target", ["*", "?a", "a/b", "example.com:443", "ftp://x/", "http://"])
def test_other_targets_are_400(target: str) -> None:
    assert parse_head(head_of(line=f"GET {target} HTTP/1.1")) == UNSUPPORTED_TARGET


@pytest.mark.parametrize(
    "line",
    [
        "",
        "GET",
        "GET /",
        "GET / ",
        "GET  HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET\t/\tHTTP/1.1",
        "GET / HTTP/11",
        "GET / HTTP/1.10",
        "GET / http/1.1",
        "GET / ICY/1.1",
        "G(T / HTTP/1.1",
        "GET /\x00 HTTP/1.1",
        "GET /\x7f HTTP/1.1",
        "GET /ä HTTP/1.1",
        "GET /\r HTTP/1.1",
        "GET / HTTP/1.1\n",
    ],
)
def test_a_broken_request_line_is_400(line: str) -> None:
    """RFC 9112, 3."""
    assert parse_head(head_of(("Host", "x"), line=line)) == MALFORMED


@pytest.mark.parametrize(
    "line",
    [
        "no colon",
        ": value",
        "Name : value",
        " folded: line",
        "\tfolded",
        "Na me: value",
        "Näme: value",
        "Na\x00me: value",
        "Name: va\x00lue",
        "Name: va\x7flue",
        "Name: va\rlue",
        "Name: va\nlue",
        "Name: value\r",
        "Name: value\n",
        "\nName: value",
        "(Name): value",
    ],
)
def test_a_broken_header_line_is_400(line: str) -> None:
    """RFC 9112, 2.2, 5 and 5.2 (line folding)."""
    for fields in (f"Host: x\r\n{line}\r\n", f"{line}\r\nHost: x\r\n"):
        assert parse_head(f"{LINE}\r\n{fields}\r\n".encode("latin-1")) == MALFORMED


def test_the_empty_line_belongs_to_the_head() -> None:
    assert parse_head(b"GET / HTTP/1.1\r\nHost: x\r\n") == MALFORMED
    assert parse_head(b"GET / HTTP/1.1\r\n\r\nHost: x\r\n\r\n") == MALFORMED
    assert parse_head(b"") == MALFORMED
    assert parse_head(b"\r\n\r\n") == MALFORMED
