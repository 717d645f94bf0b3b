"""How documents travel in an answer that never ends: chunks of HTTP/1.1 (RFC 9112, 7.1).

A frame is one chunk, so frames can be joined like any others. What is in it differs: a line of
JSON, an event of an event stream, or a Protobuf message, which has its length before it already.
"""

from typing import Final

LAST_CHUNK: Final = b"0\r\n\r\n"
"""Ends the answer."""

FIRST_EVENT: Final = b"2\r\n\r\n\r\n"
"""What an event stream begins with: an empty line, so that its reader sees that it flows."""


STAY_AWAY: Final = b"10\r\nretry: 3600000\n\n\r\n"
"""Has an EventSource wait for an hour before it asks again; else it does after a few seconds."""


def frame_line(document: bytes) -> bytes:
    """A JSON document and a line break."""
    return b"%x\r\n%b\n\r\n" % (len(document) + 1, document)


def frame_event(document: bytes) -> bytes:
    """An event whose data is one JSON document, which holds no line break (protocol 1.1)."""
    return b"%x\r\ndata: %b\n\n\r\n" % (len(document) + 8, document)


def frame_delimited(document: bytes) -> bytes:
    """A document that says itself where it ends."""
    return b"%x\r\n%b\r\n" % (len(document), document)
