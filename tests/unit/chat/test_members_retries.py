"""A retry of a call that found nothing to do does nothing, whatever has changed meanwhile."""

import pytest

from realtime.chat.calls.channels import CreateChannel, NewMember
from realtime.chat.calls.members import InviteUsers, JoinChannel, KickMember, LeaveChannel
from realtime.errors import CommandRefused
from tests.support.chat import ROOM
from tests.support.chat_rooms import Rooms, rooms_of, why

OTHERS = (NewMember("bob"), NewMember("cat"))


async def room(rooms: Rooms) -> str:
    """A channel of `ann` with two members."""
    params = CreateChannel("room", rooms.fresh_id(), members=OTHERS)
    return str((await rooms.call("ann", "chat.create", params)).channel)


async def test_a_retry_of_a_join_by_a_member_does_not_bring_them_back() -> None:
    async with rooms_of(room=ROOM) as rooms:
        channel = await room(rooms)
        first = await rooms.call("bob", "chat.join", JoinChannel(channel, "j"))
        assert first.duplicate
        await rooms.call("bob", "chat.leave", LeaveChannel(channel, "l"))
        assert await rooms.call("bob", "chat.join", JoinChannel(channel, "j")) == first
        assert await rooms.roles(channel) == {"ann": "owner", "cat": "member"}
        await rooms.call("bob", "chat.join", JoinChannel(channel, "another"))
        assert "bob" in await rooms.roles(channel)


async def test_a_retry_of_a_join_that_was_one_is_still_found_in_the_log() -> None:
    async with rooms_of(room=ROOM) as rooms:
        channel = await room(rooms)
        first = await rooms.call("eve", "chat.join", JoinChannel(channel, "j"))
        await rooms.call("eve", "chat.leave", LeaveChannel(channel, "l"))
        again = await rooms.call("eve", "chat.join", JoinChannel(channel, "j"))
        assert (again.offset, again.duplicate) == (first.offset, True)
        assert "eve" not in await rooms.roles(channel)


async def test_a_retry_of_an_invitation_that_left_everybody_out_invites_nobody() -> None:
    async with rooms_of(room=ROOM) as rooms:
        channel = await room(rooms)
        params = InviteUsers(channel, "i", (NewMember("cat"),))
        first = await rooms.call("ann", "chat.invite", params)
        assert (first.users, first.left_out) == ((), ("cat",))
        await rooms.call("ann", "chat.kick", KickMember(channel, "cat", "k"))
        assert await rooms.call("ann", "chat.invite", params) == first
        assert "cat" not in await rooms.roles(channel)
        other = InviteUsers(channel, "i", (NewMember("eve"),))
        with pytest.raises(CommandRefused) as refused:
            await rooms.call("ann", "chat.invite", other)
        assert why(refused.value) == (409, "other_data")


async def test_the_same_client_id_serves_in_every_channel() -> None:
    async with rooms_of(room=ROOM) as rooms:
        first, second = await room(rooms), await room(rooms)
        for channel in (first, second):
            await rooms.call("bob", "chat.join", JoinChannel(channel, "j"))
            await rooms.call("bob", "chat.leave", LeaveChannel(channel, "l"))
            await rooms.call("bob", "chat.join", JoinChannel(channel, "j"))
            assert "bob" not in await rooms.roles(channel)
