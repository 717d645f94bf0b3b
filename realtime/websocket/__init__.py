"""The server side of RFC 6455 without I/O: opening handshake, frames in and out, closing.

A connection goes through it in this order: `HeadReader.feed` until the head is whole; `is_upgrade`;
`parse_head`, `check`, `accept_response` or `refuse_response`; then `FrameReader.feed` for all
that arrives, `frame_text` and its like for all that leaves, and the table in `closing` at the end.
"""

from realtime.websocket.familiar import FamiliarHeads
from realtime.websocket.frames import Close, Event, Failure, FrameReader, OtherKind, Ping, Pong
from realtime.websocket.handshake import Accept, check
from realtime.websocket.head import HeadReader, RequestHead, is_upgrade, parse_head
from realtime.websocket.origins import origin_allowed
from realtime.websocket.responses import Refuse, accept_response, refuse_response
from realtime.websocket.writing import (
    EMPTY_PING,
    frame_binary,
    frame_close,
    frame_ping,
    frame_pong,
    frame_text,
)

__all__ = [
    "EMPTY_PING",
    "Accept",
    "Close",
    "Event",
    "Failure",
    "FamiliarHeads",
    "FrameReader",
    "HeadReader",
    "OtherKind",
    "Ping",
    "Pong",
    "Refuse",
    "RequestHead",
    "accept_response",
    "check",
    "frame_binary",
    "frame_close",
    "frame_ping",
    "frame_pong",
    "frame_text",
    "is_upgrade",
    "origin_allowed",
    "parse_head",
    "refuse_response",
]
