"""Keeps a connection to one of APNs' hosts, for as long as the process lives."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from typing import Final

from realtime.backoff import HALF, Backoff
from realtime.cluster.clock import Clock
from workers.providers.apns.connection import (
    Connection,
    ConnectionFailed,
    ConnectionLimits,
    Origin,
)
from workers.providers.apns.session import Response

logger = logging.getLogger(__name__)

BACKOFF_MIN_S: Final = 1.0
BACKOFF_MAX_S: Final = 60.0
"""Bounds of the wait after two connections in a row were of no use, in seconds."""

REPLAYS_MAX: Final = 5
"""How often a request is sent anew that no server has taken. Each time on another connection."""


class Unreachable(Exception):
    """The host did not answer. `after_s`: no connection is tried before, 0 where one may be."""

    def __init__(self, why: str, after_s: float = 0.0) -> None:
        super().__init__(why)
        self.why = why
        self.after_s = after_s


class Link:
    """One connection at a time, made when somebody asks; those that are retired end by themselves.

    A connection was of use if it answered anything but that the service is out of order. After one
    that was of none the next is tried at once, and then ever later; until then nobody waits.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        context: ssl.SSLContext,
        limits: ConnectionLimits,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self.origin = origin
        self._context = context
        self._limits = limits
        self._clock = clock
        self._backoff = Backoff(BACKOFF_MIN_S, BACKOFF_MAX_S, spread=HALF, random=random)
        self._useless = 0
        self._down_until = 0.0
        self._why = ""
        self._wanted = asyncio.Event()
        self._waiting: list[asyncio.Future[Connection]] = []
        self._current: Connection | None = None
        self._connections: set[Connection] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Link {self.origin.authority} {self._current!r} waiting={len(self._waiting)}>"

    async def request(self, headers: Mapping[str, str], body: bytes) -> Response:
        """Ask; for as long as nobody has taken the request, on one connection after the other.

        Raises Unreachable. Cancelling is safe at any moment: it may have been done or not.
        """
        for _ in range(1 + REPLAYS_MAX):
            connection = await self._connection()
            try:
                response = await connection.request(headers, body)
            except ConnectionFailed as error:
                if error.taken:
                    raise Unreachable(error.why) from None
                continue
            if self._useless and connection.useful:
                logger.info("apns: %s answers again", self.origin.authority)
                self._useless = 0
                self._backoff.reset()
            return response
        raise Unreachable("not taken")

    async def run(self) -> None:
        """Connect whenever somebody asks and there is no connection, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    await self._wanted.wait()
                    if connection := await self._connect():
                        self._connections.add(connection)
                        name = f"apns {self.origin.authority}"
                        tasks.create_task(self._use(connection), name=name)
                        self._offer(connection)
                        await connection.retired.wait()
                        self._withdraw(connection)
        finally:
            self._refuse("stopped")

    async def close(self) -> None:
        """End all connections, within a few seconds, and make no others. Idempotent."""
        self._closed = True
        self._refuse("closed")
        await asyncio.gather(*(connection.close() for connection in list(self._connections)))

    # Inside

    async def _connection(self) -> Connection:
        """The present connection, or the next. Raises Unreachable."""
        if self._closed:
            raise Unreachable("closed")
        if self._current is not None and not self._current.retired.is_set():
            return self._current
        wait_s = self._down_until - self._clock.monotonic()
        if wait_s > 0:
            raise Unreachable(self._why, wait_s)
        waiting: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._wanted.set()
        try:
            return await waiting
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    async def _connect(self) -> Connection | None:
        connection = Connection(self.origin, context=self._context, limits=self._limits)
        try:
            await connection.open()
        except ConnectionFailed as error:
            self._blame(error.why)
            self._refuse(error.why)
            return None
        if self._closed:
            await connection.close()
            return None
        return connection

    async def _use(self, connection: Connection) -> None:
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    def _offer(self, connection: Connection) -> None:
        self._current = connection
        self._wanted.clear()
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(connection)

    def _withdraw(self, connection: Connection) -> None:
        self._current = None
        if not connection.useful:
            self._blame(connection.why)

    def _blame(self, why: str) -> None:
        self._useless += 1
        if self._useless == 1:
            logger.warning("apns: %s: %s", self.origin.authority, why)
            return
        wait_s = self._backoff.next_s()
        self._why = why
        self._down_until = self._clock.monotonic() + wait_s
        self._refuse(why, wait_s)

    def _refuse(self, why: str, after_s: float = 0.0) -> None:
        self._wanted.clear()
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_exception(Unreachable(why, after_s))
