"""The list of conversations, who is here, and who has read what."""

from pathlib import Path

import pytest

from tests.end_to_end.browser.dev_hub import DevHub
from tests.end_to_end.browser.window import STORED, Window
from tests.end_to_end.browser.windows import Windows

# Starting Chromium, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)


async def test_a_direct_message_is_delivered_seen_and_answered(
    alice: Window, bob: Window, tmp_path: Path
) -> None:
    await alice.choose("#new", "Message somebody…")
    await alice.answer(user="bob")
    await alice.shows("#room-name", "bob")
    await alice.shows("#room-about", "Here now")
    await alice.say("Just for you")
    await bob.shows_channels("alice | Just for you | 1")
    await alice.shows(f"{STORED} .state", "Delivered")
    await bob.enter("alice")
    await alice.shows(f"{STORED} .state", "Seen")
    await bob.say("Thank you")
    await alice.shows_channels("bob | Thank you")
    await bob.screenshot(tmp_path / "direct.png")

    await bob.looks(visible=False)
    await alice.shows("#room-about", "In the background")
    await alice.has("#channels .whose", "data-presence", "background")
    await alice.say("Still there?")
    await bob.shows_channels("alice | Still there? | 1")
    await bob.looks(visible=True)
    await bob.shows_channels("alice | Still there?")
    await alice.shows("#room-about", "Here now")


async def test_rooms_show_what_is_unread_the_last_message_and_who_has_seen_it(
    alice: Window, bob: Window, tmp_path: Path
) -> None:
    await alice.create_room("One", "bob")
    await alice.create_room("Two", "bob")
    await alice.say("first in two", "second in two")
    await bob.shows_channels("Two | alice: second in two | 2", "One | Nothing yet")
    await alice.enter("One")
    await alice.say("now in one")
    await bob.shows_channels("One | alice: now in one | 1", "Two | alice: second in two | 2")
    await bob.screenshot(tmp_path / "unread.png")
    await alice.shows(f"{STORED} .state", "Sent")
    await bob.enter("One")
    await alice.shows(f"{STORED} .state", "Seen by bob")
    await bob.shows_channels("One | alice: now in one", "Two | alice: second in two | 2")
    await bob.enter("Two")
    await bob.shows_channels("One | alice: now in one", "Two | alice: second in two")

    await bob.on_message("first in two", "Mark as unread")
    await bob.shows_channels("One | alice: now in one", "Two | alice: second in two | 1")
    await bob.shows("#messages .divider", "New messages")
    await bob.reload()
    await bob.shows_channels("One | alice: now in one", "Two | alice: second in two")


async def test_two_windows_of_a_user_agree(
    dev_hub: DevHub, alice: Window, bob: Window, windows: Windows
) -> None:
    await alice.create_room("One", "bob")
    await alice.say("hello")
    await bob.shows_channels("One | alice: hello | 1")
    second = await windows.open(dev_hub.url, "bob")
    await second.shows_channels("One | alice: hello | 1")
    await second.enter("One")
    for window in (bob, second):
        await window.shows_channels("One | alice: hello")
    await bob.enter("One")
    await bob.act("type", "#composer textarea", "half a sen")
    await second.shows("#composer textarea", "half a sen")
    await second.reload()
    await second.shows("#composer textarea", "half a sen")
    await bob.act("type", "#composer textarea", "tence")
    await bob.act("press", "#composer textarea", "Enter")
    await second.shows_messages("hello", "half a sentence")
    await second.shows("#composer textarea", "")
    assert (await second.seen()).complaints == []


async def test_whoever_has_the_address_of_an_open_room_may_join(
    alice: Window, bob: Window, tmp_path: Path
) -> None:
    await alice.enter_lobby()
    await alice.say("Come in")
    await bob.go("#chat:lobby")
    await bob.shows("#room-empty h2", "Come in?")
    await bob.shows("#room-empty p", "You are not in this room.")
    await bob.screenshot(tmp_path / "not-a-member.png")
    await bob.click("#join")
    await bob.shows_messages("Come in")
    await alice.shows("#people-count", "2")
