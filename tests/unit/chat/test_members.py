"""Coming, leaving and inviting, and the list of who is there."""

import dataclasses
from typing import Any

import msgspec
import pytest

from realtime.chat.calls.channels import CreateChannel, NewMember, OpenDirect
from realtime.chat.calls.members import (
    BanUser,
    InvitedUsers,
    InviteUsers,
    JoinChannel,
    KickMember,
    LeaveChannel,
    ListMembers,
    MemberPage,
    MuteMember,
    TransferChannel,
)
from realtime.chat.calls.users import BlockUser
from realtime.chat.channel_events import SettingsChange
from realtime.errors import CommandRefused
from realtime.rows import MEMBERS, USERS
from realtime.settings.schema import ChannelOptions
from realtime.stores.base import Write
from tests.support.chat import ROOM
from tests.support.chat_rooms import Rooms, rooms_of, why

INVITE_ONLY = dataclasses.replace(ROOM, join="invite")


async def room(rooms: Rooms, *others: NewMember, **settings: Any) -> str:
    """A channel of `ann` with these others."""
    change = SettingsChange(**settings)
    params = CreateChannel("room", rooms.fresh_id(), members=others, settings=change)
    return str((await rooms.call("ann", "chat.create", params)).channel)


async def refusal(rooms: Rooms, user: str, name: str, params: msgspec.Struct) -> tuple[int, str]:
    """How an operation is refused."""
    with pytest.raises(CommandRefused) as refused:
        await rooms.call(user, name, params)
    return why(refused.value)


async def invite(rooms: Rooms, user: str, channel: str, *users: NewMember) -> InvitedUsers:
    """Invite, by a call of its own."""
    params = InviteUsers(channel, rooms.fresh_id(), users)
    answer: InvitedUsers = await rooms.call(user, "chat.invite", params)
    return answer


async def listed(rooms: Rooms, user: str, channel: str, **fields: Any) -> list[str]:
    """The users of a list of members."""
    page: MemberPage = await rooms.call(user, "chat.members", ListMembers(channel, **fields))
    return [member.user for member in page.members]


async def test_whoever_wants_joins_an_open_channel() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        written = await rooms.call("bob", "chat.join", JoinChannel(channel, "j"))
        assert await rooms.roles(channel) == {"ann": "owner", "bob": "member"}
        row = await rooms.member(channel, "bob")
        assert row is not None
        assert (row.read, row.delivered) == (written.offset, written.offset)
        assert row.joined == written.offset, "what came before is known by the log, not by clocks"
        assert (await rooms.channel(channel)).members == 2


async def test_who_is_a_member_joins_without_an_entry() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        first = await rooms.call("bob", "chat.join", JoinChannel(channel, "j"))
        for client_id in ("j", "k"):
            again = await rooms.call("bob", "chat.join", JoinChannel(channel, client_id))
            assert (again.offset, again.duplicate) == (first.offset, True)
        assert len(rooms.parts.stage.entries) == 2


@pytest.mark.parametrize(("options", "settings"), [(INVITE_ONLY, {}), (ROOM, {"closed": True})])
async def test_nobody_joins_a_closed_channel_uninvited(
    options: ChannelOptions, settings: dict[str, bool]
) -> None:
    async with rooms_of(room=options) as rooms:
        channel = await room(rooms, **settings)
        assert await refusal(rooms, "bob", "chat.join", JoinChannel(channel, "j")) == (
            404,
            "channel",
        )
        await rooms.call("bob", "chat.join", JoinChannel(channel, "j"), "admin")


async def test_a_channel_that_nobody_has_made_is_not_joined() -> None:
    async with rooms_of() as rooms:
        nowhere = JoinChannel("room:nowhere", "j")
        assert await refusal(rooms, "bob", "chat.join", nowhere) == (404, "channel")
        assert await refusal(rooms, "bob", "chat.join", JoinChannel("feed:a", "j")) == (
            404,
            "channel",
        )


