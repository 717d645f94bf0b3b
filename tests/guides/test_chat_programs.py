"""The programs of the guide to chat, run as it says, in a room with somebody else.

The same play for both languages: what somebody else says, changes, takes back and reacts to is
shown and said to be read; what happened while the program was suspended and the hub was killed is
recovered; a lost database is told of. Then the outbox: what was to be sent yesterday is sent once.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.guides.dev_hub import DevHub
from tests.guides.pages import write_file
from tests.guides.rest import Person
from tests.guides.running import Program
from tests.support.programs import require

ROOM: Final = "/channels/chat:lobby"
MESSAGES: Final = f"{ROOM}/messages"
LANGUAGES: Final = ("JavaScript", "Python")

Start = Callable[[str], Program]

# The first time, modules are fetched.
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
def bob(hub: DevHub) -> Person:
    """Who is in the room beside the program's alice."""
    return Person(hub, "bob")


@pytest.fixture
def start(hub: DevHub, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Start the program of a language, in a folder that stays the same, with its outbox."""
    started: list[Program] = []

    def start(language: str) -> Program:
        if language == "JavaScript":
            modules = tmp_path / "node_modules"
            if not modules.exists():
                modules.symlink_to(request.getfixturevalue("javascript"))
            write_file("chat", "chat.mjs", tmp_path, hub.address)
            command = ["node", "chat.mjs"]
        else:
            write_file("chat", "chat.py", tmp_path, hub.address)
            command = [sys.executable, "-u", "chat.py"]
        started.append(Program(command, cwd=tmp_path))
        return started[-1]

    yield start
    for program in started:
        program.end()


def read_by_alice(bob: Person) -> int:
    """How far alice has read, as bob may know."""
    receipts = bob.call("GET", f"{ROOM}/receipts")["receipts"]
    return max(int(each["read"]) for each in receipts if each["user"] == "alice")


def play(hub: DevHub, bob: Person, program: Program, language: str) -> None:
    """Three acts; the room is new."""
    program.wait_for(f"2 alice: hello from {language}")
    bob.call("POST", f"{ROOM}/join")
    said = bob.call("POST", MESSAGES, data={"text": "hi"})["offset"]
    program.wait_for(f"{said} bob: hi")
    bob.call("PATCH", f"{MESSAGES}/{said}", data={"text": "hi there"})
    program.wait_for(f"{said} bob: hi there (edited)")
    for _ in range(2):
        bob.call("PUT", f"{MESSAGES}/{said}/reactions/👍")
    program.wait_for(f"{said} bob: hi there (edited) 👍 1")
    bob.call("DELETE", f"{MESSAGES}/{said}")
    program.wait_for(f"{said} bob: (deleted)")
    assert "👍 2" not in program.output
    bob.call("POST", MESSAGES, data={"text": "in a thread"}, reply_to=2)
    bob.wait_until(lambda: read_by_alice(bob) >= said)

    program.suspend()
    hub.kill9()
    hub.start()
    missed = bob.call("POST", MESSAGES, data={"text": "while it was away"})["offset"]
    bob.call("PATCH", f"{MESSAGES}/{missed}", data={"text": "and changed"})
    program.resume()
    program.wait_for(f"{missed} bob: and changed (edited)")
    assert "reload" not in program.output
    assert "in a thread" not in program.output
    bob.wait_until(lambda: read_by_alice(bob) >= missed)

    program.suspend()
    hub.kill9()
    hub.forget()
    hub.start()
    program.resume()
    program.wait_for("refused 103 permission denied")  # nobody has made the room there
    program.wait_for("reload")
    bob.call("POST", f"{ROOM}/join")
    said = bob.call("POST", MESSAGES, data={"text": "in another database"})["offset"]
    program.wait_for(f"{said} bob: in another database")
    hub.call("disconnect", user="alice")
    program.wait_for("closed 3503 force disconnect")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_program_of_the_page(hub: DevHub, bob: Person, start: Start, language: str) -> None:
    play(hub, bob, start(language), language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_happens_in_other_rooms_is_told_by_hints(
    bob: Person, start: Start, language: str
) -> None:
    program = start(language)
    program.wait_for(f"2 alice: hello from {language}")
    direct = bob.ask("POST", "/directs", {"namespace": "chat", "user": "alice"})["channel"]
    program.wait_for(f"unread: {direct} 0")
    bob.call("POST", f"/channels/{direct}/messages", data={"text": "psst"})
    program.wait_for(f"unread: {direct} 1")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_room_that_somebody_else_has_made_is_joined(
    bob: Person, start: Start, language: str
) -> None:
    bob.call("POST", "/channels", namespace="chat", id="lobby")
    bob.call("POST", MESSAGES, data={"text": "first"})
    program = start(language)
    program.wait_for("2 bob: first")
    program.wait_for(f"alice: hello from {language}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_was_to_be_sent_yesterday_is_sent_once(
    hub: DevHub, bob: Person, start: Start, tmp_path: Path, language: str
) -> None:
    """The program dies without having reached the hub, and again after it has."""
    hub.kill9()
    program = start(language)
    program.wait_for("trying again")
    program.end()
    outbox = tmp_path / "outbox.json"
    yesterday = json.loads(outbox.read_text())
    assert [item["data"]["text"] for item in yesterday] == [f"hello from {language}"]

    hub.start()
    bob.call("POST", "/channels", namespace="chat", id="lobby")
    program = start(language)
    bob.wait_until(lambda: len(of_alice(bob)) == 2)
    bob.wait_until(lambda: json.loads(outbox.read_text()) == [])
    program.end()

    outbox.write_text(json.dumps(yesterday))
    program = start(language)
    bob.wait_until(lambda: len(of_alice(bob)) == 3)
    assert [entry["client_id"] for entry in of_alice(bob)].count(yesterday[0]["client_id"]) == 1


def of_alice(bob: Person) -> list[dict[str, Any]]:
    """What alice has sent."""
    messages = bob.call("GET", MESSAGES)["messages"]
    return [message for message in messages if message["user"] == "alice"]


def test_what_the_page_tells_curl(hub: DevHub, tmp_path: Path) -> None:
    """Twice, as the page says: the second time its writes are the same ones."""
    require("curl", "install curl")
    write_file("chat", "chat.sh", tmp_path, hub.address)
    runs = []
    for _ in range(2):
        program = Program(["sh", "-e", "chat.sh"], cwd=tmp_path)
        assert program.wait() == 0
        runs.append([json.loads(line) for line in program.output.splitlines()])
    first, second = runs
    made, sent, edited, reacted, history, read, synced, deleted, late = first
    assert made == {"channel": "chat:lobby"}
    assert (sent["offset"], sent["duplicate"]) == (2, False)
    assert (edited["offset"], reacted["offset"], deleted["offset"]) == (3, 4, 5)
    (message,) = history["messages"]
    assert message["data"] == {"text": "hello from curl"}
    assert message["reactions"] == {"👍": {"count": 1, "mine": True}}
    assert read == {"offset": 2}
    (channel,) = synced["channels"]
    assert (channel["title"], channel["last"]["data"]) == ("The lobby", message["data"])
    assert (late["code"], late["status"]) == (410, 410)
    writes = (0, 1, 2, 3, 7)
    assert [second[i] for i in writes] == [first[i] | {"duplicate": True} for i in writes]
    assert second[8] == late
    assert second[4]["head"] == 5
