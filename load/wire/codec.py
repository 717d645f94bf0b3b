"""The two formats of the wire: how commands are written, and frames taken apart. Pure."""

from collections.abc import Sequence
from typing import Any, Final, Literal, Protocol

import msgspec

from load.wire import protobuf
from load.wire.messages import Command, Push, Reply


class Codec(Protocol):
    """A format. A *document* is one command or reply; a frame's payload holds one or more."""

    frame_head: int
    """The first byte of a frame that holds documents, and is not in pieces."""
    subprotocol: str
    """What the handshake asks for; "" for nothing."""
    push_start: bytes
    """How a push starts, and nothing else does."""
    pings: tuple[bytes, ...]
    """Documents that are pings; the first is the pong, too."""

    def payload(self, commands: Sequence[Command]) -> bytes:
        """What goes into a frame."""

    def is_push(self, payload: bytes) -> bool:
        """Whether a payload is one push and no more: nearly every one of a busy client."""

    def document(self, payload: bytes) -> bytes:
        """The document of a payload for which `is_push` holds."""

    def documents(self, payload: bytes) -> list[bytes]:
        """All of a payload. Raises ValueError for what is no payload."""

    def pong(self) -> bytes:
        """The payload that answers a ping."""

    def reply(self, document: bytes) -> Reply:
        """Read a document. Raises ValueError for what is none."""


class JsonCodec:
    """Documents as JSON, a line feed between them."""

    frame_head: int = 0x81
    subprotocol: str = ""
    push_start: bytes = b'{"push"'
    pings: tuple[bytes, ...] = (b"{}", b"")

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Reply)

    def payload(self, commands: Sequence[Command]) -> bytes:
        """See Codec."""
        return b"\n".join([self._encoder.encode(command) for command in commands])

    def is_push(self, payload: bytes) -> bool:
        """See Codec."""
        return payload.startswith(b'{"push"') and b"\n" not in payload

    def document(self, payload: bytes) -> bytes:
        """See Codec."""
        return payload

    def documents(self, payload: bytes) -> list[bytes]:
        """See Codec."""
        return payload.rstrip(b"\n").split(b"\n")

    def pong(self) -> bytes:
        """See Codec."""
        return b"{}"

    def reply(self, document: bytes) -> Reply:
        """See Codec."""
        return self._decoder.decode(document)


class ProtobufCodec:
    """Documents as Protobuf, each after its length."""

    frame_head: int = 0x82
    subprotocol: str = "centrifuge-protobuf"
    push_start: bytes = b"\x22"
    pings: tuple[bytes, ...] = (b"",)

    def payload(self, commands: Sequence[Command]) -> bytes:
        """See Codec."""
        parts = []
        for command in commands:
            document = protobuf.encode(command)
            parts += [protobuf.varint(len(document)), document]
        return b"".join(parts)

    def is_push(self, payload: bytes) -> bool:
        """See Codec."""
        size = len(payload)
        if size < 3:
            return False
        first, second = payload[0], payload[1]
        if first < 0x80:
            return second == 0x22 and first == size - 1
        return second < 0x80 and payload[2] == 0x22 and first - 0x80 + (second << 7) == size - 2

    def document(self, payload: bytes) -> bytes:
        """See Codec."""
        return payload[1:] if payload[0] < 0x80 else payload[2:]

    def documents(self, payload: bytes) -> list[bytes]:
        """See Codec."""
        found, at, size = [], 0, len(payload)
        while at < size:
            length, at = protobuf.read_varint(payload, at)
            if at + length > size:
                raise ValueError("a document is longer than its frame")
            found.append(payload[at : at + length])
            at += length
        return found

    def pong(self) -> bytes:
        """See Codec."""
        return b"\0"

    def reply(self, document: bytes) -> Reply:
        """See Codec."""
        return protobuf.decode(Reply, document)


Format = Literal["json", "protobuf"]

CODECS: Final[dict[Format, Codec]] = {"json": JsonCodec(), "protobuf": ProtobufCodec()}
"""One of each; they keep nothing."""


def push_of(codec: Codec, document: bytes) -> Push:
    """The push that a listener was handed. Raises ValueError for what is none."""
    push = codec.reply(document).push
    if push is None:
        raise ValueError("not a push")
    return push


def result_of(reply: Reply) -> Any:
    """The result in an answer without an error, whichever method it is of."""
    for name in _METHODS:
        result = getattr(reply, name)
        if result is not None:
            return result
    raise ValueError("an answer without a result")


_METHODS: Final = (
    *("publish", "subscribe", "connect", "rpc", "history", "presence", "presence_stats"),
    "unsubscribe",
)