async def test_strangers_do_not_join_a_channel_of_two() -> None:
    async with rooms_of() as rooms:
        direct = (await rooms.call("ann", "chat.direct", OpenDirect("room", "bob"))).channel
        assert await refusal(rooms, "eve", "chat.join", JoinChannel(direct, "j")) == (
            404,
            "channel",
        )
        for name, params in (
            ("chat.leave", LeaveChannel(direct, "l")),
            ("chat.invite", InviteUsers(direct, "i", (NewMember("eve"),))),
            ("chat.kick", KickMember(direct, "bob", "k")),
        ):
            assert await refusal(rooms, "ann", name, params) == (103, "direct")


async def test_the_banned_do_not_come_back_before_their_time() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms, NewMember("bob"))
        until = rooms.parts.clock.now_ms + 60_000
        await rooms.call("ann", "chat.ban", BanUser(channel, "bob", "b", until))
        assert await refusal(rooms, "bob", "chat.join", JoinChannel(channel, "j")) == (
            103,
            "banned",
        )
        invited = await invite(rooms, "ann", channel, NewMember("bob"))
        assert (invited.users, invited.left_out, invited.offset) == ((), ("bob",), 0)
        rooms.parts.clock.now_ms = until
        await rooms.call("bob", "chat.join", JoinChannel(channel, "j"))
        assert (await rooms.roles(channel))["bob"] == "member"


# Leaving.


async def test_who_leaves_is_gone_and_their_markers_stay() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms, NewMember("bob"))
        first = await rooms.call("bob", "chat.leave", LeaveChannel(channel, "l"))
        row = await rooms.member(channel, "bob")
        assert row is not None
        assert (row.role, row.read, row.changed_at) == ("", 1, 1_700_000_000_000)
        assert (await rooms.channel(channel)).members == 1
        again = await rooms.call("bob", "chat.leave", LeaveChannel(channel, "l"))
        assert (again.offset, again.duplicate) == (first.offset, True)
        assert await refusal(rooms, "bob", "chat.leave", LeaveChannel(channel, "m")) == (
            103,
            "not_a_member",
        )


async def test_an_owner_gives_the_channel_away_before_leaving() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms, NewMember("bob"))
        leave = LeaveChannel(channel, "l")
        assert await refusal(rooms, "ann", "chat.leave", leave) == (409, "owner")
        await rooms.call("ann", "chat.transfer", TransferChannel(channel, "bob", "t"))
        await rooms.call("ann", "chat.leave", leave)
        assert await rooms.roles(channel) == {"bob": "owner"}
        assert (await rooms.channel(channel)).owner == "bob"


async def test_with_the_last_one_the_channel_is_archived() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms, NewMember("bob"))
        await rooms.call("bob", "chat.leave", LeaveChannel(channel, "l"))
        await rooms.call("ann", "chat.leave", LeaveChannel(channel, "l"))
        row = await rooms.channel(channel)
        assert (row.owner, row.members, row.archived_at) == ("", 0, 1_700_000_000_000)
        assert await refusal(rooms, "bob", "chat.join", JoinChannel(channel, "j")) == (
            423,
            "archived",
        )


# Inviting.


async def test_an_invitation_makes_members_of_those_who_are_not() -> None:
    async with rooms_of(room=INVITE_ONLY) as rooms:
        channel = await room(rooms, NewMember("bob"))
        await rooms.call("cat", "user.block", BlockUser("bob"))
        users = (NewMember("ann"), NewMember("cat"), NewMember("dan"), NewMember("eve", "reader"))
        params = InviteUsers(channel, "i", users)
        invited: InvitedUsers = await rooms.call("bob", "chat.invite", params)
        assert (invited.users, invited.left_out) == (("dan", "eve"), ("ann", "cat"))
        row = await rooms.member(channel, "eve")
        assert row is not None
        assert (row.role, row.invited_by) == ("reader", "bob")
        assert (await rooms.channel(channel)).members == 4
        # By now they are all members; the answer is the same, and so are they.
        again: InvitedUsers = await rooms.call("bob", "chat.invite", params)
        assert (again.users, again.left_out, again.duplicate) == (
            invited.users,
            invited.left_out,
            True,
        )
        assert len(rooms.parts.stage.entries) == 2


