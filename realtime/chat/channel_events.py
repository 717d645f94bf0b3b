"""What a channel is set to, what `channel` entries say, and what they make of a channel. Pure.

Like `member_events`: applied in the log's order, entries come to the same for whoever applies them.
"""

import logging
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from realtime.chat import member_events
from realtime.model import EVERYTHING, Entry, Retention
from realtime.rows import ChannelRow

logger = logging.getLogger(__name__)

SLOW_MODE_MAX_S: Final = 86_400
"""The slowest that a channel can be set to."""

HISTORY_TTL_MAX_S: Final = 100 * 365 * 86_400
"""The longest that a channel can be set to keep its messages: what is longer is for ever."""

HISTORY_SIZE_MAX: Final = 1_000_000_000
"""The most entries that a channel can be set to keep."""

Invites = Literal["members", "moderators"]
"""Who may invite."""


class ChannelSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """What its moderators have set a channel to; the rest is for its namespace to say.

    `slow_mode_s`: least seconds between two messages of a member, 0 for none; null is what the
    namespace says. `receipts`: whether members are told what others have read, where the namespace
    has that. `announce`: only moderators write, the others read and react. `invites`: who may
    invite. `accept`: an invitation makes nobody a member until they join. `closed`: only who was
    invited may join, also where the namespace is open to all. `history_ttl_s` and `history_size`:
    how old an entry is when it goes, in seconds, and how many of the newest stay; null is what the
    namespace says, and what it says is also the most.
    """

    slow_mode_s: int | None = None
    receipts: bool = True
    announce: bool = False
    invites: Invites = "members"
    accept: bool = False
    closed: bool = False
    history_ttl_s: int | None = None
    history_size: int | None = None


