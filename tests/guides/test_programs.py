"""The program of each platform's guide, run as the guide says, against a hub that dies twice.

The same play for all: it hears itself, is suspended while the hub is killed and a message is
published, and recovers it; then the hub loses its database, and the program reloads; at last it is
disconnected for good and says so.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.guides.dev_hub import DevHub
from tests.guides.pages import write_file
from tests.guides.running import Program
from tests.guides.toolchains import HUB_PROPERTY, go_build, kotlin_classes
from tests.support.programs import require

CHANNEL: Final = "room:lobby"
PRESENT_S: Final = 10.0

# The first time, modules and packages are fetched and compiled.
pytestmark = pytest.mark.timeout(180)


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
    programs.append(start_node("javascript", "app.mjs", tmp_path, hub, javascript))
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


def test_the_javascript_program_where_websockets_are_off(
    hub: DevHub, programs: list[Program], tmp_path: Path, javascript: Path
) -> None:
    """It goes on to the next transport of its list, and loses nothing there either."""
    hub.kill9()
    hub.variables["REALTIME_SERVER__TRANSPORTS"] = "http_stream,sse"
    hub.start()
    programs.append(start_node("javascript", "app.mjs", tmp_path, hub, javascript))
    play(hub, programs[0], "JavaScript")


def test_the_eventsource_program(
    hub: DevHub, programs: list[Program], tmp_path: Path, javascript: Path
) -> None:
    """It cannot read the history, so after a lost database it says so and shows what comes."""
    program = start_node("curl", "listen.mjs", tmp_path, hub, javascript)
    programs.append(program)
    wait_for_presence(hub)
    hub.call("publish", channel=CHANNEL, data={"text": "live"})
    program.wait_for("1 live")

    program.suspend()
    hub.kill9()
    hub.start()
    hub.call("publish", channel=CHANNEL, data={"text": "while it was away"})
    program.resume()
    program.wait_for("2 while it was away")

    program.suspend()
    hub.kill9()
    hub.forget()
    hub.start()
    program.resume()
    program.wait_for("reload")
    hub.call("publish", channel=CHANNEL, data={"text": "in another database"})
    program.wait_for("1 in another database")

    for line in ("live", "while it was away", "in another database", "reload"):
        assert program.count(line) == 1, program.output
    hub.call("disconnect", user="alice")
    program.wait_for("closed 3503 force disconnect")
    assert program.wait() == 0


def test_what_the_page_tells_curl(hub: DevHub, programs: list[Program], tmp_path: Path) -> None:
    """One follows, one publishes, and one comes back from a position and is given the rest."""
    require("curl", "install curl")
    for name in ("follow.sh", "publish.sh", "recover.sh"):
        write_file("curl", name, hub.directory, hub.address)
    programs.append(Program(["sh", "-e", "follow.sh"], cwd=hub.directory))
    wait_for_presence(hub)
    programs.append(Program(["sh", "-e", "publish.sh"], cwd=hub.directory))
    programs[0].wait_for('"pub":{"data":{"text":"hello from curl"},"offset":1}')
    programs[1].wait_for('"publications":[{"data":{"text":"hello from curl"},"offset":1}]')
    epoch = json.loads(programs[0].output.splitlines()[0])["connect"]["subs"][CHANNEL]["epoch"]
    environment = {"TOKEN": hub.token("alice"), "EPOCH": epoch, "OFFSET": "0"}
    programs.append(Program(["sh", "-e", "recover.sh"], cwd=hub.directory, env=environment))
    programs[2].wait_for('"recovered":true')
    assert programs[2].count('"offset":1') == 1


def start_node(page: str, name: str, folder: Path, hub: DevHub, modules: Path) -> Program:
    """Start a program of a page with `node_modules` beside it."""
    (folder / "node_modules").symlink_to(modules)
    write_file(page, name, folder, hub.address)
    return Program(["node", name], cwd=folder)


def wait_for_presence(hub: DevHub) -> None:
    """Wait until somebody is in the channel."""
    deadline = time.monotonic() + PRESENT_S
    while hub.call("presence_stats", channel=CHANNEL)["num_clients"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)
