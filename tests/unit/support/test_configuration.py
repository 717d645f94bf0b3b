"""Settings of hubs under test survive being written as TOML."""

import tomllib
from pathlib import Path

from tests.support.configuration import NAMESPACES, Sections, sections, to_toml


def test_the_base_settings_are_read_back() -> None:
    tables = sections(Path("/tmp/x"), {})  # noqa: S108 - nothing is written there
    assert tomllib.loads(to_toml(tables)) == tables


def test_changes_go_on_top_key_by_key() -> None:
    changes: Sections = {
        "server": {"drain_s": 5.5},
        "namespaces": {"chat": {"publish": []}},
        "log": {"x": 1},
    }
    tables = sections(Path("x"), changes)
    assert tables["server"] == {"host": "127.0.0.1", "drain_s": 5.5}
    assert tables["namespaces"] == {**NAMESPACES, "chat": {"publish": []}}
    assert tables["log"] == {"x": 1}


def test_every_kind_of_value_is_read_back() -> None:
    table = {"text": 'a"\\b\n', "whole": -1, "part": 0.5, "yes": True, "list": ["a", 1], "none": []}
    assert tomllib.loads(to_toml({"a": {**table, "inner": table}})) == {
        "a": {**table, "inner": table}
    }
