"""Protobuf for `messages`: written and read after a table of field numbers. Pure.

A schema compiler's classes would do the same with a megabyte more in every process; the wire has
two dozen messages of five kinds of fields.
"""

import typing
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from load.wire import messages

_Message = TypeVar("_Message", bound=msgspec.Struct)

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_VARINT_BYTES_MAX: Final = 10
_U64: Final = (1 << 64) - 1

_NUMBERS: Final[dict[type[msgspec.Struct], dict[str, int]]] = {
    messages.Error: {"code": 1, "message": 2, "temporary": 3},
    messages.ClientInfo: {"user": 1, "client": 2},
    messages.Publication: {"data": 4, "info": 5, "offset": 6, "tags": 7},
    messages.StreamPosition: {"offset": 1, "epoch": 2},
    messages.Presence: {"info": 1},
    messages.Ended: {"code": 1, "reason": 2},
    messages.Empty: {},
    messages.SubscribeRequest: {
        **{"channel": 1, "token": 2, "recover": 3, "epoch": 6, "offset": 7},
        **{"positioned": 9, "recoverable": 10, "join_leave": 11},
    },
    messages.SubscribeResult: {
        **{"recoverable": 3, "epoch": 6, "publications": 7, "recovered": 8, "offset": 9},
        **{"positioned": 10, "was_recovering": 12},
    },
    messages.ConnectRequest: {"token": 1, "data": 2, "subs": 3, "name": 4},
    messages.ConnectResult: {"client": 1, "version": 2, "subs": 6, "ping": 7, "pong": 8},
    messages.ChannelRequest: {"channel": 1},
    messages.PublishRequest: {"channel": 1, "data": 2},
    messages.PresenceResult: {"presence": 1},
    messages.PresenceStatsResult: {"num_clients": 1, "num_users": 2},
    messages.HistoryRequest: {"channel": 1, "limit": 7, "since": 8, "reverse": 9},
    messages.HistoryResult: {"publications": 1, "epoch": 2, "offset": 3},
    messages.RpcRequest: {"data": 1, "method": 2},
    messages.RpcResult: {"data": 1},
    messages.Command: {
        **{"id": 1, "connect": 4, "subscribe": 5, "unsubscribe": 6, "publish": 7, "presence": 8},
        **{"presence_stats": 9, "history": 10, "rpc": 13},
    },
    messages.Push: {
        **{"channel": 2, "pub": 4, "join": 5, "leave": 6, "unsubscribe": 7, "disconnect": 11},
    },
    messages.Reply: {
        **{"id": 1, "error": 2, "push": 4, "connect": 5, "subscribe": 6, "unsubscribe": 7},
        **{"publish": 8, "presence": 9, "presence_stats": 10, "history": 11, "rpc": 13},
    },
}


class _Field(NamedTuple):
    number: int
    name: str
    kind: type
    """int, bool, str, Raw, or a message; of a map, its values'."""
    container: type | None = None
    """list or dict."""


def _fields_of(message: type[msgspec.Struct]) -> list[_Field]:
    hints = typing.get_type_hints(message)
    fields = []
    for name, number in sorted(_NUMBERS[message].items(), key=lambda item: item[1]):
        kind, container = hints[name], typing.get_origin(hints[name])
        arguments = [one for one in typing.get_args(kind) if one is not NoneType]
        if container in (list, dict):
            fields.append(_Field(number, name, arguments[-1], container))
        else:
            fields.append(_Field(number, name, arguments[0] if container is UnionType else kind))
    return fields


_FIELDS: Final = {message: _fields_of(message) for message in _NUMBERS}
_BY_NUMBER: Final = {
    message: {field.number: field for field in fields} for message, fields in _FIELDS.items()
}


def varint(value: int) -> bytes:
    """An unsigned varint; a negative number in two's complement of 64 bits."""
    value &= _U64
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The varint at `at`, and where it ends. Raises ValueError where there is none."""
    value = 0
    for position, byte in enumerate(data[at : at + _VARINT_BYTES_MAX]):
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            return value & _U64, at + position + 1
    raise ValueError("a varint does not end")


def encode(message: msgspec.Struct) -> bytes:
    """The message, without its length before it. Fields at their default are left out."""
    parts = []
    for number, name, kind, container in _FIELDS[type(message)]:
        value = getattr(message, name)
        if container is dict:
            for key, item in value.items():
                entry = _field(1, str, key) + _field(2, kind, item)
                parts.append(_prefixed(number, entry))
        elif container is list:
            parts += [_field(number, kind, item) for item in value]
        elif value is not None and (kind in _NUMBERS or _is_set(value)):
            parts.append(_field(number, kind, value))
    return b"".join(parts)


def _is_set(value: Any) -> bool:
    return bool(bytes(value) if isinstance(value, msgspec.Raw) else value)


def _field(number: int, kind: type, value: Any) -> bytes:
    if kind in (int, bool):
        return varint(number << 3) + varint(int(value))
    if kind is str:
        return _prefixed(number, value.encode())
    return _prefixed(number, bytes(value) if kind is msgspec.Raw else encode(value))


def _prefixed(number: int, data: bytes) -> bytes:
    return varint(number << 3 | _BYTES) + varint(len(data)) + data


def decode(message: type[_Message], data: bytes) -> _Message:
    """Read a message, its length taken off. Raises ValueError for what is none."""
    fields = _BY_NUMBER[message]
    values: dict[str, Any] = {}
    for number, raw in _wire_fields(data):
        field = fields.get(number)
        if field is None:
            continue
        if field.container is dict:
            key, value = _entry(field.kind, raw)
            values.setdefault(field.name, {})[key] = value
        elif field.container is list:
            values.setdefault(field.name, []).append(_value(field.kind, raw))
        else:
            values[field.name] = _value(field.kind, raw)
    return message(**values)


def _entry(kind: type, raw: int | bytes) -> tuple[str, Any]:
    found = dict(_wire_fields(_bytes(raw)))
    return _bytes(found.get(1, b"")).decode(), _value(kind, found.get(2, b""))


def _value(kind: type, raw: int | bytes) -> Any:
    if kind in (int, bool):
        if not isinstance(raw, int):
            raise ValueError("bytes where a number belongs")
        return kind(raw)
    data = _bytes(raw)
    if kind is str:
        return data.decode()
    return msgspec.Raw(data) if kind is msgspec.Raw else decode(kind, data)


def _bytes(raw: int | bytes) -> bytes:
    if isinstance(raw, int):
        raise ValueError("a number where bytes belong")
    return raw


def _wire_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at, size = 0, len(data)
    while at < size:
        tag, at = read_varint(data, at)
        wire_type = tag & 7
        if wire_type == _VARINT:
            number, at = read_varint(data, at)
            yield tag >> 3, number
            continue
        if wire_type == _BYTES:
            length, at = read_varint(data, at)
        elif wire_type in (_FIXED64, _FIXED32):
            length = 8 if wire_type == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire_type}")
        if at + length > size:
            raise ValueError("a field is longer than its message")
        yield tag >> 3, data[at : at + length]
        at += length
