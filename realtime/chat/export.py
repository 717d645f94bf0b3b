"""All that is kept of one user, as JSON lines: uncapped, and never more than a page in memory.

One line is one thing, with its `type`. What others have said of the user, or to the user, is
theirs; that the user was mentioned or reported, where and when, is told.

A device is told without its address and keys. They are no use to the user, whose device has them,
but to whoever gets hold of the file, as admins may who make one: it is enough to know them, and
somebody else's key, to tell a device things. `digest` says of an address whether it is the one.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import msgspec

from realtime.chat.walking import LawStore, channels_with, distinct, rows, sent_by
from realtime.model import Entry
from realtime.push.rows import DEAD, DEVICES, JOBS, TRAIL
from realtime.rows import (
    AUDIT,
    BLOCKS,
    MEMBERS,
    MENTIONS,
    POSTS,
    REACTIONS,
    REPORTS,
    USERS,
)

FORMAT: Final = 1
"""Of the lines; in the first one. New types and fields may be added without a new number."""

_encode: Final = msgspec.json.Encoder().encode


async def export_user(store: LawStore, user: str, *, now_ms: int) -> AsyncIterator[bytes]:
    """Every line, with its line break. Raises StoreError, after any number of lines."""
    yield _line("export", {"format": FORMAT, "user": user, "at": now_ms})
    for profile in await store.get(USERS, [(user,)]):
        yield _line("user", _shown(profile))
    for wishes in await store.get(DEVICES, [(user, "")]):
        yield _line("push_settings", _shown(wishes))
    async for devices in rows(store, DEVICES, (user,)):
        for device in devices:
            yield _line("push_device", _without_secrets(device))
    async for memberships in rows(store, MEMBERS, (user,), ("user", "channel")):
        for member in memberships:
            yield _line("membership", _shown(member))
    async for channel in channels_with(store, f"u:{user}"):
        async for entries in sent_by(store, channel, f"u:{user}"):
            for entry in entries:
                yield _line("entry", _entry(entry))
    for type_, table, equal, by, after in (
        ("reaction", REACTIONS, (user,), ("user", "channel", "ref"), ""),
        ("mention", MENTIONS, (user,), (), ""),
        ("post", POSTS, (user,), ("author", "place"), ""),
        ("block", BLOCKS, (user,), (), ""),
        ("report_made", REPORTS, (user,), ("reporter", "place"), ""),
        ("reported", REPORTS, (user,), ("about", "place"), ""),
        ("act", AUDIT, (user,), ("by", "place"), ""),
        ("acted_upon", AUDIT, (user,), ("target", "place"), ""),
        ("push_job", JOBS, (user,), (), ""),
        ("push_dead", DEAD, (user,), ("user", "place"), ""),
        ("push_trail", TRAIL, (user,), (), ""),
    ):
        show = _SHOWN.get(type_, _shown)
        async for found in _all(store, table, equal, by, after):
            yield _line(type_, show(found))


async def _all(
    store: LawStore, table: Any, equal: Any, by: tuple[str, ...], after: Any
) -> AsyncIterator[msgspec.Struct]:
    """Rows one by one; where a channel has many of them, channel by channel."""
    order = by or table.key
    if "channel" in order[len(equal) : -1]:
        async for channel in distinct(store, table, equal, by):
            async for page in rows(store, table, (*equal, channel), by, after=-1):
                for row in page:
                    yield row
        return
    async for page in rows(store, table, equal, by, after=after):
        for row in page:
            yield row


def _shown(row: msgspec.Struct) -> dict[str, Any]:
    """A row's fields; raw JSON as what it says, and nothing that says nothing."""
    shown = {}
    for field in row.__struct_fields__:
        value = getattr(row, field)
        if value in ("", 0, b""):
            continue
        shown[field] = _json(value) if isinstance(value, bytes) else value
    return shown


def _without_secrets(row: msgspec.Struct) -> dict[str, Any]:
    """A device, or a job, without what nobody else is to know, nor the user needs to."""
    secret = ("address", "p256dh", "auth", "lease")
    return {key: value for key, value in _shown(row).items() if key not in secret}


def _about(row: msgspec.Struct) -> dict[str, Any]:
    """A report without who made it."""
    shown = _shown(row)
    return {
        key: shown[key] for key in ("channel", "offset", "reason", "at", "state") if key in shown
    }


_SHOWN: Final[Mapping[str, Callable[[msgspec.Struct], dict[str, Any]]]] = {
    "reported": _about,
    "push_job": _without_secrets,
}
"""How some types are shown; all others as they are."""


def _entry(entry: Entry) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "channel": entry.channel,
        "offset": entry.offset,
        "kind": entry.kind,
        "client_id": entry.client_id,
        "at": entry.at,
        "data": _json(entry.data),
    }
    optional = {
        "ref": entry.ref,
        "tags": entry.tags,
        "edited_at": entry.edited_at,
        "deleted_at": entry.deleted_at,
    }
    return shown | {key: value for key, value in optional.items() if value}


def _json(value: bytes) -> Any:
    """Bytes that are JSON as they are; any others in base64."""
    try:
        msgspec.json.decode(value, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return {"base64": value}
    return msgspec.Raw(value)


def _line(type_: str, fields: dict[str, Any]) -> bytes:
    return _encode({"type": type_, **fields}) + b"\n"
