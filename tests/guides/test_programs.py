"""The program of each platform's guide, run as the guide says, against a hub that dies twice.

The same play for all: it hears itself, is suspended while the hub is killed and a message is
published, and recovers it; then the hub loses its database, and the program reloads; at last it is
disconnected for good and says so. Then: a program that is started before its hub, and one for a
channel that stores nothing.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.sync.client import connect

from tests.guides.dev_hub import DevHub
from tests.guides.pages import write_file
from tests.guides.running import Program
from tests.guides.toolchains import CHANNEL_PROPERTY, HUB_PROPERTY, go_build, kotlin_classes
from tests.support.programs import require

CHANNEL: Final = "room:lobby"
EPHEMERAL: Final = "typing:lobby"
PRESENT_S: Final = 10.0
FIRST_PUBLISH_S: Final = 5.5
"""Longer than any of the SDKs waits for a subscription before it gives up on a publish."""

LANGUAGES: Final = ("JavaScript", "Python", "Go", "Kotlin")
Start = Callable[..., Program]

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


@pytest.fixture
def start(
    hub: DevHub, programs: list[Program], tmp_path: Path, request: pytest.FixtureRequest
) -> Start:
    """Start the program of a language as its page says, in place of CHANNEL for another one."""

    def start(language: str, channel: str = CHANNEL) -> Program:
        if language == "JavaScript":
            modules = request.getfixturevalue("javascript")
            program = start_node("javascript", "app.mjs", tmp_path, hub, modules, channel)
        elif language == "Python":
            path = write_file("python", "app.py", tmp_path, hub.address)
            use(path, channel)
            program = Program([sys.executable, "-u", str(path)], cwd=tmp_path)
        elif language == "Go":
            source = write_file("go", "main.go", tmp_path, hub.address)
            use(source, channel)
            program = Program([str(go_build(source))], cwd=tmp_path)
        else:
            java, *options = kotlin_classes(request.getfixturevalue("cache"))
            properties = [f"-D{HUB_PROPERTY}={hub.address}", f"-D{CHANNEL_PROPERTY}={channel}"]
            program = Program([java, *properties, *options, "AppKt"], cwd=tmp_path)
        programs.append(program)
        return program

    return start


def use(path: Path, channel: str) -> None:
    """Have the program in a file use another channel."""
    path.write_text(path.read_text().replace(CHANNEL, channel))


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


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_program_of_a_page(hub: DevHub, start: Start, language: str) -> None:
    play(hub, start(language), language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_program_that_is_started_before_its_hub_sends_its_message_once(
    hub: DevHub, start: Start, language: str
) -> None:
    """It says meanwhile why it is not there."""
    hub.kill9()
    program = start(language)
    program.wait_for("trying again")
    time.sleep(FIRST_PUBLISH_S)  # the SDK gives up on the publish, and nothing tells of it
    hub.start()
    program.wait_for(f"1 hello from {language}", timeout_s=30.0)
    assert program.count("hello from") == 1, program.output
    assert [entry["offset"] for entry in stored(hub)] == [1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_message_that_was_stored_twice_under_one_id_is_shown_once(
    hub: DevHub, start: Start, language: str
) -> None:
    """As after a publish whose acknowledgement was lost: the same user, the same id."""
    program = start(language)
    program.wait_for(f"1 hello from {language}")
    (entry,) = stored(hub)
    wire_publish(hub, entry["data"])
    hub.call("publish", channel=CHANNEL, data={"text": "the end"})
    program.wait_for("3 the end")
    assert program.count("hello from") == 1, program.output


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_program_shows_every_message_of_a_channel_that_stores_nothing(
    hub: DevHub, start: Start, language: str
) -> None:
    program = start(language, EPHEMERAL)
    program.wait_for(f"0 hello from {language}")
    hub.call("publish", channel=EPHEMERAL, data={"text": "one"})
    hub.call("publish", channel=EPHEMERAL, data={"text": "two"})
    program.wait_for("0 one")
    program.wait_for("0 two")


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
    programs.append(Program(["sh", "-e", "recover.sh", epoch, "0"], cwd=hub.directory))
    programs[2].wait_for('"recovered":true')
    assert programs[2].count('"offset":1') == 1
    assert programs[1].count("{") == len(programs[1].output.splitlines()) == 2


def start_node(
    page: str, name: str, folder: Path, hub: DevHub, modules: Path, channel: str = CHANNEL
) -> Program:
    """Start a program of a page with `node_modules` beside it."""
    (folder / "node_modules").symlink_to(modules)
    use(write_file(page, name, folder, hub.address), channel)
    return Program(["node", name], cwd=folder)


def stored(hub: DevHub) -> list[dict[str, Any]]:
    """What the channel's log holds, oldest first."""
    publications = hub.call("history", channel=CHANNEL, limit=50)["publications"]
    assert isinstance(publications, list)
    return publications


def wire_publish(hub: DevHub, data: Mapping[str, Any]) -> None:
    """Publish as alice, the user of the programs, over a connection of its own."""
    commands: list[dict[str, Any]] = [
        {"id": 1, "connect": {"token": hub.token("alice")}},
        {"id": 2, "publish": {"channel": CHANNEL, "data": data}},
    ]
    with connect(hub.websocket_url) as socket:
        for command in commands:
            socket.send(json.dumps(command))
            reply: dict[str, Any] = {}
            while reply.get("id") != command["id"]:
                reply = json.loads(socket.recv(timeout=PRESENT_S))
            assert "error" not in reply


def wait_for_presence(hub: DevHub) -> None:
    """Wait until somebody is in the channel."""
    deadline = time.monotonic() + PRESENT_S
    while hub.call("presence_stats", channel=CHANNEL)["num_clients"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)
