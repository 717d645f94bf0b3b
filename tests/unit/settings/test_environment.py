"""The environment: what is taken, and what is said of what is not."""

from pathlib import Path

import pytest

from realtime.settings.durations import Duration
from realtime.settings.load import load
from realtime.settings.schema import ChannelOptions, Settings
from realtime.settings.secret import Secret
from tests.unit.settings.loading import (
    SECRET,
    environment_problems,
    load_text,
    problems,
)


def test_every_type_is_read() -> None:
    settings = load(
        None,
        {
            "REALTIME_SERVER__PORT": "9000",
            "REALTIME_SERVER__INTERNAL_PORT": "",
            "REALTIME_SERVER__DRAIN_S": "2.5",
            "REALTIME_SERVER__ALLOWED_ORIGINS": "https://a.example, https://b.example",
            "REALTIME_API__KEYS": '["a,b", "c"]',
            "REALTIME_AUTH__HMAC_SECRET": SECRET,
            "REALTIME_AUTH__ANONYMOUS": "true",
            "REALTIME_CLIENT__PING_INTERVALS_S": "swift=50, my app = 30.5",
            "REALTIME_LOG__LEVEL": "debug",
            "REALTIME_CHANNELS__PRESENCE": "1",
            "REALTIME_NAMESPACES__CHAT__HISTORY_SIZE": "-1",
            "REALTIME_NAMESPACES__CHAT__HISTORY_TTL": "24h",
            "REALTIME_NAMESPACES__CHAT__SUBSCRIBE": "user,token",
        },
    )
    assert settings.server.port == 9000
    assert settings.server.internal_port is None
    assert settings.server.drain_s == 2.5
    assert settings.server.allowed_origins == ("https://a.example", "https://b.example")
    assert settings.api.keys == (Secret("a,b"), Secret("c"))
    assert settings.auth.hmac_secret == Secret(SECRET)
    assert settings.auth.anonymous is True
    assert settings.client.ping_intervals_s == {"swift": 50.0, "my app": 30.5}
    assert settings.log.level == "debug"
    assert settings.channels.presence is True
    assert settings.namespaces == {
        "chat": ChannelOptions(
            history_size=-1, history_ttl=Duration(86_400_000), subscribe=("user", "token")
        )
    }


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    environ = {"REALTIME_SERVER__PORT": "2"}
    settings = load_text(tmp_path, "[server]\nport = 1\ndrain_s = 3", environ)
    assert (settings.server.port, settings.server.drain_s) == (2, 3.0)


@pytest.mark.parametrize(
    ("text", "intervals"),
    [("", {}), ("{}", {}), ("swift=50", {"swift": 50.0}), ('{"a=b, c": 50}', {"a=b, c": 50.0})],
)
def test_a_table_is_pairs_or_json_and_takes_the_place_of_the_files(
    tmp_path: Path, text: str, intervals: dict[str, float]
) -> None:
    environ = {"REALTIME_CLIENT__PING_INTERVALS_S": text}
    settings = load_text(tmp_path, "[client.ping_intervals_s]\ndart = 60", environ)
    assert settings.client.ping_intervals_s == intervals


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("50", "client.ping_intervals_s (V): expected a table; got a text of 2 characters"),
        ("a=1,a=2", "client.ping_intervals_s (V): expected a table; got a text of 7 characters"),
        ("{a=1}", "client.ping_intervals_s (V): expected a table; got a text of 5 characters"),
        ("=50", "client.ping_intervals_s.'' (V): expected a name; got an empty text"),
        (
            "swift=often",
            "client.ping_intervals_s.swift (V): expected a number, 1 to 3600; "
            "got a text of 5 characters",
        ),
    ],
)
def test_a_table_that_cannot_be_read_is_a_problem(text: str, problem: str) -> None:
    name = "REALTIME_CLIENT__PING_INTERVALS_S"
    assert environment_problems({name: text}) == [problem.replace("(V)", f"({name})")]


def test_an_empty_variable_unsets_what_need_not_be_set(tmp_path: Path) -> None:
    environ = {"REALTIME_AUTH__AUDIENCE": ""}
    assert load_text(tmp_path, '[auth]\naudience = "a"', environ).auth.audience is None


