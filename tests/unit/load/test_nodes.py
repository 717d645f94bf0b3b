"""Files of nodes: the one that comes along, and what is wrong with others."""

import shutil
from pathlib import Path

import pytest

from load.nodes import EXAMPLES, filled, read_nodes
from load.plan import PlanError

SMALL = """
[nodes.one]
command = ["hub", "--port", "8101"]
url = "ws://127.0.0.1:8101"
"""


@pytest.mark.parametrize("name", EXAMPLES)
def test_files_that_come_along_can_be_read(name: str) -> None:
    found = read_nodes(name)
    assert len(found.nodes) == len(set(found.urls)) == 3
    assert all(node.address == node.url.removeprefix("ws://") for node in found.nodes.values())
    assert found.targets == {
        "one": ("kill", "drain", "freeze"),
        "two": ("kill", "drain", "freeze"),
        "three": ("freeze",),
        "redis": ("kill", "freeze"),
        "mongodb": ("kill", "freeze"),
    }


def test_a_node_needs_a_command_and_a_url(tmp_path: Path) -> None:
    path = tmp_path / "nodes.toml"
    path.write_text(SMALL)
    found = read_nodes(str(path))
    assert found.urls == ("ws://127.0.0.1:8101",)
    assert found.targets == {"one": ("kill", "drain", "freeze")}
    assert not found.services and not found.prepare and not found.env


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "nodes"),
        ("[nodes]", "length"),
        ("[nodes.one]\ncommand = []\nurl = 'ws://127.0.0.1:1'", r"nodes\[\.\.\.\]\.command"),
        (f"{SMALL}\nfault = []", "fault"),
        (f"{SMALL}\nfaults = ['burn']", "burn"),
        (SMALL.replace("ws://", "redis://"), "ws://127.0.0.1:8000"),
        (SMALL.replace("nodes.one", "nodes.'a b'"), "regex"),
        (f"{SMALL}\n[services.one]\ncommand = ['x']\naddress = '127.0.0.1:1'", "one is a node and"),
        (f"{SMALL}\n[services.redis]\ncommand = ['x']\naddress = '127.0.0.1'", "address"),
        ("[nodes", "TOML|Expected"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "nodes.toml"
    path.write_text(text)
    with pytest.raises(PlanError, match=problem):
        read_nodes(str(path))


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(PlanError, match=r"--nodes /nowhere\.toml: .*No such file"):
        read_nodes("/nowhere.toml")


def test_names_in_braces_are_filled_and_other_braces_stay() -> None:
    words = ["{python}", "--data={folder}/x", '{"a": 1}', "{else}"]
    assert filled(words, {"folder": Path("/srv/run"), "python": "/usr/bin/python3"}) == [
        "/usr/bin/python3",
        "--data=/srv/run/x",
        '{"a": 1}',
        "{else}",
    ]


def test_the_programs_of_the_example_are_named_as_they_are_installed() -> None:
    commands = [service.command[0] for service in read_nodes("three-hubs").services.values()]
    assert commands == ["redis-server", "nx-27017"]
    assert shutil.which("env")
