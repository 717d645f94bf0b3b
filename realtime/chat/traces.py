"""Taking a user's name out of what others have written, where it is ours to take out. Pure.

Events name users in their data, messages in their tags; what is in the data of a message is its
sender's, and stays.
"""

from typing import Any, Final

import msgspec

from realtime.model import Change, Entry

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


def names(data: bytes, user: str) -> bool:
    """Whether JSON of our own making has the user's name as one of its texts."""
    return _encode(user) in data


def without(data: bytes, user: str) -> bytes:
    """The same JSON with "" wherever the user's name was a text, also as the name of a field."""
    return _encode(_replaced(_decode(data), user))


def cleared(entry: Entry, user: str, *, by: int) -> Change | None:
    """What is to become of an entry of somebody else's; None where it does not name the user.

    `by` is the head of the channel: every later edit is above it.
    """
    data, tags = entry.data, dict(entry.tags or {})
    if entry.kind != "message" and entry.kind != "edit" and names(data, user):
        data = without(data, user)
    mentions = tags.get("mentions")
    if mentions is not None and names(mentions.encode(), user):
        others = [item for item in _decode(mentions) if item != user]
        if others:
            tags["mentions"] = _encode(others).decode()
        else:
            del tags["mentions"]
    if data == entry.data and tags == (entry.tags or {}):
        return None
    return Change(entry.channel, entry.offset, by, data, tags or None)


def _replaced(value: Any, user: str) -> Any:
    if value == user:
        return ""
    if isinstance(value, list):
        return [_replaced(item, user) for item in value]
    if isinstance(value, dict):
        return {"" if key == user else key: _replaced(item, user) for key, item in value.items()}
    return value
