"""What moderators and admins did, one row for each act, however often it is written down. Pure.

A row's place is made of the event that says it, so whoever folds the event again writes the same
row. Events that are in no log say when they were decided.
"""

from typing import Any, Final

import msgspec

from realtime.chat.channel_events import ChannelEvent
from realtime.chat.entries import author
from realtime.chat.member_events import MemberEvent
from realtime.model import Entry
from realtime.rows import AUDIT
from realtime.stores.base import TableStore, Write

MEMBER_ACTS: Final = ("kick", "ban", "unban", "mute", "unmute", "role", "transfer")
"""What is said of a member by a moderator; the rest users do for themselves."""

_encode: Final = msgspec.json.Encoder().encode


def row(
    channel: str,
    place: str,
    *,
    by: str,
    act: str,
    at: int,
    target: str = "",
    offset: int = 0,
    detail: bytes = b"",
) -> Write:
    """The row, if it is not there yet."""
    return Write(
        AUDIT,
        (channel, place),
        set={
            "by": by,
            "act": act,
            "at": at,
            "target": target,
            "offset": offset,
            "detail": detail,
        },
        absent=True,
    )


def of_entry(
    entry: Entry, act: str, *, target: str = "", offset: int = 0, detail: bytes = b""
) -> Write:
    """The row of what an event in a channel's log says. `target` is a user, `offset` a message."""
    return row(
        entry.channel,
        place_of(entry.at, entry.offset),
        by=author(entry),
        act=act,
        at=entry.at,
        target=target,
        offset=offset,
        detail=detail,
    )


async def record(
    store: TableStore,
    entry: Entry,
    act: str,
    *,
    target: str = "",
    offset: int = 0,
    detail: bytes = b"",
) -> None:
    """Write the row of `of_entry` down, unless it is there. Raises StoreError."""
    await store.write([of_entry(entry, act, target=target, offset=offset, detail=detail)])


def of_member(entry: Entry, event: MemberEvent) -> list[Write]:
    """The row of a `member` entry, where that is a moderator's act."""
    if event.act not in MEMBER_ACTS:
        return []
    detail: dict[str, Any] = {}
    if event.act in ("ban", "mute"):
        detail["until"] = event.until
    if event.act == "role":
        detail["role"] = event.role
    if event.act == "transfer":
        detail["from"] = event.previous
    return [
        of_entry(entry, event.act, target=event.user, detail=_encode(detail) if detail else b"")
    ]


def of_channel(entry: Entry, event: ChannelEvent) -> list[Write]:
    """The row of a `channel` entry: which fields it changed, and settings to what."""
    detail: dict[str, Any] = {}
    if event.act == "update":
        changed = {
            field: getattr(event, field)
            for field in event.__struct_fields__
            if field != "act" and getattr(event, field) is not msgspec.UNSET
        }
        detail["changed"] = list(changed)
        if "settings" in changed:
            detail["settings"] = changed["settings"]
    return [of_entry(entry, event.act, detail=_encode(detail) if detail else b"")]


def place_of(at: int, last: int | str) -> str:
    """A place in the order of time; `last` tells apart what happened in one millisecond."""
    return f"{at:015d}-{last:016d}" if isinstance(last, int) else f"{at:015d}-{last}"
