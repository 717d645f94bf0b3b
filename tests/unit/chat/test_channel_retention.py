"""What a room is set to keep: never more than its namespace, and in force from its entry on."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from realtime.chat import channel_events
from realtime.chat.calls.channels import (
    OPERATIONS,
    CreateChannel,
    CreatedChannel,
    GetChannel,
    NewMember,
    UpdateChannel,
)
from realtime.chat.calls.members import InviteUsers
from realtime.chat.channel_events import SettingsChange, changes_retention, own_retention
from realtime.chat.log_reader import LogReader
from realtime.chat.parameters import Parameters
from realtime.chat.retention import check_retention
from realtime.errors import CommandRefused
from realtime.model import EVERYTHING, Entry, NewEntry, Retention
from realtime.rows import CHANNELS, ChannelRow
from realtime.settings.durations import Duration
from realtime.stores.base import Value, Write
from tests.support.chat import ROOM
from tests.support.chat_rooms import Rooms, rooms_of, why

SHORT = dataclasses.replace(ROOM, history_size=10, history_ttl=Duration(60_000))
"""A namespace that keeps ten entries, for a minute."""


def update(offset: int, **settings: Any) -> Entry:
    """A `channel` entry that changes settings."""
    data = msgspec.json.encode({"act": "update", "settings": settings})
    return Entry("room:a", offset, data, 0, "channel")


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ([{}], EVERYTHING),
        ([{"slow_mode_s": 5}], EVERYTHING),
        ([{"history_size": 3}], Retention(3, 0)),
        ([{"history_ttl_s": 60}], Retention(-1, 60_000)),
        ([{"history_size": 3}, {"history_ttl_s": 60}], Retention(3, 60_000)),
        (
            [{"history_size": 3}, {"history_ttl_s": 60}, {"history_size": None}],
            Retention(-1, 60_000),
        ),
        ([{"history_size": 3}, {"history_size": None}], EVERYTHING),
        # Of a version that means something else by it: not everything is to go for good.
        ([{"history_size": 0, "history_ttl_s": -1}], Retention(1, 1_000)),
        ([{"history_size": "all"}], EVERYTHING),
    ],
)
def test_what_a_room_keeps_follows_from_its_entries(
    changes: list[Mapping[str, Any]], kept: Retention
) -> None:
    row = ChannelRow("room:a", kind="room")
    for offset, settings in enumerate(changes, 1):
        row = channel_events.apply(update(offset, **settings), row)
    assert own_retention(row) == kept
    assert row.keeps_less == int(kept != EVERYTHING)


@pytest.mark.parametrize(
    ("kind", "data", "says"),
    [
        ("channel", b'{"act":"update","settings":{"history_size":3}}', True),
        ("channel", b'{"act":"update","settings":{"history_ttl_s":null}}', True),
        ("channel", b'{"act":"update","settings":{"announce":true}}', False),
        ("channel", b'{"act":"update","title":"history_size"}', False),
        ("channel", b'{"act":"archive"}', False),
        ("channel", b"nothing of ours", False),
        ("member", b'{"act":"create","settings":{"history_size":3}}', True),
        ("member", b'{"act":"create"}', False),
        ("message", b'{"settings":{"history_size":3}}', False),
    ],
)
def test_which_entries_say_how_much_is_kept(kind: Any, data: bytes, says: bool) -> None:
    assert changes_retention(Entry("room:a", 1, data, 0, kind)) is says


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (SettingsChange(history_size=10, history_ttl_s=60), ""),
        (SettingsChange(history_size=None, history_ttl_s=None), ""),
        (SettingsChange(history_size=11), "settings.history_size"),
        (SettingsChange(history_ttl_s=61), "settings.history_ttl_s"),
    ],
)
def test_a_room_is_set_to_no_more_than_its_namespace_keeps(
    change: SettingsChange, field: str
) -> None:
    check_retention(change, ROOM)
    if not field:
        check_retention(change, SHORT)
        return
    with pytest.raises(CommandRefused) as refused:
        check_retention(change, SHORT)
    assert why(refused.value) == (422, field)


@pytest.mark.parametrize(
    "settings",
    [{"history_size": 0}, {"history_size": -1}, {"history_ttl_s": 0}, {"history_ttl_s": 1e12}],
)
def test_what_is_no_number_of_entries_or_seconds_is_refused(settings: Mapping[str, Any]) -> None:
    (operation,) = (item for item in OPERATIONS if item.name == "chat.update")
    params = {"channel": "room:a", "client_id": "x", "settings": settings}
    with pytest.raises(CommandRefused) as refused:
        Parameters(operation).read(msgspec.json.encode(params))
    (field,) = settings
    assert why(refused.value) == (422, f"settings.{field}")


async def make(rooms: Rooms, **settings: Any) -> str:
    """A room of ann's; its channel."""
    params = CreateChannel("room", rooms.fresh_id(), settings=SettingsChange(**settings))
    made: CreatedChannel = await rooms.call("ann", "chat.create", params)
    return made.channel