class SettingsChange(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Settings that are to change; the others stay. See `ChannelSettings`."""

    slow_mode_s: Annotated[int, Meta(ge=0, le=SLOW_MODE_MAX_S)] | UnsetType | None = UNSET
    receipts: bool | UnsetType = UNSET
    announce: bool | UnsetType = UNSET
    invites: Invites | UnsetType = UNSET
    accept: bool | UnsetType = UNSET
    closed: bool | UnsetType = UNSET
    history_ttl_s: Annotated[int, Meta(ge=1, le=HISTORY_TTL_MAX_S)] | UnsetType | None = UNSET
    history_size: Annotated[int, Meta(ge=1, le=HISTORY_SIZE_MAX)] | UnsetType | None = UNSET


class ChannelEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """The data of a `channel` entry: `act` is "update", "archive" or "unarchive".

    What an update does not name stays as it is. `settings` is an object of those that change.
    """

    act: str
    title: str | UnsetType = UNSET
    avatar: str | UnsetType = UNSET
    custom: msgspec.Raw | UnsetType = UNSET
    settings: msgspec.Raw | UnsetType = UNSET


_events: Final = msgspec.json.Decoder(ChannelEvent)
_read_settings: Final = msgspec.json.Decoder(ChannelSettings)
_read_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.Encoder().encode


def settings_of(row: ChannelRow) -> ChannelSettings:
    """The settings in a row; those of a later version are left out."""
    try:
        return _read_settings.decode(row.settings or b"{}")
    except msgspec.DecodeError:
        logger.error("the settings of a channel cannot be read")
        return ChannelSettings()


def own_retention(row: ChannelRow) -> Retention:
    """What a channel's own settings let be seen of its log; its namespace may let less."""
    return _retention(settings_of(row)) if row.keeps_less else EVERYTHING


def _retention(settings: ChannelSettings) -> Retention:
    size, ttl_s = settings.history_size, settings.history_ttl_s
    if size is None and ttl_s is None:
        return EVERYTHING
    # A number that no change may have is not to hide everything, or nothing.
    return Retention(
        -1 if size is None else max(size, 1), 0 if ttl_s is None else max(ttl_s, 1) * 1000
    )


def changes_retention(entry: Entry) -> bool:
    """Whether an entry says how much of its channel's log may be seen."""
    settings: msgspec.Raw | UnsetType = UNSET
    if entry.kind == "channel":
        event = read(entry)
        settings = UNSET if event is None else event.settings
    elif entry.kind == "member":
        made = member_events.read(entry)
        settings = UNSET if made is None else made.settings
    try:
        change = {} if settings is UNSET else _read_object.decode(settings)
    except msgspec.DecodeError:
        return False
    return "history_ttl_s" in change or "history_size" in change


def read(entry: Entry) -> ChannelEvent | None:
    """What a `channel` entry says; None where nothing can be read from it any more."""
    if entry.stub or entry.deleted_at:
        return None
    try:
        return _events.decode(entry.data)
    except msgspec.DecodeError:
        logger.error("a channel entry at offset %d cannot be read", entry.offset)
        return None


def apply(entry: Entry, row: ChannelRow) -> ChannelRow:
    """The row after the entry, which it then has; the same object where it is not about it.

    Who owns the channel after a transfer is not said: that hangs on what two members are. Nor is
    how many members there are.
    """
    if entry.offset <= row.offset:
        return row
    if entry.kind == "member":
        return _after_member(entry, row)
    event = read(entry) if entry.kind == "channel" else None
    if event is None:
        return row
    row = msgspec.structs.replace(row, offset=entry.offset)
    match event.act:
        case "archive":
            return msgspec.structs.replace(row, archived_at=row.archived_at or entry.at)
        case "unarchive":
            return msgspec.structs.replace(row, archived_at=0)
        case "update":
            return _updated(row, event)
    return row


def changes_channel(event: member_events.MemberEvent) -> bool:
    """Whether a `member` entry says something about the channel itself."""
    return event.act in ("create", "direct", "transfer") or event.last


def _after_member(entry: Entry, row: ChannelRow) -> ChannelRow:
    event = member_events.read(entry)
    if event is None or not changes_channel(event):
        return row
    row = msgspec.structs.replace(row, offset=entry.offset)
    if event.last:
        return msgspec.structs.replace(row, owner="", archived_at=row.archived_at or entry.at)
    if event.act == "transfer" or row.kind:
        return row
    owner = next((place.user for place in event.users if place.role == "owner"), "")
    maker = entry.info.user if entry.info else ""
    others = (place.user for place in event.users if place.user != maker)
    return msgspec.structs.replace(
        row,
        kind="direct" if event.act == "direct" else "room",
        title=event.title,
        avatar=event.avatar,
        custom=_bytes(event.custom),
        settings=_bytes(event.settings),
        keeps_less=_keeps_less(_bytes(event.settings)),
        owner=owner,
        created_by=maker,
        created_at=entry.at,
        digest=entry.digest,
        peer=next(others, "") if event.act == "direct" else "",
    )


def _bytes(raw: msgspec.Raw | UnsetType) -> bytes:
    return b"" if raw is UNSET else bytes(raw)


def _updated(row: ChannelRow, event: ChannelEvent) -> ChannelRow:
    settings = row.settings
    if event.settings is not UNSET:
        settings = _merged(settings, bytes(event.settings))
    return msgspec.structs.replace(
        row,
        title=row.title if event.title is UNSET else event.title,
        avatar=row.avatar if event.avatar is UNSET else event.avatar,
        custom=row.custom if event.custom is UNSET else bytes(event.custom),
        settings=settings,
        keeps_less=_keeps_less(settings),
    )


def _keeps_less(settings: bytes) -> int:
    try:
        return int(_retention(_read_settings.decode(settings or b"{}")) is not EVERYTHING)
    except msgspec.DecodeError:
        return 0


def _merged(settings: bytes, changed: bytes) -> bytes:
    """Objects of raw values, so that settings of a later version survive."""
    try:
        return _encode(_read_object.decode(settings or b"{}") | _read_object.decode(changed))
    except msgspec.DecodeError:
        return settings
