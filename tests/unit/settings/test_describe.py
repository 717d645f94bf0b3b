"""What `config show` prints."""

import tomllib
from pathlib import Path

from realtime.settings.describe import describe, toml_value
from realtime.settings.durations import Duration
from realtime.settings.load import Loaded, load, load_from
from realtime.settings.schema import (
    ApiSettings,
    AuthSettings,
    BrokerSettings,
    ChannelOptions,
    ClientSettings,
    ServerSettings,
    Settings,
    StoreSettings,
)
from realtime.settings.secret import Secret
from tests.unit.settings.loading import SECRET, write


def test_it_can_be_read_again(tmp_path: Path) -> None:
    settings = Settings(
        server=ServerSettings(
            port=9000, allowed_origins=("https://a.example", "*"), connection_rate=0.5
        ),
        client=ClientSettings(ping_intervals_s={"swift": 50.0, 'an "app"': 30.5}),
        auth=AuthSettings(audience='a "quoted"\\ text\n\x7f é', anonymous=True),
        namespaces={
            "chat": ChannelOptions(
                history_size=-1,
                history_ttl=Duration(90_000),
                channel_regex=r"^\d+$",
                subscribe=("user", "token"),
            )
        },
    )
    assert load(str(write(tmp_path, describe(Loaded(settings, {})))), {}) == settings


def test_every_key_says_where_its_value_is_from(tmp_path: Path) -> None:
    path = write(tmp_path, "[server]\nport = 9000\n[namespaces.chat]\npresence = true")
    shown = describe(load_from(str(path), {"REALTIME_LOG__LEVEL": "debug"})).splitlines()
    assert f"port = 9000  # {path}" in shown
    assert f"presence = true  # {path}" in shown
    assert 'level = "debug"  # REALTIME_LOG__LEVEL' in shown
    assert 'host = "127.0.0.1"  # default' in shown
    assert "# internal_port is not set  # default" in shown


def test_no_secret_is_shown() -> None:
    loaded = Loaded(
        Settings(
            api=ApiSettings(keys=(Secret(SECRET), Secret(SECRET))),
            auth=AuthSettings(
                hmac_secret=Secret(SECRET),
                hmac_previous_secret=Secret(SECRET),
                jwks_url=f"https://user:{SECRET}@example.com/keys?key={SECRET}",
            ),
            store=StoreSettings(url=f"mongodb://user:{SECRET}@host/db?tlsPassword={SECRET}"),
            broker=BrokerSettings(url=f"rediss://:{SECRET}@host:6379/0"),
        ),
        {},
    )
    shown = describe(loaded)
    assert SECRET not in shown
    assert tomllib.loads(shown)["api"]["keys"] == ["***", "***"]
    assert tomllib.loads(shown)["auth"]["hmac_secret"] == "***"
    assert tomllib.loads(shown)["auth"]["jwks_url"] == "https://***@example.com/keys?***"
    assert tomllib.loads(shown)["store"]["url"] == "mongodb://***@host/db?***"
    assert tomllib.loads(shown)["broker"]["url"] == "rediss://***@host:6379/0"
    assert SECRET not in repr(loaded)


def test_an_origin_cannot_end_its_comment() -> None:
    shown = describe(Loaded(Settings(), {"server.port": "a\nport = 5\né"}))
    assert r"port = 8000  # a\nport = 5\n\xe9" in shown.splitlines()
    tomllib.loads(shown)


def test_values_are_written_as_toml() -> None:
    assert toml_value(("a", 1, 1.5, True)) == '["a", 1, 1.5, true]'
    assert toml_value(Duration(600_000)) == '"10m"'
    assert toml_value({}) == "{}"
    assert toml_value({"swift": 50.0, "my app": 30.5}) == '{ swift = 50.0, "my app" = 30.5 }'
