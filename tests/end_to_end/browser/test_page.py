"""The page as such: whom it asks, its content policy, the sizes it fits, and keys."""

from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.browser.dev_hub import DevHub
from tests.end_to_end.browser.window import Scheme, Window, message
from tests.end_to_end.browser.windows import Windows

# Starting Chromium, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)

SIZES = ((1280, 800), (900, 700), (360, 740))
LONG = "A word that is too long for a phone: " + "long" * 40


async def test_the_page_asks_nobody_but_the_hub_and_keeps_its_own_content_policy(
    dev_hub: DevHub, alice: Window
) -> None:
    await alice.enter_lobby()
    await alice.say("Hello")
    await alice.shows_messages("Hello")
    await alice.click("#feed-link")
    await alice.shows("#feed-empty h2", "Your feed is empty")
    seen = await alice.seen()
    assert "default-src 'self'" in alice.policy
    assert "unsafe" not in alice.policy
    assert {urlsplit(address).netloc for address in seen.addresses} == {f"127.0.0.1:{dev_hub.port}"}


async def test_the_page_leads_to_the_guides_and_the_reference(alice: Window) -> None:
    await alice.shows(
        "#home .fine a",
        *("chat", "feeds", "JavaScript", "Swift", "Kotlin", "Dart", "Python", "Go", "C#"),
        "reference of the chat API",
    )


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("scheme", get_args(Scheme))
async def test_the_page_fits_a_desk_a_tablet_and_a_phone(
    dev_hub: DevHub,
    alice: Window,
    windows: Windows,
    tmp_path: Path,
    width: int,
    height: int,
    scheme: Scheme,
) -> None:
    title = "A room whose name is rather long for a phone"
    await alice.create_room(title, "zoe")
    await alice.say(LONG, "Is it?", "@zoe, see https://example.org/" + "path/" * 30)
    await alice.click("#feed-link")
    await alice.say(LONG, where="#post-composer")
    zoe = await windows.open(dev_hub.url, "zoe", width, height, scheme)

    async def fits(what: str) -> None:
        await zoe.screenshot(tmp_path / f"{width}-{scheme}-{what}.png")
        assert await zoe.overflow() == 0, what

    await zoe.shows("#channels .unread", "3")
    await fits("list")
    await zoe.click("#new")
    await fits("menu")
    await zoe.click('#menu button:text-is("New room…")')
    await fits("dialog")
    await zoe.click("#dialog-cancel")
    await zoe.enter(title)
    await zoe.say("My answer, which is long enough to be broken into several lines on a phone")
    await zoe.react("Is it?", "👍")
    await zoe.shows(".reaction", "👍 1")
    await fits("room")
    await zoe.act("hover", message("Is it?"))
    await zoe.click(f'{message("Is it?")} [data-action="reply"]')
    await zoe.say(LONG, where="#reply")
    await zoe.shows("#replies .bubble", "Is it?", LONG)
    await fits("thread")
    await zoe.click("#close-side")
    await zoe.click("#show-people")
    await zoe.shows("#members .role", "owner")
    await fits("people")
    await zoe.click("#close-side")
    await zoe.go("#feed/alice")
    await zoe.shows("#posts .text", LONG)
    await fits("feed")
    assert (await zoe.seen()).complaints == []


async def test_a_room_can_be_used_by_keys_alone(alice: Window) -> None:
    await alice.enter_lobby()
    await alice.say("first", "second")
    await alice.shows_messages("first", "second")
    await alice.act("focus", "#log")
    for key in ("ArrowUp", "ArrowUp", "Tab", "Tab", "Tab", "Enter", "Enter"):
        await alice.press(key)  # to the first message, to the last of its buttons, "Edit"
    await alice.shows("#composer textarea", "first")
    await alice.act("press", "#composer textarea", "Escape")
    await alice.shows("#composer textarea", "")
