"""Channels are made once, whoever asks; what they are set to follows from their entries."""

import asyncio
import dataclasses
from typing import Any

import msgspec
import pytest

from realtime.chat.calls.channels import (
    ArchiveChannel,
    ChannelInfo,
    CreateChannel,
    CreatedChannel,
    GetChannel,
    NewMember,
    OpenDirect,
    UnarchiveChannel,
    UpdateChannel,
)
from realtime.chat.calls.members import InviteUsers, JoinChannel
from realtime.chat.calls.users import BlockUser
from realtime.chat.channel_events import ChannelSettings, SettingsChange
from realtime.chat.recounting import recount
from realtime.errors import CommandRefused
from realtime.rows import CHANNELS
from realtime.stores.base import Write
from tests.support.chat import ROOM
from tests.support.chat_rooms import Rooms, put_together, rooms_of, why


async def make(rooms: Rooms, user: str = "ann", **fields: Any) -> str:
    """Make a channel; answers its name."""
    params = CreateChannel("room", fields.pop("client_id", None) or rooms.fresh_id(), **fields)
    made: CreatedChannel = await rooms.call(user, "chat.create", params)
    return made.channel


async def update(rooms: Rooms, user: str, channel: str, **fields: Any) -> int:
    """Change what is given; answers the entry's offset."""
    params = UpdateChannel(channel, fields.pop("client_id", None) or rooms.fresh_id(), **fields)
    return int((await rooms.call(user, "chat.update", params)).offset)


async def test_who_makes_a_channel_owns_it_and_the_others_get_their_roles() -> None:
    async with rooms_of() as rooms:
        members = (NewMember("bob"), NewMember("cat", "moderator"), NewMember("dan", "reader"))
        channel = await make(rooms, members=members, title="Plans", custom=msgspec.Raw(b'{"a": 1}'))
        assert await rooms.roles(channel) == {
            "ann": "owner",
            "bob": "member",
            "cat": "moderator",
            "dan": "reader",
        }
        row = await rooms.channel(channel)
        assert (row.kind, row.title, row.owner, row.created_by) == ("room", "Plans", "ann", "ann")
        assert (row.custom, row.members, row.created_at) == (b'{"a":1}', 4, 1_700_000_000_000)
        (entry,) = rooms.parts.stage.entries
        assert (entry.kind, entry.counts, entry.tags) == ("member", False, {"kind": "member"})


async def test_a_channel_is_not_unread_for_who_was_brought_in() -> None:
    async with rooms_of() as rooms:
        channel = await make(rooms, members=(NewMember("bob"),))
        row = await rooms.member(channel, "bob")
        assert row is not None
        assert (row.read, row.read_n, row.delivered) == (1, 0, 1)


async def test_a_retry_of_create_makes_nothing_and_answers_the_same() -> None:
    async with rooms_of() as rooms:
        params = CreateChannel("room", "one", title="Plans", members=(NewMember("bob"),))
        first: CreatedChannel = await rooms.call("ann", "chat.create", params)
        again: CreatedChannel = await rooms.call("ann", "chat.create", params)
        assert (again.channel, again.duplicate) == (first.channel, True)
        assert len(rooms.parts.stage.entries) == 1
        with pytest.raises(CommandRefused) as refused:
            await rooms.call("ann", "chat.create", CreateChannel("room", "one", title="Other"))
        assert why(refused.value) == (409, "other_data")
        # The id of a call is of one user alone.
        other: CreatedChannel = await rooms.call("bob", "chat.create", params)
        assert other.channel != first.channel


async def test_an_id_of_the_apps_own_is_one_channels() -> None:
    async with rooms_of() as rooms:
        params = CreateChannel("room", "one", id="plans")
        made: CreatedChannel = await rooms.call("ann", "chat.create", params)
        assert made.channel == "room:plans"
        again: CreatedChannel = await rooms.call("ann", "chat.create", params)
        assert again.duplicate
        for user in ("ann", "bob"):
            with pytest.raises(CommandRefused) as refused:
                await make(rooms, user, id="plans")
            assert why(refused.value) == (409, "taken")


async def test_of_two_who_take_an_id_at_the_same_time_one_has_it() -> None:
    async with rooms_of() as rooms:
        results = await asyncio.gather(
            make(rooms, "ann", id="plans"), make(rooms, "bob", id="plans"), return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, CommandRefused)]
        assert [why(refusal) for refusal in refused] == [(409, "taken")]
        assert list((await rooms.roles("room:plans")).values()) == ["owner"]


@pytest.mark.parametrize("own_id", ["d-abc", "r-abc"])
async def test_ids_as_the_hub_makes_them_are_not_for_apps(own_id: str) -> None:
    async with rooms_of() as rooms:
        with pytest.raises(CommandRefused) as refused:
            await make(rooms, id=own_id)
        assert why(refused.value) == (422, "id")


