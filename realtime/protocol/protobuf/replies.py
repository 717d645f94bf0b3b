"""What clients are told, from the replies that every codec encodes to Protobuf messages.

Written from tables that are made of the schema once. Messages of the generated module would take
as long to make and serialise, and memory of their own each; and what many are told could not be
kept.
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from realtime.errors import Error
from realtime.model import ClientInfo, Entry
from realtime.protocol.protobuf import varints
from realtime.protocol.protobuf import wire_pb2 as wire
from realtime.protocol.replies import (
    EMPTY,
    ConnectResult,
    Info,
    Publication,
    Push,
    Result,
    SubscribeResult,
)

_VARINT: Final = 0
_LENGTH: Final = 2
"""Wire types: what follows a field's number is a varint, or a length and so many bytes."""

_TRUE: Final = b"\x01"
_SIZES: Final = tuple(bytes((size,)) for size in range(128))

Value = Any
"""What a field of a reply holds: its type is that of the schema's field."""

Writer = Callable[[bytes, Value], bytes]


def write_result(id: int, result: Result) -> bytes:
    """The reply to command `id`, without its length."""
    message = _RESULTS[result.method]
    if type(result) is ConnectResult and result.data is EMPTY and not result.subs:
        written = _text(_CLIENT, result.client) + _connected(
            result.version, result.expires, result.ttl, result.ping, result.pong
        )
        if result.session or result.node:
            written += _text(_SESSION, result.session) + _text(_NODE, result.node)
    elif type(result) is SubscribeResult and result.data is EMPTY and not result.publications:
        written = _subscribed(
            result.expires,
            result.ttl,
            result.recoverable,
            result.epoch,
            result.recovered,
            result.offset,
            result.positioned,
            result.was_recovering,
        )
    else:
        written = _message(message, result)
    return b"\x08%b%b" % (varints.of(id), _delimited(message.tag, written))


# When thousands come back in the same second, they are told nearly the same.


@lru_cache(maxsize=256)
def _connected(version: str, expires: bool, ttl: int, ping: int, pong: bool) -> bytes:
    """What a plain connect is answered, but for the client's id and its session."""
    result = ConnectResult("", version, expires=expires, ttl=ttl, ping=ping, pong=pong)
    return _message(_RESULTS["connect"], result)


@lru_cache(maxsize=4096)
def _subscribed(
    expires: bool,
    ttl: int,
    recoverable: bool,
    epoch: str,
    recovered: bool,
    offset: int,
    positioned: bool,
    was_recovering: bool,
) -> bytes:
    """What a subscribe is answered that brings nothing else than a position."""
    result = SubscribeResult(
        expires=expires,
        ttl=ttl,
        recoverable=recoverable,
        epoch=epoch,
        recovered=recovered,
        offset=offset,
        positioned=positioned,
        was_recovering=was_recovering,
    )
    return _message(_RESULTS["subscribe"], result)


def write_error(id: int, error: Error) -> bytes:
    """The reply to command `id` that was refused, without its length."""
    return b"\x08%b%b" % (varints.of(id), _member(_ERROR, error))


def write_push(channel: str, push: Push) -> bytes:
    """A push other than a publication, without its length."""
    return _pushed(channel, _member(_PUSHES[push.kind], push))


def write_info(info: ClientInfo | Info) -> bytes:
    """A `ClientInfo`, without its length."""
    return _message(_INFO, info)


def write_publication(entry: Entry) -> bytes:
    """The push of an entry, without its length."""
    return _pushed(entry.channel, _member(_PUBLICATION, Publication.of(entry)))


def _pushed(channel: str, member: bytes) -> bytes:
    return _delimited(_PUSH, (_text(_CHANNEL, channel) if channel else b"") + member)


class _Message:
    """A message's field within another: the tag before it, and its own fields, in their order.

    `read` takes all their values from a reply at once, as a tuple.
    """

    __slots__ = ("fields", "read", "tag")

    def __init__(self, field: FieldDescriptor | None, message: Descriptor) -> None:
        self.tag = _tag(field) if field is not None else b""
        self.fields = [(_tag(each), _writer(each)) for each in message.fields]
        names = [each.name for each in message.fields]
        self.read = _reader(names)


