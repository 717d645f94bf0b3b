"""Commands run in a folder of their own, with nothing of ours in the environment."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Certificate, make_certificate
from tests.unit.cli.answering_hub import Hub, answering_hub
from tests.unit.cli.fake_wiring import FakeWiring, install


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of the command."""
    for name in os.environ:
        if name.startswith("REALTIME_") or name in ("PORT", "REDIS_URL", "MONGODB_URI"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def wiring(monkeypatch: pytest.MonkeyPatch) -> FakeWiring:
    """What the command asks of the hub."""
    return install(monkeypatch)


@pytest.fixture
def api_key() -> str:
    """The first key of `hub`'s settings."""
    return "an-api-key-for-tests"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, api_key: str) -> Iterator[Hub]:
    """A hub on loopback, whose port is in the environment, with a key."""
    with answering_hub() as hub:
        monkeypatch.setenv("REALTIME_SERVER__PORT", str(hub.port))
        monkeypatch.setenv("REALTIME_API__KEYS", f"{api_key},another")
        yield hub


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1."""
    return make_certificate(tmp_path_factory.mktemp("tls"))
