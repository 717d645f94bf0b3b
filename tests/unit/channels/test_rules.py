"""Namespaces and what their channels may be called (protocol 4.1, design 6)."""

import pytest

from realtime.auth.permissions import Permissions
from realtime.channels import rules as module
from realtime.channels.rules import RESOLVED_MAX, ChannelRules, RuleBook
from realtime.errors import BAD_REQUEST, UNKNOWN_CHANNEL, CommandRefused, Error
from realtime.model import Retention
from realtime.settings.durations import Duration
from realtime.settings.schema import ChannelOptions

BOOK = RuleBook(
    ChannelOptions(),
    {
        "chat": ChannelOptions(history_size=-1),
        "live": ChannelOptions(history_size=10, history_ttl=Duration(300_000)),
        "num": ChannelOptions(channel_regex=r"^[0-9]+$"),
        "any": ChannelOptions(channel_regex="."),
    },
)


def refusal(book: RuleBook, name: str) -> Error | None:
    try:
        book.resolve(name)
    except CommandRefused as refused:
        return refused.error
    return None


def test_a_channel_has_the_rules_of_its_namespace() -> None:
    for name in ("chat:7", "$chat:7", "chat:", "chat:a:b", "chat:#1"):
        assert BOOK.resolve(name).rules.namespace == "chat"
    for name in ("news", "$news", "#1", ":7"):
        assert BOOK.resolve(name).rules.namespace == ""


@pytest.mark.parametrize(
    ("name", "private", "users"),
    [
        ("chat:a", False, None),
        ("$chat:a", True, None),
        ("chat:a#1,2", False, frozenset({"1", "2"})),
        ("$chat:a#1", True, frozenset({"1"})),
        ("chat:a#", False, frozenset({""})),
    ],
)
def test_a_channel_knows_what_its_name_says(
    name: str, private: bool, users: frozenset[str] | None
) -> None:
    channel = BOOK.resolve(name)
    assert channel.name == name
    assert channel.private is private
    assert channel.users == users
    assert channel.is_restricted is (private or users is not None)


@pytest.mark.parametrize("name", ["unknown:7", "$unknown:7", "Chat:7", "chat#1:7", " chat:7"])
def test_a_namespace_that_is_not_configured_is_unknown(name: str) -> None:
    assert refusal(BOOK, name) is UNKNOWN_CHANNEL


@pytest.mark.parametrize(
    "name", ["", "a" * 256, "chat:" + "é" * 126, "a*", "a&b", "a/b", "chat:\n", "chat:é", "\x7f"]
)
def test_a_name_that_cannot_be_one_is_a_bad_request(name: str) -> None:
    assert refusal(BOOK, name) is BAD_REQUEST


def test_a_name_of_255_bytes_is_one() -> None:
    assert refusal(BOOK, "a" * 255) is None
    assert refusal(BOOK, "any:" + "é" * 125) is None
    assert refusal(BOOK, "any:" + "é" * 126) is BAD_REQUEST


@pytest.mark.parametrize("rest", ["é", "😀", "a/b", "a*&", "\n", "\u2028"])
def test_a_regex_lifts_the_rule_about_characters(rest: str) -> None:
    assert BOOK.resolve(f"any:{rest}").name == f"any:{rest}"


@pytest.mark.parametrize(
    ("name", "fits"),
    [("num:7", True), ("num:700", True), ("num:a", False), ("num:", False), ("$num:7", True)],
)
def test_a_regex_is_matched_with_what_follows_the_namespace(name: str, fits: bool) -> None:
    """It binds clients, so a name that does not match is resolved and says so."""
    assert BOOK.resolve(name).fits_regex is fits


def test_a_regex_may_match_anywhere_unless_anchored() -> None:
    book = RuleBook(ChannelOptions(channel_regex="b+"), {})
    assert book.resolve("abbc").fits_regex
    assert not book.resolve("ac").fits_regex


def test_where_there_is_no_regex_every_name_fits_it() -> None:
    assert BOOK.resolve("chat:anything").fits_regex


@pytest.mark.parametrize(
    ("name", "retention"),
    [
        ("chat:7", Retention(-1, 0)),
        ("$live:7", Retention(10, 300_000)),
        ("news", Retention(0, 0)),
        ("gone:7", Retention(0, 0)),
        ("no such name/\n", Retention(0, 0)),
    ],
)
def test_retention_is_known_for_every_name_a_store_may_still_hold(
    name: str, retention: Retention
) -> None:
    assert BOOK.retention(name) == retention


def test_names_are_resolved_once_and_a_bounded_number_is_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RESOLVED_MAX", 3)
    assert RESOLVED_MAX == 16_384
    book = RuleBook(ChannelOptions(), {})
    first = book.resolve("a")
    assert book.resolve("a") is first
    for number in range(100):
        assert book.resolve(f"b{number}").name == f"b{number}"
        assert len(book._resolved) <= 3
    again = book.resolve("a")
    assert again is not first
    assert again == first


def test_names_that_are_refused_are_not_remembered() -> None:
    book = RuleBook(ChannelOptions(), {})
    for name in ("x" * 256, "unknown:1", "a*"):
        assert refusal(book, name) is not None
    assert len(book._resolved) == 0


def test_rules_are_the_namespace_s_options() -> None:
    options = ChannelOptions(
        history_size=5,
        history_ttl=Duration(2_000),
        presence=True,
        join_leave=True,
        force_push_join_leave=True,
        user_limited=True,
        channel_regex="x",
        data_format="json_object",
        subscribe=("user",),
        publish=("subscriber",),
        read_history=("guest",),
        read_presence=("admin",),
    )
    rules = ChannelRules("chat", options)
    assert rules.has_history
    assert rules.retention == Retention(5, 2000)
    assert rules.presence
    assert rules.join_leave
    assert rules.force_push_join_leave
    assert rules.user_limited
    assert rules.channel_regex is not None
    assert rules.channel_regex.pattern == "x"
    assert rules.data_format == "json_object"
    assert rules.permissions.allow("publish", "user", subscriber=True)
    assert not rules.permissions.allow("publish", "user")
    assert rules.permissions.allow("subscribe", "user")
    assert not rules.permissions.allow("subscribe", "guest")
    assert rules.permissions.allow("read_history", "guest")
    assert not rules.permissions.allow("read_presence", "user")


def test_rules_are_off_unless_said() -> None:
    rules = ChannelRules("", ChannelOptions())
    assert not rules.has_history
    assert rules.retention == Retention(0, 0)
    assert not (rules.presence or rules.join_leave or rules.force_push_join_leave)
    assert not rules.user_limited
    assert rules.channel_regex is None
    assert not any(
        rules.permissions.allow(operation, "user", subscriber=True, token=True)
        for operation in Permissions()._grants
    )


@pytest.mark.parametrize("size", [-1, 1, 1_000_000])
def test_any_size_but_0_is_a_history(size: int) -> None:
    assert ChannelRules("", ChannelOptions(history_size=size)).has_history


def test_rules_tell_whose_they_are() -> None:
    assert repr(BOOK.resolve("chat:7").rules) == "<ChannelRules of chat>"
    assert repr(BOOK.resolve("a").rules) == "<ChannelRules of channels without a namespace>"
