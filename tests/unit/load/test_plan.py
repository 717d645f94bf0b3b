"""Plans: profiles are strict, the command line has the last word, URLs hide what they must."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from load.plan import PlanError, check_urls, merged, read_profile, read_thresholds, shown_url

KEYS = {
    "fanout": ("clients", "rate", "thresholds"),
    "rooms": ("clients", "rooms", "thresholds"),
}


def test_a_scenarios_table_is_on_top_of_all_and_the_command_line_on_top_of_both() -> None:
    tables: Mapping[str, Mapping[str, Any]] = {
        "all": {"clients": 10, "thresholds": ["errors<1%"], "rooms": 3},
        "fanout": {"clients": 20, "rate": 5},
    }
    assert merged(tables, "fanout", {"rate": 6}, KEYS) == {
        "clients": 20,
        "thresholds": ["errors<1%"],
        "rate": 6,
    }
    assert merged(tables, "rooms", {}, KEYS)["rooms"] == 3


def test_every_unknown_key_of_a_profile_is_named_with_its_place() -> None:
    tables = {"all": {"rat": 1}, "fanout": {"cleints": 1}, "romos": {"x": 1}, "rooms": {"rate": 1}}
    with pytest.raises(PlanError) as raised:
        # Also in the tables of scenarios that are not run.
        merged(tables, "rooms", {}, KEYS)
    assert raised.value.problems == (
        "all.rat: no such key (did you mean rate?)",
        "fanout.cleints: no such key (did you mean clients?)",
        "romos: no such scenario (did you mean rooms?)",
        "rooms.rate: no such key",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [("clients = 1", "clients is in no table"), ("[fanout", "profile .*toml"), (None, "No such")],
)
def test_a_profile_that_cannot_be_read_is_refused(
    tmp_path: Path, text: str | None, problem: str
) -> None:
    path = tmp_path / "own.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(PlanError, match=problem):
        read_profile(str(path))


def test_all_thresholds_that_are_wrong_are_named() -> None:
    with pytest.raises(PlanError) as raised:
        read_thresholds(["p99<50", "errors<1%", "speed"], "fanout.thresholds")
    assert len(raised.value.problems) == 2
    assert all(problem.startswith("fanout.thresholds: ") for problem in raised.value.problems)
    with pytest.raises(PlanError, match="a list"):
        read_thresholds("p99<50ms", "fanout.thresholds")


def test_a_url_without_a_path_gets_the_usual_one() -> None:
    assert check_urls(["ws://127.0.0.1:8000", "wss://hub.example/", "ws://[::1]:80/x?y=1"]) == (
        "ws://127.0.0.1:8000/connection/websocket",
        "wss://hub.example/connection/websocket",
        "ws://[::1]:80/x?y=1",
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1",
        "127.0.0.1:8000",
        "ws://",
        "ws://127.0.0.1:99999",
        "ws://127.0.0.1:0",
        "ws://user:secret-word@127.0.0.1",
        "ftp://secret-word@host/?t=secret-word",
    ],
)
def test_what_is_no_url_of_a_hub_is_refused_without_a_word_of_its_secrets(url: str) -> None:
    with pytest.raises(PlanError) as raised:
        check_urls([url])
    assert "--url" in str(raised.value)
    assert "secret-word" not in str(raised.value)


def test_a_run_needs_a_url_and_not_too_many() -> None:
    for urls in ([], ["ws://127.0.0.1"] * 65):
        with pytest.raises(PlanError, match="1 to 64"):
            check_urls(urls)


def test_reports_show_a_url_without_what_may_be_secret() -> None:
    assert shown_url("wss://name:word@host:1/p?token=word#x") == "wss://host:1/p"
