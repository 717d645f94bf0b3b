"""What two users do with messages, each of it seen by the other."""

from pathlib import Path

import pytest

from tests.end_to_end.browser.window import STORED, Window, message

# Starting Chromium, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)

META = "#messages .message .meta"


async def test_messages_are_edited_deleted_reacted_to_and_pinned(
    alice: Window, bob: Window, tmp_path: Path
) -> None:
    await alice.create_room("Weekend", "bob")
    await alice.say("Hiking on Saturday?", "Or a museum?", "I take this back")
    await bob.enter("Weekend")
    for window in (alice, bob):
        await window.shows_messages("Hiking on Saturday?", "Or a museum?", "I take this back")

    await alice.on_message("Hiking on Saturday?", "Edit")
    await alice.shows("#composer .editing-note", "Editing Cancel")
    await alice.say("Hiking on Sunday?")
    await alice.on_message("I take this back", "Delete…")
    await alice.answer()
    for window in (alice, bob):
        await window.shows_messages(
            "Hiking on Sunday?", "Or a museum?", "This message was deleted."
        )
        await window.shows(f"{META} .edited", "Edited")
    # The arrow in an empty field edits the last message of one's own that is still there.
    await alice.act("press", "#composer textarea", "ArrowUp")
    await alice.shows("#composer textarea", "Or a museum?")
    await alice.act("press", "#composer textarea", "Escape")
    await alice.shows("#composer textarea", "")

    await bob.react("Hiking on Sunday?", "👍")
    await alice.shows(".reaction", "👍 1")
    await alice.click(".reaction")
    for window in (alice, bob):
        await window.shows(".reaction", "👍 2")
        await window.has(".reaction", "aria-pressed", "true")
    await bob.click(".reaction")
    for window in (alice, bob):
        await window.shows(".reaction", "👍 1")

    await alice.on_message("Or a museum?", "Pin")
    await bob.shows("#pin-count", "1")
    await bob.click("#show-pins")
    await bob.shows("#pinned .text", "Or a museum?")
    await bob.screenshot(tmp_path / "pinned.png")
    await bob.click("#pinned .quote")
    await alice.on_message("Or a museum?", "Unpin")
    await bob.shows("#pinned .text")
    for window in (alice, bob):
        await window.reload()
        await window.shows_messages(
            "Hiking on Sunday?", "Or a museum?", "This message was deleted."
        )
        await window.shows(".reaction", "👍 1")


async def test_replies_make_a_thread_beside_the_room(
    alice: Window, bob: Window, tmp_path: Path
) -> None:
    await alice.create_room("Weekend", "bob")
    await alice.say("Who has a car?")
    await bob.enter("Weekend")
    await bob.act("hover", message("Who has a car?"))
    await bob.click(f'{message("Who has a car?")} [data-action="reply"]')
    await bob.shows("#side-title", "Thread")
    await bob.say("I do", where="#reply")
    await alice.shows(".thread-link", "1 reply")
    await alice.click(".thread-link")
    await alice.shows("#replies .bubble", "Who has a car?", "I do")
    await bob.act("check", "#reply .also input")
    await bob.say("Room for four", where="#reply")
    await alice.say("Great", where="#reply")
    for window in (alice, bob):
        await window.shows("#replies .bubble", "Who has a car?", "I do", "Room for four", "Great")
        await window.shows_messages("Who has a car?", "Room for four")
        await window.shows("#messages .thread-link", "3 replies")
    await alice.screenshot(tmp_path / "thread-alice.png")
    await bob.screenshot(tmp_path / "thread-bob.png")
    await bob.on_message("I do", "Edit", where="#replies")
    await bob.say("I do, a small one", where="#reply")
    await alice.shows(
        "#replies .bubble", "Who has a car?", "I do, a small one", "Room for four", "Great"
    )
    await alice.on_message("Great", "Delete…", where="#replies")
    await alice.answer()
    for window in (alice, bob):
        await window.shows("#messages .thread-link", "2 replies")
    await alice.click("#close-side")
    await alice.click(f"{STORED} .context")
    await alice.shows("#side-title", "Thread")