def _reader(names: Sequence[str]) -> Callable[[Value], tuple[Value, ...]]:
    if len(names) > 1:
        read: Callable[[Value], tuple[Value, ...]] = operator.attrgetter(*names)
        return read
    # An attrgetter of one name has no tuple.
    return lambda value: tuple(getattr(value, name) for name in names)


def _message(message: _Message, value: Value) -> bytes:
    """A value's fields that are not zero, which are not on the wire."""
    written = b""
    for item, (tag, write) in zip(message.read(value), message.fields, strict=True):
        if item:
            written += write(tag, item)
    return written


def _member(message: _Message, value: Value) -> bytes:
    """The same behind its tag and length; also where it is empty."""
    return _delimited(message.tag, _message(message, value))


# Writers of fields: of a tag, and of a value that is not zero.


def _delimited(tag: bytes, data: bytes) -> bytes:
    size = len(data)
    return tag + (_SIZES[size] if size < 128 else varints.of(size)) + data


def _text(tag: bytes, text: str) -> bytes:
    return _delimited(tag, text.encode())


def _raw(tag: bytes, data: msgspec.Raw | bytes) -> bytes:
    data = bytes(data)  # one that is empty is true as a Raw
    return _delimited(tag, data) if data else b""


def _number(tag: bytes, number: int) -> bytes:
    return tag + varints.of(number)


def _truth(tag: bytes, value: bool) -> bytes:
    return tag + _TRUE


def _tag(field: FieldDescriptor) -> bytes:
    of_length = field.cpp_type in (FieldDescriptor.CPPTYPE_STRING, FieldDescriptor.CPPTYPE_MESSAGE)
    return varints.of(field.number << 3 | (_LENGTH if of_length else _VARINT))


def _writer(field: FieldDescriptor) -> Writer:
    message = field.message_type
    if message is None:
        return _PLAIN[field.type]
    if message.GetOptions().map_entry:
        return _map_writer(message)
    inner = _Message(field, message)

    def one(tag: bytes, value: Value) -> bytes:
        return _member(inner, value)

    def several(tag: bytes, values: Iterable[Value]) -> bytes:
        return b"".join([_member(inner, value) for value in values])

    return several if field.is_repeated else one


def _map_writer(entry: Descriptor) -> Writer:
    """A map is repeated pairs of key and value, each under a number; both are always there."""
    key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
    key_tag, write_key = _tag(key), _writer(key)
    value_tag, write_value = _tag(value), _writer(value)

    def write(tag: bytes, items: Mapping[str, Value]) -> bytes:
        return b"".join(
            [
                _delimited(tag, write_key(key_tag, name) + write_value(value_tag, item))
                for name, item in items.items()
            ]
        )

    return write


_PLAIN: Final[Mapping[int, Writer]] = {
    FieldDescriptor.TYPE_STRING: _text,
    FieldDescriptor.TYPE_BYTES: _raw,
    FieldDescriptor.TYPE_BOOL: _truth,
    FieldDescriptor.TYPE_UINT32: _number,
    FieldDescriptor.TYPE_UINT64: _number,
}


def _descriptor(message: type[Message]) -> Descriptor:
    # The stubs of the runtime name two classes for what is one interface.
    descriptor: Any = message.DESCRIPTOR
    return descriptor  # type: ignore[no-any-return]


def _members(message: type[Message]) -> dict[str, _Message]:
    return {
        field.name: _Message(field, field.message_type)
        for field in _descriptor(message).fields
        if field.message_type is not None
    }


_INFO: Final = _Message(None, _descriptor(wire.ClientInfo))
_PUSHES: Final = _members(wire.Push)
_PUBLICATION: Final = _PUSHES["pub"]
_PUSH: Final = _tag(_descriptor(wire.Reply).fields_by_name["push"])
_CHANNEL: Final = _tag(_descriptor(wire.Push).fields_by_name["channel"])
_RESULTS: Final = _members(wire.Reply)
_ERROR: Final = _RESULTS["error"]
_CONNECT: Final = _descriptor(wire.ConnectResult).fields_by_name
_CLIENT: Final = _tag(_CONNECT["client"])
_SESSION: Final = _tag(_CONNECT["session"])
_NODE: Final = _tag(_CONNECT["node"])
