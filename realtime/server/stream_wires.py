"""The wire formats of streams and of clients that only listen."""

from typing import Final

from realtime.channels.live import Wire
from realtime.protocol.unidirectional import UnidirectionalJsonCodec
from realtime.server.chunks import frame_delimited, frame_event, frame_line
from realtime.server.wires import JSON_WEBSOCKET, PROTOBUF_WEBSOCKET
from realtime.websocket import EMPTY_PING, frame_text

# The same codec objects as on websockets: a channel's publication is encoded once a codec.
_UNIDIRECTIONAL: Final = UnidirectionalJsonCodec()

JSON_HTTP_STREAM: Final = Wire("json-http_stream", JSON_WEBSOCKET.codec, frame_line)
"""Lines of JSON."""

PROTOBUF_HTTP_STREAM: Final = Wire(
    "protobuf-http_stream", PROTOBUF_WEBSOCKET.codec, frame_delimited
)
"""Protobuf messages behind their lengths."""

JSON_SSE: Final = Wire("json-sse", JSON_WEBSOCKET.codec, frame_event)
"""Server-sent events of JSON."""

JSON_UNI_HTTP_STREAM: Final = Wire("json-uni_http_stream", _UNIDIRECTIONAL, frame_line)
"""Lines of JSON, each a push."""

JSON_UNI_SSE: Final = Wire("json-uni_sse", _UNIDIRECTIONAL, frame_event)
"""Server-sent events of JSON, each a push."""

JSON_UNI_WEBSOCKET: Final = Wire("json-uni_websocket", _UNIDIRECTIONAL, frame_text)
"""Pushes in text frames, beside native pings, which every peer answers by itself."""
JSON_UNI_WEBSOCKET.ping += EMPTY_PING