@pytest.mark.parametrize("environ", [{"PATH": "/bin"}, {"realtime_server__port": "x"}])
def test_other_programs_variables_are_none_of_ours(environ: dict[str, str]) -> None:
    assert load(None, environ) == Settings()


@pytest.mark.parametrize("name", ["REALTIME_TEST_REDIS_URL", "REALTIME_CONFIG"])
def test_variables_of_tests_and_the_files_path_are_no_settings(name: str) -> None:
    assert load(None, {name: "x"}) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REALTIME_SERVICE_HOST", "10.0.0.1"),
        ("REALTIME_SERVICE_PORT", "8000"),
        ("REALTIME_SERVICE_PORT_HTTP", "8000"),
        ("REALTIME_PORT", "tcp://10.0.0.1:8000"),
        ("REALTIME_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("REALTIME_PORT_8000_TCP_PROTO", "tcp"),
        ("REALTIME_PORT_8000_TCP_PORT", "8000"),
        ("REALTIME_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("REALTIME_SERVER_SERVICE_HOST", "10.0.0.1"),
        ("REALTIME_SERVER_PORT", "tcp://10.0.0.1:8000"),
    ],
)
def test_what_kubernetes_says_of_services_is_no_setting(name: str, value: str) -> None:
    assert load(None, {name: value}) == Settings()


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        (
            {"REALTIME_SERVR__PORT": "1"},
            "REALTIME_SERVR__PORT: unknown variable; did you mean REALTIME_SERVER__PORT?",
        ),
        (
            {"REALTIME_SERVER_PORT": "8000"},
            "REALTIME_SERVER_PORT: unknown variable; did you mean REALTIME_SERVER__PORT?",
        ),
        (
            {"REALTIME_SERVER__port": "1"},
            "REALTIME_SERVER__port: unknown variable; did you mean REALTIME_SERVER__PORT?",
        ),
        (
            {"REALTIME_AUTH__HMAC_SECRT_FILE": "/x"},
            "REALTIME_AUTH__HMAC_SECRT_FILE: unknown variable; "
            "did you mean REALTIME_AUTH__HMAC_SECRET_FILE?",
        ),
        ({"REALTIME_ZZZ": "1"}, "REALTIME_ZZZ: unknown variable"),
        ({"REALTIME_": "1"}, "REALTIME_: unknown variable"),
        (
            {"REALTIME_NAMESPACES__CHAT__HISTROY_SIZE": "1"},
            "REALTIME_NAMESPACES__CHAT__HISTROY_SIZE: unknown variable; "
            "did you mean REALTIME_NAMESPACES__CHAT__HISTORY_SIZE?",
        ),
        (
            {"REALTIME_NAMESPACES__CHAT": "1"},
            "REALTIME_NAMESPACES__CHAT: expected a namespace's name and a key after "
            "REALTIME_NAMESPACES__",
        ),
        (
            {"REALTIME_NAMESPACES__X__PRESENCE": "1"},
            "REALTIME_NAMESPACES__X__PRESENCE: expected a namespace's name and a key after "
            "REALTIME_NAMESPACES__",
        ),
        (
            {"REALTIME_SERVER__PORT": "many"},
            "server.port (REALTIME_SERVER__PORT): expected a whole number, 0 to 65535; "
            "got a text of 4 characters",
        ),
        (
            {"REALTIME_AUTH__AUDIENCE": "\udcff"},
            "auth.audience (REALTIME_AUTH__AUDIENCE): expected UTF-8; got a text of 1 character",
        ),
        (
            {"REALTIME_API__KEYS": "one,,two"},
            "api.keys[1] (REALTIME_API__KEYS): expected a text, not empty; got an empty text",
        ),
        (
            {"PORT": "http"},
            "server.port (PORT): expected a whole number, 0 to 65535; got a text of 4 characters",
        ),
    ],
)
def test_what_is_not_in_the_schema_is_a_problem_with_the_nearest_name(
    environ: dict[str, str], problem: str
) -> None:
    assert environment_problems(environ) == [problem]


