"""What moderators and owners may do to members, and that each act is written down once."""

import msgspec
import pytest

from realtime.auth.identity import Role
from realtime.chat.calls.channels import ArchiveChannel, CreateChannel, NewMember
from realtime.chat.calls.members import (
    BanUser,
    KickMember,
    MuteMember,
    SetRole,
    TransferChannel,
    UnbanUser,
    UnmuteMember,
)
from realtime.chat.standing import Standing
from realtime.errors import CommandRefused
from tests.support.chat_rooms import Rooms, rooms_of, why

OTHERS = (
    NewMember("mod", "moderator"),
    NewMember("max", "moderator"),
    NewMember("bob"),
    NewMember("rae", "reader"),
)
"""Beside the owner, `ann`."""


async def room(rooms: Rooms) -> str:
    """A channel with members of every role."""
    params = CreateChannel("room", rooms.fresh_id(), members=OTHERS)
    return str((await rooms.call("ann", "chat.create", params)).channel)


async def attempt(
    rooms: Rooms, user: str, name: str, params: msgspec.Struct, role: Role = "user"
) -> tuple[int, str]:
    """How it ends: (0, "") when it is done."""
    try:
        await rooms.call(user, f"chat.{name}", params, role)
    except CommandRefused as refusal:
        return why(refusal)
    return 0, ""


DONE = (0, "")
ROLE = (103, "role")
OWNER = (409, "owner")


@pytest.mark.parametrize("name", ["kick", "ban", "mute", "role"])
@pytest.mark.parametrize(
    ("user", "token", "target", "expected"),
    [
        ("ann", "user", "mod", DONE),
        ("ann", "user", "bob", DONE),
        ("ann", "user", "ann", OWNER),
        ("mod", "user", "bob", DONE),
        ("mod", "user", "rae", DONE),
        ("mod", "user", "max", ROLE),
        ("mod", "user", "ann", ROLE),
        ("mod", "user", "mod", ROLE),
        ("bob", "user", "rae", ROLE),
        ("rae", "user", "bob", ROLE),
        ("eve", "user", "bob", (103, "not_a_member")),
        ("eve", "admin", "mod", DONE),
        ("eve", "admin", "ann", OWNER),
    ],
)
async def test_moderators_act_on_those_below_them(
    name: str, user: str, token: Role, target: str, expected: tuple[int, str]
) -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        params = {
            "kick": KickMember(channel, target, "x"),
            "ban": BanUser(channel, target, "x"),
            "mute": MuteMember(channel, target, "x"),
            "role": SetRole(channel, target, "x", "reader"),
        }[name]
        before = await rooms.roles(channel)
        assert await attempt(rooms, user, name, params, token) == expected
        rows = await rooms.audit(channel)
        if expected == DONE:
            assert [(row.act, row.by, row.target) for row in rows] == [(name, user, target)]
        else:
            assert rows == []
            assert await rooms.roles(channel) == before


@pytest.mark.parametrize(
    ("name", "role"), [("kick", ""), ("ban", "banned"), ("mute", "member"), ("role", "reader")]
)
async def test_a_retry_changes_nothing_and_is_written_down_once(name: str, role: str) -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        params = {
            "kick": KickMember(channel, "bob", "x"),
            "ban": BanUser(channel, "bob", "x"),
            "mute": MuteMember(channel, "bob", "x"),
            "role": SetRole(channel, "bob", "x", "reader"),
        }[name]
        first = await rooms.call("mod", f"chat.{name}", params)
        await rooms.call("ann", "chat.kick", KickMember(channel, "mod", "k"))
        again = await rooms.call("mod", f"chat.{name}", params)
        assert (again.offset, again.duplicate) == (first.offset, True)
        row = await rooms.member(channel, "bob")
        assert row is not None
        assert row.role == role
        assert len(rooms.parts.stage.entries) == 3
        assert [row.act for row in await rooms.audit(channel)] == [name, "kick"]


async def test_whoever_is_not_there_is_not_kicked_muted_or_given_a_role() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        for name, params in (
            ("kick", KickMember(channel, "eve", "a")),
            ("mute", MuteMember(channel, "eve", "b")),
            ("unmute", UnmuteMember(channel, "eve", "c")),
            ("role", SetRole(channel, "eve", "d", "reader")),
            ("unban", UnbanUser(channel, "eve", "e")),
            ("transfer", TransferChannel(channel, "eve", "f")),
        ):
            assert await attempt(rooms, "ann", name, params) == (404, "user")


