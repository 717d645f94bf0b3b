"""A phone of one channel, in JSON or Protobuf or over an HTTP stream, that costs a test's process
little: for thousands.

It trusts the hub: no check of the handshake's key, no fragments, no limits.
"""

import asyncio
import json
import socket
import struct
from dataclasses import dataclass, field
from typing import Final, cast

from realtime.protocol.protobuf import varints
from realtime.protocol.protobuf.wire_pb2 import Command, Reply

CONNECT_S: Final = 30.0
"""Longest wait for everything between the connection's beginning and the subscription."""

_BINARY: Final = 0x2
_CLOSE: Final = 0x8
_SUBSCRIBED: Final = 2
"""The id of the subscribe command."""
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Phone:
    """Comes, goes, and comes back from where it was. `token` may be replaced between."""

    token: str
    channel: str
    protobuf: bool = False
    streams: bool = False
    """Whether it comes over an HTTP stream, in JSON, and speaks in requests of their own."""
    epoch: str = ""
    offset: int = 0
    recovered: int = 0
    """How often it came back and had missed nothing, or was given all that it had missed."""
    data: list[object] = field(default_factory=list)
    """All that was published in the channel, as it came."""
    close_code: int | None = None
    """What the hub closed with at last."""
    _line: "_Line | None" = None
    _requests: "_Requests | None" = None

    async def come(self, port: int) -> None:
        """Connect and subscribe, from where it was; raises where either is refused."""
        self._line = line = _Line(self)
        async with asyncio.timeout(CONNECT_S):
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: line, "127.0.0.1", port)
            if self.streams:
                self._requests = requests = _Requests(await line.told)
                await loop.create_connection(lambda: requests, "127.0.0.1", port)
                requests.say(self.commands().partition(b"\n")[2].decode())
            await line.subscribed

    def drop(self) -> None:
        """Be gone without a word, as far as the hub is concerned: a reset."""
        assert self._line is not None
        self._line.reset()
        if self._requests is not None:
            self._requests.reset()

    def pong(self) -> None:
        """Answer a ping, where that takes a request."""
        if self._requests is not None:
            self._requests.say("{}")

    # What the line asks.

    def commands(self) -> bytes:
        """Connect and subscribe, in one message."""
        where = {"recover": True, "epoch": self.epoch, "offset": self.offset} if self.epoch else {}
        subscribe = {"channel": self.channel, **where}
        if not self.protobuf:
            connect = {"id": 1, "connect": {"token": self.token}}
            return (
                f"{json.dumps(connect)}\n{json.dumps({'id': 2, 'subscribe': subscribe})}".encode()
            )
        message = b""
        for command in (
            Command(id=1, connect={"token": self.token}),
            Command(id=2, subscribe=subscribe),
        ):
            encoded = command.SerializeToString()
            message += varints.of(len(encoded)) + encoded
        return message

    def subscribed(self, epoch: str, offset: int, recovered: bool) -> None:
        """The subscribe was answered; publications that were missed come next."""
        self.epoch = epoch
        self.recovered += recovered
        if not recovered:
            self.offset = offset

    def published(self, offset: int, data: object) -> None:
        """A publication, missed or not."""
        self.offset = offset
        self.data.append(data)


