"""A client that notes when it was told what, while the test does something else."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import websockets
from websockets.asyncio.client import ClientConnection

WAIT_S: Final = 10.0
"""Longest wait for anything a hub was asked, in seconds."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """One push: when it came, by the test's monotonic clock, and what it said."""

    at: float
    channel: str
    kind: str
    body: Document


@dataclass(slots=True)
class AttentiveClient:
    """One JSON connection of the wire that is always read; `open_client` makes one."""

    socket: ClientConnection
    client: str = ""
    """The connection's id, once it is connected."""
    told: list[Told] = field(default_factory=list)
    """Every push, in the order they came."""
    closed_at: float | None = None
    _answers: dict[int, "asyncio.Future[Document]"] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _last_id: int = 0

    @property
    def close_code(self) -> int | None:
        """What the hub closed with, None while it is open."""
        return None if self.closed_at is None else self.socket.close_code

    async def connect(self, token: str, **fields: Any) -> Document:
        """Send the connect command; the reply, `error` or `connect`. Closed is ConnectionError."""
        reply = await self.command("connect", token=token, **fields)
        self.client = reply.get("connect", {}).get("client", "")
        return reply

    async def command(self, method: str, /, **fields: Any) -> Document:
        """Send one command; its reply. Raises ConnectionError where there is none to come."""
        self._last_id += 1
        number = self._last_id
        answer: asyncio.Future[Document] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            await self.socket.send(json.dumps({"id": number, method: fields}))
        except websockets.ConnectionClosed:
            raise ConnectionError(self.socket.close_code) from None
        if self.closed_at is not None and not answer.done():
            raise ConnectionError(self.socket.close_code)
        async with asyncio.timeout(WAIT_S):
            return await answer

    async def error(self, method: str, /, **fields: Any) -> int:
        """The code of the error that a command is answered with; 0 where it is none."""
        reply = await self.command(method, **fields)
        return int(reply.get("error", {}).get("code", 0))

    def pushes(self, kind: str, channel: str = "") -> list[Told]:
        """Every push of that kind so far."""
        return [told for told in self.told if (told.kind, told.channel) == (kind, channel)]

    async def until(self, holds: Callable[[], bool], within_s: float = WAIT_S) -> None:
        """Wait until it holds; asked again with each push, and with the end. Raises TimeoutError"""
        async with asyncio.timeout(within_s):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def read(self) -> None:
        """Note everything until the connection is over."""
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                frame = await self.socket.recv(decode=True)
                now = time.monotonic()
                for line in frame.split("\n"):
                    await self._heard(now, json.loads(line))
                self._news.set()
        self.closed_at = time.monotonic()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError(self.socket.close_code))
                answer.exception()
        self._news.set()

    async def _heard(self, now: float, document: Document) -> None:
        if not document:
            await self.socket.send("{}")
        elif "id" in document:
            answer = self._answers.pop(document["id"])
            if not answer.done():
                answer.set_result(document)
        else:
            push = document["push"]
            channel = push.pop("channel", "")
            ((kind, body),) = push.items()
            self.told.append(Told(now, channel, kind, body))


@contextlib.asynccontextmanager
async def open_client(url: str) -> AsyncIterator[AttentiveClient]:
    """Connect a websocket to `url`, and read it for as long as the block lasts.

    What the block raises is raised as it is, though a task group is around it.
    """
    failure: BaseException | None = None
    # A hub that was stopped answers no close frame, and is not waited for.
    async with websockets.connect(url, proxy=None, ping_interval=None, close_timeout=0.2) as socket:
        async with asyncio.TaskGroup() as tasks:
            client = AttentiveClient(socket)
            reading = tasks.create_task(client.read(), name="reading")
            try:
                yield client
            except BaseException as error:  # noqa: BLE001 - raised again below
                failure = error
            reading.cancel()
    if failure is not None:
        raise failure
