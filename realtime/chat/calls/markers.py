"""Markers: how far one has read, what is unread, and everything that changed since one was away."""

from typing import Annotated, Final, Literal

import msgspec

from realtime.chat.calls.fields import PAGE_DEFAULT, ChannelId, Cursor, Limit
from realtime.chat.operations import Operation
from realtime.chat.previews import Preview

SYNC_MAX: Final = 500
"""The most channels that one answer of `chat.sync` has."""

SYNC_MAX_BYTES: Final = 148_000
"""The most JSON that it is."""

Place = Annotated[int, msgspec.Meta(ge=1, le=1 << 53, description="The offset of an entry.")]

Badge = Annotated[
    Literal["channels", "messages"],
    msgspec.Meta(description="Whether it counts channels with something unread, or all messages."),
]

SyncLimit = Annotated[
    int, msgspec.Meta(ge=1, le=SYNC_MAX, description="The most channels that are to come at once.")
]


class MoveMarker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to which entry of the channel; without an offset up to its end.

    A marker never goes back, and never beyond the end.
    """

    channel: ChannelId
    offset: Place | None = None


class MarkUnread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which entry on the channel is to be shown as unread; without an offset, the last."""

    channel: ChannelId
    offset: Place | None = None


class Marked(msgspec.Struct, frozen=True):
    """The marker is stored, at `offset` or further."""

    offset: int


class Receipts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far the members have read."""

    channel: ChannelId
    cursor: Cursor = ""
    limit: Limit = PAGE_DEFAULT


class Receipt(msgspec.Struct, frozen=True):
    """How far a member has got: `read` was shown to them, `delivered` is on a device of theirs."""

    user: str
    delivered: int
    read: int


class ReceiptPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Members in the order of their ids. Those who do not tell are left out.

    So are all, where the channel or its namespace has no receipts. `cursor` is for the next page,
    absent where there is none.
    """

    receipts: list[Receipt]
    cursor: str = ""


class Sync(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Channels that changed `since` an earlier answer; without that, all that one is in.

    Further pages need only the `cursor`.
    """

    since: Cursor = ""
    cursor: Cursor = ""
    limit: SyncLimit = SYNC_MAX
    badge: Badge = "channels"


class SyncedChannel(msgspec.Struct, frozen=True, omit_defaults=True):
    """A channel to the caller, who has the `role` in it.

    A direct channel has the other one's id (`user`), name (`title`) and avatar. `head` is the
    offset of its last entry, `n` how many count up to there. `last` is the last message, as much of
    it as there is room for; the channels that were written in lately come first in that.
    `read` is the caller's marker, and `delivered` too where it is further. `unread_from` is where
    they marked it as unread by hand; then `unread` is at least 1.
    """

    channel: str
    head: int
    n: int
    kind: str = "room"
    role: str = "member"
    title: str = ""
    avatar: str = ""
    user: str = ""
    unread: int = 0
    mentions: int = 0
    last: Preview | None = None
    read: int = 0
    delivered: int = 0
    unread_from: int = 0
    archived: bool = False


class Invitation(msgspec.Struct, frozen=True):
    """Somebody has invited the caller (`at`, ms), who joins by `chat.join`, or does not."""

    channel: str
    by: str
    at: int


class Synced(msgspec.Struct, frozen=True, omit_defaults=True):
    """What changed. A channel may come although nothing did, and takes the place of what was known.

    `full`: this is everything; what is not here (on any of the pages) is no more. Else `removed`
    are channels that one is not in any more. `since` and `badge` come with the last page, `cursor`
    with every other.
    """

    channels: list[SyncedChannel]
    removed: list[str] = []
    invitations: list[Invitation] = []
    full: bool = False
    badge: int | None = None
    since: str = ""
    cursor: str = ""


class AskBadge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the app's icon is to show."""

    by: Badge = "channels"


class BadgeCount(msgspec.Struct, frozen=True):
    """At most 999."""

    badge: int


_FORWARD: Final = """Naturally idempotent. An answer means that it is stored. Other devices of the
user are told by their personal channel, members by a receipt, unless the user, the channel or its
namespace has switched receipts off."""

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        name="chat.delivered",
        method="POST",
        path="/channels/{channel}/delivered",
        params=MoveMarker,
        result=Marked,
        who="member",
        spends="typing",
        summary="Say what has arrived on this device",
        errors=(404,),
        description=_FORWARD,
    ),
    Operation(
        name="chat.read",
        method="POST",
        path="/channels/{channel}/read",
        params=MoveMarker,
        result=Marked,
        who="member",
        spends="typing",
        summary="Say what has been read",
        errors=(404,),
        description=f"What was read has been delivered, too. {_FORWARD}",
    ),
    Operation(
        name="chat.unread",
        method="POST",
        path="/channels/{channel}/unread",
        params=MarkUnread,
        result=Marked,
        who="member",
        spends="typing",
        summary="Mark a channel as unread",
        errors=(404,),
        description="The markers stay where they are; the next `chat.read` takes it back.",
    ),
    Operation(
        name="chat.receipts",
        method="GET",
        path="/channels/{channel}/receipts",
        params=Receipts,
        result=ReceiptPage,
        who="member",
        spends="reads",
        summary="How far the members have read",
        errors=(404,),
    ),
    Operation(
        name="chat.sync",
        method="GET",
        path="/sync",
        params=Sync,
        result=Synced,
        who="user",
        spends="reads",
        summary="What changed since one was away",
        description="""To be called at the start and after every reconnect, with the `since` of
the last answer that had one; then with its `cursor`, for as long as it has one.""",
    ),
    Operation(
        name="chat.badge",
        method="GET",
        path="/badge",
        params=AskBadge,
        result=BadgeCount,
        who="user",
        spends="reads",
        summary="What the app's icon is to show",
    ),
)
