"""The bodies of emulation requests (protocol 7), in both formats."""

from typing import Final

import msgspec
from google.protobuf.message import DecodeError

from realtime.protocol.protobuf.wire_pb2 import EmulationRequest as _Message


class EmulationRequest(msgspec.Struct, frozen=True, gc=False):
    """What a client says whose replies go another way.

    `session` and `node` are as its connect's reply told them; `data` is what would be a message on
    a websocket.
    """

    session: str
    data: bytes
    node: str = ""


class _Body(msgspec.Struct, frozen=True):
    session: str
    data: str
    node: str = ""


_decode: Final = msgspec.json.Decoder(_Body).decode


def read_json(body: bytes) -> EmulationRequest:
    """Read `{"session": …, "node": …, "data": "…"}`, where `data` is text. Raises ValueError."""
    try:
        asked = _decode(body)
        return EmulationRequest(asked.session, asked.data.encode(), asked.node)
    # UnicodeError: half of a surrogate pair.
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise ValueError("not an emulation request") from None


def read_protobuf(body: bytes) -> EmulationRequest:
    """Read the message. Raises ValueError."""
    try:
        asked = _Message.FromString(body)
    # UnicodeDecodeError: without its part in C the library has no error of its own for it.
    except (DecodeError, UnicodeDecodeError):
        raise ValueError("not an emulation request") from None
    return EmulationRequest(asked.session, asked.data, asked.node)
