"""What `--dev` puts in place of what is not configured."""

import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from realtime.errors import SettingsError
from realtime.settings.development import HMAC_SECRET, NAMESPACES, Development
from realtime.settings.load import Loaded, load_from
from realtime.settings.schema import AuthSettings, ChannelOptions
from realtime.settings.secret import Secret
from tests.unit.settings.loading import SECRET, write

MEMORY = '[store]\nurl = "sqlite://:memory:"\n'


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def develop(
    toml: str = "",
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[tuple[str, str], object] | None = None,
    development: Development | None = None,
) -> Loaded:
    path = str(write(Path(), toml)) if toml else None
    return load_from(path, environ or {}, overrides or {}, development=development or Development())


def kept(auth: AuthSettings) -> str:
    assert auth.hmac_secret is not None
    return auth.hmac_secret.reveal()


def test_it_needs_no_configuration() -> None:
    settings = develop().settings
    assert settings.server.host == "127.0.0.1"
    assert settings.store.url == "sqlite:///realtime-dev.db"
    assert settings.namespaces == NAMESPACES
    assert len(kept(settings.auth)) >= 32


def test_the_file_wins() -> None:
    settings = develop(
        f'[server]\nport = 9000\n[auth]\nhmac_secret = "{SECRET}"\n'
        '[store]\nurl = "sqlite:///mine.db"\n[namespaces.mine]'
    ).settings
    assert settings.server.port == 9000
    assert settings.auth.hmac_secret == Secret(SECRET)
    assert settings.store.url == "sqlite:///mine.db"
    assert settings.namespaces == {"mine": ChannelOptions()}
    assert not list(Path().glob("*.secret"))


def test_it_says_that_a_value_is_its_own() -> None:
    origins = develop().origins
    assert origins["store.url"] == "--dev"
    assert origins["namespaces.room.presence"] == "--dev"
    assert origins["auth.hmac_secret"] == "realtime-dev.db.secret"


class TestSecret:
    """A secret is made once and kept beside the database."""

    def test_it_is_the_same_the_next_time(self) -> None:
        assert kept(develop().settings.auth) == kept(develop().settings.auth)

    def test_it_is_another_for_another_database(self) -> None:
        other = develop('[store]\nurl = "sqlite:///other.db"')
        assert kept(develop().settings.auth) != kept(other.settings.auth)
        assert Path("other.db.secret").exists()

    def test_only_its_owner_may_read_it(self) -> None:
        develop()
        mode = Path("realtime-dev.db.secret").stat().st_mode
        assert stat.S_IMODE(mode) == 0o600

    def test_beside_a_database_in_memory_it_is_in_memory(self) -> None:
        development = Development()
        first = develop(MEMORY, development=development)
        again = develop(MEMORY, development=development)
        assert kept(first.settings.auth) == kept(again.settings.auth)
        assert kept(first.settings.auth) != kept(develop(MEMORY).settings.auth)
        assert not list(Path().glob("*.secret"))

    def test_a_file_that_is_too_short_is_a_problem_and_not_replaced(self) -> None:
        Path("realtime-dev.db.secret").write_text("short\n")
        with pytest.raises(SettingsError) as caught:
            develop()
        assert caught.value.problems == (
            "auth.hmac_secret (--dev): cannot keep a secret in realtime-dev.db.secret: "
            "it has less than 32 bytes; remove it to have one made",
        )
        assert Path("realtime-dev.db.secret").read_text() == "short\n"

    def test_a_folder_that_is_not_there_is_a_problem(self) -> None:
        with pytest.raises(SettingsError) as caught:
            develop('[store]\nurl = "sqlite:///no/hub.db"')
        assert caught.value.problems == (
            "auth.hmac_secret (--dev): cannot keep a secret in no/hub.db.secret: "
            "No such file or directory",
        )

    @pytest.mark.parametrize("key", ["jwks_url", "hmac_secret"])
    def test_none_is_made_where_there_is_a_key(self, key: str) -> None:
        value = {"jwks_url": "https://example.com/keys", "hmac_secret": SECRET}[key]
        develop(environ={f"REALTIME_AUTH__{key.upper()}": value})
        assert not list(Path().glob("*.secret"))

    def test_an_empty_variable_is_no_key(self) -> None:
        assert kept(develop(environ={"REALTIME_AUTH__HMAC_SECRET": ""}).settings.auth)

    def test_none_is_made_where_something_else_is_wrong(self) -> None:
        with pytest.raises(SettingsError):
            develop('[server]\nport = "x"')
        assert not list(Path().glob("*.secret"))

    def test_a_store_that_cannot_be_used_is_told_once(self) -> None:
        with pytest.raises(SettingsError) as caught:
            develop('[store]\nurl = "mongodb://"')
        assert len(caught.value.problems) == 1

    def test_beside_a_database_on_a_server_it_is_where_it_is_without_one(self) -> None:
        assert kept(develop('[store]\nurl = "mongodb://host"').settings.auth)
        assert Path("realtime-dev.db.secret").exists()


