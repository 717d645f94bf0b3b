"""What travels through Redis: one byte of major version, then a MessagePack array.

New fields are added at the end and have defaults, so that nodes of both versions read each other;
older ones ignore what they do not know. Only a change that an older node would misread raises
`BUS_VERSION`, and then older nodes refuse the message and find in the store what they miss.

Of an entry comes what it was when it was appended. What became of it later, and whether somebody
still has to follow up on it, is for whoever reads the store.
"""

from collections.abc import Callable
from typing import Final, TypeVar, cast

import msgspec

from realtime.brokers.base import BUS_VERSION, BusMessage, ControlMessage
from realtime.model import ClientInfo, Entry, Kind

T = TypeVar("T")

_VERSION: Final = bytes([BUS_VERSION])


class Refused(Exception):
    """The message cannot be read here: of a newer major version, or no message at all."""


class _Info(msgspec.Struct, array_like=True, frozen=True, gc=False):
    user: str
    client: str
    conn_info: bytes = b""
    chan_info: bytes = b""


class _Bus(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """`BusMessage` and its entry in one array; the order is the wire's and never changes."""

    node: str
    epoch: str
    sent_ms: int
    channel: str
    offset: int
    data: bytes
    at: int
    # A kind of a later version is passed on by its name, as from the store.
    kind: str
    sender: str = ""
    client_id: str = ""
    digest: bytes = b""
    ref: int = 0
    info: _Info | None = None
    tags: dict[str, str] | None = None
    edited_at: int = 0
    deleted_at: int = 0
    stub: bool = False
    n: int = -1
    counts: bool = False


class _Control(msgspec.Struct, array_like=True, frozen=True, gc=False):
    node: str
    epoch: str
    kind: str
    body: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode_bus = msgspec.msgpack.Decoder(_Bus).decode
_decode_control = msgspec.msgpack.Decoder(_Control).decode


def encode_message(message: BusMessage, sent_ms: int) -> bytes:
    """Write a message; its version is always this program's. Raises ValueError, OverflowError."""
    entry = message.entry
    info = entry.info
    return _VERSION + _encode(
        _Bus(
            message.node,
            message.epoch,
            sent_ms,
            entry.channel,
            entry.offset,
            entry.data,
            entry.at,
            entry.kind,
            entry.sender,
            entry.client_id,
            entry.digest,
            entry.ref,
            _Info(info.user, info.client, info.conn_info, info.chan_info) if info else None,
            entry.tags,
            entry.edited_at,
            entry.deleted_at,
            entry.stub,
            entry.n,
            entry.counts,
        )
    )


def decode_message(payload: bytes) -> BusMessage:
    """Read a message. Raises Refused."""
    wire = _read(payload, _decode_bus)
    info = wire.info
    entry = Entry(
        wire.channel,
        wire.offset,
        wire.data,
        wire.at,
        cast(Kind, wire.kind),
        wire.sender,
        wire.client_id,
        wire.digest,
        wire.ref,
        ClientInfo(info.user, info.client, info.conn_info, info.chan_info) if info else None,
        wire.tags,
        wire.edited_at,
        wire.deleted_at,
        wire.stub,
        wire.n,
        wire.counts,
    )
    return BusMessage(wire.node, entry, BUS_VERSION, wire.epoch, wire.sent_ms)


def _read(payload: bytes, decode: Callable[[memoryview], T]) -> T:
    version = payload[:1]
    if not version or not 1 <= version[0] <= BUS_VERSION:
        raise Refused
    try:
        return decode(memoryview(payload)[1:])
    except (msgspec.DecodeError, ValueError) as error:
        raise Refused from error


def encode_control(message: ControlMessage) -> bytes:
    """Write a control message. Raises ValueError, OverflowError."""
    return _VERSION + _encode(_Control(message.node, message.epoch, message.kind, message.body))


def decode_control(payload: bytes) -> ControlMessage:
    """Read a control message. Raises Refused."""
    wire = _read(payload, _decode_control)
    return ControlMessage(wire.node, wire.kind, wire.body, BUS_VERSION, wire.epoch)


def own_starts(node: str) -> tuple[bytes, ...]:
    """What every message that this node sends begins with.

    A node hears what it publishes, and need not decode that to know it: the node comes first.
    """
    samples = (
        encode_message(BusMessage(node, Entry("", 0, b"", 0)), 0),
        encode_control(ControlMessage(node, "")),
    )
    name = _encode(node)
    return tuple(sample[: sample.index(name) + len(name)] for sample in samples)
