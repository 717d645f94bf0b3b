"""What is wrong with `server` and `api`."""

from pathlib import Path

import pytest

from tests.unit.settings.loading import load_text, problems


def test_two_listeners_cannot_share_a_port(tmp_path: Path) -> None:
    assert problems(tmp_path, "[server]\ninternal_port = 8000") == [
        "server.internal_port (FILE), server.port (default): two listeners cannot share a port"
    ]


SEVERAL = '[store]\nurl = "mongodb://h"\n[broker]\nurl = "redis://h"\n[server]\nworkers = 4\n'


def test_no_workers_internal_port_is_the_port(tmp_path: Path) -> None:
    assert problems(tmp_path, f"{SEVERAL}internal_port = 7997") == [
        "server.internal_port (FILE), server.port (default), server.workers (FILE): two listeners "
        "cannot share a port; the workers' internal ports are 7997 to 8000"
    ]
    assert load_text(tmp_path, f"{SEVERAL}internal_port = 7996").server.internal_port == 7996


def test_every_workers_internal_port_is_one(tmp_path: Path) -> None:
    assert problems(tmp_path, f"{SEVERAL}internal_port = 65533") == [
        "server.internal_port (FILE), server.workers (FILE): worker 4 would have port 65536; "
        "65535 is the highest there is"
    ]


@pytest.mark.parametrize("name", ["", "x" * 101, "a\\nb", "a\\u2028b"])
def test_a_name_is_one_short_line(tmp_path: Path, name: str) -> None:
    (problem,) = problems(tmp_path, f'[server]\nname = "{name}"')
    assert problem.startswith("server.name (FILE): expected ")


def test_two_listeners_may_both_take_any_free_port(tmp_path: Path) -> None:
    server = load_text(tmp_path, "[server]\nport = 0\ninternal_port = 0").server
    assert (server.port, server.internal_port) == (0, 0)


@pytest.mark.parametrize(
    ("key", "missing"), [("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")]
)
def test_a_certificate_needs_its_key_and_a_key_its_certificate(
    tmp_path: Path, key: str, missing: str
) -> None:
    (problem,) = problems(tmp_path, f'[server]\n{key} = "x.pem"')
    assert problem.endswith(f": one needs the other; {missing} is not set")


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "https://example.com",
        "https://Example.com",
        "https://*.example.com:8443",
        "https://app-*.example.com",
        "http://localhost:5173",
        "https://[2001:db8::1]:8443",
        "capacitor://localhost",
    ],
)
def test_an_origin_is_as_browsers_send_it(tmp_path: Path, origin: str) -> None:
    text = f'[server]\nallowed_origins = ["{origin}"]'
    assert load_text(tmp_path, text).server.allowed_origins == (origin,)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "example.com",
        "https://example.com/",
        "https://example.com/path",
        "https://user@example.com",
        "https://",
        "https://*",
        "https://*example.com",
        "https://example.*",
        "https://example.com, https://example.org",
        "null",
    ],
)
def test_what_never_matches_or_matches_strangers_is_a_problem(tmp_path: Path, origin: str) -> None:
    (problem,) = problems(tmp_path, f'[server]\nallowed_origins = ["*", "{origin}"]')
    assert problem.startswith("server.allowed_origins[1] (FILE): expected an origin as browsers")


@pytest.mark.parametrize("network", ["10.0.0.1", "10.0.0.0/8", "::1", "fd00::/8"])
def test_a_proxy_is_an_address_or_a_network(tmp_path: Path, network: str) -> None:
    text = f'[server]\ntrusted_proxies = ["{network}"]'
    assert load_text(tmp_path, text).server.trusted_proxies == (network,)


@pytest.mark.parametrize("network", ["", "proxy", "10.0.0.1/8", "10.0.0.0/33", "10.0.0"])
def test_anything_else_is_no_proxy(tmp_path: Path, network: str) -> None:
    assert problems(tmp_path, f'[server]\ntrusted_proxies = ["{network}"]') == [
        "server.trusted_proxies[0] (FILE): expected an IP address or a network without host bits, "
        '"10.0.0.0/8"'
    ]


@pytest.mark.parametrize("key", ["open sesame", "open\\nsesame", "öffne"])
def test_an_api_key_must_fit_a_header(tmp_path: Path, key: str) -> None:
    (problem,) = problems(tmp_path, f'[api]\nkeys = ["good", "{key}"]')
    assert problem.startswith("api.keys[1] (FILE): expected letters, digits and signs of ASCII")
    assert "sesame" not in problem


def test_clients_need_a_way_in(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "[server]\ntransports = []")
    assert problem.startswith("server.transports (FILE): expected one at least")


def test_a_transport_must_be_one_that_there_is(tmp_path: Path) -> None:
    text = '[server]\ntransports = ["websocket", "carrier_pigeon"]'
    (problem,) = problems(tmp_path, text)
    assert problem.startswith("server.transports[1] (FILE): expected one of websocket, http_stream")
    text = '[server]\ntransports = ["uni_sse"]'
    assert load_text(tmp_path, text).server.transports == ("uni_sse",)
