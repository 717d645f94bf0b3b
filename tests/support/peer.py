"""A client of a hub in the same process: what it sends, and all that it was sent."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from realtime.channels.live import Wire
from realtime.errors import Disconnect
from realtime.hub.hub import Hub
from realtime.protocol.json_codec import JsonCodec
from realtime.protocol.protobuf import ProtobufCodec
from tests.support import protobuf_documents

Document = dict[str, Any]

WAIT_S: Final = 5.0
"""Longest wait for anything a hub was asked."""

LINES: Final = Wire("lines", JsonCodec(), lambda document: document + b"\n")
"""JSON documents, each on a line: what a raw newline would break, breaks here too."""

OTHER_LINES: Final = Wire("other lines", JsonCodec(), lambda document: b" " + document + b"\n")
"""A second format, for channels whose subscribers do not all share one."""

MESSAGES: Final = Wire("messages", ProtobufCodec(), lambda document: document)
"""Protobuf messages behind their lengths. In their documents payloads are bytes, as in commands."""


class FakeTransport:
    """A hub's Transport and Sink in one, that keeps every document.

    With `high_bytes` it is one whose peer reads nothing: it holds what is written and says that it
    is full above so many bytes, as an asyncio transport does, until `take_all`.
    """

    def __init__(
        self,
        *,
        wire: Wire = LINES,
        address: str = "192.0.2.1",
        frame_pings: bool = False,
        pongs: bool = True,
        is_emulated: bool = False,
        high_bytes: int | None = None,
    ) -> None:
        self.wire = wire
        self.address = address
        self.frame_pings = frame_pings
        self.pongs = pongs
        self.is_emulated = is_emulated
        self.high_bytes = high_bytes
        self.reading = True
        self.disconnect: Disconnect | None = None
        self.gone = False
        self.pings = 0
        self.writes = 0
        self.held = 0
        self.full = False
        self.documents: list[Document] = []
        self.raw: list[bytes] = []
        self.late: list[bytes] = []
        """What was written after the close: nobody may be sent anything behind a close frame."""
        self.changed = asyncio.Event()
        self.on_full: Callable[[], object] = lambda: None
        self.on_room: Callable[[], object] = lambda: None

    @property
    def sink(self) -> "FakeTransport":
        """See Transport."""
        return self

    def write(self, data: bytes) -> None:
        """See Sink."""
        if self.disconnect is not None or self.gone:
            self.late.append(data)
            return
        self.writes += 1
        if self.wire.codec.is_binary:
            self.raw.extend(protobuf_documents.messages(data))
            self.documents.extend(protobuf_documents.replies(data))
        else:
            assert data.endswith(b"\n"), "a frame was cut"
            self.raw.extend(data.splitlines())
            self.documents.extend(map(json.loads, data.splitlines()))
        if self.high_bytes is not None:
            self.held += len(data)
            if self.held > self.high_bytes and not self.full:
                self.full = True
                self.on_full()
        self._change()

    def take_all(self) -> None:
        """The peer has read everything."""
        self.held = 0
        if self.full:
            self.full = False
            self.on_room()

    def ping(self) -> None:
        """See Transport."""
        self.pings += 1

    def close(self, disconnect: Disconnect, last: bytes = b"") -> None:
        """See Transport."""
        if last:
            self.write(last)
        if self.disconnect is None:
            self.disconnect = disconnect
        self._change()

    def pause_reading(self) -> None:
        """See Transport."""
        self.reading = False

    def resume_reading(self) -> None:
        """See Transport."""
        self.reading = True

    def _change(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class Peer:
    """One connection to a hub. Methods that wait raise where the hub closes instead."""

    def __init__(self, hub: Hub, transport: FakeTransport) -> None:
        self.hub = hub
        self.transport = transport
        self.client = hub.joined(transport)
        transport.on_full = lambda: hub.paused(self.client)
        transport.on_room = lambda: hub.resumed(self.client)
        self._last_id = 0

    # Sending

    def send(self, method: str, /, **fields: Any) -> int:
        """Send one command in a message of its own; its id."""
        (number,) = self.send_batch((method, fields))
        return number

    def send_batch(self, *commands: tuple[str, Document]) -> list[int]:
        """Send several commands in one message, as SDKs do; their ids."""
        numbers, documents = [], []
        is_binary = self.transport.wire.codec.is_binary
        for method, fields in commands:
            self._last_id += 1
            numbers.append(self._last_id)
            if is_binary:
                documents.append(protobuf_documents.frame(self._last_id, **{method: fields}))
            else:
                documents.append(json.dumps({"id": self._last_id, method: fields}).encode())
        self.send_bytes((b"" if is_binary else b"\n").join(documents))
        return numbers

    def send_bytes(self, payload: bytes) -> None:
        """Send one message as it is."""
        self.hub.received(self.client, payload)

    def leave(self) -> None:
        """The connection is gone."""
        self.transport.gone = True
        self.hub.left(self.client)

    # Sending, and waiting for the answer

    async def command(self, method: str, /, **fields: Any) -> Document:
        """The reply to one command: its result, or what is under `error` in {"error": …}."""
        return await self.reply(self.send(method, **fields))

    async def connect(self, token: str = "", **fields: Any) -> Document:
        """Connect; the result."""
        if token:
            fields["token"] = token
        return result(await self.command("connect", **fields), "connect")

    async def subscribe(self, channel: str, **fields: Any) -> Document:
        """Subscribe; the result."""
        return result(await self.command("subscribe", channel=channel, **fields), "subscribe")

    async def publish(self, channel: str, data: Any) -> None:
        """Publish, and wait for the ack."""
        result(await self.command("publish", channel=channel, data=data), "publish")

    async def refused(self, method: str, /, **fields: Any) -> int:
        """The error code that one command is answered with."""
        return error(await self.command(method, **fields))

    # Waiting

    async def reply(self, number: int) -> Document:
        """The reply to the command with that id."""
        return await self._find(lambda document: document.get("id") == number)

    async def push(self, kind: str, channel: str = "") -> Document:
        """The first push of that kind; what is under its name."""
        found = await self._find(lambda document: _is_push(document, kind, channel))
        body: Document = found["push"][kind]
        return body

    async def closed(self) -> int:
        """Wait for the hub to close the connection; the code."""
        await self._until(lambda: self.code is not None)
        assert self.code is not None
        return self.code

    async def received(self, channel: str, count: int) -> list[Document]:
        """Wait until so many publications have come; all of them."""
        await self._until(lambda: len(self.publications(channel)) >= count)
        return self.publications(channel)

    # What has come so far

    @property
    def id(self) -> str:
        """The connection's id."""
        return self.client.id

    @property
    def code(self) -> int | None:
        """The code that the hub closed the connection with, if it did."""
        disconnect = self.transport.disconnect
        return disconnect.code if disconnect is not None else None

    def replied(self, number: int) -> bool:
        """Whether the command with that id was answered."""
        return any(document.get("id") == number for document in self.transport.documents)

    def pushes(self, kind: str, channel: str = "") -> list[Document]:
        """Every push of that kind; what is under its name."""
        return [
            document["push"][kind]
            for document in self.transport.documents
            if _is_push(document, kind, channel)
        ]

    def publications(self, channel: str) -> list[Document]:
        """Every publication that was pushed, in the order of coming."""
        return self.pushes("pub", channel)

    def offsets(self, channel: str) -> list[int]:
        """Their offsets."""
        return [publication["offset"] for publication in self.publications(channel)]

    def data(self, channel: str) -> list[Any]:
        """Their payloads."""
        return [publication["data"] for publication in self.publications(channel)]

    async def _find(self, wanted: Callable[[Document], bool]) -> Document:
        def found() -> list[Document]:
            return [document for document in self.transport.documents if wanted(document)]

        await self._until(lambda: bool(found()))
        return found()[0]

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not holds():
                if self.code is not None:
                    raise AssertionError(f"the hub closed the connection: {self.code}")
                await self.transport.changed.wait()


def result(reply: Document, method: str) -> Document:
    """The result in a reply."""
    assert method in reply, reply
    found: Document = reply[method]
    return found


def error(reply: Document) -> int:
    """The error code in a reply."""
    assert "error" in reply, reply
    code: int = reply["error"]["code"]
    return code


def offsets(publications: Sequence[Document]) -> list[int]:
    """Offsets of publications, as they come in a reply."""
    return [publication["offset"] for publication in publications]


def _is_push(document: Document, kind: str, channel: str) -> bool:
    push = document.get("push", {})
    return kind in push and push.get("channel", "") == channel
