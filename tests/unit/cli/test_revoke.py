"""`realtime revoke`, and what every command has in common that asks a hub to do something."""

import ssl
from pathlib import Path

import pytest

from realtime.cli import main
from realtime.cli.asking import own_url
from realtime.errors import SettingsError
from realtime.settings.schema import ServerSettings
from tests.support.certificates import Certificate
from tests.unit.cli.answering_hub import Hub

Output = pytest.CaptureFixture[str]


def test_a_users_tokens_are_revoked_with_the_first_key(
    hub: Hub, api_key: str, capsys: Output
) -> None:
    assert main(["revoke", "bob"]) == 0
    assert hub.asked == [("/api/revoke", api_key, {"user": "bob"})]
    assert capsys.readouterr() == ("revoked\n", "")


def test_one_token_is_revoked_by_its_id(hub: Hub, api_key: str) -> None:
    assert main(["revoke", "--jti", "x1"]) == 0
    assert hub.asked == [("/api/revoke", api_key, {"jti": "x1"})]


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


def test_without_a_key_the_option_for_a_hub_of_dev_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REALTIME_API__KEYS", raising=False)
    assert main(["revoke", "bob"]) == 2
    assert "(beside `realtime serve --dev`: --dev)" in capsys.readouterr().err


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
