"""Channels: making them, and what they are called and set to."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from realtime.chat.calls.fields import ChannelId, ClientId, UserId
from realtime.chat.channel_events import ChannelSettings, SettingsChange
from realtime.chat.member_events import USERS_MAX
from realtime.chat.operations import Operation, Written

TITLE_MAX: Final = 200
"""Characters of a channel's title."""

AVATAR_MAX: Final = 1024
"""Characters of the address of a channel's picture."""

DIRECT_PREFIX: Final = "d-"
ROOM_PREFIX: Final = "r-"
"""How ids begin that the hub makes, of direct channels and of rooms; no id of an app's may."""

Namespace = Annotated[
    str,
    msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{2,100}\Z", description="A namespace with `chat`."),
]
Title = Annotated[str, msgspec.Meta(max_length=TITLE_MAX, description="One line of text.")]
Avatar = Annotated[
    str, msgspec.Meta(max_length=AVATAR_MAX, description="An address of the web, or nothing.")
]
OwnId = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_.-]{1,64}\Z")]
GivenRole = Literal["moderator", "member", "reader"]


class NewMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user who is brought into a channel. A reader may not write."""

    user: UserId
    role: GivenRole = "member"


class CreateChannel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`id` is what follows `namespace:` in the channel's name, where the app has an id of its own;
    it begins neither with `d-` nor with `r-`. `custom` is an object of the app's.

    The caller owns the channel. Of the `members`, those who have blocked the caller are left out.
    """

    namespace: Namespace
    client_id: ClientId
    id: OwnId | None = None
    title: Title = ""
    avatar: Avatar = ""
    custom: msgspec.Raw | UnsetType = UNSET
    settings: SettingsChange = SettingsChange()
    members: Annotated[tuple[NewMember, ...], msgspec.Meta(max_length=USERS_MAX - 1)] = ()


class CreatedChannel(msgspec.Struct, frozen=True, omit_defaults=True):
    """The channel's name. `left_out` are users who did not become members, or were not invited.

    `duplicate`: it was made before, by an earlier try of this.
    """

    channel: str
    left_out: tuple[str, ...] = ()
    duplicate: bool = False


class OpenDirect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The channel of the caller and `user`; with the caller themselves it is for notes."""

    namespace: Namespace
    user: UserId


class DirectChannel(msgspec.Struct, frozen=True, omit_defaults=True):
    """The channel's name, the same for both. `duplicate`: it was there before."""

    channel: str
    duplicate: bool = False


class GetChannel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which channel."""

    channel: ChannelId


class MyPlace(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the caller is in a channel, and how far they have read.

    `muted_until` is in ms since 1970, -1 for ever. `delivered` and `read` are offsets, `unread`
    says that the channel was marked as unread by hand.
    """

    role: str = ""
    muted_until: int = 0
    joined_at: int = 0
    delivered: int = 0
    read: int = 0
    unread: bool = False


class ChannelInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """A channel as it is now. Times are in ms since 1970.

    `kind` is "room" or "direct"; a direct channel has the two `users` (or the one). `members` is
    how many there are; it may lag behind for a moment. `head` is the offset of a recent entry,
    `head_n` how many messages count up to it. `tier` is "S", "M", "L" or "XL", by how many are
    there: from M on receipts are merged, from L on there are none, nor is typing shown.
    """

    channel: str
    kind: str
    settings: ChannelSettings
    mine: MyPlace
    title: str = ""
    avatar: str = ""
    custom: msgspec.Raw | UnsetType = UNSET
    owner: str = ""
    created_by: str = ""
    created_at: int = 0
    archived_at: int = 0
    members: int = 0
    users: tuple[str, ...] = ()
    head: int = 0
    head_n: int = 0
    tier: str = ""


class UpdateChannel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not given stays as it is; "" and {} take away what was there."""

    channel: ChannelId
    client_id: ClientId
    title: Title | UnsetType = UNSET
    avatar: Avatar | UnsetType = UNSET
    custom: msgspec.Raw | UnsetType = UNSET
    settings: SettingsChange | UnsetType = UNSET


class ArchiveChannel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which channel."""

    channel: ChannelId
    client_id: ClientId


class UnarchiveChannel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which channel."""

    channel: ChannelId
    client_id: ClientId


RETRY: Final = (
    "A retry with the same `client_id` answers the same, whatever has happened since, and changes "
    "nothing."
)

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        name="chat.create",
        method="POST",
        path="/channels",
        params=CreateChannel,
        result=CreatedChannel,
        who="user",
        spends="creates",
        summary="Make a channel",
        errors=(102, 106, 404, 409, 413),
        description="For whom the namespace's `create` names. The `client_id` alone tells a retry "
        "from another channel: the same one makes the same channel, and with other parameters "
        "is 409. So is an `id` that another channel has (why=taken). The members are told in their "
        "personal channels; with the setting `accept` they are only invited.",
    ),
    Operation(
        name="chat.direct",
        method="POST",
        path="/directs",
        params=OpenDirect,
        result=DirectChannel,
        who="user",
        spends="creates",
        summary="Open the channel of two users",
        errors=(102, 404),
        description="There is one for each pair and namespace, whoever asks first, and however "
        "often. A new one is refused (why=blocked) where one of the two has blocked the other; one "
        "that is there is answered all the same. Nobody leaves it, and it has no roles.",
    ),
    Operation(
        name="chat.channel",
        method="GET",
        path="/channels/{channel}",
        params=GetChannel,
        result=ChannelInfo,
        who="member",
        spends="reads",
        summary="One channel",
        errors=(102, 404),
    ),
    Operation(
        name="chat.update",
        method="PATCH",
        path="/channels/{channel}",
        params=UpdateChannel,
        result=Written,
        who="moderator",
        spends="invites",
        summary="Change what a channel is called or set to",
        errors=(102, 404, 409, 413, 423),
        description=f"Members get what has changed as an entry of the channel. {RETRY}",
    ),
    Operation(
        name="chat.archive",
        method="PUT",
        path="/channels/{channel}/archive",
        params=ArchiveChannel,
        result=Written,
        who="moderator",
        spends="invites",
        summary="Archive a channel",
        errors=(102, 404, 409),
        description="Nothing is written to it any more (423, why=archived), and nobody joins. It "
        f"can be read and left. {RETRY}",
    ),
    Operation(
        name="chat.unarchive",
        method="DELETE",
        path="/channels/{channel}/archive",
        params=UnarchiveChannel,
        result=Written,
        who="moderator",
        spends="invites",
        summary="Take a channel out of the archive",
        errors=(102, 404, 409),
        description=RETRY,
    ),
)
