"""What the page on moderation and the law tells is tried: the hook's programs, the tables, and a
user's data from the export to the erasure."""

import json
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from realtime.chat import export
from realtime.chat.calls.moderation import Reason
from realtime.chat.erasure import ErasureReport
from realtime.chat.hooks import Question
from realtime.server import hook as http_hook
from realtime.settings.schema import ChatSettings
from tests.guides.dev_hub import DevHub
from tests.guides.pages import pages, write_file
from tests.guides.rest import Person
from tests.guides.running import Program
from tests.guides.tables import named, rows
from tests.support.programs import require

ROOM: Final = "/channels/chat:lobby"
MESSAGES: Final = f"{ROOM}/messages"
SECRET: Final = "a secret of thirty-two bytes or so"
PORT: Final = "9100"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a test's hub is started."""
    folder = tmp_path / "hub"
    folder.mkdir()
    return folder


@pytest.fixture
def hub(folder: Path) -> Iterator[DevHub]:
    hub = DevHub(folder)
    yield hub
    hub.end()
    assert hub.complaints() == []


def refused(person: Person, **data: Any) -> dict[str, Any]:
    """The problem document of a message that is not stored."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        person.call("POST", MESSAGES, data=data)
    problem: dict[str, Any] = json.load(caught.value)
    return problem


@pytest.mark.parametrize("language", ["Python", "Node"])
def test_the_program_that_is_asked(hub: DevHub, tmp_path: Path, language: str) -> None:
    port = free_port()
    name = "hook.py" if language == "Python" else "hook.mjs"
    command = [sys.executable, "-u", name]
    if language == "Node":
        command = [require("node", "install Node.js 18 or newer"), name]
    path = write_file("moderation", name, tmp_path, hub.address)
    path.write_text(path.read_text().replace(PORT, str(port)))
    address = f"http://127.0.0.1:{port}/check"
    hub.variables["REALTIME_CHAT__HOOK_URL"] = address
    hub.variables["REALTIME_CHAT__HOOK_SECRET"] = SECRET
    program = Program(command, cwd=tmp_path, env={"HOOK_SECRET": SECRET})
    try:
        wait_for_port(address)
        hub.start()
        alice = Person(hub, "alice")
        alice.call("POST", "/channels", namespace="chat", id="lobby")
        sent = alice.call("POST", MESSAGES, data={"text": "hello"}, client_id="m")["offset"]
        program.wait_for('{"kind":"message","channel":"chat:lobby","user":"alice","data":')
        assert refused(alice, text="buy now")["why"] == "refused_by_hook"
        alice.call("PATCH", f"{MESSAGES}/{sent}", data={"text": "darn", "by": "me"})
        assert alice.ask("GET", f"{MESSAGES}/{sent}")["data"] == {"text": "****", "by": "me"}
        program.wait_for('"kind":"edit"')
        alice.call("POST", MESSAGES, data={"text": "hello"}, client_id="m")
        hub.call("publish", channel="chat:lobby", data={"text": "buy now"})
        alice.call("PUT", f"{MESSAGES}/{sent}/reactions/x")
        alice.call("POST", MESSAGES, data={"text": "the end"})
        program.wait_for("the end")
        # The retry is asked about once more; the backend's publish and the reaction are not.
        assert program.count('"kind"') == 5, program.output
    finally:
        program.end()

    alice.call("POST", MESSAGES, data={"text": "buy now, for nobody looks"})
    hub.kill9()
    hub.variables["REALTIME_CHAT__HOOK_FAIL"] = "closed"
    hub.start()
    assert refused(Person(hub, "alice"), text="hello")["code"] == 100


def free_port() -> int:
    """A port that nobody listens on, a moment ago at least."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(address: str) -> None:
    """Wait until the program refuses a question that nobody has signed."""
    deadline = time.monotonic() + 10.0
    while True:
        assert time.monotonic() < deadline
        try:
            urllib.request.urlopen(address, data=b"{}", timeout=5)  # noqa: S310 - our own program
        except urllib.error.HTTPError as error:
            assert error.code == 401
            return
        except urllib.error.URLError:
            time.sleep(0.05)


def test_what_the_page_says_of_the_hook_is_so() -> None:
    section = "Asking your backend before a message is stored"
    fields = {name for first, _ in rows("moderation", section) for name in named(first)}
    assert fields == set(Question.__struct_encode_fields__)
    text = pages()["moderation"]
    assert f"`{http_hook.SIGNATURE_HEADER}`" in text
    assert http_hook.FAILURES_MAX == 5
    assert f"After five failures in a row nobody is asked for {http_hook.REST_S:.0f} s" in text
    assert f"A node has {http_hook.ASKED_MAX} connections" in text
    assert f"`chat.hook_timeout_s`, {ChatSettings().hook_timeout_s:.0f} s" in text


