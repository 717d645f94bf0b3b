"""`realtime store`."""

from pathlib import Path

import pytest

from realtime.cli import main
from realtime.errors import StoreError
from tests.unit.cli.fake_wiring import FakeWiring

Output = pytest.CaptureFixture[str]


def test_a_backup_is_of_the_configured_database(
    folder: Path, wiring: FakeWiring, capsys: Output
) -> None:
    (folder / "realtime.db").touch()
    assert main(["store", "backup", "copy.db"]) == 0
    assert wiring.backups == [("sqlite:///realtime.db", Path("copy.db"))]
    assert capsys.readouterr().out == "backed up to copy.db\n"


@pytest.mark.parametrize("previous", [None, "a-secret-for-tests-of-more-than-32-bytes"])
def test_a_backup_may_be_of_the_database_of_development(
    previous: str | None, folder: Path, monkeypatch: pytest.MonkeyPatch, wiring: FakeWiring
) -> None:
    """Its secrets do not matter, so that they need not be there."""
    if previous is not None:
        monkeypatch.setenv("REALTIME_AUTH__HMAC_PREVIOUS_SECRET", previous)
    (folder / "realtime-dev.db").touch()
    assert main(["store", "backup", "copy.db", "--dev"]) == 0
    assert wiring.backups == [("sqlite:///realtime-dev.db", Path("copy.db"))]
    assert [file.name for file in folder.iterdir()] == ["realtime-dev.db"]


def test_a_backup_of_no_database_says_where_it_was_looked_for(
    folder: Path, wiring: FakeWiring, capsys: Output
) -> None:
    assert main(["store", "backup", "copy.db"]) == 2
    assert capsys.readouterr() == (
        "",
        "realtime: store.url: there is no database at realtime.db; "
        "is it the one you mean (--config, --dev)?\n",
    )
    assert not wiring.backups
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("force", [False, True])
def test_a_restore_replaces_only_if_forced(force: bool, wiring: FakeWiring, capsys: Output) -> None:
    assert main(["store", "restore", "copy.db", *(["--force"] if force else [])]) == 0
    assert wiring.restored == [("sqlite:///realtime.db", Path("copy.db"), force)]
    assert capsys.readouterr().out == "restored from copy.db\n"


def test_a_restore_over_a_database_says_how_to_replace_it(folder: Path, capsys: Output) -> None:
    """With the real store, whose text is made to fit the command line."""
    (folder / "realtime.db").touch()
    assert main(["store", "restore", "copy.db"]) == 1
    assert capsys.readouterr().err == (
        f"realtime: database {folder / 'realtime.db'}: it exists; --force replaces it\n"
    )


@pytest.mark.parametrize("action", ["backup", "restore"])
def test_a_failure_ends_with_1(
    action: str, folder: Path, wiring: FakeWiring, capsys: Output
) -> None:
    (folder / "realtime.db").touch()
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