async def test_only_whom_create_names_makes_channels() -> None:
    async with rooms_of(room=dataclasses.replace(ROOM, create=("admin",))) as rooms:
        for name, params in (
            ("chat.create", CreateChannel("room", "one")),
            ("chat.direct", OpenDirect("room", "bob")),
        ):
            with pytest.raises(CommandRefused) as refused:
                await rooms.call("ann", name, params)
            assert why(refused.value) == (103, "role")
            await rooms.call("ann", name, params, "admin")


async def test_channels_are_made_in_namespaces_of_rooms() -> None:
    async with rooms_of() as rooms:
        for namespace, answer in (("feed", (404, "namespace")), ("none", (102, ""))):
            with pytest.raises(CommandRefused) as refused:
                await rooms.call("ann", "chat.create", CreateChannel(namespace, "one"))
            assert why(refused.value) == answer


async def test_who_blocks_the_maker_is_left_out_also_after_that_has_ended() -> None:
    async with rooms_of() as rooms:
        await rooms.call("bob", "user.block", BlockUser("ann"))
        params = CreateChannel("room", "one", members=(NewMember("bob"), NewMember("cat")))
        made: CreatedChannel = await rooms.call("ann", "chat.create", params)
        assert made.left_out == ("bob",)
        assert await rooms.roles(made.channel) == {"ann": "owner", "cat": "member"}
        again: CreatedChannel = await rooms.call("ann", "chat.create", params)
        assert again.left_out == ("bob",)


async def test_no_more_members_than_the_namespace_lets_a_channel_have() -> None:
    async with rooms_of(room=dataclasses.replace(ROOM, members_max=2)) as rooms:
        with pytest.raises(CommandRefused) as refused:
            await make(rooms, members=(NewMember("bob"), NewMember("cat")))
        assert why(refused.value) == (106, "full")
        channel = await make(rooms, members=(NewMember("bob"),))
        for name, params in (
            ("chat.join", JoinChannel(channel, "j")),
            ("chat.invite", InviteUsers(channel, "i", (NewMember("dan"),))),
        ):
            user = "cat" if name == "chat.join" else "ann"
            with pytest.raises(CommandRefused) as refused:
                await rooms.call(user, name, params)
            assert why(refused.value) == (106, "full")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"title": " "}, "title"),
        ({"title": "two\nlines"}, "title"),
        ({"avatar": "javascript:alert(1)"}, "avatar"),
        ({"custom": msgspec.Raw(b"[1]")}, "custom"),
    ],
)
async def test_what_cannot_be_shown_is_refused(fields: dict[str, Any], field: str) -> None:
    async with rooms_of() as rooms:
        channel = await make(rooms)
        for attempt in (make(rooms, **fields), update(rooms, "ann", channel, **fields)):
            with pytest.raises(CommandRefused) as refused:
                await attempt
            assert why(refused.value) == (422, field)


# Channels of two.


async def test_two_have_one_channel_whoever_asks() -> None:
    async with rooms_of() as rooms:
        first = await rooms.call("ann", "chat.direct", OpenDirect("room", "bob"))
        second = await rooms.call("bob", "chat.direct", OpenDirect("room", "ann"))
        assert first.channel == second.channel
        assert (first.duplicate, second.duplicate) == (False, True)
        assert await rooms.roles(first.channel) == {"ann": "member", "bob": "member"}
        info: ChannelInfo = await rooms.call("bob", "chat.channel", GetChannel(first.channel))
        assert (info.kind, info.users, info.members) == ("direct", ("ann", "bob"), 2)
        assert "ann" not in first.channel


async def test_two_who_ask_on_two_nodes_at_the_same_time_have_one_channel() -> None:
    async with rooms_of() as rooms:
        other = put_together(rooms.parts)
        answers = await asyncio.gather(
            rooms.call("ann", "chat.direct", OpenDirect("room", "bob")),
            other.call("bob", "chat.direct", OpenDirect("room", "ann")),
        )
        assert len({answer.channel for answer in answers}) == 1
        assert len(rooms.parts.stage.entries) == 1
        assert (await rooms.channel(answers[0].channel)).members == 2


async def test_one_may_have_a_channel_with_oneself() -> None:
    async with rooms_of() as rooms:
        notes = await rooms.call("ann", "chat.direct", OpenDirect("room", "ann"))
        assert await rooms.roles(notes.channel) == {"ann": "member"}
        info: ChannelInfo = await rooms.call("ann", "chat.channel", GetChannel(notes.channel))
        assert (info.users, info.members) == (("ann",), 1)


