"""Members: who comes, who goes, who is sent away, and who may do what."""

from typing import Annotated, Final, Literal

import msgspec

from realtime.chat.calls.channels import RETRY, GivenRole, NewMember
from realtime.chat.calls.fields import PAGE_DEFAULT, ChannelId, ClientId, Cursor, Limit, UserId
from realtime.chat.member_events import USERS_MAX
from realtime.chat.operations import Operation, Written

Until = Annotated[
    int,
    msgspec.Meta(ge=-1, le=1 << 53, description="In ms since 1970; -1 is for ever."),
]
ListedRole = Literal["owner", "moderator", "member", "reader", "banned"]


class JoinChannel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which channel."""

    channel: ChannelId
    client_id: ClientId


class LeaveChannel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which channel. Whoever was only invited says no by it."""

    channel: ChannelId
    client_id: ClientId


class InviteUsers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is to become a member. Only moderators give other roles than member and reader."""

    channel: ChannelId
    client_id: ClientId
    users: Annotated[tuple[NewMember, ...], msgspec.Meta(min_length=1, max_length=USERS_MAX)]


class InvitedUsers(msgspec.Struct, frozen=True, omit_defaults=True):
    """`users` are members by this, or invited where the channel wants that to be accepted.

    `left_out` are those who are members already, are banned, or have blocked the caller: which of
    these is not said. `offset` is 0 where nobody was left. `duplicate`: all this was so before, by
    an earlier try.
    """

    users: tuple[str, ...]
    offset: int = 0
    left_out: tuple[str, ...] = ()
    duplicate: bool = False


class KickMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is to go; also whoever was only invited."""

    channel: ChannelId
    user: UserId
    client_id: ClientId


class BanUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is to go and not to come back `until` then, whether they are a member now or not."""

    channel: ChannelId
    user: UserId
    client_id: ClientId
    until: Until = -1


class UnbanUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may come back. It does not bring them back."""

    channel: ChannelId
    user: UserId
    client_id: ClientId


class MuteMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may not write `until` then. Leaving and coming back does not end it."""

    channel: ChannelId
    user: UserId
    client_id: ClientId
    until: Until = -1


class UnmuteMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may write again."""

    channel: ChannelId
    user: UserId
    client_id: ClientId


class SetRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The role that a member is to have."""

    channel: ChannelId
    user: UserId
    client_id: ClientId
    role: GivenRole


class TransferChannel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The member who is to own the channel. Who owned it becomes a moderator."""

    channel: ChannelId
    user: UserId
    client_id: ClientId


class ListMembers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Members of all roles, or of one. "banned" are users who are not members: for moderators."""

    channel: ChannelId
    role: ListedRole | None = None
    limit: Limit = PAGE_DEFAULT
    cursor: Cursor = ""


class Member(msgspec.Struct, frozen=True, omit_defaults=True):
    """A user in a channel, by what they are called. Times are in ms since 1970, -1 for ever."""

    user: str
    role: str
    name: str = ""
    avatar: str = ""
    joined_at: int = 0
    invited_by: str = ""
    muted_until: int = 0
    banned_until: int = 0


class MemberPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """The owner first, then moderators, members and readers, each in the order of their ids."""

    members: list[Member]
    cursor: str = ""


_MEMBERS: Final = "/channels/{channel}/members"
_MEMBER: Final = f"{_MEMBERS}/{{user}}"
_BAN: Final = "/channels/{channel}/bans/{user}"
_MUTE: Final = "/channels/{channel}/mutes/{user}"
_DIRECT: Final = "Not in direct channels (why=direct)."
_RANK: Final = "Moderators act on members and readers, the owner on everyone else."

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        name="chat.join",
        method="POST",
        path="/channels/{channel}/join",
        params=JoinChannel,
        result=Written,
        who="user",
        spends="invites",
        summary="Become a member",
        errors=(102, 106, 404, 409, 423),
        description="Where the namespace's `join` is open and the channel is not `closed`, or with "
        "an invitation. Who is a member already stays what they are, and is told so as of a "
        "duplicate. What was said before is not unread.",
    ),
    Operation(
        name="chat.leave",
        method="POST",
        path="/channels/{channel}/leave",
        params=LeaveChannel,
        result=Written,
        who="member",
        spends="invites",
        summary="Leave a channel",
        errors=(102, 404, 409),
        description="The owner gives the channel to somebody else first (409, why=owner), but for "
        f"whoever is the last: then the channel is archived. {_DIRECT} {RETRY}",
    ),
    Operation(
        name="chat.invite",
        method="POST",
        path=_MEMBERS,
        params=InviteUsers,
        result=InvitedUsers,
        who="member",
        spends="invites",
        summary="Bring users in",
        errors=(102, 106, 404, 409, 423),
        description="They are members at once, unless the channel's setting `accept` wants them to "
        "join. Only moderators may where the setting `invites` says so, and readers may not. "
        f"{_DIRECT} {RETRY}",
    ),
    Operation(
        name="chat.members",
        method="GET",
        path=_MEMBERS,
        params=ListMembers,
        result=MemberPage,
        who="member",
        spends="reads",
        summary="Who is in a channel",
        errors=(102, 404),
    ),
    Operation(
        name="chat.kick",
        method="DELETE",
        path=_MEMBER,
        params=KickMember,
        result=Written,
        who="moderator",
        spends="invites",
        summary="Send a member away",
        errors=(102, 404, 409),
        description=f"They are cut off at once, wherever they are. {_RANK} {_DIRECT} {RETRY}",
    ),
    Operation(
        name="chat.ban",
        method="PUT",
        path=_BAN,
        params=BanUser,
        result=Written,
        who="moderator",
        spends="invites",
        summary="Send a user away for good, or for a time",
        errors=(102, 404, 409),
        description=f"Also of users who are not members. {_RANK} {_DIRECT} {RETRY}",
    ),
    Operation(
        name="chat.unban",
        method="DELETE",
        path=_BAN,
        params=UnbanUser,
        result=Written,
        who="moderator",
        spends="invites",
        summary="Let a user come back",
        errors=(102, 404, 409),
        description=f"{_DIRECT} {RETRY}",
    ),
    Operation(
        name="chat.mute",
        method="PUT",
        path=_MUTE,
        params=MuteMember,
        result=Written,
        who="moderator",
        spends="invites",
        summary="Keep a member from writing",
        errors=(102, 404, 409),
        description=f"They read, and are told (423, why=muted). {_RANK} {_DIRECT} {RETRY}",
    ),
    Operation(
        name="chat.unmute",
        method="DELETE",
        path=_MUTE,
        params=UnmuteMember,
        result=Written,
        who="moderator",
        spends="invites",
        summary="Let a member write again",
        errors=(102, 404, 409),
        description=f"{_RANK} {_DIRECT} {RETRY}",
    ),
    Operation(
        name="chat.role",
        method="PUT",
        path=f"{_MEMBER}/role",
        params=SetRole,
        result=Written,
        who="moderator",
        spends="invites",
        summary="Give a member another role",
        errors=(102, 404, 409),
        description="The owner gives every role but their own; moderators make members readers and "
        f"readers members. {_DIRECT} {RETRY}",
    ),
    Operation(
        name="chat.transfer",
        method="POST",
        path="/channels/{channel}/transfer",
        params=TransferChannel,
        result=Written,
        who="owner",
        spends="invites",
        summary="Give a channel to another member",
        errors=(102, 404, 409),
        description=f"{_DIRECT} {RETRY}",
    ),
)
