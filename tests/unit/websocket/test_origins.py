"""Which origins may connect (RFC 6455, 10.2; protocol 1.12)."""

import pytest

from realtime.websocket.origins import origin_allowed

HOST = "chat.example.com"


@pytest.mark.parametrize("allowed", [[], ["https://app.example.com"], ["*"]])
def test_a_request_without_an_origin_is_no_web_page_and_passes(allowed: list[str]) -> None:
    assert origin_allowed(None, HOST, allowed)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://chat.example.com", "chat.example.com"),
        ("http://Chat.Example.com", "chat.example.COM"),
        ("http://localhost:8000", "localhost:8000"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("https://chat.example.com", "chat.example.com:443"),
        ("https://chat.example.com:443", "chat.example.com"),
        ("http://chat.example.com", "chat.example.com:80"),
    ],
)
def test_an_empty_list_lets_the_same_host_in(origin: str, host: str) -> None:
    assert origin_allowed(origin, host, [])


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", HOST),
        ("https://example.com", HOST),
        ("https://chat.example.com.evil.example", HOST),
        ("https://evil.example/chat.example.com", HOST),
        ("https://evil@chat.example.com", HOST),
        ("http://localhost:3000", "localhost:8000"),
        ("http://localhost", "localhost:8000"),
        ("http://chat.example.com", "chat.example.com:443"),
        ("https://chat.example.com", "chat.example.com:80"),
        ("null", HOST),
        ("null", "null"),
        ("", HOST),
        ("chat.example.com", HOST),
        ("https://", ""),
    ],
)
def test_an_empty_list_keeps_all_others_out(origin: str, host: str) -> None:
    assert not origin_allowed(origin, host, [])


def test_a_list_lets_in_what_it_names_and_nothing_else() -> None:
    allowed = ["https://app.example.com", "HTTP://Localhost:3000"]
    assert origin_allowed("https://app.example.com", HOST, allowed)
    assert origin_allowed("HTTPS://APP.example.com", HOST, allowed)
    assert origin_allowed("http://localhost:3000", HOST, allowed)
    assert not origin_allowed("http://app.example.com", HOST, allowed)
    assert not origin_allowed("https://app.example.com:8443", HOST, allowed)
    assert not origin_allowed("https://chat.example.com", HOST, allowed)
    assert not origin_allowed("null", HOST, allowed)


@pytest.mark.parametrize("origin", ["https://anything.example", "null", "", "x" * 10_000])
def test_a_star_lets_everyone_in(origin: str) -> None:
    assert origin_allowed(origin, HOST, ["https://app.example.com", "*"])


@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        ("https://app.example.com", True),
        ("https://a.b.Example.com", True),
        ("https://x-1_y.example.com", True),
        ("https://example.com", False),
        ("https://.example.com", False),
        ("http://app.example.com", False),
        ("https://app.example.com:8443", False),
        ("https://app.example.com.evil.example", False),
        ("https://evil.example/.example.com", False),
        ("https://evil.example:80.example.com", False),
        ("https://evil.example@a.example.com", False),
        ("https://appXexample.com", False),
        ("https://app.example.com\n", False),
    ],
)
def test_a_wildcard_stands_for_subdomains(origin: str, passes: bool) -> None:
    assert origin_allowed(origin, HOST, ["https://*.Example.com"]) is passes


def test_a_wildcard_may_stand_for_a_port_and_come_more_than_once() -> None:
    assert origin_allowed("http://localhost:5173", HOST, ["http://localhost:*"])
    assert not origin_allowed("http://localhost", HOST, ["http://localhost:*"])
    allowed = ["https://*.preview.*.example.com"]
    assert origin_allowed("https://pr-7.preview.eu.example.com", HOST, allowed)
    assert not origin_allowed("https://pr-7.preview.example.com", HOST, allowed)


def test_an_origin_longer_than_any_host_name_is_refused() -> None:
    assert origin_allowed(f"https://{'a' * 280}.example.com", HOST, ["https://*.example.com"])
    assert not origin_allowed(f"https://{'a' * 281}.example.com", HOST, ["https://*.example.com"])
