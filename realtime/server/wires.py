"""The wire formats that this version serves, and which of them a client gets."""

from typing import Final

from realtime.channels.live import Wire
from realtime.protocol.json_codec import JsonCodec
from realtime.protocol.protobuf import ProtobufCodec
from realtime.websocket import Accept, frame_binary, frame_text

# One object of each codec for all wires: a channel's publication is encoded once a codec.
_JSON: Final = JsonCodec()
_PROTOBUF: Final = ProtobufCodec()

JSON_WEBSOCKET: Final = Wire("json-websocket", _JSON, frame_text, between=b"\n")
"""JSON documents in text frames."""

PROTOBUF_WEBSOCKET: Final = Wire("protobuf-websocket", _PROTOBUF, frame_binary, between=b"")
"""Protobuf messages behind their lengths, in binary frames."""


def websocket_wire(accept: Accept) -> Wire:
    """What a websocket speaks whose handshake was accepted."""
    return PROTOBUF_WEBSOCKET if accept.is_protobuf else JSON_WEBSOCKET
