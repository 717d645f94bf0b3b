"""A websocket in bytes over a blocking socket: for peers that stop reading, stall or garble."""

import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from websockets.frames import Frame, Opcode

WAIT_S: Final = 10.0

HANDSHAKE: Final = (
    b"GET /connection/websocket HTTP/1.1\r\n"
    b"Host: 127.0.0.1\r\n"
    b"Connection: Upgrade\r\n"
    b"Upgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"\r\n"
)


class Received(NamedTuple):
    """A server's frame."""

    opcode: int
    payload: bytes

    @property
    def close_code(self) -> int:
        """The code of a close frame; 1005 where it has none, 0 for another frame."""
        if self.opcode != Opcode.CLOSE:
            return 0
        return struct.unpack("!H", self.payload[:2])[0] if self.payload else 1005


def text_frame(text: str) -> bytes:
    """A masked text frame, as a client sends it."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=True)


def frame(opcode: int, payload: bytes) -> bytes:
    """A masked frame of any kind that RFC 6455 knows."""
    return Frame(Opcode(opcode), payload).serialize(mask=True)


def parse(data: bytes) -> Iterator[Received]:
    """Whole frames of a server; the rest of an incomplete one is left out."""
    while len(data) >= 2:
        length, start = data[1] & 0x7F, 2
        if length == 126:
            length, start = int.from_bytes(data[2:4]), 4
        elif length == 127:
            length, start = int.from_bytes(data[2:10]), 10
        if len(data) < start + length:
            return
        yield Received(data[0] & 0x0F, data[start : start + length])
        data = data[start + length :]


@contextlib.contextmanager
def open_raw(port: int, receive_buffer_bytes: int = 0) -> Iterator[socket.socket]:
    """A TCP connection to loopback, with a time limit on everything; a small buffer if asked."""
    with socket.socket() as connection:
        connection.settimeout(WAIT_S)
        if receive_buffer_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        connection.connect(("127.0.0.1", port))
        yield connection


@contextlib.contextmanager
def open_upgraded(
    port: int, receive_buffer_bytes: int = 0, subprotocol: str = ""
) -> Iterator[socket.socket]:
    """A connection whose websocket handshake is done."""
    asked = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
    with open_raw(port, receive_buffer_bytes) as connection:
        connection.sendall(HANDSHAKE.removesuffix(b"\r\n") + asked.encode() + b"\r\n")
        head = b""
        # Byte by byte: what follows the head belongs to the caller.
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        assert head.startswith(b"HTTP/1.1 101 "), head
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """Read until the hub ends the connection, in whichever way. Raises TimeoutError."""
    data = bytearray()
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65_536):
            data += piece
    return bytes(data)
