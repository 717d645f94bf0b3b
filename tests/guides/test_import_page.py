"""The page on moving in: its example is imported by its command, and its table is the program's."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import pytest

from realtime.chat.import_lines import AnyLine, Where
from realtime.chat.importing import BATCH
from tests.guides.dev_hub import DevHub
from tests.guides.pages import file, pages, write_file
from tests.guides.rest import Person
from tests.guides.tables import named, rows

TEAM: Final = "/channels/chat:team"
TIMEOUT_S: Final = 30.0


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[DevHub]:
    folder = tmp_path / "hub"
    folder.mkdir()
    hub = DevHub(folder)
    write_file("import", "import.sh", folder, hub.address)
    write_file("import", "old.jsonl", folder, hub.address)
    yield hub
    hub.end()
    assert hub.complaints() == []


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the page's command, beside the command of this Python."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-e", "import.sh"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_the_example_is_imported_and_changes_nothing_the_second_time(hub: DevHub) -> None:
    done = run(hub.directory)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"It answers `{done.stdout.strip()}`." in pages()["import"]
    again = run(hub.directory).stdout
    assert " 0 messages and" in again
    assert "; 3 messages were there before" in again
    hub.start()
    alice, carol = Person(hub, "alice"), Person(hub, "carol")
    first, second = alice.ask("GET", f"{TEAM}/messages")["messages"]
    assert (first["user"], first["client_id"], first["at"]) == ("alice", "m1", 1700000002000)
    assert first["mentions"] == ["bob"]
    assert second["reply_to"] == first["offset"]
    assert second["reactions"] == {"👍": {"count": 1}}
    roles = {each["user"]: each["role"] for each in alice.ask("GET", f"{TEAM}/members")["members"]}
    assert roles == {"alice": "owner", "bob": "moderator", "carol": "reader"}
    assert carol.ask("GET", "/blocks")["blocks"] == [{"user": "dave", "at": 1700000007000}]
    synced = alice.ask("GET", "/sync")
    assert [each.get("unread", 0) for each in synced["channels"]] == [0, 0]
    assert {each["title"] for each in synced["channels"]} == {"The team", "Bob"}
    assert {each["last"]["data"]["text"] for each in synced["channels"]} == {"Thank you", "Lunch?"}


def test_an_import_that_stops_at_a_line_goes_on_when_that_is_corrected(hub: DevHub) -> None:
    lines = hub.directory / "old.jsonl"
    good = lines.read_text()
    wrong = '{"type":"message","channel":"chat:team","id":"m4","user":"bob","data":{}}\n'
    lines.write_text(good + wrong)
    done = run(hub.directory)
    assert done.returncode == 1
    told = done.stderr.strip().removeprefix("realtime: ").replace("line 11", "line 17")
    assert f"`{told}`" in pages()["import"]
    lines.write_text(good + wrong.replace('"data"', '"at":1700000008000,"data"'))
    assert run(hub.directory).returncode == 0
    hub.start()
    messages = Person(hub, "alice").ask("GET", f"{TEAM}/messages")["messages"]
    assert [message["client_id"] for message in messages] == ["m1", "m2", "m4"]


def test_every_line_is_in_the_table_with_its_fields() -> None:
    where = set(Where.__struct_fields__)
    table = {name: cells for first, *cells in rows("import", "Lines") for name in named(first)}
    structs: dict[str, Any] = {line.__struct_config__.tag: line for line in get_args(AnyLine)}
    assert table.keys() == structs.keys()
    for type_, (needs, may_have) in table.items():
        fields = msgspec.structs.fields(structs[type_])
        is_somewhere = where <= {field.name for field in fields}
        assert needs.startswith("where") == is_somewhere
        own = [field for field in fields if not (is_somewhere and field.name in where)]
        assert set(named(needs)) == {field.name for field in own if field.required}
        assert set(named(needs) + named(may_have)) == {field.name for field in own}


def test_every_line_of_the_example_is_of_another_kind_or_says_more() -> None:
    lines = [json.loads(line) for line in file("import", "old.jsonl").splitlines()]
    assert {line["type"] for line in lines} == {
        line.__struct_config__.tag for line in get_args(AnyLine)
    }


def test_how_often_progress_is_kept_is_told() -> None:
    assert f"every {BATCH} lines" in pages()["import"]
