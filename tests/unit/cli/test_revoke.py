"""`realtime revoke`, against a server that remembers what it was asked."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from realtime.cli import main
from realtime.cli.revoke import own_url
from realtime.errors import SettingsError
from realtime.settings.schema import ServerSettings
from tests.support.certificates import Certificate, make_certificate

Output = pytest.CaptureFixture[str]

KEY = "an-api-key-for-tests"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@dataclass
class Hub:
    """Answers every request the same way."""

    port: int = 0
    status: int = 200
    answer: bytes = b'{"result":{}}'
    tls: ssl.SSLContext | None = None
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None, object]] = field(default_factory=list)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on loopback, whose port is in the environment, with a key."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            hub.asked.append((self.path, self.headers["X-API-Key"], body))
            self.send_response(hub.status)
            for name, value in hub.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(hub.answer)))
            self.end_headers()
            self.wfile.write(hub.answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(HTTPServer):
        def get_request(self) -> tuple[socket.socket, object]:
            connection, address = super().get_request()
            connection.settimeout(10)
            if hub.tls is not None:
                connection = hub.tls.wrap_socket(connection, server_side=True)
            return connection, address

    server = Server(("127.0.0.1", 0), Handler)
    hub.port = server.server_port
    monkeypatch.setenv("REALTIME_SERVER__PORT", str(hub.port))
    monkeypatch.setenv("REALTIME_API__KEYS", f"{KEY},another")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


def test_a_users_tokens_are_revoked_with_the_first_key(hub: Hub, capsys: Output) -> None:
    assert main(["revoke", "bob"]) == 0
    assert hub.asked == [("/api/revoke", KEY, {"user": "bob"})]
    assert capsys.readouterr() == ("revoked\n", "")


def test_one_token_is_revoked_by_its_id(hub: Hub) -> None:
    assert main(["revoke", "--jti", "x1"]) == 0
    assert hub.asked == [("/api/revoke", KEY, {"jti": "x1"})]


@pytest.mark.parametrize("end", ["", "/", "/hub", "/hub/"])
def test_the_address_may_be_given(hub: Hub, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALTIME_SERVER__PORT", "1")
    assert main(["revoke", "bob", "--url", f"http://127.0.0.1:{hub.port}{end}"]) == 0
    assert hub.asked[0][0] == f"{end.rstrip('/')}/api/revoke"


@pytest.mark.parametrize(
    ("status", "answer", "why"),
    [
        (401, b"", "the hub does not know the first of api.keys"),
        (404, b"not found", "answered with HTTP status 404"),
        (500, b"{}", "answered with HTTP status 500"),
        (200, b"<html>", "answered with HTTP status 200"),
        (200, b"[]", "answered with HTTP status 200"),
        (200, b'{"error":{"code":107,"message":"bad request"}}', "error 107: 'bad request'"),
        (400, b'{"error":{"code":107,"message":"a\\nb"}}', r"error 107: 'a\nb'"),
    ],
)
def test_a_refusal_ends_with_1_and_says_why(
    hub: Hub, status: int, answer: bytes, why: str, capsys: Output
) -> None:
    hub.status, hub.answer = status, answer
    assert main(["revoke", "bob"]) == 1
    assert capsys.readouterr() == ("", f"realtime: not revoked: {why}\n")


def test_a_redirect_does_not_get_the_key(hub: Hub, capsys: Output) -> None:
    hub.status, hub.headers = 307, {"Location": f"http://127.0.0.1:{hub.port}/elsewhere"}
    assert main(["revoke", "bob"]) == 1
    assert len(hub.asked) == 1


def test_a_hub_that_does_not_answer_ends_with_1(hub: Hub, capsys: Output) -> None:
    assert main(["revoke", "bob", "--url", "http://127.0.0.1:1"]) == 1
    assert capsys.readouterr().err == (
        "realtime: not revoked: no answer from 127.0.0.1:1: Connection refused\n"
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8000",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "http://",
        "http://h:port",
        "http://[::1",
        "http://user:password@h",
        "http://h/?x=1",
        "http://h/#x",
    ],
)
def test_an_address_is_http_and_nothing_more(hub: Hub, url: str, capsys: Output) -> None:
    assert main(["revoke", "bob", "--url", url]) == 2
    error = capsys.readouterr().err
    assert error.startswith("realtime: --url: expected an address")
    assert "password" not in error.partition(", without")[0]
    assert not hub.asked


def test_without_a_key_nobody_is_asked(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REALTIME_API__KEYS")
    assert main(["revoke", "bob"]) == 2
    assert not hub.asked


def test_an_insecure_hub_needs_no_key(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REALTIME_API__KEYS")
    monkeypatch.setenv("REALTIME_AUTH__INSECURE", "true")
    assert main(["revoke", "bob"]) == 0
    assert hub.asked == [("/api/revoke", None, {"user": "bob"})]


class TestDevelopment:
    """`--dev`: with the key that `realtime serve --dev` has made and kept."""

    @pytest.fixture(autouse=True)
    def _without_a_key(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("REALTIME_API__KEYS")

    def test_the_kept_key_is_used(self, hub: Hub, folder: Path) -> None:
        kept = "a-key-that-is-kept-of-more-than-32-bytes"
        (folder / "realtime-dev.db.api_key").write_text(f"{kept}\n")
        assert main(["revoke", "bob", "--dev"]) == 0
        assert hub.asked == [("/api/revoke", kept, {"user": "bob"})]

    def test_none_is_made(self, hub: Hub, folder: Path, capsys: Output) -> None:
        assert main(["revoke", "bob", "--dev"]) == 2
        assert capsys.readouterr().err == (
            "realtime: api.keys (--dev): realtime-dev.db.api_key is not in this folder; run it "
            "where `realtime serve --dev` was started, or name the database by --config or "
            "REALTIME_STORE__URL\n"
        )
        assert list(folder.iterdir()) == []
        assert not hub.asked

    def test_an_insecure_hub_needs_none(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("REALTIME_AUTH__INSECURE", "true")
        assert main(["revoke", "bob", "--dev"]) == 0
        assert hub.asked == [("/api/revoke", None, {"user": "bob"})]

    def test_beside_a_database_in_memory_none_is_kept(
        self, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: Output
    ) -> None:
        monkeypatch.setenv("REALTIME_STORE__URL", "sqlite://:memory:")
        assert main(["revoke", "bob", "--dev"]) == 2
        assert "beside a database in memory no API key is kept" in capsys.readouterr().err
        assert not hub.asked


class TestCertificate:
    """Over https only a hub that proves its name gets the key."""

    @pytest.fixture(autouse=True)
    def _with_tls(self, hub: Hub, certificate: Certificate) -> None:
        hub.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        hub.tls.load_cert_chain(certificate.certificate, certificate.key)

    @pytest.fixture
    def _trusted(self, certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))

    @pytest.mark.usefixtures("_trusted")
    def test_one_that_fits_is_good(self, hub: Hub) -> None:
        assert main(["revoke", "bob", "--url", f"https://127.0.0.1:{hub.port}"]) == 0
        assert len(hub.asked) == 1

    @pytest.mark.usefixtures("_trusted")
    def test_one_for_another_name_is_told_with_what_helps(self, hub: Hub, capsys: Output) -> None:
        assert main(["revoke", "bob", "--url", f"https://localhost:{hub.port}"]) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"realtime: not revoked: no answer from localhost:{hub.port}: ")
        assert error.endswith(
            f"; --url https://<name in the certificate>:{hub.port} reaches it by that name\n"
        )
        assert not hub.asked

    def test_no_other_name_helps_where_nobody_trusts_it(self, hub: Hub, capsys: Output) -> None:
        assert main(["revoke", "bob", "--url", f"https://127.0.0.1:{hub.port}"]) == 1
        error = capsys.readouterr().err
        assert "certificate verify failed" in error
        assert "--url" not in error


class TestOwnAddress:
    """Where the server API is, as the settings say."""

    @pytest.mark.parametrize(
        ("server", "url"),
        [
            (ServerSettings(), "http://127.0.0.1:8000"),
            (ServerSettings(internal_port=9000), "http://127.0.0.1:9000"),
            (ServerSettings(host="0.0.0.0"), "http://127.0.0.1:8000"),  # noqa: S104
            (ServerSettings(host="::"), "http://[::1]:8000"),
            (ServerSettings(host="hub.example.com"), "http://hub.example.com:8000"),
            (ServerSettings(tls_certificate="c", tls_key="k"), "https://127.0.0.1:8000"),
        ],
    )
    def test_it_is_where_this_machine_reaches_it(self, server: ServerSettings, url: str) -> None:
        assert own_url(server) == url

    @pytest.mark.parametrize(
        "server", [ServerSettings(port=0), ServerSettings(port=8000, internal_port=0)]
    )
    def test_a_free_port_is_not_known_before(self, server: ServerSettings) -> None:
        with pytest.raises(SettingsError, match="--url: needed"):
            own_url(server)
