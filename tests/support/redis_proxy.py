"""A proxy before a Redis server that reads replies, so that it can lose some of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Self

import hiredis

_READ_BYTES: Final = 65_536
_PUSHED: Final = (b"message", b"smessage")


class RedisProxy:
    """Carries requests as they are and replies one by one; `open_redis_proxy` makes one."""

    def __init__(self, port: int) -> None:
        self.requests: list[bytes] = []
        """What clients have sent, as it was read from their sockets."""
        self.loses: Callable[[bytes, bytes], bool] = lambda topic, payload: False
        """Whether a message to a subscriber, with this topic and payload, is lost."""
        self.is_mute = False
        """Whether every reply is lost."""
        self.is_refusing = False
        """Whether new connections are closed at once."""
        self.lost = 0
        """Replies lost so far."""
        self._target = port
        self._listener: asyncio.Server
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where clients connect in place of the server."""
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """The same as a URL."""
        return f"redis://127.0.0.1:{self.port}"

    async def listen(self) -> Self:
        """Start on any free port."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    def cut(self) -> None:
        """Drop every connection."""
        for writer in self._open:
            writer.transport.abort()

    async def close(self) -> None:
        """Stop listening and drop what is open."""
        self._listener.close()
        self.cut()
        await asyncio.gather(*self._serving)

    async def _serve(
        self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        writers = {client_writer}
        self._open.add(client_writer)
        try:
            with contextlib.suppress(OSError):  # the server is down
                if not self.is_refusing:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self._target)
                    writers.add(writer)
                    self._open.add(writer)
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self._pump_up(client_reader, writer, client_writer))
                        tasks.create_task(self._pump_down(reader, client_writer, writer))
        finally:
            self._open -= writers
            for each in writers:
                each.transport.abort()
            await asyncio.sleep(0)  # the transports let go of their sockets
            self._serving.discard(task)

    async def _pump_up(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        other: asyncio.StreamWriter,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_BYTES):
                self.requests.append(data)
                writer.write(data)
                await writer.drain()
        _close(writer, other)

    async def _pump_down(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        other: asyncio.StreamWriter,
    ) -> None:
        replies = hiredis.Reader(notEnoughData=Ellipsis)
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_BYTES):
                replies.feed(data)
                while (reply := replies.gets(False)) is not Ellipsis:
                    if self._is_lost(reply):
                        self.lost += 1
                    else:
                        writer.write(_encode(reply))
                await writer.drain()
        _close(writer, other)

    def _is_lost(self, reply: Any) -> bool:
        if self.is_mute:
            return True
        is_pushed = isinstance(reply, list) and len(reply) == 3 and reply[0] in _PUSHED
        return is_pushed and self.loses(reply[1], reply[2])


def _encode(reply: Any) -> bytes:
    """Write a reply anew (RESP2); a simple string as a bulk string, which clients read alike."""
    if isinstance(reply, list):
        return b"*%d\r\n" % len(reply) + b"".join(map(_encode, reply))
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, hiredis.ReplyError):
        return b"-%b\r\n" % str(reply).encode()
    return b"$%d\r\n%b\r\n" % (len(reply), reply)


def _close(*writers: asyncio.StreamWriter) -> None:
    """End both sides: closing one makes the other pump's reader end."""
    for writer in writers:
        if not writer.is_closing():
            writer.close()


@contextlib.asynccontextmanager
async def open_redis_proxy(port: int) -> AsyncIterator[RedisProxy]:
    """A proxy to `port` on loopback, for as long as the block lasts."""
    proxy = await RedisProxy(port).listen()
    try:
        yield proxy
    finally:
        await proxy.close()
