"""Entries that change a channel or who is in it, as they are appended. Pure."""

from typing import Final, Literal

import msgspec

from realtime.chat.caller import Caller
from realtime.chat.channel_events import ChannelEvent
from realtime.chat.ledger import digest
from realtime.chat.member_events import MemberEvent
from realtime.model import ClientInfo, Entry, NewEntry

CREATOR: Final = "c:channel"
"""Who sends the entry that makes a channel: no user, so that a channel is made once, whoever asks
first. `info` says who did."""

_encode: Final = msgspec.json.Encoder().encode


def of_members(
    caller: Caller,
    channel: str,
    client_id: str,
    event: MemberEvent,
    *,
    command: msgspec.Struct,
    at: int,
) -> NewEntry:
    """What says `event`, asked for by `command`."""
    return _entry("member", caller, channel, client_id, event, command, at)


def of_channel(
    caller: Caller,
    channel: str,
    client_id: str,
    event: ChannelEvent,
    *,
    command: msgspec.Struct,
    at: int,
) -> NewEntry:
    """What says `event`, asked for by `command`."""
    return _entry("channel", caller, channel, client_id, event, command, at)


def creation(
    caller: Caller, channel: str, event: MemberEvent, *, command: bytes, at: int
) -> NewEntry:
    """The entry that makes a channel; `command` is the same for who may be told it is made."""
    return NewEntry(
        channel,
        CREATOR,
        event.act,
        _encode(event),
        at,
        kind="member",
        digest=digest("member", 0, command),
        info=caller.info or ClientInfo(caller.user, caller.client),
        tags={"kind": "member"},
        pending=True,
    )


def author(entry: Entry) -> str:
    """The user who did it; "" where that is not known any more."""
    return entry.info.user if entry.info else entry.sender.removeprefix("u:")


def _entry(
    kind: Literal["member", "channel"],
    caller: Caller,
    channel: str,
    client_id: str,
    event: MemberEvent | ChannelEvent,
    command: msgspec.Struct,
    at: int,
) -> NewEntry:
    return NewEntry(
        channel,
        caller.sender,
        client_id,
        _encode(event),
        at,
        kind=kind,
        digest=digest(kind, 0, type(command).__name__.encode(), _encode(command)),
        info=caller.info or ClientInfo(caller.user, caller.client),
        tags={"kind": kind},
        pending=True,
    )