async def set_to(rooms: Rooms, channel: str, user: str = "ann", **settings: Any) -> None:
    """Change a room's settings."""
    params = UpdateChannel(channel, rooms.fresh_id(), settings=SettingsChange(**settings))
    await rooms.call(user, "chat.update", params)


async def say(rooms: Rooms, channel: str, count: int) -> None:
    """Append messages."""
    for _ in range(count):
        await rooms.parts.stage.append(
            NewEntry(
                channel, "u:ann", rooms.fresh_id(), b"{}", rooms.parts.clock.now_ms, counts=True
            )
        )


async def seen(rooms: Rooms, channel: str) -> list[int]:
    """Offsets that chat shows of a room."""
    page = await LogReader(rooms.parts.around).page(channel, limit=100)
    return [entry.offset for entry in page.entries]


async def test_more_than_the_namespace_keeps_is_refused_at_every_door() -> None:
    async with rooms_of(room=SHORT) as rooms:
        channel = await make(rooms)
        with pytest.raises(CommandRefused) as refused:
            await set_to(rooms, channel, history_size=11)
        assert why(refused.value) == (422, "settings.history_size")
        with pytest.raises(CommandRefused) as refused:
            await make(rooms, history_ttl_s=61)
        assert why(refused.value) == (422, "settings.history_ttl_s")


async def test_a_retry_is_answered_the_same_when_the_namespace_has_come_to_keep_less() -> None:
    async with rooms_of(room=ROOM) as rooms:
        channel = await make(rooms)
        params = UpdateChannel(channel, "once", settings=SettingsChange(history_size=50))
        first = await rooms.call("ann", "chat.update", params)
        rooms.parts.stage.namespaces["room"] = SHORT
        again = await rooms.call("ann", "chat.update", params)
        assert (again.offset, again.duplicate) == (first.offset, True)
        await say(rooms, channel, 15)
        assert len(await seen(rooms, channel)) == 10, "the namespace is the most"


async def test_a_member_does_not_set_it_and_a_moderator_does() -> None:
    async with rooms_of() as rooms:
        channel = await make(rooms)
        invited = InviteUsers(channel, rooms.fresh_id(), (NewMember("bob"),))
        await rooms.call("ann", "chat.invite", invited)
        with pytest.raises(CommandRefused) as refused:
            await set_to(rooms, channel, "bob", history_size=3)
        assert why(refused.value) == (103, "role")
        await set_to(rooms, channel, history_size=3, history_ttl_s=60)
        info = await rooms.call("bob", "chat.channel", GetChannel(channel))
        assert (info.settings.history_size, info.settings.history_ttl_s) == (3, 60)


async def test_what_a_room_is_set_to_hides_at_once_and_less_of_it_shows_again() -> None:
    async with rooms_of() as rooms:
        channel = await make(rooms)
        await say(rooms, channel, 5)
        assert await seen(rooms, channel) == [1, 2, 3, 4, 5, 6]
        await set_to(rooms, channel, history_size=3)
        assert await seen(rooms, channel) == [5, 6, 7]
        rooms.parts.clock.now_ms += 10_000
        await say(rooms, channel, 1)
        await set_to(rooms, channel, history_ttl_s=10, history_size=None)
        assert await seen(rooms, channel) == [8, 9]
        await set_to(rooms, channel, history_ttl_s=None)
        assert len(await seen(rooms, channel)) == 10, "nothing has swept it yet"


async def test_a_room_is_made_with_it() -> None:
    async with rooms_of() as rooms:
        channel = await make(rooms, history_size=2)
        await say(rooms, channel, 3)
        assert await seen(rooms, channel) == [3, 4]
        assert (await rooms.channel(channel)).keeps_less == 1


async def test_the_row_says_at_once_where_the_log_begins() -> None:
    async with rooms_of() as rooms:
        channel = await make(rooms)
        await say(rooms, channel, 5)
        await set_to(rooms, channel, history_size=3)
        row = await rooms.channel(channel)
        assert (row.hidden, row.hidden_n) == (4, 3)
        await set_to(rooms, channel, history_size=None)
        row = await rooms.channel(channel)
        assert (row.hidden, row.hidden_n, row.keeps_less) == (4, 3, 0)


@pytest.mark.parametrize(("size", "stays"), [(3, False), (4, True)])
async def test_no_preview_of_what_is_hidden_is_kept(size: int, stays: bool) -> None:
    async with rooms_of() as rooms:
        channel = await make(rooms)
        await say(rooms, channel, 5)
        last: dict[str, Value] = {"last": b'{"offset":4}', "last_offset": 4}
        await rooms.parts.store.write([Write(CHANNELS, (channel,), set=last)])
        await set_to(rooms, channel, history_size=size)
        assert bool((await rooms.channel(channel)).last) is stays