async def test_a_retry_of_an_invitation_is_answered_to_who_was_sent_away_since() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms, NewMember("bob"))
        params = InviteUsers(channel, "i", (NewMember("cat"),))
        first: InvitedUsers = await rooms.call("bob", "chat.invite", params)
        await rooms.call("ann", "chat.kick", KickMember(channel, "bob", "k"))
        await rooms.call("ann", "chat.kick", KickMember(channel, "cat", "l"))
        again: InvitedUsers = await rooms.call("bob", "chat.invite", params)
        assert (again.users, again.offset) == (("cat",), first.offset)
        assert await rooms.roles(channel) == {"ann": "owner"}
        other = InviteUsers(channel, "i", (NewMember("dan"),))
        assert await refusal(rooms, "bob", "chat.invite", other) == (409, "other_data")


async def test_who_may_invite_is_a_setting() -> None:
    async with rooms_of() as rooms:
        members = (NewMember("bob"), NewMember("cat", "reader"), NewMember("dan", "moderator"))
        channel = await room(rooms, *members)
        wanted = InviteUsers(channel, "i", (NewMember("eve"),))
        assert await refusal(rooms, "cat", "chat.invite", wanted) == (103, "role")
        await rooms.call("bob", "chat.invite", wanted)
        channel = await room(rooms, *members, invites="moderators")
        wanted = InviteUsers(channel, "i", (NewMember("eve"),))
        assert await refusal(rooms, "bob", "chat.invite", wanted) == (103, "role")
        await rooms.call("dan", "chat.invite", wanted)


async def test_only_the_owner_invites_moderators() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms, NewMember("bob", "moderator"))
        wanted = InviteUsers(channel, "i", (NewMember("cat", "moderator"),))
        assert await refusal(rooms, "bob", "chat.invite", wanted) == (103, "role")
        await rooms.call("ann", "chat.invite", wanted)
        assert (await rooms.roles(channel))["cat"] == "moderator"


async def test_where_it_must_be_accepted_an_invitation_lets_one_join_once() -> None:
    async with rooms_of(room=INVITE_ONLY) as rooms:
        channel = await room(rooms, NewMember("cat"), accept=True)
        assert await rooms.roles(channel) == {"ann": "owner"}
        invited = await invite(rooms, "ann", channel, NewMember("bob"))
        assert invited.users == ("bob",)
        row = await rooms.member(channel, "bob")
        assert row is not None
        assert (row.role, row.invited_by, row.invited_at) == ("", "ann", 1_700_000_000_000)
        await rooms.call("bob", "chat.join", JoinChannel(channel, "j"))
        await rooms.call("bob", "chat.leave", LeaveChannel(channel, "l"))
        again = JoinChannel(channel, "k")
        assert await refusal(rooms, "bob", "chat.join", again) == (404, "channel")


async def test_where_it_must_be_accepted_a_new_channel_invites_its_members() -> None:
    async with rooms_of(room=INVITE_ONLY) as rooms:
        channel = await room(rooms, NewMember("bob"), accept=True)
        row = await rooms.member(channel, "bob")
        assert row is not None
        assert (row.role, row.invited_by, row.invited_at) == ("", "ann", 1_700_000_000_000)
        await rooms.call("bob", "chat.join", JoinChannel(channel, "j"))
        assert await rooms.roles(channel) == {"ann": "owner", "bob": "member"}


async def test_an_invitation_is_declined_or_taken_back() -> None:
    async with rooms_of(room=INVITE_ONLY) as rooms:
        channel = await room(rooms, accept=True)
        await invite(rooms, "ann", channel, NewMember("bob"), NewMember("cat"))
        await rooms.call("bob", "chat.leave", LeaveChannel(channel, "l"))
        await rooms.call("ann", "chat.kick", KickMember(channel, "cat", "k"))
        for user in ("bob", "cat"):
            assert await refusal(rooms, user, "chat.join", JoinChannel(channel, "j")) == (
                404,
                "channel",
            )