class TestApiKey:
    """A key of the server API is made once and kept beside the database, as the secret is."""

    def test_it_is_the_same_the_next_time(self) -> None:
        (key,) = develop().settings.api.keys
        assert develop().settings.api.keys == (key,)
        assert Path("realtime-dev.db.api_key").read_text() == key.reveal() + "\n"

    def test_it_is_not_the_secret(self) -> None:
        settings = develop().settings
        assert settings.api.keys[0].reveal() != kept(settings.auth)

    def test_only_its_owner_may_read_it(self) -> None:
        develop()
        mode = Path("realtime-dev.db.api_key").stat().st_mode
        assert stat.S_IMODE(mode) == 0o600

    def test_beside_a_database_in_memory_it_is_in_memory(self) -> None:
        development = Development()
        first = develop(MEMORY, development=development).settings.api.keys
        assert len(first) == 1
        assert develop(MEMORY, development=development).settings.api.keys == first
        assert develop(MEMORY).settings.api.keys != first
        assert development.api_key_file is None
        assert not list(Path().glob("*.api_key"))

    @pytest.mark.parametrize(
        "environ", [{"REALTIME_API__KEYS": "mine"}, {"REALTIME_AUTH__INSECURE": "true"}]
    )
    def test_none_is_made_where_none_is_needed(self, environ: Mapping[str, str]) -> None:
        development = Development()
        develop(environ=environ, development=development)
        assert development.api_key_file is None
        assert not list(Path().glob("*.api_key"))

    def test_an_empty_list_is_no_key(self) -> None:
        assert len(develop("[api]\nkeys = []").settings.api.keys) == 1

    def test_a_file_that_is_too_short_is_a_problem(self) -> None:
        Path("realtime-dev.db.api_key").write_text("short\n")
        with pytest.raises(SettingsError) as caught:
            develop()
        assert caught.value.problems == (
            "api.keys (--dev): cannot keep a key in realtime-dev.db.api_key: "
            "it has less than 32 bytes; remove it to have one made",
        )


class TestReading:
    """Only `realtime serve --dev` makes files; the other commands read what they need."""

    def test_what_is_kept_is_read(self) -> None:
        made = develop().settings
        assert develop(development=Development(makes=False)).settings == made

    def test_what_is_not_needed_is_not_read(self) -> None:
        Path("realtime-dev.db.secret").write_text(SECRET)
        Path("realtime-dev.db.api_key").write_text("short")
        settings = develop(development=Development((HMAC_SECRET,), makes=False)).settings
        assert kept(settings.auth) == SECRET
        assert settings.api.keys == ()

    def test_a_file_that_is_too_short_is_a_problem(self) -> None:
        Path("realtime-dev.db.secret").write_text("short")
        with pytest.raises(SettingsError) as caught:
            develop(development=Development(makes=False))
        assert caught.value.problems == (
            "auth.hmac_secret (--dev): cannot read realtime-dev.db.secret: "
            "it has less than 32 bytes; remove it to have one made",
        )


class TestLoopback:
    """Nobody else can reach it."""

    @pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "hub.example.com"])  # noqa: S104
    def test_another_host_of_the_file_is_put_aside(self, host: str) -> None:
        loaded = develop(f'[server]\nhost = "{host}"')
        assert loaded.settings.server.host == "127.0.0.1"
        assert loaded.origins["server.host"] == "--dev"

    def test_what_the_platform_implies_is_put_aside(self) -> None:
        server = develop(environ={"PORT": "5000"}).settings.server
        assert (server.host, server.port) == ("127.0.0.1", 5000)

    @pytest.mark.parametrize("host", ["::1", "localhost", "127.0.0.2"])
    def test_any_loopback_host_is_good(self, host: str) -> None:
        assert develop(f'[server]\nhost = "{host}"').settings.server.host == host
        overrides = {("server", "host"): host}
        assert develop(overrides=overrides).settings.server.host == host

    def test_another_host_of_the_command_line_is_a_problem(self) -> None:
        with pytest.raises(SettingsError) as caught:
            develop(overrides={("server", "host"): "0.0.0.0"})  # noqa: S104
        assert caught.value.problems == (
            "server.host (command line): --dev listens on loopback only; "
            'expected "127.0.0.1", "::1" or "localhost"',
        )
