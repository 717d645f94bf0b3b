"""`realtime store`."""

from pathlib import Path

import pytest

from realtime.cli import main
from realtime.errors import StoreError
from tests.unit.cli.fake_wiring import FakeWiring

Output = pytest.CaptureFixture[str]


def test_a_backup_is_of_the_configured_database(wiring: FakeWiring, capsys: Output) -> None:
    assert main(["store", "backup", "copy.db"]) == 0
    assert wiring.backups == [("sqlite:///realtime.db", Path("copy.db"))]
    assert capsys.readouterr().out == "backed up to copy.db\n"


def test_a_backup_may_be_of_the_database_of_development(wiring: FakeWiring) -> None:
    assert main(["store", "backup", "copy.db", "--dev"]) == 0
    assert wiring.backups == [("sqlite:///realtime-dev.db", Path("copy.db"))]


@pytest.mark.parametrize("force", [False, True])
def test_a_restore_replaces_only_if_forced(force: bool, wiring: FakeWiring, capsys: Output) -> None:
    assert main(["store", "restore", "copy.db", *(["--force"] if force else [])]) == 0
    assert wiring.restored == [("sqlite:///realtime.db", Path("copy.db"), force)]
    assert capsys.readouterr().out == "restored from copy.db\n"


@pytest.mark.parametrize("action", ["backup", "restore"])
def test_a_failure_ends_with_1(action: str, wiring: FakeWiring, capsys: Output) -> None:
    wiring.error = StoreError("the database is in use")
    assert main(["store", action, "copy.db"]) == 1
    assert capsys.readouterr() == ("", "realtime: the database is in use\n")


@pytest.mark.parametrize("action", ["backup", "restore"])
def test_a_database_in_memory_is_gone_with_its_process(
    action: str, monkeypatch: pytest.MonkeyPatch, wiring: FakeWiring, capsys: Output
) -> None:
    monkeypatch.setenv("REALTIME_STORE__URL", "sqlite://:memory:")
    assert main(["store", action, "copy.db"]) == 2
    assert not wiring.backups
    assert not wiring.restored
    assert "a database in memory" in capsys.readouterr().err
