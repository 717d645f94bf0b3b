"""Picking a command, and what comes of its errors."""

import subprocess
import sys
from pathlib import Path

import pytest

import realtime
from realtime import __version__
from realtime.cli import main
from realtime.errors import StoreUnavailable
from tests.unit.cli.fake_wiring import FakeWiring

Output = pytest.CaptureFixture[str]


def test_the_version_is_that_of_the_package(capsys: Output) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"realtime {__version__}\n"


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["srve"],
        ["serve", "--prot", "1"],
        ["serve", "--por", "1"],
        ["serve", "--port", "x"],
        ["config"],
        ["store"],
        ["store", "backup"],
        ["token"],
        ["revoke"],
        ["revoke", "bob", "--jti", "1"],
        ["ban"],
        ["unban"],
        ["store", "copy"],
        ["serve", "--workers", "x"],
        ["serve", "--worker", "3/2"],
    ],
)
def test_a_wrong_command_line_ends_with_2(argv: list[str], capsys: Output) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == 2
    assert "usage: realtime" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        ["serve"],
        ["serve", "--dev"],
        ["config", "check"],
        ["config", "show"],
        ["token", "bob"],
        ["revoke", "bob"],
        ["store", "backup", "x"],
        ["store", "restore", "x"],
        ["store", "init"],
        ["ban", "bob"],
        ["unban", "bob"],
        ["health"],
        ["worker"],
    ],
)
def test_wrong_settings_end_with_2_and_a_line_for_each_problem(
    argv: list[str], monkeypatch: pytest.MonkeyPatch, wiring: FakeWiring, capsys: Output
) -> None:
    monkeypatch.setenv("REALTIME_SERVER__PORT", "many")
    monkeypatch.setenv("REALTIME_LOG__LEVL", "debug")
    assert main(argv) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == [
        "realtime: REALTIME_LOG__LEVL: unknown variable; did you mean REALTIME_LOG__LEVEL?",
        "realtime: server.port (REALTIME_SERVER__PORT): expected a whole number, 0 to 65535; "
        "got a text of 4 characters",
    ]
    assert not wiring.served


def test_an_error_of_the_hub_ends_with_1_and_its_text(wiring: FakeWiring, capsys: Output) -> None:
    wiring.error = StoreUnavailable("the database is locked by another process")
    assert main(["serve"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "realtime: the database is locked by another process"


def test_an_error_of_the_system_ends_with_1_and_its_text(
    wiring: FakeWiring, capsys: Output
) -> None:
    wiring.error = OSError(98, "Address already in use")
    assert main(["serve"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "realtime: [Errno 98] Address already in use"


def test_what_a_part_of_a_running_hub_died_of_ends_with_1_and_its_text(
    wiring: FakeWiring, capsys: Output
) -> None:
    died = StoreUnavailable("the store is another than at the start")
    wiring.error = ExceptionGroup("process", [ExceptionGroup("hub", [died])])
    assert main(["serve", "--dev"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"realtime: {died}"


def test_a_defect_beside_it_is_not_hidden(wiring: FakeWiring) -> None:
    died = StoreUnavailable("the store is another than at the start")
    wiring.error = ExceptionGroup("process", [died, ZeroDivisionError()])
    with pytest.raises(ExceptionGroup):
        main(["serve", "--dev"])


def test_an_interrupt_ends_with_130(wiring: FakeWiring) -> None:
    wiring.error = KeyboardInterrupt()
    assert main(["serve", "--dev"]) == 130


def test_a_defect_is_not_hidden(wiring: FakeWiring) -> None:
    wiring.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        main(["serve", "--dev"])


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "realtime", "--version"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        cwd=Path(realtime.__file__).parents[1],
    )
    assert done.stdout == f"realtime {__version__}\n"
