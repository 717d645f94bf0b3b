"""What clients say, from Protobuf messages to the requests that every codec decodes to.

Fields that are not there have Protobuf's zero values, which are the requests' defaults too.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from google.protobuf.message import DecodeError

from realtime.errors import MALFORMED, ConnectionRefused
from realtime.protocol import envelope
from realtime.protocol.commands import (
    EMPTY,
    Command,
    ConnectRequest,
    HistoryRequest,
    PresenceRequest,
    PresenceStatsRequest,
    PublishRequest,
    RefreshRequest,
    Request,
    RpcRequest,
    SendRequest,
    Since,
    SubRefreshRequest,
    SubscribeRequest,
    TagsFilter,
    UnsubscribeRequest,
)
from realtime.protocol.protobuf import wire_pb2 as wire

OFFSET_MAX: Final = 2**63 - 1
"""As in `realtime.protocol.commands.Offset`; the wire's uint64 goes beyond it."""

_TAGS_FILTER: Final = TagsFilter()

_parse = wire.Command.FromString


def read_command(data: bytes) -> Command:
    """The command of one message. Raises ConnectionRefused (3501) if there is none in it."""
    try:
        message = _parse(data)
    except (DecodeError, UnicodeDecodeError):
        # Broken structure, nested too deeply, or text that is not UTF-8: for that the library has
        # an error of its own where its part in C is missing.
        raise ConnectionRefused(MALFORMED) from None
    has = message.HasField
    for method, read in _READERS:
        if has(method):
            return envelope.command(message.id, read(getattr(message, method)))
    return envelope.command(message.id, None)


def _raw(data: bytes) -> msgspec.Raw:
    return msgspec.Raw(data) if data else EMPTY


def _offset(offset: int) -> int:
    if offset > OFFSET_MAX:
        raise ConnectionRefused(MALFORMED)
    return offset


def _connect(message: wire.ConnectRequest) -> ConnectRequest:
    subs = message.subs
    headers = message.headers
    return ConnectRequest(
        message.token,
        _raw(message.data),
        {channel: _subscribe(position) for channel, position in subs.items()} if subs else None,
        message.name,
        message.version,
        dict(headers) if headers else None,
        message.flag,
    )


def _subscribe(message: wire.SubscribeRequest) -> SubscribeRequest:
    return SubscribeRequest(
        message.channel,
        message.token,
        message.recover,
        message.epoch,
        _offset(message.offset),
        _raw(message.data),
        message.positioned,
        message.recoverable,
        message.join_leave,
        message.delta,
        _TAGS_FILTER if message.HasField("tf") else None,
        message.flag,
        message.type,
    )


def _history(message: wire.HistoryRequest) -> HistoryRequest:
    since = None
    if message.HasField("since"):
        since = Since(_offset(message.since.offset), message.since.epoch)
    return HistoryRequest(message.channel, message.limit, since, message.reverse)


# Each reader takes the message type that its method has in the schema.
_READS: Final[dict[str, Callable[[Any], Request]]] = {
    "connect": _connect,
    "ping": lambda message: envelope.PingRequest(),
    "subscribe": _subscribe,
    "unsubscribe": lambda message: UnsubscribeRequest(message.channel),
    "publish": lambda message: PublishRequest(message.channel, _raw(message.data)),
    "presence": lambda message: PresenceRequest(message.channel),
    "presence_stats": lambda message: PresenceStatsRequest(message.channel),
    "history": _history,
    "rpc": lambda message: RpcRequest(_raw(message.data), message.method),
    "send": lambda message: SendRequest(_raw(message.data)),
    "refresh": lambda message: RefreshRequest(message.token),
    "sub_refresh": lambda message: SubRefreshRequest(message.channel, message.token, message.type),
}

_READERS: Final = tuple((method, _READS[method]) for method in envelope.PRECEDENCE)
