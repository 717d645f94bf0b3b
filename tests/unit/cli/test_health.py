"""`realtime health`."""

import socket
import ssl
import time
from pathlib import Path

import pytest

from realtime.cli import health, main
from tests.support.certificates import Certificate
from tests.unit.cli.answering_hub import Hub

Output = pytest.CaptureFixture[str]


def test_a_hub_that_answers_is_alive_and_gets_no_key(hub: Hub, capsys: Output) -> None:
    assert main(["health"]) == 0
    assert hub.asked == [("/health", None, None)]
    assert capsys.readouterr() == ("", "")


def test_the_internal_port_is_asked_where_there_is_one(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REALTIME_SERVER__PORT", "1")
    monkeypatch.setenv("REALTIME_SERVER__INTERNAL_PORT", str(hub.port))
    assert main(["health"]) == 0


@pytest.mark.parametrize("end", ["", "/", "/hub"])
def test_the_address_may_be_given_and_needs_no_settings(
    hub: Hub, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REALTIME_SERVER__PORT", "x")
    assert main(["health", "--url", f"http://127.0.0.1:{hub.port}{end}"]) == 0
    assert hub.asked[0][0] == f"{end.rstrip('/')}/health"


def test_another_status_is_no_health(hub: Hub, capsys: Output) -> None:
    hub.status = 503
    assert main(["health"]) == 1
    assert capsys.readouterr().err == (
        f"realtime: 127.0.0.1:{hub.port} answered with HTTP status 503\n"
    )


def test_who_does_not_listen_is_not_alive(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setenv("REALTIME_SERVER__PORT", "1")
    assert main(["health"]) == 1
    assert capsys.readouterr().err == ("realtime: no answer from 127.0.0.1:1: Connection refused\n")


def test_who_accepts_and_never_answers_is_not_alive(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setattr(health, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("REALTIME_SERVER__PORT", str(listener.getsockname()[1]))
        began = time.monotonic()
        assert main(["health"]) == 1
        assert time.monotonic() - began < 5
    assert "no answer from" in capsys.readouterr().err


class TestCertificate:
    """The hub's own certificate need not be good for the address it is asked at."""

    @pytest.fixture(autouse=True)
    def _with_tls(
        self, hub: Hub, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hub.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        hub.tls.load_cert_chain(certificate.certificate, certificate.key)
        monkeypatch.setenv("REALTIME_SERVER__TLS_CERTIFICATE", str(certificate.certificate))
        monkeypatch.setenv("REALTIME_SERVER__TLS_KEY", str(certificate.key))

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_the_hub_on_this_machine_is_asked_over_tls(
        self, host: str, hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REALTIME_SERVER__HOST", host)
        assert main(["health"]) == 0

    def test_another_machine_must_prove_its_name(self, hub: Hub, capsys: Output) -> None:
        assert main(["health", "--url", f"https://localhost:{hub.port}"]) == 1
        assert "certificate verify failed" in capsys.readouterr().err


def test_it_makes_no_file(hub: Hub, folder: Path) -> None:
    assert main(["health", "--dev"]) == 0
    assert list(folder.iterdir()) == []