# Who is told, and the list.


async def test_whom_it_concerns_is_told_in_their_personal_channel_once() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms, NewMember("bob"))
        rooms.parts.stage.hints.clear()
        await invite(rooms, "bob", channel, NewMember("cat"), NewMember("dan", "reader"))
        hints = [
            (users, msgspec.json.decode(data), about)
            for users, data, about in rooms.parts.stage.hints
        ]
        said = {"type": "member", "channel": channel, "act": "invite"}
        assert hints == [
            (("cat",), said | {"role": "member"}, channel),
            (("dan",), said | {"role": "reader"}, channel),
        ]
        for entry in rooms.parts.stage.entries:
            await rooms.folds.fold(entry)
        assert len(rooms.parts.stage.hints) == 2


async def test_members_are_listed_by_role_with_their_names_page_by_page() -> None:
    async with rooms_of() as rooms:
        others = [NewMember(f"user-{number}") for number in range(5)]
        channel = await room(
            rooms, *others, NewMember("zoe", "moderator"), NewMember("abe", "reader")
        )
        await rooms.parts.store.write([Write(USERS, ("zoe",), set={"name": "Zoë"})])
        await rooms.call("user-3", "chat.leave", LeaveChannel(channel, "l"))
        expected = ["ann", "zoe", "user-0", "user-1", "user-2", "user-4", "abe"]
        assert await listed(rooms, "ann", channel) == expected
        for limit in range(1, 8):
            found: list[str] = []
            cursor = ""
            while True:
                params = ListMembers(channel, limit=limit, cursor=cursor)
                page: MemberPage = await rooms.call("ann", "chat.members", params)
                assert len(page.members) <= limit
                found += [member.user for member in page.members]
                cursor = page.cursor
                if not cursor:
                    break
            assert found == expected
        page = await rooms.call("ann", "chat.members", ListMembers(channel, limit=2))
        assert [(member.name, member.role) for member in page.members] == [
            ("", "owner"),
            ("Zoë", "moderator"),
        ]


async def test_mutes_are_in_the_list_and_bans_are_for_moderators() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms, NewMember("bob"), NewMember("cat"))
        await rooms.call("ann", "chat.mute", MuteMember(channel, "bob", "m"))
        await rooms.call("ann", "chat.ban", BanUser(channel, "cat", "b"))
        page: MemberPage = await rooms.call("bob", "chat.members", ListMembers(channel, "member"))
        assert [(member.user, member.muted_until) for member in page.members] == [("bob", -1)]
        banned = ListMembers(channel, "banned")
        assert await refusal(rooms, "bob", "chat.members", banned) == (103, "role")
        assert await listed(rooms, "ann", channel, role="banned") == ["cat"]


@pytest.mark.parametrize("cursor", ["x", "kqVvd25lcqNhbm4", "kqZiYW5uZWSjYW5u"])
async def test_a_cursor_of_something_else_is_refused(cursor: str) -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        params = ListMembers(channel, cursor=cursor)
        assert await refusal(rooms, "ann", "chat.members", params) == (422, "cursor")


async def test_what_somebody_became_by_another_node_counts_at_once() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms, NewMember("bob"))
        rooms.parts.stage.on_entry.clear()
        kept = rooms.parts.memberships
        for role in ("", "member", ""):
            await kept.look_up(channel, "bob")
            row = Write(MEMBERS, (channel, "bob"), set={"role": role})
            await rooms.parts.store.write([row])
            standing = kept.known(channel, "bob")
            assert standing is not None
            assert standing.role != role
            if role:
                left = LeaveChannel(channel, rooms.fresh_id())
                assert not (await rooms.call("bob", "chat.leave", left)).duplicate
            else:
                joined = JoinChannel(channel, rooms.fresh_id())
                assert not (await rooms.call("bob", "chat.join", joined)).duplicate
