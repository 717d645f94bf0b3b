"""Taking a user's name out of what others have written, where it is ours to take out. Pure.

Events name users in their data, messages in their tags; what is in the data of a message is its
sender's, and stays.
"""

from typing import Any, Final

import msgspec

from realtime.model import Entry
from realtime.rows import ChannelRow

NAMING: Final = frozenset({"user", "users", "by", "from", "target", "about", "owner", "mentions"})
"""Fields of our own JSON that name users. A user may be called "member": other texts stay."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


class Cleared(msgspec.Struct, frozen=True):
    """What is to be written in place of an entry's data and tags."""

    data: bytes
    tags: dict[str, str] | None


def without(data: bytes, user: str) -> bytes:
    """JSON of our own making with "" wherever it names the user; the same bytes where it does
    not, or where nobody can read it."""
    if _encode(user) not in data:
        return data
    try:
        said = _decode(data)
    except (msgspec.DecodeError, RecursionError):
        return data
    cleared = _cleared(said, user)
    return data if cleared == said else _encode(cleared)


def cleared(entry: Entry, user: str) -> Cleared | None:
    """What is to become of an entry of somebody else's; None where it does not name the user."""
    data, tags = entry.data, dict(entry.tags or {})
    if entry.kind not in ("message", "edit"):
        data = without(data, user)
    mentions = _mentions(tags.get("mentions", ""))
    if user in mentions:
        others = [item for item in mentions if item != user]
        if others:
            tags["mentions"] = _encode(others).decode()
        else:
            del tags["mentions"]
    if data == entry.data and tags == (entry.tags or {}):
        return None
    return Cleared(data, tags or None)


def cleared_channel(row: ChannelRow, user: str) -> dict[str, Any]:
    """What of a channel's row names the user, without it."""
    changes: dict[str, Any] = {
        field: "" for field in ("owner", "created_by", "peer") if getattr(row, field) == user
    }
    if without(row.last, user) != row.last:
        changes["last"] = b""
    return changes


def cleared_act(row: Any, field: str, user: str) -> dict[str, Any]:
    """A row of moderation without the user: the field, what the user wrote, and the detail."""
    changes: dict[str, Any] = {field: ""}
    if field == "reporter":
        changes["text"] = ""
    detail = getattr(row, "detail", b"")
    if detail:
        changes["detail"] = without(detail, user)
    return changes


def _mentions(text: str) -> list[Any]:
    """Whom a tag mentions; a tag that the app's backend has made may be anything."""
    try:
        mentions = _decode(text.encode()) if text else []
    except (msgspec.DecodeError, RecursionError):
        return []
    return mentions if isinstance(mentions, list) else []


def _cleared(value: Any, user: str, *, names: bool = False) -> Any:
    if isinstance(value, str):
        return "" if names and value == user else value
    if isinstance(value, list):
        return [_cleared(item, user, names=names) for item in value]
    if isinstance(value, dict):
        return {key: _cleared(item, user, names=key in NAMING) for key, item in value.items()}
    return value
