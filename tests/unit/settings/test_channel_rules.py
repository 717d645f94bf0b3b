"""What is wrong with the options of channels, with a namespace or without."""

from pathlib import Path

import pytest

from tests.unit.settings.loading import load_text, problems

TABLES = pytest.mark.parametrize("table", ["channels", "namespaces.chat"])


@TABLES
@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('history_ttl = "1h"', "history_ttl"),
        ("force_recovery = true", "force_recovery"),
        ("force_positioning = true", "force_positioning"),
        ('read_history = ["user"]', "read_history"),
    ],
)
class TestHistory:
    """Some options mean nothing without a history."""

    def test_it_is_missing(self, tmp_path: Path, table: str, line: str, key: str) -> None:
        assert problems(tmp_path, f"[{table}]\n{line}") == [
            f"{table}.{key} (FILE), {table}.history_size (default): "
            "needs history; history_size = 0 keeps none"
        ]

    @pytest.mark.parametrize("size", [-1, 1])
    def test_it_is_there(self, tmp_path: Path, table: str, line: str, key: str, size: int) -> None:
        load_text(tmp_path, f"[{table}]\n{line}\nhistory_size = {size}")


@TABLES
def test_pushing_joins_to_all_needs_joins(tmp_path: Path, table: str) -> None:
    text = f"[{table}]\nforce_push_join_leave = true"
    assert problems(tmp_path, text) == [
        f"{table}.force_push_join_leave (FILE), {table}.join_leave (default): "
        "nothing to push without join_leave = true"
    ]
    load_text(tmp_path, text + "\njoin_leave = true")


@TABLES
def test_reading_presence_needs_presence(tmp_path: Path, table: str) -> None:
    text = f'[{table}]\nread_presence = ["user"]'
    assert problems(tmp_path, text) == [
        f"{table}.read_presence (FILE), {table}.presence (default): "
        "nothing to read without presence = true"
    ]
    load_text(tmp_path, text + "\npresence = true")


@TABLES
def test_a_subscriber_may_do_everything_but_subscribe(tmp_path: Path, table: str) -> None:
    assert problems(tmp_path, f'[{table}]\nsubscribe = ["user", "subscriber"]') == [
        f"{table}.subscribe (FILE): nobody is a subscriber before subscribing; take subscriber out"
    ]
    load_text(tmp_path, f'[{table}]\npublish = ["subscriber"]')


@TABLES
def test_nobody_is_a_member_of_a_plain_channel(tmp_path: Path, table: str) -> None:
    assert problems(tmp_path, f'[{table}]\npublish = ["member"]') == [
        f"{table}.publish (FILE), {table}.chat (default): nobody is a member where chat is not set"
    ]


def test_a_member_may_do_everything_where_there_is_chat(tmp_path: Path) -> None:
    lists = "\n".join(
        f'{key} = ["member"]' for key in ("subscribe", "publish", "read_history", "read_presence")
    )
    load_text(
        tmp_path,
        f'[namespaces.talk]\nchat = "room"\nhistory_size = -1\npresence = true\n{lists}',
    )


def test_chat_needs_a_namespace_with_history_and_json(tmp_path: Path) -> None:
    assert problems(tmp_path, '[channels]\nchat = "room"\nhistory_size = -1') == [
        "channels.chat (FILE): chat needs a namespace of its own"
    ]
    options = 'chat = "feed"\ndata_format = "binary"\ncreate = ["user"]'
    assert problems(tmp_path, f"[namespaces.talk]\n{options}") == [
        "namespaces.talk.chat (FILE), namespaces.talk.history_size (default): needs history;"
        " history_size = 0 keeps none",
        "namespaces.talk.chat (FILE), namespaces.talk.data_format (FILE): chat's events are JSON,"
        " and so must the messages be",
    ]


@TABLES
def test_nothing_is_created_in_plain_channels(tmp_path: Path, table: str) -> None:
    assert problems(tmp_path, f'[{table}]\ncreate = ["user"]') == [
        f"{table}.create (FILE), {table}.chat (default):"
        " nothing can be created where chat is not set"
    ]


@TABLES
@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("[", "unterminated character set at character 1"),
        ("a(b", "missing ), unterminated subpattern at character 2"),
        ("a{99999999999}", "it is too large"),
    ],
)
def test_a_pattern_must_be_a_regular_expression(
    tmp_path: Path, table: str, pattern: str, why: str
) -> None:
    assert problems(tmp_path, f"[{table}]\nchannel_regex = '{pattern}'") == [
        f"{table}.channel_regex (FILE): expected a regular expression; {why}"
    ]


def test_every_namespace_is_looked_at(tmp_path: Path) -> None:
    text = "[channels]\n[namespaces.one]\n[namespaces.two]\n".replace(
        "]\n", "]\nforce_recovery = true\n"
    )
    assert [problem.partition(" ")[0] for problem in problems(tmp_path, text)] == [
        "channels.force_recovery",
        "namespaces.one.force_recovery",
        "namespaces.two.force_recovery",
    ]
