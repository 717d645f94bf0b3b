"""`realtime store`."""

from pathlib import Path

import pytest

from realtime.cli import main
from realtime.cli import store as store_command
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


@pytest.mark.parametrize("action", ["backup", "restore"])
def test_mongodb_has_tools_of_its_own(
    action: str, monkeypatch: pytest.MonkeyPatch, wiring: FakeWiring, capsys: Output
) -> None:
    monkeypatch.setenv("REALTIME_STORE__URL", "mongodb://u:password@h")
    assert main(["store", action, "copy.db"]) == 2
    assert not wiring.backups
    assert not wiring.restored
    error = capsys.readouterr().err
    assert "mongodump" in error
    assert "password" not in error


class TestInit:
    """Before the first hub starts."""

    def test_mongodb_is_prepared(
        self, monkeypatch: pytest.MonkeyPatch, wiring: FakeWiring, capsys: Output
    ) -> None:
        monkeypatch.setenv("MONGODB_URI", "mongodb://h")
        assert main(["store", "init"]) == 0
        assert wiring.initialised == ["mongodb://h"]
        assert capsys.readouterr().out == "the store is ready\n"

    @pytest.mark.parametrize("dev", [[], ["--dev"]])
    def test_sqlite_needs_nothing(
        self, dev: list[str], folder: Path, wiring: FakeWiring, capsys: Output
    ) -> None:
        assert main(["store", "init", *dev]) == 0
        assert capsys.readouterr().out == (
            "nothing to do: SQLite's tables are made when a hub starts\n"
        )
        assert not wiring.initialised
        assert list(folder.iterdir()) == []

    def test_a_restored_mongodb_gets_a_new_epoch(
        self, monkeypatch: pytest.MonkeyPatch, wiring: FakeWiring
    ) -> None:
        monkeypatch.setenv("MONGODB_URI", "mongodb://h")
        assert main(["store", "init", "--new-epoch"]) == 0
        assert wiring.initialised == ["mongodb://h anew"]

    def test_sqlite_gets_a_new_epoch_by_its_restore(
        self, folder: Path, wiring: FakeWiring, capsys: Output
    ) -> None:
        assert main(["store", "init", "--new-epoch"]) == 2
        assert "store restore" in capsys.readouterr().err

    def test_a_store_that_is_away_ends_with_1(
        self, monkeypatch: pytest.MonkeyPatch, wiring: FakeWiring, capsys: Output
    ) -> None:
        monkeypatch.setenv("MONGODB_URI", "mongodb://u:password@h")
        wiring.error = StoreError("MongoDB h/realtime: nobody answers")
        assert main(["store", "init"]) == 1
        assert capsys.readouterr() == ("", "realtime: MongoDB h/realtime: nobody answers\n")


class TestCopy:
    """From SQLite into MongoDB."""

    @pytest.mark.parametrize("source", ["hub.db", "sqlite:///hub.db"])
    def test_it_is_into_the_store_that_is_named(
        self, source: str, folder: Path, wiring: FakeWiring, capsys: Output
    ) -> None:
        (folder / "hub.db").touch()
        assert main(["store", "copy", source, "mongodb://h/db"]) == 0
        assert wiring.copied == [("hub.db", "mongodb://h/db")]
        assert capsys.readouterr() == (
            "copied 1234 entries; the copy has all 1 channel\n",
            "",
        )

    def test_or_into_that_of_the_settings(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, wiring: FakeWiring
    ) -> None:
        (folder / "hub.db").touch()
        monkeypatch.setenv("MONGODB_URI", "mongodb://u:password@h")
        assert main(["store", "copy", "hub.db"]) == 0
        assert wiring.copied == [("hub.db", "mongodb://u:password@h")]

    @pytest.mark.parametrize(
        ("argv", "problem"),
        [
            (["none.db", "mongodb://h"], "FROM: there is no database at none.db"),
            (["sqlite:hub.db", "mongodb://h"], 'FROM: expected "realtime.db" or "sqlite:///path"'),
            (
                ["sqlite://:memory:", "mongodb://h"],
                "FROM: a database in memory is gone with its process",
            ),
            (["hub.db"], 'store.url: expected "mongodb://host/database"'),
            (["hub.db", "sqlite:///b.db"], 'TO: expected "mongodb://host/database"'),
            (["hub.db", "mongodb://u:password@h/a.b"], "TO: expected a database's name after"),
        ],
    )
    def test_what_is_no_place_to_copy_from_or_to_is_refused(
        self, argv: list[str], problem: str, folder: Path, wiring: FakeWiring, capsys: Output
    ) -> None:
        (folder / "hub.db").touch()
        assert main(["store", "copy", *argv]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"realtime: {problem}")
        assert "password" not in error
        assert not wiring.copied

    def test_how_far_it_is_is_said_now_and_then(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, wiring: FakeWiring, capsys: Output
    ) -> None:
        monkeypatch.setattr(store_command, "_TOLD_EVERY_S", 0.0)
        (folder / "hub.db").touch()
        wiring.error = StoreError("the target has died")
        assert main(["store", "copy", "hub.db", "mongodb://h"]) == 1
        assert capsys.readouterr() == (
            "",
            "realtime: 2 entries, 1 channels\nrealtime: the target has died\n",
        )
