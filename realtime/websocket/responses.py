"""What the server answers to an opening handshake, as bytes (RFC 6455, 4.2.2)."""

from http import HTTPStatus
from typing import Final

import msgspec
from websockets.utils import accept_key

# RFC 9110 asks for these: `Allow` with 405 (15.5.6), `Upgrade`, and so the option that names it,
# with 426 (15.5.22, 7.8). RFC 6455, 4.4 asks for the version.
_EXTRA_HEADERS: Final = {
    405: b"Allow: GET\r\nConnection: close\r\n",
    426: b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade, close\r\n",
}


class Refuse(msgspec.Struct, frozen=True, gc=False):
    """The request is refused: an HTTP status, and a constant text for whoever reads the answer."""

    status: int
    text: str


def accept_response(key: str, subprotocol: str | None) -> bytes:
    """The 101 response to a checked `Sec-WebSocket-Key`, with the subprotocol chosen, if any."""
    chosen = "" if subprotocol is None else f"Sec-WebSocket-Protocol: {subprotocol}\r\n"
    return (
        "HTTP/1.1 101 Switching Protocols\r\n"
        "Upgrade: websocket\r\n"
        "Connection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(key)}\r\n"
        f"{chosen}\r\n"
    ).encode()


def refuse_response(status: int, text: str) -> bytes:
    """A plain text response after which the server closes the connection."""
    body = text.encode() + b"\n"
    headers = _EXTRA_HEADERS.get(status, b"Connection: close\r\n")
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
    )
    return head.encode() + headers + b"\r\n" + body
