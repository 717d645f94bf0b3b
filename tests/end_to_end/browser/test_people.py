"""Who is in a room, and what its owner and its moderators do."""

from pathlib import Path

import pytest

from tests.end_to_end.browser.dev_hub import DevHub
from tests.end_to_end.browser.window import Window

# Starting Chromium, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)


async def test_members_come_get_roles_are_muted_and_go(
    alice: Window, bob: Window, tmp_path: Path
) -> None:
    await alice.create_room("Club", "bob")
    address = await alice.address()
    await bob.enter("Club")
    await alice.click("#show-people")
    await alice.shows("#members .name", "alice (you)", "bob")
    await alice.shows("#members .preview", "Here now", "Here now")
    await alice.act("fill", "#invite-user", "carol")
    await alice.act("press", "#invite-user", "Enter")
    await bob.shows("#room-about", "3 people, 2 here")
    await alice.shows("#members .preview", "Here now", "Here now", "Not here")
    await alice.act("fill", "#invite-user", "bob")
    await alice.act("press", "#invite-user", "Enter")
    await alice.shows("#side-problem", "bob is here already, or cannot be invited.")
    await alice.screenshot(tmp_path / "people.png")

    await alice.on_person("bob", "Mute for 10 minutes")
    await bob.has("#composer textarea", "placeholder", "You are muted here.")
    await alice.shows("#members .role", "owner", "muted")
    await alice.on_person("bob", "Unmute")
    await bob.has("#composer textarea", "placeholder", "Message #Club")
    await alice.on_person("bob", "Make reader")
    await bob.has("#composer textarea", "placeholder", "You can read here, but not write.")
    await alice.on_person("bob", "Make moderator")
    await alice.shows("#members .role", "owner", "moderator")
    await bob.click("#show-people")
    await bob.on_person("carol", "Remove from the room")
    for window in (alice, bob):
        await window.shows("#members .role", "owner", "moderator")
        await window.shows("#room-about", "2 people, 2 here")

    await alice.choose("#more-of-room", "Leave…")
    await alice.answer()
    await alice.shows("#dialog-problem", "You own this room. Give it to somebody else first.")
    await alice.click("#dialog-cancel")
    await alice.on_person("bob", "Make owner…")
    await alice.answer()
    await bob.shows("#members .role", "owner", "moderator")
    await bob.shows("#members .name", "bob (you)", "alice")
    await bob.on_person("alice", "Ban")
    await alice.shows("#room-empty h2", "This is closed to you")
    await alice.shows("#no-channels", "No conversations yet. Press + to begin one.")
    await alice.screenshot(tmp_path / "banned.png")
    await bob.shows("#members .role", "owner", "banned")
    await bob.on_person("alice", "Unban")
    await bob.shows("#members .role", "owner")
    await alice.enter_lobby()
    await alice.go(address)
    await alice.shows("#room-empty h2", "Come in?")
    await alice.click("#join")
    await alice.shows("#room-name", "Club")
    await bob.shows("#members .name", "bob (you)", "alice")


async def test_a_room_is_renamed_archived_and_left(alice: Window, bob: Window) -> None:
    await alice.create_room("Club", "bob")
    await bob.shows_channels("Club | Nothing yet")
    await alice.choose("#more-of-room", "Rename…")
    await alice.answer(title="Society")
    await alice.shows("#room-name", "Society")
    await bob.shows_channels("Society | Nothing yet")  # though bob is not in it at the moment
    await bob.enter("Society")
    await alice.choose("#more-of-room", "Archive…")
    await alice.answer()
    for window in (alice, bob):
        await window.has("#composer textarea", "placeholder", "This room is archived.")
        await window.shows_channels("Society | Archived")
    await alice.choose("#more-of-room", "Take out of the archive")
    await alice.answer()
    await bob.has("#composer textarea", "placeholder", "Message #Society")
    await bob.choose("#more-of-room", "Leave…")
    await bob.answer()
    await bob.shows_channels()
    await alice.shows("#room-about", "1 person, 1 here")


async def test_an_invitation_is_accepted_or_not(dev_hub: DevHub, alice: Window) -> None:
    """The page's own rooms want none of that; those of other apps may."""
    for title in ("One", "Two"):
        room = {"namespace": "chat", "title": title, "settings": {"accept": True}}
        members = [{"user": "alice"}]
        await dev_hub.post("carol", "channels", client_id=title, members=members, **room)
    said = "invites you to a room"
    await alice.shows("#invitations .preview", said, said)
    await alice.click('#invitations button:text-is("No")')
    await alice.shows("#invitations .preview", said)
    await alice.shows_channels()
    await alice.click('#invitations button:text-is("Join")')
    await alice.shows("#invitations .preview")
    await alice.shows("#room-about", "2 people, 1 here")
    await alice.say("Thank you")
    await alice.shows_messages("Thank you")


async def test_a_message_is_reported_to_whoever_moderates_the_room(
    alice: Window, bob: Window, tmp_path: Path
) -> None:
    await alice.create_room("Club", "bob, carol")
    await bob.enter("Club")
    await bob.say("buy my things")
    await alice.shows_messages("buy my things")
    await alice.on_message("buy my things", "Report…")
    await alice.answer(text="Again and again")
    await alice.click("#show-people")
    await alice.shows("#reports .name", "alice reports bob: spam. Again and again")
    await alice.shows("#reports .text", "buy my things")
    await alice.screenshot(tmp_path / "reports.png")
    await alice.click('#reports button:text-is("Done")')
    await alice.shows("#reports .name")