async def test_a_stranger_is_banned_before_they_come() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        assert await attempt(rooms, "mod", "ban", BanUser(channel, "eve", "b")) == DONE
        assert (await rooms.roles(channel))["eve"] == "banned"
        assert await attempt(rooms, "mod", "unban", UnbanUser(channel, "eve", "u")) == DONE
        assert "eve" not in await rooms.roles(channel)
        assert (await rooms.channel(channel)).members == 5


async def test_a_mute_and_a_ban_end_in_the_future() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        now_ms = rooms.parts.clock.now_ms
        assert await attempt(rooms, "ann", "mute", MuteMember(channel, "bob", "a", now_ms)) == (
            422,
            "until",
        )
        assert await attempt(rooms, "ann", "ban", BanUser(channel, "bob", "b", 1)) == (422, "until")
        later = MuteMember(channel, "bob", "c", now_ms + 1)
        assert await attempt(rooms, "ann", "mute", later) == DONE
        # A retry after that time is a retry all the same.
        rooms.parts.clock.now_ms += 60_000
        assert await attempt(rooms, "ann", "mute", later) == DONE


async def test_a_member_is_muted_until_then_or_until_somebody_says_so() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        look_up = rooms.parts.memberships.look_up
        now_ms = rooms.parts.clock.now_ms
        await rooms.call("ann", "chat.mute", MuteMember(channel, "bob", "a", now_ms + 1_000))
        standing = await look_up(channel, "bob")
        assert (standing.is_muted(now_ms), standing.is_muted(now_ms + 1_000)) == (True, False)
        await rooms.call("ann", "chat.mute", MuteMember(channel, "bob", "b"))
        assert (await look_up(channel, "bob")).is_muted(now_ms + (1 << 40))
        await rooms.call("ann", "chat.unmute", UnmuteMember(channel, "bob", "c"))
        assert not (await look_up(channel, "bob")).is_muted(now_ms)


async def test_moderators_make_readers_and_members_but_not_moderators() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        for user, role, expected in (
            ("mod", "reader", DONE),
            ("mod", "member", DONE),
            ("mod", "moderator", ROLE),
            ("ann", "moderator", DONE),
        ):
            params = SetRole(channel, "bob", rooms.fresh_id(), role)  # type: ignore[arg-type]  # a literal of the table
            assert await attempt(rooms, user, "role", params) == expected
        assert (await rooms.roles(channel))["bob"] == "moderator"


async def test_the_owner_gives_the_channel_to_a_member() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        transfer = TransferChannel(channel, "bob", "t")
        assert await attempt(rooms, "mod", "transfer", transfer) == ROLE
        itself = TransferChannel(channel, "ann", "s")
        assert await attempt(rooms, "ann", "transfer", itself) == (422, "user")
        first = await rooms.call("ann", "chat.transfer", transfer)
        roles = await rooms.roles(channel)
        assert (roles["ann"], roles["bob"]) == ("moderator", "owner")
        assert (await rooms.channel(channel)).owner == "bob"
        again = await rooms.call("ann", "chat.transfer", transfer)
        assert (again.offset, again.duplicate) == (first.offset, True)
        (row,) = await rooms.audit(channel)
        assert (row.act, row.by, row.target, row.detail) == (
            "transfer",
            "ann",
            "bob",
            b'{"from":"ann"}',
        )


async def test_an_admin_gives_a_channel_away() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        transfer = TransferChannel(channel, "bob", "t")
        assert await attempt(rooms, "eve", "transfer", transfer, "admin") == DONE
        roles = await rooms.roles(channel)
        assert (roles["ann"], roles["bob"]) == ("moderator", "owner")


async def test_who_may_read_an_archived_channel_is_still_somebodys_to_say() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        await rooms.call("ann", "chat.archive", ArchiveChannel(channel, "a"))
        assert await attempt(rooms, "mod", "kick", KickMember(channel, "bob", "k")) == DONE
        standing = await rooms.parts.memberships.look_up(channel, "bob")
        assert standing == Standing("", offset=3)
