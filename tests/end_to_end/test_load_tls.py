"""`python -m load` over `wss`, against a hub whose certificate no system knows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.end_to_end.test_load_scenarios import COULD_BE_SLOW, NAMESPACES, SHORT, Loads, failures
from tests.support.certificates import Certificate, make_certificate
from tests.support.processes import HubProcess

# In a namespace that keeps history, so that there is something to take away at the end.
WORDS: Final = (
    *("fanout", "--clients", "10", "--rate", "50", "--namespace", "room"),
    *(*SHORT, "--seconds", "0.3"),
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """The hub's, signed by itself."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def private(
    certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HubProcess]:
    """A hub that speaks TLS only."""
    tls = {"tls_certificate": str(certificate.certificate), "tls_key": str(certificate.key)}
    hub = HubProcess(tmp_path_factory.mktemp("hub"), {"server": tls, "namespaces": NAMESPACES})
    hub.start()
    yield hub
    hub.end()


def test_a_load_believes_the_authorities_it_is_given(
    private: HubProcess, certificate: Certificate, tmp_path: Path
) -> None:
    load = Loads(private, tmp_path)
    run = load.start(*WORDS, *COULD_BE_SLOW, "--ca-file", str(certificate.certificate))
    code, said = load.end(run)
    assert code in {0, 3}, said
    result = load.result()
    assert failures(result) == set() and result.urls[0].startswith("wss:")
    assert result.hub_versions and result.hub_versions[0]
    # The server API was reached, too, to take the history away.
    assert result.notes == []


def test_a_certificate_that_nobody_vouches_for_ends_the_run_and_says_what_helps(
    private: HubProcess, tmp_path: Path
) -> None:
    load = Loads(private, tmp_path)
    code, said = load.end(load.start(*WORDS))
    assert code == 2
    assert "cannot connect: self-signed certificate (--ca-file " in said
    assert "Traceback" not in said