def test_every_reason_of_a_report_is_told() -> None:
    _, _, told = pages()["moderation"].partition("with a `reason`: ")
    assert named(told.split(".")[0]) == list(get_args(Reason))


def test_what_the_page_tells_curl(hub: DevHub) -> None:
    require("curl", "install curl")
    hub.start()
    alice = Person(hub, "alice")
    alice.call("POST", "/channels", namespace="chat", id="lobby")
    offset = alice.call("POST", MESSAGES, data={"text": "hello"})["offset"]
    write_file("moderation", "rpc.sh", hub.directory, hub.address)
    program = Program(["sh", "-e", "rpc.sh"], cwd=hub.directory)
    assert program.wait() == 0
    assert json.loads(program.output)["result"]["data"]["offset"] == 3
    assert "deleted_at" in alice.ask("GET", f"{MESSAGES}/{offset}")
    (act,) = alice.ask("GET", f"{ROOM}/audit")["acts"]
    assert (act["by"], act["act"], act["user"], act["offset"]) == (
        "moderation",
        "delete_message",
        "alice",
        offset,
    )


@pytest.mark.timeout(120)
def test_a_users_data_is_exported_and_then_erased(hub: DevHub) -> None:
    hub.start()
    alice, bob = Person(hub, "alice"), Person(hub, "bob")
    alice.call("PATCH", "/users/alice", name="Alice")
    alice.call("POST", "/channels", namespace="chat", id="lobby", title="Alice's")
    bob.call("POST", f"{ROOM}/join")
    said = alice.call("POST", MESSAGES, data={"text": "a secret"}, mentions=["bob"])["offset"]
    bob.call("POST", MESSAGES, data={"text": "no, alice"}, reply_to=said, mentions=["alice"])
    for person in (alice, bob):
        person.call("PUT", f"{MESSAGES}/{said}/reactions/x")
        person.call("POST", "/feeds/feed/posts", data={"text": "a post"})
    alice.ask("PUT", "/blocks/carol")
    address = "ab" * 32
    alice.ask("PUT", "/push/devices/phone", {"provider": "apns", "address": address})
    alice.ask("PATCH", "/push/settings", {"level": "mentions"})
    alice.call("PUT", f"{ROOM}/mutes/bob")
    for person in (alice, bob):
        person.call("POST", "/reports", channel="chat:lobby", offset=said, reason="other")

    exported = alice.read("/users/alice/export")
    assert address not in exported
    lines = [json.loads(line) for line in exported.splitlines()]
    assert (lines[0]["type"], lines[0]["format"]) == ("export", export.FORMAT)
    assert lines[-1] == {"type": "end"}
    types = {line["type"] for line in lines} - {"export", "end"}
    told = {name for first, _ in rows("moderation", "Export") for name in named(first)}
    # Nobody has done anything to the owner, and what of bob's message is decided by now may vary.
    may_be = {"acted_upon", "push_job", "push_trail", "push_dead"}
    assert types - may_be == told - may_be
    assert types <= told

    hub.call("revoke", user="alice")
    erasure = hub.call("rpc", user="alice", method="user.erase", params={"user": "alice"})
    path = f"/erasures/{erasure['data']['erasure']}"
    # A notification to her may be on its way: an erasure outwaits the claim of who sends it.
    bob.wait_until(lambda: bool(bob.ask("GET", path).get("done")), within_s=90)
    report = bob.ask("GET", path)["report"]
    assert report["devices"] == 1
    _, _, after = pages()["moderation"].partition("has the report for a year: ")
    assert list(report) == list(ErasureReport.__struct_encode_fields__)
    assert set(report) <= set(named(after.split(". Every")[0]))
    root = bob.ask("GET", f"{MESSAGES}/{said}")
    assert (root.get("user", ""), root["data"]) == ("", {})
    (reply,) = bob.ask("GET", f"{MESSAGES}/{said}/thread")["replies"]
    assert (reply["data"], reply.get("mentions")) == ({"text": "no, alice"}, None)
    assert bob.ask("GET", ROOM)["title"] == "Alice's"
    assert "owner" not in bob.ask("GET", ROOM)
    hub.call(
        "rpc",
        user="moderation",
        method="chat.transfer",
        params={"channel": "chat:lobby", "user": "bob", "client_id": "t"},
    )
    assert bob.ask("GET", ROOM)["mine"]["role"] == "owner"
    with pytest.raises(urllib.error.HTTPError):
        alice.ask("GET", "/sync")
