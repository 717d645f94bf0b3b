"""`realtime serve`."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from realtime.cli import main
from realtime.errors import SettingsError
from realtime.server.parent import Place
from realtime.settings.development import NAMESPACES
from realtime.settings.schema import Settings
from tests.unit.cli.fake_wiring import FakeWiring

Output = pytest.CaptureFixture[str]


def test_it_serves_what_the_file_says(folder: Path, wiring: FakeWiring) -> None:
    (folder / "hub.toml").write_text("[server]\nport = 9000")
    assert main(["serve", "--config", "hub.toml"]) == 0
    (served,) = wiring.served
    assert served.settings.server.port == 9000
    assert served.dev is False


def test_the_command_line_wins(folder: Path, wiring: FakeWiring) -> None:
    (folder / "hub.toml").write_text('[server]\nhost = "10.0.0.1"\nport = 9000')
    main(["serve", "--config", "hub.toml", "--host", "127.0.0.2", "--port", "0"])
    server = wiring.served[0].settings.server
    assert (server.host, server.port) == ("127.0.0.2", 0)


def test_for_development_it_needs_nothing_else(wiring: FakeWiring, capsys: Output) -> None:
    assert main(["serve", "--dev"]) == 0
    (served,) = wiring.served
    assert served.dev is True
    assert served.settings.namespaces == NAMESPACES
    assert served.settings.auth.hmac_secret is not None
    assert capsys.readouterr().err == (
        "realtime: the server API's key is in realtime-dev.db.api_key\n"
    )


def test_for_development_the_server_api_has_the_key_that_is_kept(
    folder: Path, wiring: FakeWiring, capsys: Output
) -> None:
    main(["serve", "--dev"])
    kept = (folder / "realtime-dev.db.api_key").read_text().strip()
    assert [key.reveal() for key in wiring.served[0].settings.api.keys] == [kept]
    assert kept not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value"),
    [("REALTIME_STORE__URL", "sqlite://:memory:"), ("REALTIME_API__KEYS", "mine")],
)
def test_nothing_is_said_of_a_key_that_is_in_no_file_of_ours(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, wiring: FakeWiring, capsys: Output
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["serve", "--dev"]) == 0
    assert len(wiring.served[0].settings.api.keys) == 1
    assert capsys.readouterr().err == ""


def test_development_is_on_loopback_only(wiring: FakeWiring, capsys: Output) -> None:
    assert main(["serve", "--dev", "--host", "0.0.0.0"]) == 2  # noqa: S104
    assert "server.host (command line): --dev listens on loopback only" in capsys.readouterr().err
    assert not wiring.served


def test_what_may_surprise_is_said_and_it_serves_all_the_same(
    wiring: FakeWiring, capsys: Output
) -> None:
    assert main(["serve"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "realtime: note: auth: no key to verify tokens with, so every connection is refused",
        "realtime: note: api.keys: none is set, so the server API refuses everyone",
    ]


class TestReload:
    """The hub reads the settings again when it is told to."""

    def test_it_sees_what_has_changed(self, folder: Path, wiring: FakeWiring) -> None:
        file = folder / "hub.toml"
        file.write_text("[server]\nport = 9000\ndrain_s = 1")
        main(["serve", "--config", "hub.toml", "--port", "5000"])
        file.write_text("[server]\nport = 9001\ndrain_s = 2")
        server = wiring.served[0].reload().server
        assert (server.port, server.drain_s) == (5000, 2.0)

    def test_it_says_what_is_wrong_now(self, folder: Path, wiring: FakeWiring) -> None:
        file = folder / "hub.toml"
        file.write_text("")
        main(["serve", "--config", "hub.toml"])
        file.write_text("[server]\nprot = 1")
        with pytest.raises(SettingsError):
            wiring.served[0].reload()

    @pytest.mark.parametrize("url", ["sqlite://:memory:", "sqlite:///hub.db"])
    def test_the_secret_of_development_stays_the_same(
        self, url: str, monkeypatch: pytest.MonkeyPatch, wiring: FakeWiring
    ) -> None:
        monkeypatch.setenv("REALTIME_STORE__URL", url)
        main(["serve", "--dev"])
        (served,) = wiring.served
        assert served.reload() == served.settings


class TestWorkers:
    """Several processes on one port, each started by the same command."""

    ENVIRONMENT = (
        ("MONGODB_URI", "mongodb://u:password@h"),
        ("REDIS_URL", "redis://:password@h"),
    )

    @pytest.fixture
    def commands(self, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
        """The command lines of the first and the last worker, the port being 5000."""
        commands: list[list[str]] = []

        def supervise(settings: Settings, command: Callable[[Place, int], list[str]]) -> int:
            count = settings.server.workers
            commands.extend(command(Place(number, count), 5000) for number in (1, count))
            return 7

        monkeypatch.setattr("realtime.server.workers.supervise", supervise)
        for name, value in self.ENVIRONMENT:
            monkeypatch.setenv(name, value)
        return commands

    def test_a_parent_starts_them_with_what_it_was_given(
        self, folder: Path, wiring: FakeWiring, commands: list[list[str]]
    ) -> None:
        (folder / "hub.toml").write_text("[server]\nworkers = 2")
        argv = ["serve", "--config", "hub.toml", "--port", "0", "--workers", "3"]
        assert main(argv) == 7
        assert not wiring.served
        first, last = commands
        given = ["serve", "--config", "hub.toml", "--host", "127.0.0.1", "--port", "5000"]
        assert first[0] == sys.executable
        assert first[-len(given) - 4 :] == [*given, "--workers", "3", "--worker", "1/3"]
        assert last[-2:] == ["--worker", "3/3"]
        assert "password" not in str(commands)

    def test_the_settings_may_ask_for_them(self, folder: Path, commands: list[list[str]]) -> None:
        (folder / "hub.toml").write_text("[server]\nworkers = 2")
        assert main(["serve", "--dev", "--config", "hub.toml"]) == 7
        assert "--dev" in commands[0]
        assert commands[1][-2:] == ["--worker", "2/2"]

    def test_a_worker_serves_and_says_nothing_that_the_parent_has_said(
        self, wiring: FakeWiring, commands: list[list[str]], capsys: Output
    ) -> None:
        argv = ["serve", "--host", "127.0.0.1", "--port", "5000", "--workers", "4"]
        assert main([*argv, "--worker", "2/4"]) == 0
        (served,) = wiring.served
        assert served.place == Place(2, 4)
        assert served.settings.server.port == 5000
        assert capsys.readouterr().err == ""
        assert not commands

    def test_without_a_shared_store_and_bus_they_are_refused(
        self, wiring: FakeWiring, capsys: Output
    ) -> None:
        assert main(["serve", "--workers", "2"]) == 2
        assert capsys.readouterr().err.startswith(
            "realtime: server.workers (command line), store.url (default), broker.url (default): "
            "each worker is a node of its own"
        )
        assert not wiring.served

    def test_the_option_of_a_worker_is_nobody_elses_business(self, capsys: Output) -> None:
        with pytest.raises(SystemExit):
            main(["serve", "--help"])
        shown = capsys.readouterr().out
        assert "--workers N" in shown
        assert "--worker " not in shown