class _Line(asyncio.Protocol):
    """One connection of a phone."""

    def __init__(self, phone: Phone) -> None:
        self.told: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        self.subscribed = asyncio.get_running_loop().create_future()
        self._phone = phone
        self._buffer = b""
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See base."""
        self._transport = cast(asyncio.Transport, transport)
        if self._phone.streams:
            self._transport.write(
                _post("connection/http_stream", self._phone.commands().partition(b"\n")[0])
            )
            return
        path = "/connection/websocket" + "?format=protobuf" * self._phone.protobuf
        self._transport.write(
            b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            % path.encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """See base."""
        waiting = self.told if self._phone.streams and not self.told.done() else self.subscribed
        if not waiting.done():
            waiting.set_exception(ConnectionError(self._phone.close_code or exc))

    def reset(self) -> None:
        """Hang up."""
        _reset(self._transport)

    def data_received(self, data: bytes) -> None:
        """See base."""
        data = self._buffer + data
        if not self._upgraded:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._buffer = head
                return
            if b" 200 " in head and self._phone.streams:
                self._upgraded = True
                self._chunks(data)
                return
            if b" 101 " not in head:
                self.subscribed.set_exception(ConnectionError(head.decode()))
                return
            self._upgraded = True
            self._send(self._phone.commands())
        if self._phone.streams:
            self._chunks(data)
            return
        at, size = 0, len(data)
        while size - at >= 2:
            start, length = at + 2, data[at + 1]
            if length == 126:
                start, length = at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
            elif length == 127:
                start, length = at + 10, int.from_bytes(data[at + 2 : at + 10], "big")
            if size - start < length:
                break
            self._frame(data[at] & 0xF, data[start : start + length])
            at = start + length
        self._buffer = data[at:]

    def _chunks(self, data: bytes) -> None:
        while True:
            length, end, rest = data.partition(b"\r\n")
            size = int(length, 16) if end else 0
            if not end or len(rest) < size + 2:
                break
            for document in rest[:size].split(b"\n"):
                if document:
                    self._json(document)
            data = rest[size + 2 :]
        self._buffer = data

    def _frame(self, opcode: int, payload: bytes) -> None:
        if opcode == _CLOSE:
            self._phone.close_code = int.from_bytes(payload[:2], "big")
        elif opcode == _BINARY:
            at = 0
            while at < len(payload):
                length, at = varints.read_length(payload, at)
                self._protobuf(payload[at : at + length])
                at += length
        else:
            for line in payload.split(b"\n"):
                if line:
                    self._json(line)

    def _json(self, line: bytes) -> None:
        reply = json.loads(line)
        if not reply:
            if self._phone.streams:
                self._phone.pong()
            else:
                self._send(b"{}")
        elif "connect" in reply and self._phone.streams:
            self.told.set_result(reply["connect"])
        elif "disconnect" in reply.get("push", ()):
            self._phone.close_code = reply["push"]["disconnect"]["code"]
        elif "error" in reply:
            self._refused(reply["error"]["code"])
        elif "subscribe" in reply:
            result = reply["subscribe"]
            self._phone.subscribed(
                result["epoch"], result.get("offset", 0), result.get("recovered", False)
            )
            for publication in result.get("publications", ()):
                self._phone.published(publication["offset"], publication["data"])
            self.subscribed.set_result(None)
        elif "pub" in reply.get("push", ()):
            self._phone.published(reply["push"]["pub"]["offset"], reply["push"]["pub"]["data"])

    def _protobuf(self, document: bytes) -> None:
        reply = Reply.FromString(document)
        if not document:
            self._send(b"\0")
        elif reply.HasField("error"):
            self._refused(reply.error.code)
        elif reply.id == _SUBSCRIBED:
            result = reply.subscribe
            self._phone.subscribed(result.epoch, result.offset, result.recovered)
            for publication in result.publications:
                self._phone.published(publication.offset, json.loads(publication.data))
            self.subscribed.set_result(None)
        elif reply.push.HasField("pub"):
            self._phone.published(reply.push.pub.offset, json.loads(reply.push.pub.data))

    def _refused(self, code: int) -> None:
        if not self.subscribed.done():
            self.subscribed.set_exception(ConnectionError(f"error {code}"))

    def _send(self, payload: bytes) -> None:
        """One frame, masked with zeros."""
        opcode, size = 0x82 if self._phone.protobuf else 0x81, len(payload)
        head = (
            bytes((opcode, 0x80 | size))
            if size < 126
            else b"%c\xfe%b" % (opcode, size.to_bytes(2, "big"))
        )
        self._transport.write(head + b"\0\0\0\0" + payload)


class _Requests(asyncio.Protocol):
    """The connection for what a phone of a stream says. What is answered is not looked at."""

    def __init__(self, told: dict[str, str]) -> None:
        self._told = told

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See base."""
        self._transport = cast(asyncio.Transport, transport)

    def say(self, commands: str) -> None:
        """Send a request."""
        body = {"session": self._told["session"], "node": self._told["node"], "data": commands}
        self._transport.write(_post("emulation", json.dumps(body).encode()))

    def reset(self) -> None:
        """Hang up."""
        _reset(self._transport)


def _post(path: str, body: bytes) -> bytes:
    return (
        b"POST /%b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (path.encode(), len(body), body)
    )


def _reset(transport: asyncio.Transport) -> None:
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
