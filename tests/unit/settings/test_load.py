"""Loading: which source wins, and everything that is wrong at once."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.errors import SettingsError
from realtime.settings.load import from_process, load, load_from
from realtime.settings.schema import Settings
from tests.unit.settings.loading import SECRET, problems, write


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REALTIME_CONFIG", "PORT", "REDIS_URL", "MONGODB_URI"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_source_settings_are_the_defaults() -> None:
    assert load(None, {}) == Settings()


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "[server]\nport = 1\ndrain_s = 1\nconnections_max = 1")
    environ = {"REALTIME_SERVER__PORT": "2", "REALTIME_SERVER__DRAIN_S": "2"}
    loaded = load_from(str(path), environ, {("server", "port"): 3})
    server = loaded.settings.server
    assert (server.port, server.drain_s, server.connections_max) == (3, 2.0, 1)
    assert loaded.origins == {
        "server.port": "command line",
        "server.drain_s": "REALTIME_SERVER__DRAIN_S",
        "server.connections_max": str(path),
    }


def test_a_wrong_value_of_the_command_line_is_a_problem() -> None:
    with pytest.raises(SettingsError) as caught:
        load_from(None, {}, {("server", "port"): 70_000})
    assert caught.value.problems == (
        "server.port (command line): expected a whole number, 0 to 65535; got 70000",
    )


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Unknown keys, wrong types, unknown variables and contradictions, each with its path."""
    text = """
        colour = "red"
        [server]
        prot = 8000
        connections_max = "many"
        [auth]
        hmac_secret = "short"
        [client]
        pong_timeout_s = 60
        [namespaces.chat]
        subscribe = ["users"]
        publish = ["user"]
        read_history = ["user"]
    """
    environ = {"REALTIME_SERVR__HOST": "x", "REALTIME_CLIENT__CHANNELS_MAX": "0"}
    found = problems(tmp_path, text, environ)
    assert [problem.partition(": ")[0] for problem in found] == [
        "colour (FILE)",
        "server.prot (FILE)",
        "server.connections_max (FILE)",
        "namespaces.chat.subscribe[0] (FILE)",
        "client.channels_max (REALTIME_CLIENT__CHANNELS_MAX)",
        "REALTIME_SERVR__HOST",
        "auth.hmac_secret (FILE)",
        "client.pong_timeout_s (FILE), client.ping_interval_s (default)",
        "namespaces.chat.read_history (FILE), namespaces.chat.history_size (default)",
    ]


def test_a_wrong_type_in_the_file_is_told_even_if_the_environment_overrides_it(
    tmp_path: Path,
) -> None:
    found = problems(tmp_path, '[server]\nport = "x"', {"REALTIME_SERVER__PORT": "1"})
    assert len(found) == 1


def test_nothing_is_concluded_from_a_value_that_was_wrong(tmp_path: Path) -> None:
    """With its default, 25 s, the interval would be less than the timeout; but who knows it?"""
    text = '[client]\nping_interval_s = "60s"\npong_timeout_s = 30'
    assert len(problems(tmp_path, text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        f'[auth]\nhmac_secret = ["{SECRET}"]',
        f'[auth]\nhmac_secret = "{SECRET[:20]}"',
        f'[auth]\nhmac_secrt = "{SECRET}"',
        f'[auth]\nhmac_previous_secret = "{SECRET}"',
        f'[auth]\nanonymous = "{SECRET}"',
        f'[auth]\nrsa_public_key = "{SECRET}"',
        f'[auth]\njwks_url = "{SECRET}"',
        f'[api]\nkeys = "{SECRET}"',
        f'[api]\nkeys = ["{SECRET} "]',
        f'[log]\nlevel = "{SECRET}"',
        f'[store]\nurl = "mongodb://user:{SECRET}@host:x"',
        f'[store]\nurl = "mongodb://user:{SECRET}@host/a.b"',
        f'[store]\nurl = "mongodb://user:{SECRET[:20]}@{SECRET}@host"',
        f'[broker]\nurl = "redis://:{SECRET}@host"',
        f'[broker]\nurl = "redis+sentinel://:{SECRET}@host"',
        f'auth = "{SECRET}"',
        f'[auth]\nhmac_secret = "{SECRET}',
        f"[auth]\nhmac_secret = {SECRET}",
    ],
)
def test_no_problem_shows_a_secret(tmp_path: Path, text: str) -> None:
    assert SECRET[:20] not in "\n".join(problems(tmp_path, text))


@pytest.mark.parametrize(
    "environ",
    [
        {"REALTIME_AUTH__HMAC_SECRET": SECRET[:20]},
        {"REALTIME_AUTH__HMAC_SECRT": SECRET},
        {"REALTIME_AUTH__HMAC_SECRET_FILE": SECRET},
        {"REALTIME_AUTH__RSA_PUBLIC_KEY": SECRET},
        {"REALTIME_API__KEYS": f'["{SECRET}"'},
        {"REALTIME_API__KEYS": f"{SECRET} x"},
        {"REALTIME_SERVER__PORT": SECRET},
        {"REDIS_URL": f"redis://:{SECRET}@host"},
        {"MONGODB_URI": f"mongodb://user:{SECRET}:@host"},
    ],
)
def test_no_problem_of_the_environment_shows_a_secret(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load(None, environ)
    assert SECRET[:20] not in str(caught.value)
    assert caught.value.__cause__ is None


NAMES = st.sampled_from(
    [
        "REALTIME_SERVER__PORT",
        "REALTIME_SERVER__ALLOWED_ORIGINS",
        "REALTIME_SERVER__TRUSTED_PROXIES",
        "REALTIME_API__KEYS",
        "REALTIME_API__KEYS_FILE",
        "REALTIME_AUTH__JWKS_URL",
        "REALTIME_AUTH__ECDSA_PUBLIC_KEY",
        "REALTIME_STORE__URL",
        "REALTIME_CLIENT__PING_INTERVAL_S",
        "REALTIME_NAMESPACES__CHAT__CHANNEL_REGEX",
        "REALTIME_NAMESPACES__CHAT__HISTORY_TTL",
        "PORT",
    ]
) | st.text(min_size=1).map(lambda end: "REALTIME_" + end)


@given(st.dictionaries(NAMES, st.text()))
def test_whatever_the_environment_says_the_answer_is_settings_or_problems(
    environ: dict[str, str],
) -> None:
    """One line a problem, so that a log cannot be forged with a variable."""
    try:
        load(None, environ)
    except SettingsError as error:
        assert all(problem and problem.isprintable() for problem in error.problems)


@given(st.text())
def test_whatever_the_file_says_the_answer_is_settings_or_problems(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8", newline="")
    try:
        load(str(path), {})
    except SettingsError as error:
        assert all(problem and problem.isprintable() for problem in error.problems)


class TestProcess:
    """The one place that reads the process's environment."""

    def test_it_is_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("REALTIME_SERVER__PORT", "9000")
        assert from_process(None).settings.server.port == 9000

    def test_it_may_name_the_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("REALTIME_CONFIG", str(write(tmp_path, "[server]\nport = 9000")))
        assert from_process(None).settings.server.port == 9000

    def test_a_file_that_is_asked_for_wins(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REALTIME_CONFIG", str(tmp_path / "nothing.toml"))
        path = write(tmp_path, "[server]\nport = 9000")
        assert from_process(str(path)).settings.server.port == 9000

    def test_an_empty_name_is_no_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("REALTIME_CONFIG", "")
        assert from_process(None).settings == Settings()
