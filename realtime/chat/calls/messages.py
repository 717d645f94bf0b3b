"""Messages: sending, changing, reacting, pinning, and reading them again."""

from typing import Annotated, Final

import msgspec

from realtime.chat.calls.fields import PAGE_DEFAULT, ChannelId, ClientId, Cursor, Limit, UserId
from realtime.chat.operations import Operation, Written

MENTIONS_MAX: Final = 50
"""Users that one message may mention."""

EMOJIS_MAX: Final = 20
"""Different reactions that one message may have."""

OWN_EMOJIS_MAX: Final = 40
"""Different reactions that one user may have given to a message, those taken back included."""

PINNED_MAX: Final = 50
"""Messages of one channel that may be pinned at once."""

MessageOffset = Annotated[
    int, msgspec.Meta(ge=1, le=1 << 53, description="The offset of a message.")
]
AnyOffset = Annotated[
    int, msgspec.Meta(ge=0, le=1 << 53, description="An offset; 0 is before all.")
]
Emoji = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
Mentioned = Annotated[tuple[UserId, ...], msgspec.Meta(max_length=MENTIONS_MAX)]


class Send(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`data` is any JSON that the namespace takes, and comes out byte for byte.

    `reply_to`: the message that this one replies to; a reply to a reply belongs to the thread's
    first message. A reply is in the thread alone, unless `also_to_channel`. `mentions` are ids of
    members.
    """

    channel: ChannelId
    client_id: ClientId
    data: msgspec.Raw
    reply_to: MessageOffset | None = None
    also_to_channel: bool = False
    mentions: Mentioned = ()


class Sent(msgspec.Struct, frozen=True):
    """The message is stored at `offset`, made `at` (ms). `n` messages count up to it (unread).

    `duplicate`: it was stored before, by an earlier try of this; nothing has happened now.
    """

    offset: int
    at: int
    n: int
    duplicate: bool


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`data` and `mentions` take the place of what the message at `offset` has."""

    channel: ChannelId
    offset: MessageOffset
    client_id: ClientId
    data: msgspec.Raw
    mentions: Mentioned = ()


class Delete(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The message at `offset` is taken back: its place stays, without what was in it."""

    channel: ChannelId
    offset: MessageOffset
    client_id: ClientId


class React(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`emoji` is any short text."""

    channel: ChannelId
    offset: MessageOffset
    emoji: Emoji
    client_id: ClientId


class Reactions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who reacted to the message at `offset`, with `emoji` or at all."""

    channel: ChannelId
    offset: MessageOffset
    emoji: Emoji | None = None
    limit: Limit = PAGE_DEFAULT
    cursor: Cursor = ""


class Reacted(msgspec.Struct, frozen=True):
    """One user's reaction."""

    emoji: str
    user: str


class ReactionPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """By emoji, then by user. A page may be shorter than `limit` and not be the last."""

    reactions: list[Reacted]
    cursor: str = ""


class Pin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The message at `offset`."""

    channel: ChannelId
    offset: MessageOffset
    client_id: ClientId


class Pins(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is pinned in the channel."""

    channel: ChannelId


class Reaction(msgspec.Struct, frozen=True, omit_defaults=True):
    """How often an emoji was given, and whether by the caller too."""

    count: int
    mine: bool = False


class MessageView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message as it is now.

    `user` sent it, "" where that was no user; `at` is in ms since 1970. `n` messages count up to
    it. A deleted message has `deleted_at`, and `{}` for its data. `reply_to` is the first message
    of its thread. `replies` and `last_reply`, an offset, are of the thread that it began.
    `reactions` by emoji: counts are exact but for a message that very many are reacting to now.

    Where events were asked for, those have their `kind`, and what they are about is `reply_to`.
    """

    offset: int
    n: int
    user: str
    data: msgspec.Raw
    at: int
    kind: str = "message"
    client_id: str = ""
    reply_to: int = 0
    also_to_channel: bool = False
    mentions: list[str] = []
    edited_at: int = 0
    deleted_at: int = 0
    reactions: dict[str, Reaction] = {}
    replies: int = 0
    last_reply: int = 0
    pinned: bool = False


class History(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Messages `before` or `after` an offset, on both sides of the one `around`, or the newest.

    `events`: what happened to messages and members is wanted too, as entries of their own.
    """

    channel: ChannelId
    before: MessageOffset | None = None
    after: AnyOffset | None = None
    around: MessageOffset | None = None
    limit: Limit = PAGE_DEFAULT
    events: bool = False


class MessagePage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Messages in the order of their offsets.

    `head` is the offset that the channel is at, and `n` how many messages count up to there. With
    `older` as `before`, or `newer` as `after`, the next page is asked for; what is absent is not
    there. A page may be shorter than `limit`, or empty, and have more behind it all the same.
    """

    messages: list[MessageView]
    head: int
    n: int = 0
    older: int = 0
    newer: int | None = None


class Thread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Replies to the message at `offset`, or, where that is a reply, in its thread.

    The newest, or those `before` or `after` an offset.
    """

    channel: ChannelId
    offset: MessageOffset
    before: MessageOffset | None = None
    after: AnyOffset | None = None
    limit: Limit = PAGE_DEFAULT


class ThreadPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """The message that began the thread, and replies in the order of their offsets.

    `older` and `newer` as in a page of the history. `root` is absent where retention has taken it.
    """

    replies: list[MessageView]
    root: MessageView | None = None
    older: int = 0
    newer: int | None = None


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The message at `offset`."""

    channel: ChannelId
    offset: MessageOffset


class Pinned(msgspec.Struct, frozen=True):
    """A message that was pinned `by` a user, `at` (ms)."""

    message: MessageView
    by: str
    at: int


class PinList(msgspec.Struct, frozen=True):
    """What is pinned, the newest pin first."""

    pins: list[Pinned]


_MESSAGES: Final = "/channels/{channel}/messages"
_MESSAGE: Final = f"{_MESSAGES}/{{offset}}"
_RETRY: Final = (
    "A retry with the same `client_id` answers the same, whatever has happened since, and changes "
    "nothing."
)

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        name="chat.send",
        method="POST",
        path=_MESSAGES,
        params=Send,
        result=Sent,
        who="writer",
        spends="sends",
        summary="Send a message",
        errors=(404, 409, 410, 413, 423),
        description=f"The answer means that it is stored. {_RETRY} Other data under a `client_id` "
        "that was used before is 409.",
    ),
    Operation(
        name="chat.edit",
        method="PATCH",
        path=_MESSAGE,
        params=Edit,
        result=Written,
        who="sender",
        spends="edits",
        summary="Change a message",
        errors=(404, 409, 410, 413, 423),
        description="The sender may for as long as the namespace allows, a moderator always. "
        f"Members get it as an entry of its own, and history shows the message as it is now. "
        f"{_RETRY}",
    ),
    Operation(
        name="chat.delete",
        method="DELETE",
        path=_MESSAGE,
        params=Delete,
        result=Written,
        who="sender",
        spends="edits",
        summary="Take a message back, for everyone",
        errors=(404, 409, 410, 423),
        description="The sender may for as long as the namespace allows, a moderator always. "
        f"Nothing of what was said is kept. {_RETRY}",
    ),
    Operation(
        name="chat.message",
        method="GET",
        path=_MESSAGE,
        params=Message,
        result=MessageView,
        who="member",
        spends="reads",
        summary="One message",
        errors=(404,),
    ),
    Operation(
        name="chat.history",
        method="GET",
        path=_MESSAGES,
        params=History,
        result=MessagePage,
        who="member",
        spends="reads",
        summary="Messages before, after or around an offset",
        errors=(404,),
        description="Replies are in their threads, and here only if they were sent to both.",
    ),
    Operation(
        name="chat.thread",
        method="GET",
        path=f"{_MESSAGE}/thread",
        params=Thread,
        result=ThreadPage,
        who="member",
        spends="reads",
        summary="The replies to a message",
        errors=(404,),
    ),
    Operation(
        name="chat.react",
        method="PUT",
        path=f"{_MESSAGE}/reactions/{{emoji}}",
        params=React,
        result=Written,
        who="member",
        spends="edits",
        summary="React to a message",
        errors=(404, 409, 410, 423, 106),
        description=f"A user may give several, a message have {EMOJIS_MAX} different ones. Giving "
        f"one again changes nothing. {_RETRY}",
    ),
    Operation(
        name="chat.unreact",
        method="DELETE",
        path=f"{_MESSAGE}/reactions/{{emoji}}",
        params=React,
        result=Written,
        who="member",
        spends="edits",
        summary="Take a reaction back",
        errors=(404, 409, 410, 423, 106),
        description=_RETRY,
    ),
    Operation(
        name="chat.reactions",
        method="GET",
        path=f"{_MESSAGE}/reactions",
        params=Reactions,
        result=ReactionPage,
        who="member",
        spends="reads",
        summary="Who reacted",
        errors=(404, 410),
    ),
    Operation(
        name="chat.pin",
        method="PUT",
        path="/channels/{channel}/pins/{offset}",
        params=Pin,
        result=Written,
        who="moderator",
        spends="edits",
        summary="Pin a message",
        errors=(404, 409, 410, 423, 106),
        description=f"In a direct channel, either may. At most {PINNED_MAX} are pinned. {_RETRY}",
    ),
    Operation(
        name="chat.unpin",
        method="DELETE",
        path="/channels/{channel}/pins/{offset}",
        params=Pin,
        result=Written,
        who="moderator",
        spends="edits",
        summary="Unpin a message",
        errors=(404, 409, 410, 423),
        description=_RETRY,
    ),
    Operation(
        name="chat.pins",
        method="GET",
        path="/channels/{channel}/pins",
        params=Pins,
        result=PinList,
        who="member",
        spends="reads",
        summary="What is pinned",
        errors=(404,),
    ),
)