@pytest.mark.parametrize(("blocks", "blocked"), [("ann", "bob"), ("bob", "ann")])
async def test_a_block_in_either_direction_refuses_a_new_channel(blocks: str, blocked: str) -> None:
    async with rooms_of() as rooms:
        old = await rooms.call("ann", "chat.direct", OpenDirect("room", "bob"))
        await rooms.call(blocks, "user.block", BlockUser(blocked))
        again = await rooms.call("ann", "chat.direct", OpenDirect("room", "bob"))
        assert again.channel == old.channel
    async with rooms_of() as rooms:
        await rooms.call(blocks, "user.block", BlockUser(blocked))
        with pytest.raises(CommandRefused) as refused:
            await rooms.call("ann", "chat.direct", OpenDirect("room", "bob"))
        assert why(refused.value) == (103, "blocked")
        assert rooms.parts.stage.entries == []


# What they are set to.


async def test_an_update_changes_what_it_names_and_nothing_else() -> None:
    async with rooms_of() as rooms:
        channel = await make(rooms, title="Plans", settings=SettingsChange(slow_mode_s=5))
        await update(rooms, "ann", channel, avatar="https://example.com/a.png")
        await update(rooms, "ann", channel, settings=SettingsChange(announce=True))
        info: ChannelInfo = await rooms.call("ann", "chat.channel", GetChannel(channel))
        assert (info.title, info.avatar) == ("Plans", "https://example.com/a.png")
        assert info.settings == ChannelSettings(slow_mode_s=5, announce=True)
        await update(rooms, "ann", channel, title="", settings=SettingsChange(slow_mode_s=None))
        info = await rooms.call("ann", "chat.channel", GetChannel(channel))
        assert (info.title, info.settings) == ("", ChannelSettings(announce=True))
        room = await rooms.parts.memberships.rooms.look_up(channel)
        assert (room.announce, room.slow_mode_ms(ROOM), room.members) == (True, 0, 1)


async def test_an_update_names_something() -> None:
    async with rooms_of() as rooms:
        channel = await make(rooms)
        with pytest.raises(CommandRefused) as refused:
            await update(rooms, "ann", channel)
        assert refused.value.error.code == 422


async def test_members_may_not_change_a_channel() -> None:
    async with rooms_of() as rooms:
        channel = await make(rooms, members=(NewMember("bob"),))
        for user, answer in (("bob", (103, "role")), ("eve", (103, "not_a_member"))):
            with pytest.raises(CommandRefused) as refused:
                await update(rooms, user, channel, title="Mine")
            assert why(refused.value) == answer


async def test_an_archived_channel_is_read_and_not_written() -> None:
    async with rooms_of() as rooms:
        channel = await make(rooms)
        earlier = await update(rooms, "ann", channel, title="Plans", client_id="u")
        await rooms.call("ann", "chat.archive", ArchiveChannel(channel, "a"))
        info: ChannelInfo = await rooms.call("ann", "chat.channel", GetChannel(channel))
        assert info.archived_at == 1_700_000_000_000
        for user, name, params in (
            ("ann", "chat.update", UpdateChannel(channel, "v", title="Old plans")),
            ("ann", "chat.invite", InviteUsers(channel, "i", (NewMember("bob"),))),
            ("bob", "chat.join", JoinChannel(channel, "j")),
        ):
            with pytest.raises(CommandRefused) as refused:
                await rooms.call(user, name, params)
            assert why(refused.value) == (423, "archived")
        # What was done before it was archived is answered as then.
        assert await update(rooms, "ann", channel, title="Plans", client_id="u") == earlier
        await rooms.call("ann", "chat.unarchive", UnarchiveChannel(channel, "b"))
        await rooms.call("bob", "chat.join", JoinChannel(channel, "j"))


async def test_each_change_is_in_the_audit_log_once() -> None:
    async with rooms_of() as rooms:
        channel = await make(rooms)
        for _ in range(2):
            await update(
                rooms, "ann", channel, settings=SettingsChange(announce=True), client_id="u"
            )
            await rooms.call("ann", "chat.archive", ArchiveChannel(channel, "a"))
        for entry in rooms.parts.stage.entries:
            await rooms.folds.fold(entry)
        acts = [(row.act, row.by, row.detail) for row in await rooms.audit(channel)]
        changed = b'{"changed":["settings"],"settings":{"announce":true}}'
        assert acts == [("update", "ann", changed), ("archive", "ann", b"")]


async def test_a_channel_is_not_told_of_to_strangers() -> None:
    async with rooms_of(room=dataclasses.replace(ROOM, join="invite")) as rooms:
        channel = await make(rooms)
        for name in (channel, "room:nowhere"):
            with pytest.raises(CommandRefused) as refused:
                await rooms.call("eve", "chat.channel", GetChannel(name))
            assert why(refused.value) == (404, "channel")


async def test_a_recount_puts_the_number_of_members_right() -> None:
    async with rooms_of() as rooms:
        channel = await make(rooms, members=(NewMember("bob"), NewMember("cat")))
        store = rooms.parts.store
        assert await recount(store, channel) == 0
        await store.write([Write(CHANNELS, (channel,), set={"members": 7})])
        assert await recount(store, channel) == -4
        assert (await rooms.channel(channel)).members == 3
        assert await recount(store, "room:nowhere") == 0
