"""The Protobuf wire format (protocol 1.1 to 1.9); phones' SDKs speak nothing else.

`wire.proto` is the schema and says how `wire_pb2` is made from it; `requests` reads what clients
say, `replies` writes what they are told, and `codec` is the `Codec` over both.
"""

from realtime.protocol.protobuf.codec import ProtobufCodec

__all__ = ["ProtobufCodec"]
