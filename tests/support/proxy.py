"""A TCP proxy between clients and a hub that breaks what it is told to break."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Iterable
from typing import Final, Self

_READ_BYTES: Final = 65_536
_CLOSE_POLL_S: Final = 0.05
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""socket(7), SO_LINGER: on, for no time."""


class Proxy:
    """Carries bytes both ways; `open_proxy` makes one. Not thread-safe.

    Bytes are held back and counted only in the direction from the hub to the clients.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        """Where new connections are carried to."""
        self.refusing = False
        """Whether new connections are closed at once."""
        self.piece_bytes = 0
        """Most bytes that are passed on at a time, both ways; 0 is as they come."""
        self.carried_bytes = 0
        """Bytes passed on from the hub so far."""
        self._listener: asyncio.Server
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._cut_at: int | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._pairs: dict[asyncio.StreamWriter, asyncio.StreamWriter] = {}
        self._stranded: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    async def listen(self) -> Self:
        """Start on any free port."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    @property
    def port(self) -> int:
        """Where clients connect in place of the hub."""
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    @property
    def websocket_url(self) -> str:
        """Where SDKs connect in place of the hub."""
        return f"ws://127.0.0.1:{self.port}/connection/websocket"

    def stall(self) -> None:
        """Hold back what the hub sends, until `resume`; up to what buffers hold is taken in."""
        self._flowing.clear()

    def resume(self) -> None:
        """Pass on again, first what was held back."""
        self._flowing.set()

    def cut(self) -> int:
        """Reset every connection; how many."""
        writers = list(self._open)
        for writer in writers:
            _abort(writer)
        return len(writers) // 2

    def strand(self) -> int:
        """Reset every connection on the client's side alone; how many.

        To the hub each stays open, and nothing comes from it any more, as where a phone has left a
        network: until the hub closes it.
        """
        fresh = self._pairs.keys() - self._stranded
        for hub_writer in fresh:
            self._stranded.add(hub_writer)
            _abort(self._pairs[hub_writer])
        return len(fresh)

    def cut_after(self, count: int) -> None:
        """Reset every connection once the hub has sent `count` more bytes, wherever that falls."""
        self._cut_at = self.carried_bytes + count

    async def close(self) -> None:
        """Stop listening and reset what is open."""
        # What is accepted from here on was in the queue before.
        self.refusing = True
        self._listener.close()
        self.resume()
        # Its task begins a turn later, and one that is about to reach the hub opens a writer yet.
        await asyncio.sleep(0)
        while self._serving:
            self.cut()
            await asyncio.wait(self._serving, timeout=_CLOSE_POLL_S)

    async def _serve(
        self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        writers = [client_writer]
        try:
            # A hub that is down looks like a proxy that refuses.
            with contextlib.suppress(OSError):
                if not self.refusing:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.target)
                    writers.append(writer)
                    await self._carry(client_reader, client_writer, reader, writer)
        finally:
            await _reset(writers)
            self._serving.discard(task)

    async def _carry(
        self,
        client_reader: asyncio.StreamReader,
        client_writer: asyncio.StreamWriter,
        hub_reader: asyncio.StreamReader,
        hub_writer: asyncio.StreamWriter,
    ) -> None:
        pair = {client_writer, hub_writer}
        self._open |= pair
        self._pairs[hub_writer] = client_writer
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump_up(client_reader, hub_writer))
                group.create_task(self._pump_down(hub_reader, client_writer))
            while hub_writer in self._stranded and await hub_reader.read(_READ_BYTES):
                pass
        finally:
            self._open -= pair
            self._stranded.discard(hub_writer)
            self._pairs.pop(hub_writer, None)

    async def _pump_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_BYTES):
                for piece in self._pieces(data):
                    await self._write(piece, writer)
        if writer not in self._stranded:
            _close_both_ways(writer)

    async def _pump_down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_BYTES):
                for piece in self._pieces(data):
                    await self._flowing.wait()
                    await self._pass_on(piece, writer)
        _close_both_ways(writer)

    async def _pass_on(self, piece: bytes, writer: asyncio.StreamWriter) -> None:
        if self._cut_at is not None and self.carried_bytes + len(piece) >= self._cut_at:
            piece = piece[: self._cut_at - self.carried_bytes]
            self._cut_at = None
            await self._write(piece, writer)
            self.cut()
            return
        self.carried_bytes += len(piece)
        await self._write(piece, writer)

    async def _write(self, piece: bytes, writer: asyncio.StreamWriter) -> None:
        if writer.is_closing():
            raise ConnectionResetError("cut while the piece was held back")
        writer.write(piece)
        await writer.drain()
        if self.piece_bytes:
            # Lets the loop write this piece by itself.
            await asyncio.sleep(0)

    def _pieces(self, data: bytes) -> Iterable[bytes]:
        size = self.piece_bytes or len(data)
        return (data[start : start + size] for start in range(0, len(data), size))


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close with a reset: abort() alone makes uvloop end the stream in good order."""
    if not writer.is_closing():
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


async def _reset(writers: Iterable[asyncio.StreamWriter]) -> None:
    for writer in writers:
        _abort(writer)
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _close_both_ways(writer: asyncio.StreamWriter) -> None:
    """End the other half as well: closing our writer makes the other pump's reader end."""
    if not writer.is_closing():
        writer.close()


@contextlib.asynccontextmanager
async def open_proxy(port: int) -> AsyncIterator[Proxy]:
    """A proxy to `port` on loopback, for as long as the block lasts."""
    proxy = await Proxy(port).listen()
    try:
        yield proxy
    finally:
        await proxy.close()
