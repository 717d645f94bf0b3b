"""The guide to push, done as it says: a fake phone is told, cleared and left alone at night."""

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from realtime.chat.calls.push import ChangePushSettings, PushWishes, RegisterDevice, ServerKeys
from realtime.chat.push_devices import KINDS
from realtime.cli.fakepush import PORT
from realtime.push.quiet import Quiet
from realtime.push.reasons import SENTENCES
from realtime.push.server_key import application_server_key
from tests.guides.dev_hub import DevHub
from tests.guides.pages import blocks, write_file
from tests.guides.rest import Person
from tests.guides.running import Program
from tests.guides.tables import named, rows
from tests.support.programs import require

SETTINGS: Final = "push.toml"
_PHONES: Final = f"http://127.0.0.1:{PORT}"
_START_S: Final = 20.0
_ADDRESS: Final = "APA91b"
"""What is in every address that FCM's stand-in makes."""


class ConfiguredHub(DevHub):
    """As the page has it started: with the settings that fakepush has printed."""

    def launch_command(self, *words: str) -> None:
        """See base."""
        super().launch_command(*words, "--config", SETTINGS)

    def push_command(self, *words: str) -> str:
        """What `realtime push` prints in the hub's folder."""
        done = subprocess.run(
            [sys.executable, "-m", "realtime", "push", *words, "--dev", "--url", self.url],
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=_START_S,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a test's hub is started."""
    folder = tmp_path / "hub"
    folder.mkdir()
    return folder


@pytest.fixture
def phones(folder: Path) -> Iterator[str]:
    """Where the fake phones are; its settings are in the hub's folder."""
    command = [sys.executable, "-u", "-m", "realtime", "fakepush", "--port", "0"]
    fake = Program(command, cwd=folder)
    try:
        fake.wait_for("origins = ", _START_S)
        (folder / SETTINGS).write_text(fake.output)
        yield fake.output.partition("inspect API at ")[2].partition(";")[0]
    finally:
        fake.end()


@pytest.fixture
def hub(folder: Path, phones: str) -> Iterator[ConfiguredHub]:
    hub = ConfiguredHub(folder)
    hub.start()
    yield hub
    hub.end()
    assert hub.complaints() == []


def test_a_phone_is_told_cleared_and_left_alone_at_night(
    hub: ConfiguredHub, phones: str, tmp_path: Path
) -> None:
    node = require("node", "install Node.js 18 or newer")
    path = write_file("push", "push.mjs", tmp_path, hub.address)
    text = path.read_text()
    assert _PHONES in text
    path.write_text(text.replace(_PHONES, phones))
    program = Program([node, "push.mjs"], cwd=tmp_path)
    try:
        assert program.wait(_START_S) == 0, program.output
    finally:
        program.end()
    devices, shown, why, read, night = program.output.splitlines()
    assert devices == "devices: phone by fcm"
    assert shown == "the phone shows 1"
    assert why.startswith(f"why? {SENTENCES['sent']}")
    assert read == "once it is read it shows 0"
    assert night.startswith(f"at night: {SENTENCES['quiet_hours']}")

    bob = Person(hub, "bob")
    settings = tomllib.loads((hub.directory / SETTINGS).read_text())
    key = application_server_key(settings["webpush"]["vapid_private_key"])
    assert bob.ask("GET", "/push/keys") == {"application_server_key": key}
    (channel,) = bob.ask("GET", "/sync")["channels"]
    name = channel["channel"]
    assert hub.push_command("explain", "bob", name, "2").startswith("sent: ")
    assert hub.push_command("explain", "bob", name, "3").startswith("quiet_hours: ")
    assert hub.push_command("dead", "list") == ""
    assert _ADDRESS not in hub.log


def test_every_reason_is_in_the_table_with_its_sentence() -> None:
    section = "Why was somebody not told?"
    told = {name: sentence for first, sentence in rows("push", section) for name in named(first)}
    assert told == dict(SENTENCES)


def test_every_provider_is_in_the_table_with_what_its_addresses_may_be() -> None:
    table = [cells for cells in rows("push", "What an app does, and when") if len(cells) == 4]
    told = {named(provider)[0]: tuple(named(kind)) for provider, _, kind, _ in table[1:]}
    assert told == dict(KINDS)
    fields = {name for *_, said in table[1:] for name in named(said)}
    assert fields - {"sandbox"} <= set(RegisterDevice.__struct_encode_fields__)


def test_what_users_may_want_is_in_the_table() -> None:
    table = {
        name: told for first, told in rows("push", "What a user wants") for name in named(first)
    }
    assert table.keys() == set(ChangePushSettings.__struct_encode_fields__)
    assert table.keys() == set(PushWishes.__struct_encode_fields__)
    assert {*named(table["quiet"])} - {"null"} == set(Quiet.__struct_encode_fields__)


def test_a_browser_subscribes_with_what_it_is_answered() -> None:
    (text,) = [block.text for block in blocks("push") if "pushManager" in block.text]
    for field in ServerKeys.__struct_encode_fields__:
        assert f"{{ {field} }}" in text
    assert {"p256dh", "auth"} <= set(RegisterDevice.__struct_encode_fields__)  # as in `keys`
