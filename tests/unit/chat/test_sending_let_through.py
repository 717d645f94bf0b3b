"""A member is let through at once while they and the room are as they were, and no longer."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from realtime.chat.channel_events import ChannelSettings
from realtime.model import NewEntry
from realtime.rows import CHANNELS
from realtime.settings.schema import ChannelOptions
from realtime.stores.base import Write
from tests.support.chat import caller
from tests.support.chat_messages import ROOM, MessageParts, message_parts, refused


@pytest.fixture
async def chat() -> AsyncIterator[MessageParts]:
    """A room that is live, so that nothing about it is forgotten by itself."""
    async with message_parts() as made:
        made.parts.memberships.opened(ROOM)
        for _ in range(3):  # looked up, judged, and let through as before
            await made.publish("bob")
        yield made


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"muted_until": -1}, "muted"),
        ({"role": "reader"}, "role"),
        ({"role": "none"}, "not_a_member"),
        ({"role": "banned", "banned_until": -1}, "banned"),
    ],
)
async def test_who_was_let_through_is_not_once_they_are_something_else(
    chat: MessageParts, row: dict[str, Any], why: str
) -> None:
    memberships = chat.parts.memberships
    await chat.member("bob", **row)
    memberships.forget(ROOM, "bob")
    await memberships.look_up(ROOM, "bob")
    assert (await refused(chat.publish("bob"))).why == why


@pytest.mark.parametrize(
    ("settings", "why"),
    [(ChannelSettings(announce=True), "role"), (ChannelSettings(slow_mode_s=9), "slow_mode")],
    ids=["announcements", "slow mode"],
)
async def test_who_was_let_through_is_not_once_the_room_is_another(
    chat: MessageParts, settings: ChannelSettings, why: str
) -> None:
    memberships = chat.parts.memberships
    await chat.room(settings=settings, bob="member")
    memberships.rooms.forget(ROOM)
    await memberships.rooms.look_up(ROOM)
    if why == "slow_mode":
        await chat.publish("bob")  # the time starts
    assert (await refused(chat.publish("bob"))).why == why


@pytest.mark.parametrize(
    ("row", "why"), [({"muted_until": -1}, "muted"), ({"role": "reader"}, "role")]
)
async def test_what_an_admin_may_the_same_user_may_not_without_being_one(
    chat: MessageParts, row: dict[str, Any], why: str
) -> None:
    memberships = chat.parts.memberships
    await chat.member("bob", **row)
    memberships.forget(ROOM, "bob")
    for _ in range(3):
        await chat.publish(caller("bob", "admin"))
    assert (await refused(chat.publish("bob"))).why == why


async def test_a_member_is_let_through_at_once_again_in_a_room_that_was_read_anew(
    chat: MessageParts,
) -> None:
    sending = chat.messages.sending
    chat.parts.memberships.rooms.forget(ROOM)
    for _ in range(2):  # looked up, and judged
        await chat.publish("bob")
    sending._judge = None  # type: ignore[method-assign,assignment]  # not asked again
    for _ in range(2):
        await chat.publish("bob")


async def test_who_was_let_through_is_not_once_the_app_bans_them(chat: MessageParts) -> None:
    chat.parts.stage.bans.add(("bob", ROOM))
    assert (await refused(chat.publish("bob"))).why == "banned"


async def test_who_was_let_through_has_to_wait_once_the_channel_is_large(
    chat: MessageParts,
) -> None:
    chat.messages.sending._usual_slow_mode_s = lambda channel: 10
    await chat.publish("bob")  # the time starts
    assert (await refused(chat.publish("bob"))).why == "slow_mode"


@pytest.mark.parametrize("push", ["", "mentions"])
async def test_of_what_they_say_people_are_told_as_before(push: Any) -> None:
    options = ChannelOptions(history_size=-1, chat="room", push=push)
    async with message_parts(room=options) as made:
        made.parts.memberships.opened(ROOM)
        for _ in range(4):  # looked up, judged, and let through as before
            prepared = made.messages.sending.prepare(caller("bob"), ROOM, b"1")
            entry = prepared if isinstance(prepared, NewEntry) else await prepared
            assert entry.notify == (push != "")


async def test_how_many_are_remembered_is_bounded(
    chat: MessageParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending = chat.messages.sending
    monkeypatch.setattr("realtime.chat.sending.LET_THROUGH_MAX", 3)
    other = "room:b"
    chat.parts.memberships.opened(other)
    await chat.parts.store.write([Write(CHANNELS, (other,), set={"kind": "room"})])
    writers = [(f"member-{number}", channel) for number in range(3) for channel in (ROOM, other)]
    for name, channel in writers:
        await chat.member(name, channel)
    most = 0
    for name, channel in writers * 3:
        for _ in range(2):
            chat.parts.memberships._standings.forget(channel, name)  # judged anew, counted once
            for _ in range(2):
                await chat.publish(name, channel=channel)
        remembered = sum(len(room.users) for room in sending._let_through.values())
        assert sending._remembered == remembered
        most = max(most, remembered)
    assert most == 3
