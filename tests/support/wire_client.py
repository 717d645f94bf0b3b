"""A client that speaks the wire by hand, for what no SDK would do or show."""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import websockets
from websockets.asyncio.client import ClientConnection

WAIT_S: Final = 10.0
"""Longest wait for anything a hub was asked."""

Document = dict[str, Any]


class WireClient:
    """One JSON connection. Reads only while a method waits; answers pings while it reads.

    Replies and pushes that nobody has asked for yet are kept in the order they came.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.answers_pings = True
        self._kept: deque[Document] = deque()
        self._last_id = 0

    async def connect(self, token: str = "", **fields: Any) -> Document:
        """Send the connect command; its reply, `error` or `connect`."""
        return await self.command("connect", token=token, **fields)

    async def command(self, method: str, /, **fields: Any) -> Document:
        """Send one command and wait for its reply."""
        return await self.reply(await self.send(method, **fields))

    async def send(self, method: str, /, **fields: Any) -> int:
        """Send one command without waiting; its id."""
        self._last_id += 1
        await self.send_text(json.dumps({"id": self._last_id, method: fields}))
        return self._last_id

    async def send_text(self, text: str | bytes) -> None:
        """Send one frame as it is."""
        await self.socket.send(text)

    async def reply(self, number: int) -> Document:
        """Wait for the reply to the command with that id."""
        return await self._take(lambda document: document.get("id") == number)

    async def push(self, kind: str, channel: str = "") -> Document:
        """Wait for the next push of that kind; what is under its name."""
        push = await self._take(
            lambda document: (
                kind in document.get("push", ()) and document["push"].get("channel", "") == channel
            )
        )
        body: Document = push["push"][kind]
        return body

    async def ping(self) -> None:
        """Wait for a ping, which is then answered if `answers_pings`."""
        async with asyncio.timeout(WAIT_S):
            while {} not in await self._read():
                pass

    async def closed(self, within_s: float = WAIT_S) -> tuple[int, str]:
        """Read until the hub closes; its code and reason, 1006 where there was no close frame."""
        async with asyncio.timeout(within_s):
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    self._kept.extend(await self._read())
            await self.socket.wait_closed()
        return self.socket.close_code or 1006, self.socket.close_reason or ""

    async def _take(self, wanted: Callable[[Document], bool]) -> Document:
        for document in self._kept:
            if wanted(document):
                self._kept.remove(document)
                return document
        async with asyncio.timeout(WAIT_S):
            while True:
                found = None
                for document in await self._read():
                    if found is None and wanted(document):
                        found = document
                    else:
                        self._kept.append(document)
                if found is not None:
                    return found

    async def _read(self) -> list[Document]:
        frame = await self.socket.recv(decode=True)
        documents: list[Document] = [json.loads(line) for line in frame.split("\n") if line]
        if {} in documents and self.answers_pings:
            await self.socket.send("{}")
        return documents


@contextlib.asynccontextmanager
async def open_wire(url: str, **options: Any) -> AsyncIterator[WireClient]:
    """Connect a websocket to `url`; options are those of `websockets.connect`."""
    async with websockets.connect(url, proxy=None, **options) as socket:
        yield WireClient(socket)
