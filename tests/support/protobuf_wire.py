"""A client that speaks Protobuf over a websocket by hand, beside `tests.support.wire_client`."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import websockets

from tests.support.protobuf_documents import Document, frame, replies
from tests.support.wire_client import WireClient

SUBPROTOCOL: Final = "centrifuge-protobuf"


class ProtobufWireClient(WireClient):
    """One Protobuf connection. Its documents are like those in JSON, but for payloads as bytes."""

    async def send(self, method: str, /, **fields: Any) -> int:
        """Send one command without waiting; its id."""
        self._last_id += 1
        await self.send_text(frame(self._last_id, **{method: fields}))
        return self._last_id

    async def _read(self) -> list[Document]:
        data = await self.socket.recv()
        assert isinstance(data, bytes), "text in place of binary"
        documents = replies(data)
        if {} in documents and self.answers_pings:
            await self.socket.send(b"\x00")
        return documents


@contextlib.asynccontextmanager
async def open_protobuf(
    url: str, subprotocols: Sequence[str] | None = (SUBPROTOCOL,), **options: Any
) -> AsyncIterator[ProtobufWireClient]:
    """Connect a websocket to `url`; options are those of `websockets.connect`."""
    options["subprotocols"] = subprotocols
    async with websockets.connect(url, proxy=None, **options) as socket:
        yield ProtobufWireClient(socket)
