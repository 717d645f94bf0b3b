"""The wire formats that this version serves."""

from typing import Final

from realtime.channels.live import Wire
from realtime.protocol.json_codec import JsonCodec
from realtime.websocket import frame_text

JSON_WEBSOCKET: Final = Wire("json-websocket", JsonCodec(), frame_text)
"""JSON documents in text frames."""