class TestNamespaces:
    """A variable's name has no letter case to tell, so it means the namespace of the file."""

    def test_the_files_spelling_is_kept(self, tmp_path: Path) -> None:
        environ = {"REALTIME_NAMESPACES__CHAT__PRESENCE": "true"}
        settings = load_text(tmp_path, "[namespaces.Chat]\njoin_leave = true", environ)
        assert settings.namespaces == {"Chat": ChannelOptions(presence=True, join_leave=True)}

    def test_a_new_name_is_in_lower_case(self) -> None:
        settings = load(None, {"REALTIME_NAMESPACES__MY_CHAT__PRESENCE": "true"})
        assert list(settings.namespaces) == ["my_chat"]

    def test_a_name_may_have_two_underscores_in_a_row(self) -> None:
        settings = load(None, {"REALTIME_NAMESPACES__A__B__PRESENCE": "true"})
        assert list(settings.namespaces) == ["a__b"]

    def test_names_that_differ_by_case_alone_cannot_be_told_apart(self, tmp_path: Path) -> None:
        environ = {"REALTIME_NAMESPACES__CHAT__PRESENCE": "true"}
        assert problems(tmp_path, "[namespaces.chat]\n[namespaces.Chat]", environ) == [
            "REALTIME_NAMESPACES__CHAT__PRESENCE: may be any of the namespaces chat, Chat"
        ]


class TestPlatform:
    """What platforms set is read where our own variable is not set."""

    def test_port_means_that_somebody_outside_must_reach_us(self) -> None:
        server = load(None, {"PORT": "5000"}).server
        assert (server.host, server.port) == ("0.0.0.0", 5000)  # noqa: S104

    def test_port_wins_over_the_files_port_and_not_over_its_host(self, tmp_path: Path) -> None:
        text = '[server]\nhost = "127.0.0.2"\nport = 1'
        server = load_text(tmp_path, text, {"PORT": "5000"}).server
        assert (server.host, server.port) == ("127.0.0.2", 5000)

    def test_our_own_variable_wins_over_port(self) -> None:
        server = load(None, {"PORT": "5000", "REALTIME_SERVER__PORT": "6000"}).server
        assert (server.host, server.port) == ("127.0.0.1", 6000)

    def test_our_own_host_wins_over_what_port_implies(self) -> None:
        server = load(None, {"PORT": "5000", "REALTIME_SERVER__HOST": "127.0.0.2"}).server
        assert (server.host, server.port) == ("127.0.0.2", 5000)

    @pytest.mark.parametrize("name", ["PORT", "REDIS_URL", "MONGODB_URI"])
    def test_an_empty_variable_is_as_good_as_none(self, name: str) -> None:
        assert load(None, {name: ""}) == Settings()

    def test_redis_and_mongodb_are_the_broker_and_the_store(self) -> None:
        redis, mongodb = "rediss://:password@host:6379", "mongodb+srv://u:password@host/db"
        settings = load(None, {"REDIS_URL": redis, "MONGODB_URI": mongodb})
        assert (settings.broker.url, settings.store.url) == (redis, mongodb)

    def test_redis_alone_is_told_what_it_lacks(self) -> None:
        (problem,) = environment_problems({"REDIS_URL": "redis://:password@host:6379"})
        assert problem.startswith("store.url (default), broker.url (REDIS_URL): Redis carries")
        assert "password" not in problem

    def test_our_own_variables_win_over_redis_and_mongodb(self) -> None:
        settings = load(
            None,
            {
                "REDIS_URL": "redis://host",
                "REALTIME_BROKER__URL": "memory://",
                "MONGODB_URI": "mongodb://host",
                "REALTIME_STORE__URL": "sqlite://:memory:",
            },
        )
        assert settings.broker.url == "memory://"
        assert settings.store.url == "sqlite://:memory:"

    def test_a_file_of_our_own_wins_over_mongodb(self, tmp_path: Path) -> None:
        file = tmp_path / "url"
        file.write_text("mongodb://u:password@host/db\n")
        environ = {"MONGODB_URI": "mongodb://", "REALTIME_STORE__URL_FILE": str(file)}
        assert load(None, environ).store.url == "mongodb://u:password@host/db"


