"""A TCP balancer in front of several hubs: least connections, past those that refuse."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final, Self

_READ_BYTES: Final = 65_536
_CONNECT_S: Final = 2.0
_CLOSE_POLL_S: Final = 0.05


class Balancer:
    """Carries bytes between clients and hubs; `open_balancer` makes one. Not thread-safe.

    A connection goes to the hub that has the fewest of them; where that one refuses, to the next.
    Nobody is asked whether it is well: that a hub does not listen is all that is known of it.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self.carried: Counter[int] = Counter(dict.fromkeys(ports, 0))
        """How many connections each hub has now, by its port."""
        self.refusing = False
        """Whether new connections are closed at once."""
        self._listener: asyncio.Server
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Balancer {dict(self.carried)}>"

    @property
    def port(self) -> int:
        """Where clients connect."""
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    @property
    def websocket_url(self) -> str:
        """Where SDKs connect."""
        return f"ws://127.0.0.1:{self.port}/connection/websocket"

    async def listen(self) -> Self:
        """Start on any free port."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def close(self) -> None:
        """Stop listening and drop what is open."""
        # What is accepted from here on was in the queue before.
        self.refusing = True
        self._listener.close()
        # Its task begins a turn later, and one that is about to reach a hub opens a writer yet.
        await asyncio.sleep(0)
        while self._serving:
            for writer in list(self._open):
                writer.transport.abort()
            await asyncio.wait(self._serving, timeout=_CLOSE_POLL_S)

    async def _serve(
        self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._open.add(client_writer)
        try:
            # Least connections; counted before the hub answers, so that a storm is spread.
            for port in sorted(self._ports(), key=self.carried.__getitem__):
                self.carried[port] += 1
                try:
                    if await self._carry(port, client_reader, client_writer):
                        break
                finally:
                    self.carried[port] -= 1
        finally:
            await self._drop(client_writer)
            self._serving.discard(task)

    def _ports(self) -> Iterable[int]:
        return () if self.refusing else self.carried

    async def _carry(
        self, port: int, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter
    ) -> bool:
        """Carry until either side ends; False if the hub does not listen."""
        try:
            async with asyncio.timeout(_CONNECT_S):
                hub_reader, hub_writer = await asyncio.open_connection("127.0.0.1", port)
        except (OSError, TimeoutError):
            return False
        self._open.add(hub_writer)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(client_reader, hub_writer))
                group.create_task(_pump(hub_reader, client_writer))
        finally:
            await self._drop(hub_writer)
        return True

    async def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._open.discard(writer)
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # RuntimeError is uvloop's word for a transport that has been closed meanwhile.
    with contextlib.suppress(OSError, RuntimeError):
        while data := await reader.read(_READ_BYTES):
            writer.write(data)
            await writer.drain()
    # Ends the other half as well: closing our writer makes the other pump's reader end.
    if not writer.is_closing():
        writer.close()


@contextlib.asynccontextmanager
async def open_balancer(ports: Sequence[int]) -> AsyncIterator[Balancer]:
    """A balancer in front of these ports on loopback, for as long as the block lasts."""
    balancer = await Balancer(ports).listen()
    try:
        yield balancer
    finally:
        await balancer.close()