async def test_who_is_mentioned_is_offered_marked_and_has_a_badge(
    alice: Window, bob: Window, tmp_path: Path
) -> None:
    await alice.create_room("Weekend", "bob, bobby")
    await alice.shows("#room-about", "3 people, 2 here")
    await alice.act("type", "#composer textarea", "Ask @bo")
    await alice.shows("#composer .suggestions li", "bob", "bobby")
    await alice.act("press", "#composer textarea", "ArrowDown")
    await alice.screenshot(tmp_path / "completer.png")
    await alice.act("press", "#composer textarea", "ArrowUp")
    await alice.act("press", "#composer textarea", "Enter")
    await alice.shows("#composer textarea", "Ask @bob")
    await alice.act("type", "#composer textarea", "please")
    await alice.act("press", "#composer textarea", "Enter")
    await bob.shows_channels("Weekend | alice: Ask @bob please | @ | 1")
    await bob.reload()
    await bob.shows_channels("Weekend | alice: Ask @bob please | @ | 1")
    await bob.enter("Weekend")
    await bob.shows(".mention.me", "@bob")
    await bob.shows_channels("Weekend | alice: Ask @bob please")


async def test_typing_is_shown_until_it_ends(alice: Window, bob: Window) -> None:
    for window in (alice, bob):
        await window.enter_lobby()
    await bob.act("type", "#composer textarea", "Well")
    await alice.shows("#activity", "bob is typing…")
    await bob.act("press", "#composer textarea", "Enter")
    await alice.shows("#activity", "")
    await alice.shows_messages("Well")


async def test_history_is_read_page_by_page_in_both_directions(alice: Window, bob: Window) -> None:
    texts = [f"message number {number}" for number in range(120)]
    await alice.create_room("Long", "bob")
    await alice.say(*texts)
    await bob.shows_channels("Long | alice: message number 119 | 120")
    await bob.enter("Long")
    await bob.shows("#jump-unread", "120 unread: jump to the first")
    await bob.shows_messages(*texts[70:])
    await bob.click("#jump-unread")
    await bob.shows_messages(*texts[:25])
    await bob.shows("#messages .divider", "New messages")
    await alice.say("one more")
    await bob.shows("#jump-newest", "1 new")
    for loaded in (75, 120):
        await bob.scroll("#log", "end")
        await bob.shows_messages(*texts[:loaded], *(["one more"] if loaded == 120 else []))
    await bob.scroll("#log", "end")
    await bob.shows("#jump-newest")

    await bob.reload()
    await bob.shows_messages(*texts[71:], "one more")
    await bob.scroll("#log", "top")
    await bob.shows_messages(*texts[21:], "one more")
    await bob.scroll("#log", "top")
    await bob.shows_messages(*texts, "one more")


async def test_who_scrolls_up_while_something_is_drawn_is_not_taken_back(alice: Window) -> None:
    texts = [f"message number {number}" for number in range(60)]
    await alice.create_room("Long")
    await alice.say(*texts)
    await alice.shows_messages(*texts)
    await alice.reload()
    await alice.shows_messages(*texts[10:])
    await alice.scroll("#log", "top", redraws=True)
    await alice.shows_messages(*texts)


async def far_up(alice: Window, bob: Window) -> list[str]:
    """Have bob look at the beginning of a room, of which no more is on the page; what it says."""
    texts = [f"message number {number}" for number in range(90)]
    await alice.create_room("Long", "bob")
    await alice.say(*texts)
    await bob.shows_channels("Long | alice: message number 89 | 90")
    await bob.enter("Long")
    await bob.click("#jump-unread")
    await bob.shows_messages(*texts[:25])
    return texts


async def test_from_far_up_a_reader_gets_to_the_newest_message(alice: Window, bob: Window) -> None:
    texts = await far_up(alice, bob)
    await bob.click("#jump-newest")
    await bob.shows_messages(*texts[40:])
    await bob.shows("#jump-newest")
    await alice.say("one more")
    await bob.shows_messages(*texts[40:], "one more")
    await bob.shows("#jump-newest")


async def test_from_far_up_a_reader_sees_what_they_write(alice: Window, bob: Window) -> None:
    await far_up(alice, bob)
    await bob.say("mine")
    await bob.shows(f"{STORED}:last-child .bubble", "mine")
    await bob.shows("#jump-newest")
