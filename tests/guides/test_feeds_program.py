"""The program of the guide to feeds, run as it says: somebody whom it follows posts, and others see
it, react to it, and so on, while the hub dies in between."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guides.dev_hub import DevHub
from tests.guides.pages import write_file
from tests.guides.rest import Person
from tests.guides.running import Program

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
def program(hub: DevHub, tmp_path: Path, javascript: Path) -> Iterator[Program]:
    (tmp_path / "node_modules").symlink_to(javascript)
    write_file("feeds", "feed.mjs", tmp_path, hub.address)
    program = Program(["node", "feed.mjs"], cwd=tmp_path)
    yield program
    program.end()


def test_the_program_of_the_page(hub: DevHub, program: Program) -> None:
    alice, bob, carol = Person(hub, "alice"), Person(hub, "bob"), Person(hub, "carol")
    bob.wait_until(lambda: bool(alice.ask("GET", "/feeds/feed/following")["following"]))
    (posted,) = bob.ask("GET", "/feeds/feed/alice/posts")["posts"]
    assert posted["data"] == {"text": "hello, world"}

    offset = bob.call("POST", "/feeds/feed/posts", data={"text": "first"})["offset"]
    program.wait_for("unseen: 1")
    program.wait_for("bob: first views 0")
    program.wait_for("bob: first views 1")
    post = f"/feeds/feed/bob/posts/{offset}"
    carol.ask("POST", "/feeds/feed/bob/views", {"offsets": [offset]})
    program.wait_for("bob: first views 2")
    carol.call("PUT", f"{post}/reactions/👍")
    program.wait_for("bob: first 👍 1 views 2")
    bob.call("PATCH", post, data={"text": "edited"})
    program.wait_for("bob: edited (edited) 👍 1 views 2")
    assert alice.ask("GET", "/feeds/feed/timeline")["unseen"] == 0

    program.suspend()
    hub.kill9()
    hub.start()
    bob.call("DELETE", post)
    bob.call("POST", "/feeds/feed/posts", data={"text": "while it was away"})
    shown = program.count("bob: edited")
    program.resume()
    program.wait_for("bob: while it was away views 0")
    assert program.count("bob: edited") == shown

    bob.call("POST", "/feeds/feed/posts", data={"text": "live again"})
    program.wait_for("bob: live again views 0")
    assert program.count("failed") == 0, program.output
    hub.call("disconnect", user="alice")
    program.wait_for("closed 3503 force disconnect")
