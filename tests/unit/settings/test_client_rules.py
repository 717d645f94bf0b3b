"""What is wrong with `client` and `limits`."""

from pathlib import Path

import pytest

from tests.unit.settings.loading import load_text, problems


@pytest.mark.parametrize(("timeout", "good"), [(24.9, True), (25, False), (30, False)])
def test_a_pong_is_waited_for_less_than_a_ping_interval(
    tmp_path: Path, timeout: float, good: bool
) -> None:
    text = f"[client]\npong_timeout_s = {timeout}"
    if good:
        load_text(tmp_path, text)
    else:
        assert problems(tmp_path, text) == [
            "client.pong_timeout_s (FILE), client.ping_interval_s (default): "
            "the timeout must be less than the interval"
        ]


def test_intervals_by_name_are_a_table(tmp_path: Path) -> None:
    text = '[client.ping_intervals_s]\nswift = 50\n"my app" = 30.5'
    assert load_text(tmp_path, text).client.ping_intervals_s == {"swift": 50.0, "my app": 30.5}


def test_there_are_none_by_default_and_none_can_be_added_later(tmp_path: Path) -> None:
    intervals = load_text(tmp_path, "").client.ping_intervals_s
    assert intervals == {}
    with pytest.raises(TypeError):
        intervals["swift"] = 50.0  # type: ignore[index]  # on purpose


def test_all_that_is_wrong_with_intervals_is_told_with_its_name(tmp_path: Path) -> None:
    text = """
        [client.ping_intervals_s]
        swift = 0.5
        java = "50s"
        dart = 3601
        go = true
        js = 1
        python = 50
        "" = 50
        "a\\nb" = { s = 50 }
    """
    assert problems(tmp_path, text) == [
        "client.ping_intervals_s.swift (FILE): expected a number, 1 to 3600; got 0.5",
        "client.ping_intervals_s.java (FILE): expected a number, 1 to 3600; "
        "got a text of 3 characters",
        "client.ping_intervals_s.dart (FILE): expected a number, 1 to 3600; got 3601",
        "client.ping_intervals_s.go (FILE): expected a number, 1 to 3600; got true or false",
        "client.ping_intervals_s.'' (FILE): expected a name; got an empty text",
        r"client.ping_intervals_s.'a\nb' (FILE): expected a number, 1 to 3600; got a table",
    ]


def test_intervals_are_a_table_or_nothing(tmp_path: Path) -> None:
    assert problems(tmp_path, "[client]\nping_intervals_s = 50") == [
        "client.ping_intervals_s (FILE): expected a table; got a whole number"
    ]


def test_a_pong_is_waited_for_less_than_every_interval(tmp_path: Path) -> None:
    text = "[client]\nping_intervals_s = { swift = 8, java = 8.5, go = 2 }"
    assert problems(tmp_path, text) == [
        f"client.ping_intervals_s.{name} (FILE), client.pong_timeout_s (default): "
        "the interval must be more than the timeout"
        for name in ("swift", "go")
    ]


def test_the_longest_message_must_fit_the_outbox(tmp_path: Path) -> None:
    assert problems(tmp_path, "[client]\nmessage_max_bytes = 2000000") == [
        "client.outbox_max_bytes (default), client.message_max_bytes (FILE): "
        "the longest message would not fit the outbox"
    ]


@pytest.mark.parametrize("key", ["history_max", "recovery_max"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_page_has_at_least_one_entry(tmp_path: Path, key: str, value: int) -> None:
    assert problems(tmp_path, f"[client]\n{key} = {value}") == [
        f"client.{key} (FILE): expected a whole number, 1 to 10000; got {value}"
    ]


@pytest.mark.parametrize("who", ["connection", "user", "address"])
@pytest.mark.parametrize("what", ["commands", "publishes"])
class TestBursts:
    """A rate and its burst come together."""

    def test_a_rate_needs_a_burst(self, tmp_path: Path, who: str, what: str) -> None:
        assert problems(tmp_path, f"[limits]\n{who}_{what}_per_s = 5") == [
            f"limits.{who}_{what}_burst (default), limits.{who}_{what}_per_s (FILE): "
            "a limit needs a burst of at least 1, or nothing may ever pass"
        ]

    def test_a_burst_of_less_than_one_lets_nothing_pass(
        self, tmp_path: Path, who: str, what: str
    ) -> None:
        text = f"[limits]\n{who}_{what}_per_s = 5\n{who}_{what}_burst = 0.5"
        assert len(problems(tmp_path, text)) == 1

    def test_a_burst_needs_a_rate(self, tmp_path: Path, who: str, what: str) -> None:
        assert problems(tmp_path, f"[limits]\n{who}_{what}_burst = 5") == [
            f"limits.{who}_{what}_burst (FILE), limits.{who}_{what}_per_s (default): "
            "a burst without a rate limits nothing"
        ]

    def test_both_are_good(self, tmp_path: Path, who: str, what: str) -> None:
        load_text(tmp_path, f"[limits]\n{who}_{what}_per_s = 0.5\n{who}_{what}_burst = 1")


class TestChat:
    """Rates of chat, and the hook."""

    def test_a_rate_needs_a_burst_and_a_burst_without_a_rate_says_nothing(
        self, tmp_path: Path
    ) -> None:
        load_text(tmp_path, "[chat]\nsends_per_s = 0")
        assert problems(tmp_path, "[chat]\nsends_burst = 0.5") == [
            "chat.sends_burst (FILE), chat.sends_per_s (default): "
            "a limit needs a burst of at least 1, or nothing may ever pass"
        ]

    def test_a_hook_has_an_address_and_only_then_a_secret(self, tmp_path: Path) -> None:
        assert problems(tmp_path, '[chat]\nhook_url = "ftp://x"') == [
            "chat.hook_url (FILE): expected an http:// or https:// address"
        ]
        assert problems(tmp_path, '[chat]\nhook_secret = "x"') == [
            "chat.hook_secret (FILE), chat.hook_url (default): nothing to sign"
        ]
