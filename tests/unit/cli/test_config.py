"""`realtime config`."""

import tomllib
from pathlib import Path

import pytest

from realtime.cli import main

Output = pytest.CaptureFixture[str]

SECRET = "a-secret-for-tests-of-more-than-32-bytes"


def test_good_settings_are_called_good(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setenv("REALTIME_AUTH__HMAC_SECRET", SECRET)
    monkeypatch.setenv("REALTIME_API__KEYS", "key")
    assert main(["config", "check"]) == 0
    assert capsys.readouterr() == ("settings are good\n", "")


def test_what_may_surprise_is_said(capsys: Output) -> None:
    assert main(["config", "check"]) == 0
    output = capsys.readouterr()
    assert output.out == "settings are good\n"
    assert output.err.startswith("realtime: note: auth: no key")


def test_options_that_only_the_driver_knows_are_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("MONGODB_URI", "mongodb://h")
    monkeypatch.setenv("REDIS_URL", "rediss://:password@h/0?ssl_ca_certs=/ca.pem")
    assert main(["config", "check"]) == 0
    monkeypatch.setenv("REDIS_URL", "redis://:password@h/0?what=else")
    assert main(["config", "check"]) == 2
    error = capsys.readouterr().err
    assert "realtime: broker.url (REDIS_URL): expected " in error
    assert "@h" not in error


def test_a_file_with_problems_ends_with_2(folder: Path, capsys: Output) -> None:
    (folder / "hub.toml").write_text("[server]\nprot = 1\n[log]\nlevel = 5")
    assert main(["config", "check", "--config", "hub.toml"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "realtime: server.prot (hub.toml): unknown key; did you mean server.port?",
        "realtime: log.level (hub.toml): expected one of debug, info, warning, error; "
        "got a whole number",
    ]


def test_it_shows_what_holds_and_why_but_no_secret(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    (folder / "hub.toml").write_text(f'[auth]\nhmac_secret = "{SECRET}"')
    monkeypatch.setenv("REALTIME_API__KEYS", SECRET)
    assert main(["config", "show", "--config", "hub.toml"]) == 0
    shown = capsys.readouterr().out
    assert SECRET not in shown
    assert 'hmac_secret = "***"  # hub.toml' in shown.splitlines()
    assert tomllib.loads(shown)["api"]["keys"] == ["***"]


@pytest.mark.parametrize("action", ["check", "show"])
@pytest.mark.parametrize("dev", [[], ["--dev"]])
def test_it_makes_no_file(action: str, dev: list[str], folder: Path) -> None:
    main(["config", action, *dev])
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("action", ["check", "show"])
@pytest.mark.parametrize(
    ("there", "missing", "setting"),
    [
        ("realtime-dev.db.api_key", "realtime-dev.db.secret", "auth.hmac_secret"),
        ("realtime-dev.db.secret", "realtime-dev.db.api_key", "api.keys"),
    ],
)
def test_what_development_has_not_made_yet_is_a_problem(
    action: str, there: str, missing: str, setting: str, folder: Path, capsys: Output
) -> None:
    (folder / there).write_text(SECRET)
    assert main(["config", action, "--dev"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"realtime: {setting} (--dev): {missing} is not in this folder; run it")


def test_it_shows_what_development_has_made(folder: Path, capsys: Output) -> None:
    for suffix in ("secret", "api_key"):
        (folder / f"realtime-dev.db.{suffix}").write_text(SECRET)
    assert main(["config", "check", "--dev"]) == 0
    assert capsys.readouterr() == ("settings are good\n", "")
    assert main(["config", "show", "--dev"]) == 0
    shown = capsys.readouterr().out
    assert SECRET not in shown
    assert 'keys = ["***"]  # realtime-dev.db.api_key' in shown.splitlines()
    assert 'hmac_secret = "***"  # realtime-dev.db.secret' in shown.splitlines()
