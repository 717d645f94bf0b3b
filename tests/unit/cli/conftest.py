"""Commands run in a folder of their own, with nothing of ours in the environment."""

import os
from pathlib import Path

import pytest

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
