"""The page of `realtime serve --dev` in headless Chromium: what a new user sees first."""

import asyncio
import itertools
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.browser.windows import Scheme, Windows, install, open_windows
from tests.support.configuration import Sections, to_toml
from tests.support.processes import HubProcess

# Installing, starting Chromium and some restarts of the hub, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)


_BOTH = ("alice", "bob")
_SIZES = ((1280, 800), (900, 700), (375, 812))


class DevHub(HubProcess):
    """`realtime serve --dev`, with nothing configured but where the database is."""

    def configure(self, changes: Sections) -> None:
        """Write the settings anew; `changes` are all there is beside the store's address."""
        store = {"store": {"url": f"sqlite:///{self.directory / 'hub.db'}"}}
        self._settings.write_text(to_toml(store | dict(changes)))

    def launch(self) -> None:
        """See base."""
        arguments = [sys.executable, "-m", "realtime", "serve", "--dev"]
        arguments += ["--config", str(self._settings), "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )


@pytest.fixture
def dev_hub(tmp_path: Path) -> Iterator[DevHub]:
    """A hub that has just been started for the first time."""
    hub = DevHub(tmp_path)
    try:
        hub.start()
        yield hub
        assert hub.complaints() == []
    finally:
        hub.end()


@pytest.fixture(scope="module")
def browser_driver(pytestconfig: pytest.Config) -> Path:
    """What drives the browser, installed."""
    return install(pytestconfig.cache.mkdir("packages"))


@pytest.fixture
async def windows(browser_driver: Path) -> AsyncIterator[Windows]:
    """A browser without windows yet."""
    async with open_windows(browser_driver) as windows:
        yield windows


async def test_two_windows_talk_while_the_hub_is_killed_and_nothing_is_lost_or_repeated(
    dev_hub: DevHub, windows: Windows, tmp_path: Path
) -> None:
    await _open_both(dev_hub, windows)
    await windows.say("alice", "Hello?", "Is anyone here?")
    await windows.say("bob", "Yes. <b>Loud</b> & clear.")
    for user in _BOTH:
        assert await windows.messages(user, 3) == [
            ("alice", "Hello?"),
            ("alice", "Is anyone here?"),
            ("bob", "Yes. <b>Loud</b> & clear."),
        ]

    # When the hub dies, some are acked, one is on its way and some have not been sent.
    counted = [f"number {number}" for number in range(20)]
    await windows.say("alice", *counted[:10])
    dev_hub.send(signal.SIGSTOP)
    await windows.say("alice", *counted[10:])
    await asyncio.to_thread(dev_hub.kill9)
    for user in _BOTH:
        await windows.connection(user, "waiting")
    await windows.say("alice", "Written while the hub is down")
    await windows.say("bob", "Me too")
    await windows.queued("bob", 1)
    await windows.screenshot("alice", tmp_path / "the-hub-is-down.png")
    await asyncio.to_thread(dev_hub.start)

    shown = {user: await windows.messages(user, 25) for user in _BOTH}
    await windows.screenshot("alice", tmp_path / "the-hub-is-back.png")
    assert shown["alice"] == shown["bob"]
    assert [text for author, text in shown["bob"] if author == "alice"] == [
        "Hello?",
        "Is anyone here?",
        *counted,
        "Written while the hub is down",
    ]
    assert [text for author, text in shown["bob"] if author == "bob"][1:] == ["Me too"]
    for user in _BOTH:
        assert await windows.people(user, 2) == ["alice", "bob"]
        seen = await windows.seen(user)
        # Every entry of the log came to this window once and in order, the restart included.
        assert seen.offsets == list(range(1, len(seen.offsets) + 1))
        assert len(seen.offsets) >= 25
        assert seen.complaints == []


async def test_a_window_that_cannot_recover_shows_the_log_as_it_is_now(
    dev_hub: DevHub, windows: Windows
) -> None:
    await _open_both(dev_hub, windows)
    await windows.say("alice", "This will be gone")
    await windows.messages("bob", 1)
    await asyncio.to_thread(dev_hub.kill9)
    for file in dev_hub.directory.glob("hub.db*"):
        if file.suffix != ".secret":
            file.unlink()
    await windows.connection("alice", "waiting")
    await windows.say("alice", "A new start")
    await asyncio.to_thread(dev_hub.start)
    for user in _BOTH:
        await windows.connection(user, "connected")
        assert await windows.messages(user, 1) == [("alice", "A new start")]


async def test_a_message_that_is_in_the_log_twice_is_shown_once(
    dev_hub: DevHub, windows: Windows
) -> None:
    """A page that never got the ack sends again, and both copies may have been stored."""
    await _open_both(dev_hub, windows)
    for text in ("First", "First", "Second"):
        await windows.publish("alice", {"text": text, "id": text, "at": 1})
    for _ in range(2):
        for user in _BOTH:
            expected = [("alice", "First"), ("alice", "Second")]
            assert await windows.messages(user, 2) == expected
        assert (await windows.seen("bob")).offsets == [1, 2, 3]
        await windows.reload("bob")


async def test_presence_and_typing_are_shown_live_and_typing_is_never_stored(
    dev_hub: DevHub, windows: Windows
) -> None:
    await _open_both(dev_hub, windows)
    assert await windows.people("alice", 2) == ["alice", "bob"]
    await windows.type("bob", "Well")
    await windows.activity("alice", "bob is typing…")
    await windows.close("bob")
    await windows.activity("alice", "bob left")
    assert await windows.people("alice", 1) == ["alice"]
    assert (await windows.seen("alice")).offsets == []


async def test_the_page_asks_nobody_but_the_hub_and_keeps_its_own_content_policy(
    dev_hub: DevHub, windows: Windows
) -> None:
    policy = await windows.open(dev_hub.url, "alice")
    await windows.connection("alice", "connected")
    await windows.say("alice", "Hello")
    await windows.messages("alice", 1)
    seen = await windows.seen("alice")
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert {urlsplit(address).netloc for address in seen.addresses} == {f"127.0.0.1:{dev_hub.port}"}
    assert seen.complaints == []


async def test_the_page_fits_a_desk_a_tablet_and_a_phone(
    dev_hub: DevHub, windows: Windows, tmp_path: Path
) -> None:
    await windows.open(dev_hub.url, "bob")
    await windows.say("bob", "A word that is too long for a phone: " + "long" * 40, "Is it?")
    for (width, height), scheme in itertools.product(_SIZES, get_args(Scheme)):
        user = f"{width}x{height}-{scheme}"
        await windows.open(dev_hub.url, user, width, height, scheme)
        await windows.messages(user, 2)
        await windows.screenshot(user, tmp_path / f"{user}.png")
        assert await windows.overflow(user) == 0, user


async def _open_both(hub: DevHub, windows: Windows) -> None:
    for user in _BOTH:
        await windows.open(hub.url, user)
        await windows.connection(user, "connected")
    for user in _BOTH:
        await windows.people(user, 2)
