"""The lines of an import (`realtime.chat.importing`), as types: JSON objects with a `type`."""

from typing import Annotated, Final, Literal

import msgspec

from realtime.chat.channel_events import SettingsChange
from realtime.chat.parameters import field_of

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Role = Literal["owner", "moderator", "member", "reader"]


class Line(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", kw_only=True):
    """One line; `type` says which."""


class UserLine(Line, tag="user", kw_only=True):
    """A user, over what is known of them."""

    user: Name
    name: str = ""
    avatar: str = ""
    locale: str = ""
    time_zone: str = ""
    custom: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Member(msgspec.Struct, forbid_unknown_fields=True):
    """A member of a channel."""

    user: Name
    role: Role = "member"


class ChannelLine(Line, tag="channel", kw_only=True):
    """A room, by the full name that it has here: `<namespace>:<id>`."""

    channel: Name
    owner: Name
    title: str = ""
    avatar: str = ""
    custom: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    settings: SettingsChange = msgspec.field(default_factory=SettingsChange)
    members: tuple[Member, ...] = ()
    at: int = 0


class Where(Line, kw_only=True):
    """The channel of a line: its name, or the two users of a direct channel in a namespace."""

    channel: str = ""
    namespace: str = ""
    users: tuple[Name, ...] = ()


class DirectLine(Where, tag="direct", kw_only=True):
    """The channel of two users, or of one with themselves."""

    at: int = 0


class MemberLine(Line, tag="member", kw_only=True):
    """Somebody is in a room."""

    channel: Name
    user: Name
    role: Role = "member"
    at: int = 0


class Message(msgspec.Struct, forbid_unknown_fields=True):
    """A message by what the old system called it, and who had sent it."""

    id: Id
    user: Name


class MessageLine(Where, tag="message", kw_only=True):
    """A message, in the order in which it is to be read."""

    id: Id
    user: Name
    at: int
    data: msgspec.Raw
    reply_to: Message | None = None
    also_to_channel: bool = False
    mentions: tuple[Name, ...] = ()


class ReactionLine(Where, tag="reaction", kw_only=True):
    """Somebody reacted to a message."""

    message: Message
    user: Name
    emoji: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    at: int = 0


class BlockLine(Line, tag="block", kw_only=True):
    """Somebody wants nothing of somebody else."""

    user: Name
    blocked: Name
    at: int = 0


AnyLine = UserLine | ChannelLine | DirectLine | MemberLine | MessageLine | ReactionLine | BlockLine
_decoder: Final[msgspec.json.Decoder[AnyLine]] = msgspec.json.Decoder(AnyLine)


def read(line: bytes) -> AnyLine:
    """The line. Raises ValueError with what is wrong, which names fields and quotes nothing."""
    try:
        return _decoder.decode(line)
    except msgspec.ValidationError as error:
        field = field_of(error)
        problem = f"{field}: not what lines of this type have there" if field else _SHAPE
    except msgspec.DecodeError:
        problem = "it is no JSON"
    raise ValueError(problem)


_SHAPE: Final = "a field too many, or no object"
