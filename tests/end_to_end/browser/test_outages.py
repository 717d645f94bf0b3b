"""The page while the hub is killed and started again: nothing is lost, or there twice."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.end_to_end.browser.dev_hub import DevHub
from tests.end_to_end.browser.window import STORED, Window
from tests.end_to_end.browser.windows import Windows
from tests.support.proxy import open_proxy

# Starting Chromium and some restarts of the hub, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)

LOBBY = "chat:lobby"
REFUSED = '#messages .message[data-state="failed"]'


def _empty(hub: DevHub) -> None:
    """Have a dead hub begin with another database, but take the tokens that it has made."""
    for file in hub.directory.glob("hub.db*"):
        if file.suffix != ".secret":
            file.unlink()


async def test_two_windows_talk_while_the_hub_is_killed_and_nothing_is_lost_or_repeated(
    dev_hub: DevHub, alice: Window, bob: Window, tmp_path: Path
) -> None:
    for window in (alice, bob):
        await window.enter_lobby()
    await alice.say("Hello?", "Is anyone here?")
    await bob.shows_messages("Hello?", "Is anyone here?")
    await bob.say("Yes. <b>Loud</b> & clear.")
    for window in (alice, bob):
        await window.shows_messages("Hello?", "Is anyone here?", "Yes. <b>Loud</b> & clear.")

    # When the hub dies, some are acked, one is on its way and some have not been sent.
    counted = [f"number {number}" for number in range(20)]
    await alice.say(*counted[:10])
    dev_hub.send(signal.SIGSTOP)
    await alice.say(*counted[10:])
    await asyncio.to_thread(dev_hub.kill9)
    for window in (alice, bob):
        await window.connection("waiting")
    await alice.say("Written while the hub is down")
    await bob.say("Me too")
    await bob.shows('.message[data-state="waiting"] .state', "Waiting to be sent")
    await bob.shows("#notice-title", "Connection lost.")
    await alice.screenshot(tmp_path / "the-hub-is-down.png")
    await asyncio.to_thread(dev_hub.start)

    hers = ["Hello?", "Is anyone here?", *counted, "Written while the hub is down"]
    await alice.shows(f"{STORED}.mine .bubble", *hers)
    await bob.shows(f"{STORED}:not(.mine) .bubble", *hers)
    await bob.shows(f"{STORED}.mine .bubble", "Yes. <b>Loud</b> & clear.", "Me too")
    in_alices = await alice.texts(f"{STORED} .bubble")
    await bob.shows_messages(*in_alices)
    await alice.shows("#notice")
    await alice.screenshot(tmp_path / "the-hub-is-back.png")
    await alice.shows(f"{STORED}.mine .state", "Seen by bob")
    for window in (alice, bob):
        seen = (await window.seen()).offsets[LOBBY]
        # Every entry of the log came to this window once and in order, the restart included.
        assert seen == list(range(seen[0], seen[-1] + 1))
        assert len(seen) >= 25


async def test_changes_that_were_made_while_the_hub_was_down_are_shown_at_once_and_sent_later(
    dev_hub: DevHub, alice: Window, bob: Window
) -> None:
    for window in (alice, bob):
        await window.enter_lobby()
    await alice.say("first", "second")
    for window in (alice, bob):
        await window.shows_messages("first", "second")
    await asyncio.to_thread(dev_hub.kill9)
    await alice.connection("waiting")
    await alice.on_message("first", "Edit")
    await alice.say("first, mended")
    await alice.react("second", "👍")
    await alice.on_message("second", "Pin")
    await alice.shows_messages("first, mended", "second")
    await alice.shows(".reaction", "👍 1")
    await bob.shows_messages("first", "second")
    await asyncio.to_thread(dev_hub.start)
    for window in (alice, bob):
        await window.shows_messages("first, mended", "second")
        await window.shows(".reaction", "👍 1")
        await window.shows(".meta .pinned", "Pinned")
        await window.shows(".meta .edited", "Edited")


async def test_what_was_written_while_the_hub_was_down_outlives_the_window(
    dev_hub: DevHub, alice: Window, bob: Window, windows: Windows
) -> None:
    for window in (alice, bob):
        await window.enter_lobby()
    first = await windows.open(dev_hub.url, "carol")
    await first.enter_lobby()
    await asyncio.to_thread(dev_hub.kill9)
    await first.connection("waiting")
    await first.say("one", "two", "three")
    await first.shows('.message[data-state="waiting"] .bubble', "one", "two", "three")
    await first.close()
    await asyncio.to_thread(dev_hub.start)
    second = await windows.open(dev_hub.url, "carol")
    for window in (alice, bob):
        await window.shows_messages("one", "two", "three")
    await second.enter("Lobby")
    await second.shows_messages("one", "two", "three")
    await second.reload()
    await second.shows_messages("one", "two", "three")


async def test_what_was_stored_but_not_answered_is_sent_again_and_stored_once(
    dev_hub: DevHub, bob: Window, windows: Windows
) -> None:
    async with open_proxy(dev_hub.port) as proxy:
        alice = await windows.open(f"http://127.0.0.1:{proxy.port}", "alice")
        for window in (alice, bob):
            await window.enter_lobby()
        await alice.say("hello")
        await bob.shows_messages("hello")
        await alice.has_sent_all()  # or the answer is stalled, and what follows waits for it
        proxy.stall()
        await alice.say("once")
        await bob.shows_messages("hello", "once")
        proxy.cut()
        proxy.resume()
        await alice.shows_messages("hello", "once")
        await alice.say("and then")
        for window in (alice, bob):
            await window.shows_messages("hello", "once", "and then")
        assert (await alice.seen()).complaints == []


async def test_a_window_that_was_away_for_too_long_reads_the_log_afresh(
    dev_hub: DevHub, alice: Window, bob: Window, windows: Windows
) -> None:
    for window in (alice, bob):
        await window.enter_lobby()
    await alice.say("before")
    await bob.shows_messages("before")
    # Bob's window does not hear of the restart until all is said.
    await asyncio.to_thread(dev_hub.kill9)
    await bob.connection("waiting")
    dev_hub.configure({"client": {"recovery_max": 3}})
    await alice.say(*(f"number {number}" for number in range(8)))
    await asyncio.to_thread(dev_hub.start)
    for window in (alice, bob):
        await window.shows_messages("before", *(f"number {number}" for number in range(8)))


async def test_a_window_whose_room_is_gone_with_the_database_says_so_and_starts_anew(
    dev_hub: DevHub, alice: Window
) -> None:
    await alice.enter_lobby()
    await alice.say("This will be gone")
    await alice.shows_messages("This will be gone")
    await alice.has_sent_all()
    await asyncio.to_thread(dev_hub.kill9)
    _empty(dev_hub)
    await alice.connection("waiting")
    await asyncio.to_thread(dev_hub.start)
    await alice.connection("connected")
    await alice.shows("#no-channels", "No conversations yet. Press + to begin one.")
    await alice.shows("#room-empty h2", "Come in?")
    await alice.enter_lobby()
    await alice.shows("#room-empty p", "Nothing has been said here yet. Say hello!")
    await alice.say("A new start")
    await alice.shows_messages("A new start")


async def test_what_was_written_to_a_room_that_is_gone_can_be_sent_to_the_new_one_or_dropped(
    dev_hub: DevHub, alice: Window, tmp_path: Path
) -> None:
    await alice.enter_lobby()
    await asyncio.to_thread(dev_hub.kill9)
    _empty(dev_hub)
    await alice.connection("waiting")
    await alice.say("For whoever comes", "For those who are gone")
    await asyncio.to_thread(dev_hub.start)
    await alice.connection("connected")
    await alice.shows("#room-empty h2", "Come in?")
    await alice.enter_lobby()
    await alice.shows(f"{REFUSED} .bubble", "For whoever comes", "For those who are gone")
    await alice.screenshot(tmp_path / "refused.png")
    await alice.click(f'{REFUSED}:has-text("whoever") [data-action="retry"]')
    await alice.shows_messages("For whoever comes")
    await alice.click(f'{REFUSED} [data-action="drop"]')
    await alice.shows("#messages .bubble", "For whoever comes")
    await alice.has_sent_all()


async def test_a_window_shows_nothing_of_a_room_that_was_made_anew_in_another_database(
    dev_hub: DevHub, windows: Windows
) -> None:
    async with open_proxy(dev_hub.port) as proxy:
        alice = await windows.open(f"http://127.0.0.1:{proxy.port}", "alice")
        await alice.enter_lobby()
        await alice.say("This", "will", "be gone")
        await alice.shows_messages("This", "will", "be gone")
        await alice.has_sent_all()
        proxy.stall()
        proxy.cut()
        await asyncio.to_thread(dev_hub.kill9)
        _empty(dev_hub)
        await asyncio.to_thread(dev_hub.start)
        lobby = {"namespace": "chat", "id": "lobby", "title": "Lobby"}
        members = [{"user": "alice"}]
        await dev_hub.post("bob", "channels", client_id="anew", members=members, **lobby)
        proxy.resume()
        await alice.shows("#room-empty p", "Nothing has been said here yet. Say hello!")
        await alice.say("A new start")
        await alice.shows_messages("A new start")
