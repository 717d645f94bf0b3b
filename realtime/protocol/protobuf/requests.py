"""What clients say, from Protobuf messages to the requests that every codec decodes to.

Fields that are not there have Protobuf's zero values, which are the requests' defaults too.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
from google.protobuf.descriptor import FieldDescriptor
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

SUBSCRIBE_MAX_BYTES: Final = 128
"""The longest subscribe that is remembered. No token is that short."""

_SUBSCRIBE: Final = b"\x2a"
"""The tag of a subscribe, behind an id of one byte."""

_ID: Final = 0x08
"""The tag of a command's id."""

_NUMBER: Final = 0
_TRUTH: Final = 1
_TEXT: Final = 2
_RAW: Final = 3
"""What a plain field holds, and how it is read."""

_parse = wire.Command.FromString


def read_command(data: bytes) -> Command:
    """The command of one message. Raises ConnectionRefused (3501) if there is none in it."""
    if len(data) <= SUBSCRIBE_MAX_BYTES and data[2:3] == _SUBSCRIBE:
        return _read_subscribe(data)
    return _read_plain(data) or _read_any(data)


@lru_cache(maxsize=4096)
def _read_subscribe(data: bytes) -> Command:
    """A short one, without a token: of an app's clients many say the same, at the same time."""
    return _read_plain(data) or _read_any(data)


def _read_plain(data: bytes) -> Command | None:
    """A message as encoders write it: an id, then one request without messages in it.

    In a storm of phones that come back, making messages of the generated module for each would be
    a tenth of all there is to do. None for what is in any way unusual, which that module then
    judges: other fields, longer numbers, more than one request.
    """
    try:
        id = data[1]
        at = 2
        if id > 127:
            id += (data[2] - 1) << 7
            at = 3
        kind = _PLAIN.get(data[at])
        stop = data[at + 1]
        at += 2
        if stop > 127:
            stop += (data[at] - 1) << 7
            at += 1
        stop += at
        if data[0] != _ID or not 0 < id < 1 << 14 or kind is None or stop != len(data):
            return None
        if stop - at >= 1 << 14 or data[at - 1] > 127:
            return None
        values = _read_fields(data, at, stop, kind[1])
    except (IndexError, KeyError):  # the message ends before it is one; another field
        return None
    except UnicodeDecodeError:
        raise ConnectionRefused(MALFORMED) from None
    return Command(id, kind[0](**values)) if values is not None else None


def _read_fields(
    data: bytes, at: int, stop: int, fields: Mapping[int, tuple[str, int]]
) -> dict[str, Any] | None:
    """The fields of a request by their names. Raises KeyError for one that is not in `fields`."""
    values: dict[str, Any] = {}
    while at < stop:
        name, kind = fields[data[at]]
        number = data[at + 1]
        at += 2
        if number > 127:
            number += (data[at] - 1) << 7
            at += 1
            if number >= 1 << 14:
                return None
        if kind == _TEXT:
            end = at + number
            values[name] = data[at:end].decode()
            at = end
        elif kind == _NUMBER:
            values[name] = number
        elif kind == _TRUTH:
            values[name] = number != 0
        else:
            end = at + number
            values[name] = msgspec.Raw(data[at:end]) if number else EMPTY
            at = end
    return values if at == stop else None


def _read_any(data: bytes) -> Command:
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


def _plain_fields(message: Any) -> dict[int, tuple[str, int]]:
    """The fields of a message that are not messages, by their tags of one byte."""
    kinds = {
        FieldDescriptor.TYPE_STRING: _TEXT,
        FieldDescriptor.TYPE_BYTES: _RAW,
        FieldDescriptor.TYPE_BOOL: _TRUTH,
    }
    fields = {}
    for field in message.fields:
        if field.message_type is None:
            kind = kinds.get(field.type, _NUMBER)
            fields[field.number << 3 | (2 if kind >= _TEXT else 0)] = field.name, kind
    return fields


# By the tag of the method: the request's type, and the fields that it can be read from at once.
_PLAIN: Final[dict[int, tuple[type[Request], dict[int, tuple[str, int]]]]] = {
    field.number << 3 | 2: (type_, _plain_fields(field.message_type))
    for type_ in (
        ConnectRequest,
        SubscribeRequest,
        UnsubscribeRequest,
        PublishRequest,
        PresenceRequest,
        PresenceStatsRequest,
        HistoryRequest,
        RefreshRequest,
        SubRefreshRequest,
    )
    for field in [wire.Command.DESCRIPTOR.fields_by_name[type_.method]]
}
