"""The lines of an import (`realtime.chat.importing`), as types: JSON objects with a `type`."""

from typing import Annotated, Final, Literal

import msgspec

from realtime.chat.calls.fields import ChannelId, ClientId, UserId
from realtime.chat.calls.messages import Mentioned
from realtime.chat.channel_events import SettingsChange
from realtime.chat.parameters import field_of
from realtime.chat.profiles import custom_of, is_avatar, is_line
from realtime.errors import CommandRefused

AT_MAX_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999."""

Id = ClientId
Name = UserId
Role = Literal["moderator", "member", "reader"]
At = Annotated[int, msgspec.Meta(ge=0, le=AT_MAX_MS)]
"""Milliseconds since 1970; 0 is now."""


TEXT_MAX: Final = 100
"""Characters of a name or a title."""

ADDRESS_MAX: Final = 1_024
"""Characters of the address of an image."""


class Line(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", kw_only=True):
    """One line; `type` says which."""


class UserLine(Line, tag="user", kw_only=True):
    """A user, over what is known of them."""

    user: Name
    name: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)] = ""
    avatar: Annotated[str, msgspec.Meta(max_length=ADDRESS_MAX)] = ""
    locale: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)] = ""
    time_zone: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)] = ""
    custom: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Member(msgspec.Struct, forbid_unknown_fields=True):
    """A member of a channel."""

    user: Name
    role: Role = "member"


class ChannelLine(Line, tag="channel", kw_only=True):
    """A room, by the full name that it has here: `<namespace>:<id>`."""

    channel: ChannelId
    owner: Name
    title: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)] = ""
    avatar: Annotated[str, msgspec.Meta(max_length=ADDRESS_MAX)] = ""
    custom: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    settings: SettingsChange = msgspec.field(default_factory=SettingsChange)
    members: tuple[Member, ...] = ()
    at: At = 0


class Where(Line, kw_only=True):
    """The channel of a line: its name, or the two users of a direct channel in a namespace."""

    channel: str = ""
    namespace: str = ""
    users: tuple[Name, ...] = ()


class DirectLine(Where, tag="direct", kw_only=True):
    """The channel of two users, or of one with themselves."""

    at: At = 0


class MemberLine(Line, tag="member", kw_only=True):
    """Somebody is in a room."""

    channel: ChannelId
    user: Name
    role: Role = "member"
    at: At = 0


class Message(msgspec.Struct, forbid_unknown_fields=True):
    """A message by what the old system called it, and who had sent it."""

    id: Id
    user: Name


class MessageLine(Where, tag="message", kw_only=True):
    """A message, in the order in which it is to be read."""

    id: Id
    user: Name
    at: At
    data: msgspec.Raw
    reply_to: Message | None = None
    also_to_channel: bool = False
    mentions: Mentioned = ()


class ReactionLine(Where, tag="reaction", kw_only=True):
    """Somebody reacted to a message."""

    message: Message
    user: Name
    emoji: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    at: At = 0


class BlockLine(Line, tag="block", kw_only=True):
    """Somebody wants nothing of somebody else."""

    user: Name
    blocked: Name
    at: At = 0


AnyLine = UserLine | ChannelLine | DirectLine | MemberLine | MessageLine | ReactionLine | BlockLine
_decoder: Final[msgspec.json.Decoder[AnyLine]] = msgspec.json.Decoder(AnyLine)


def read(line: bytes) -> AnyLine:
    """The line. Raises ValueError with what is wrong, which names fields and quotes nothing."""
    try:
        read = _decoder.decode(line)
    except msgspec.ValidationError as error:
        field = field_of(error)
        problem = f"{field}: not what lines of this type have there" if field else _SHAPE
    except msgspec.DecodeError:
        problem = "it is no JSON"
    else:
        if isinstance(read, UserLine | ChannelLine):
            _check(read)
        return read
    raise ValueError(problem)


def custom(line: UserLine | ChannelLine) -> bytes:
    """The `custom` of a line as it is kept. Raises ValueError."""
    try:
        return b"" if line.custom is msgspec.UNSET else custom_of(line.custom)
    except CommandRefused:
        raise ValueError("custom: a small JSON object expected") from None


def _check(line: UserLine | ChannelLine) -> None:
    texts = (
        {"title": line.title}
        if isinstance(line, ChannelLine)
        else {"name": line.name, "locale": line.locale, "time_zone": line.time_zone}
    )
    for field, text in texts.items():
        if text and not is_line(text):
            raise ValueError(f"{field}: a line of text expected")
    if line.avatar and not is_avatar(line.avatar):
        raise ValueError("avatar: an https:// or http:// address expected")
    custom(line)


_SHAPE: Final = "a field too many, or no object"
