"""The settings file: what is taken, and what is said of what is not."""

from pathlib import Path

import pytest

from realtime.errors import SettingsError
from realtime.settings.durations import Duration
from realtime.settings.load import load
from realtime.settings.schema import ChannelOptions, Settings
from realtime.settings.secret import Secret
from tests.unit.settings.loading import SECRET, load_text, problems


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert load_text(tmp_path, "") == Settings()


def test_every_type_is_read(tmp_path: Path) -> None:
    settings = load_text(
        tmp_path,
        f"""
        [server]
        port = 9000
        drain_s = 5
        allowed_origins = ["https://example.com"]
        [api]
        keys = ["one", "two"]
        [auth]
        hmac_secret = "{SECRET}"
        anonymous = true
        [log]
        level = "debug"
        [channels]
        presence = true
        [namespaces.chat]
        history_size = -1
        history_ttl = "7d"
        chat = "room"
        subscribe = ["user", "member"]
        [namespaces.empty]
        """,
    )
    assert settings.server.port == 9000
    assert settings.server.drain_s == 5.0
    assert settings.server.allowed_origins == ("https://example.com",)
    assert settings.api.keys == (Secret("one"), Secret("two"))
    assert settings.auth.hmac_secret == Secret(SECRET)
    assert settings.auth.anonymous is True
    assert settings.log.level == "debug"
    assert settings.channels.presence is True
    assert settings.namespaces == {
        "chat": ChannelOptions(
            history_size=-1,
            history_ttl=Duration(604_800_000),
            chat="room",
            subscribe=("user", "member"),
        ),
        "empty": ChannelOptions(),
    }


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(str(tmp_path / "no.toml"), {})
    assert caught.value.problems == (
        f"{tmp_path / 'no.toml'}: cannot be read: No such file or directory",
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[server", "Expected ']' at the end of a table declaration (at end of document)"),
        ("port 5", "Expected '=' after a key in a key/value pair (at line 1, column 6)"),
        ("port = ", "Invalid value (at end of document)"),
    ],
)
def test_a_text_that_is_not_toml_is_a_problem_with_its_place(
    tmp_path: Path, text: str, why: str
) -> None:
    assert problems(tmp_path, text) == [f"FILE: not TOML: {why}"]


def test_a_number_too_long_for_python_is_a_problem(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"[server]\nport = {'9' * 5_000}")
    assert problem.startswith("FILE: not TOML: ")


def test_a_file_that_cannot_be_parsed_hides_no_problem_of_the_environment(tmp_path: Path) -> None:
    """But nothing is concluded from what the file may have said."""
    environ = {"REALTIME_SERVER__PORT": "x", "REALTIME_CLIENT__PONG_TIMEOUT_S": "99"}
    assert problems(tmp_path, "[server", environ)[1:] == [
        "server.port (REALTIME_SERVER__PORT): expected a whole number, 0 to 65535; "
        "got a text of 1 character"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[server]\nprot = 1", "server.prot (FILE): unknown key; did you mean server.port?"),
        ("[server]\nzzz = 1", "server.zzz (FILE): unknown key"),
        (
            "[server]\nhmac_secret = 1",
            "server.hmac_secret (FILE): unknown key; did you mean auth.hmac_secret?",
        ),
        ("[sever]\nport = 1", "sever (FILE): unknown section; did you mean server?"),
        ("[zzz]", "zzz (FILE): unknown section"),
        ("port = 1", "port (FILE): unknown key; did you mean server.port?"),
        ("zzz = 1", "zzz (FILE): unknown key"),
        ("server = 1", "server (FILE): expected a table; got a whole number"),
        ("[[server]]", "server (FILE): expected a table; got a list of 1 value"),
        ("namespaces = []", "namespaces (FILE): expected a table; got an empty list"),
        (
            "[namespaces]\nchat = 1",
            "namespaces.chat (FILE): expected a table; got a whole number",
        ),
        (
            "[namespaces.chat]\nhistroy_size = 1",
            "namespaces.chat.histroy_size (FILE): unknown key; "
            "did you mean namespaces.chat.history_size?",
        ),
        (
            "[namespaces.x]",
            "namespaces.x (FILE): expected a name of letters, digits, `_` and `-`, at least two; "
            "got a text of 1 character",
        ),
        (
            '[namespaces."a b"]',
            "namespaces.a b (FILE): expected a name of letters, digits, `_` and `-`, "
            "at least two; got a text of 3 characters",
        ),
        (
            '[server]\n"a\\nb" = 1',
            r"server.'a\nb' (FILE): unknown key",
        ),
    ],
)
def test_what_is_not_in_the_schema_is_a_problem_with_the_nearest_name(
    tmp_path: Path, text: str, problem: str
) -> None:
    assert problems(tmp_path, text) == [problem]


def test_nothing_is_concluded_from_a_key_that_was_probably_meant(tmp_path: Path) -> None:
    """`history_size` is misspelt: that `read_history` needs it is no second problem."""
    text = '[namespaces.chat]\nhistroy_size = 5\nread_history = ["user"]'
    assert len(problems(tmp_path, text)) == 1
