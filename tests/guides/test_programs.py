"""The program of each platform's guide, run as the guide says, against a hub that dies twice.

The same play for all: it hears itself, is suspended while the hub is killed and a message is
published, and recovers it; then the hub loses its database, and the program reloads; at last it is
disconnected for good and says so.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.guides.dev_hub import DevHub
from tests.guides.pages import write_file
from tests.guides.running import Program
from tests.guides.toolchains import HUB_PROPERTY, go_build, kotlin_classes

CHANNEL: Final = "room:lobby"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[DevHub]:
    folder = tmp_path / "hub"
    folder.mkdir()
    hub = DevHub(folder)
    hub.start()
    yield hub
    hub.end()
    assert hub.complaints() == []


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    """What the test has started; ended after it."""
    started: list[Program] = []
    yield started
    for program in started:
        program.end()


def play(hub: DevHub, program: Program, language: str) -> None:
    """See the module's docstring."""
    program.wait_for(f"1 hello from {language}")

    program.suspend()
    hub.kill9()
    hub.start()
    hub.call("publish", channel=CHANNEL, data={"text": "while it was away"})
    program.resume()
    program.wait_for("2 while it was away")
    hub.call("publish", channel=CHANNEL, data={"text": "and after"})
    program.wait_for("3 and after")
    assert "reload" not in program.output

    program.suspend()
    hub.kill9()
    hub.forget()
    hub.start()
    hub.call("publish", channel=CHANNEL, data={"text": "in another database"})
    program.resume()
    program.wait_for("reload")
    program.wait_for("1 in another database")

    for line in ("hello from", "while it was away", "and after", "in another database", "reload"):
        assert program.count(line) == 1, program.output
    hub.call("disconnect", user="alice")
    program.wait_for("closed 3503 force disconnect")


def test_the_javascript_program(
    hub: DevHub, programs: list[Program], tmp_path: Path, javascript: Path
) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "node_modules").symlink_to(javascript)
    write_file("javascript", "app.mjs", folder, hub.address)
    programs.append(Program(["node", "app.mjs"], cwd=folder))
    play(hub, programs[0], "JavaScript")


def test_the_python_program(hub: DevHub, programs: list[Program], tmp_path: Path) -> None:
    path = write_file("python", "app.py", tmp_path, hub.address)
    programs.append(Program([sys.executable, "-u", str(path)], cwd=tmp_path))
    play(hub, programs[0], "Python")


def test_the_go_program(hub: DevHub, programs: list[Program], tmp_path: Path) -> None:
    source = write_file("go", "main.go", tmp_path, hub.address)
    binary = go_build(source)
    programs.append(Program([str(binary)], cwd=tmp_path))
    play(hub, programs[0], "Go")


def test_the_kotlin_program(
    hub: DevHub, programs: list[Program], tmp_path: Path, cache: Path
) -> None:
    java, *options = kotlin_classes(cache)
    command = [java, f"-D{HUB_PROPERTY}={hub.address}", *options, "AppKt"]
    programs.append(Program(command, cwd=tmp_path))
    play(hub, programs[0], "Kotlin")