class TestFiles:
    """`…_FILE` names a file with the secret."""

    @pytest.mark.parametrize("end", ["", "\n", "\r\n"])
    def test_one_line_break_at_the_end_is_no_part_of_it(self, tmp_path: Path, end: str) -> None:
        file = tmp_path / "secret"
        file.write_bytes((SECRET + end).encode())
        settings = load(None, {"REALTIME_AUTH__HMAC_SECRET_FILE": str(file)})
        assert settings.auth.hmac_secret == Secret(SECRET)

    def test_only_one_line_break_is_taken_away(self, tmp_path: Path) -> None:
        file = tmp_path / "secret"
        file.write_text(SECRET + " \n\n")
        settings = load(None, {"REALTIME_AUTH__HMAC_SECRET_FILE": str(file)})
        assert settings.auth.hmac_secret == Secret(SECRET + " \n")

    def test_lists_are_read_as_in_a_variable(self, tmp_path: Path) -> None:
        file = tmp_path / "keys"
        file.write_text("one,two\n")
        settings = load(None, {"REALTIME_API__KEYS_FILE": str(file)})
        assert settings.api.keys == (Secret("one"), Secret("two"))

    def test_it_wins_over_the_settings_file(self, tmp_path: Path) -> None:
        file = tmp_path / "keys"
        file.write_text("two")
        environ = {"REALTIME_API__KEYS_FILE": str(file)}
        assert load_text(tmp_path, '[api]\nkeys = ["one"]', environ).api.keys == (Secret("two"),)

    def test_a_file_that_cannot_be_read_is_a_problem_without_its_name(self) -> None:
        """Somebody may have put the secret itself there."""
        assert environment_problems({"REALTIME_AUTH__HMAC_SECRET_FILE": SECRET}) == [
            "auth.hmac_secret (REALTIME_AUTH__HMAC_SECRET_FILE): the file cannot be read: "
            "No such file or directory"
        ]

    def test_an_empty_file_is_a_problem(self, tmp_path: Path) -> None:
        """Or a secret that was lost would quietly be a hub without one."""
        file = tmp_path / "secret"
        file.write_text("\n")
        assert environment_problems({"REALTIME_AUTH__HMAC_SECRET_FILE": str(file)}) == [
            "auth.hmac_secret (REALTIME_AUTH__HMAC_SECRET_FILE): the file is empty"
        ]

    @pytest.mark.parametrize("text", ["", "\n"])
    def test_an_empty_file_of_the_previous_secret_is_none(self, tmp_path: Path, text: str) -> None:
        """It is named from the start and filled when the secret changes."""
        file = tmp_path / "previous"
        file.write_text(text)
        environ = {
            "REALTIME_AUTH__HMAC_SECRET": SECRET,
            "REALTIME_AUTH__HMAC_PREVIOUS_SECRET_FILE": str(file),
        }
        assert load(None, environ).auth.hmac_previous_secret is None
        file.write_text(SECRET)
        assert load(None, environ).auth.hmac_previous_secret == Secret(SECRET)

    @pytest.mark.parametrize("setting", ["api.keys", "auth.rsa_public_key"])
    def test_any_other_empty_file_is_a_problem(self, tmp_path: Path, setting: str) -> None:
        file = tmp_path / "empty"
        file.touch()
        name = f"REALTIME_{setting.replace('.', '__').upper()}_FILE"
        assert environment_problems({name: str(file)}) == [f"{setting} ({name}): the file is empty"]

    def test_the_secret_itself_beside_it_is_a_problem(self, tmp_path: Path) -> None:
        file = tmp_path / "secret"
        file.write_text(SECRET)
        environ = {
            "REALTIME_AUTH__HMAC_SECRET": SECRET,
            "REALTIME_AUTH__HMAC_SECRET_FILE": str(file),
        }
        assert environment_problems(environ) == [
            "REALTIME_AUTH__HMAC_SECRET_FILE: REALTIME_AUTH__HMAC_SECRET is set too; "
            "expected one of them"
        ]

    def test_what_is_no_secret_and_no_key_cannot_come_from_a_file(self, tmp_path: Path) -> None:
        assert environment_problems({"REALTIME_SERVER__PORT_FILE": str(tmp_path)}) == [
            "REALTIME_SERVER__PORT_FILE: only secrets, keys and urls are read from a file"
        ]
