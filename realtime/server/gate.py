"""Who is let in, and who has taken too long: limits that hold before and around a handshake."""

import asyncio
import contextlib
from typing import Final, Protocol

from realtime.limits.buckets import FULL, Rate, admit

HEAD_TIMEOUT_S: Final = 10.0
"""How long a connection may take to send its first request head (slowloris)."""

CLOSE_TIMEOUT_S: Final = 3.0
"""How long a peer may take to answer our close frame and to take what we wrote before.

A peer that vanished is to be freed 5 s after its ping and pong intervals at the latest."""

HTTP_CONNECTIONS_MAX: Final = 1024
"""Connections with plain requests, at once: neither websockets nor streams that have begun."""

ARRIVING_MAX: Final = 2048
"""Connections that have not sent their first head, at once; one more ends the oldest of them."""

SWEEP_S: Final = 0.5


class Overdue(Protocol):
    """What the gate ends when it took too long."""

    def abort(self) -> None:
        """End the connection now."""
        ...


class Gate:
    """Counts connections and keeps the deadlines of those that are on their way in or out.

    One sweep serves all of them, so that a connection costs no timer. `run` must be running.
    `connection_rate` is in handshakes per second, 0 for no limit.
    """

    def __init__(self, *, connections_max: int, connection_rate: float) -> None:
        self.connections_max = connections_max
        self.connections = 0
        self.closed = False
        self._empty = asyncio.Event()
        self._rate = Rate(connection_rate, connection_rate)
        self._tat = FULL
        # In the order of their deadlines, since all of a kind wait equally long.
        self._arriving: dict[Overdue, float] = {}
        self._leaving: dict[Overdue, float] = {}

    @property
    def has_room(self) -> bool:
        """Whether it is worth asking for: nothing is counted, and it may be otherwise soon."""
        return not self.closed and self.connections < self.connections_max

    def admit(self, now: float) -> bool:
        """Whether one more connection may open now; it is then counted until `release`."""
        if not self.has_room:
            return False
        if self._rate.enabled:
            tat = admit(self._tat, now, self._rate)
            if tat is None:
                return False
            self._tat = tat
        self.connections += 1
        return True

    def release(self) -> None:
        """A connection that was admitted is gone."""
        self.connections -= 1
        if not self.connections:
            self._empty.set()

    def arriving(self, connection: Overdue, now: float) -> None:
        """The connection must send its first head soon.

        Where too many others have not yet, the oldest goes: strangers who say nothing must not
        shut out who comes now and speaks at once.
        """
        if len(self._arriving) >= ARRIVING_MAX:
            oldest = next(iter(self._arriving))
            del self._arriving[oldest]
            oldest.abort()
        self._arriving[connection] = now + HEAD_TIMEOUT_S

    def arrived(self, connection: Overdue) -> None:
        """It did, or is gone."""
        self._arriving.pop(connection, None)

    def leaving(self, connection: Overdue, now: float) -> None:
        """The connection is closing, whoever began it; it must end soon. Idempotent.

        A transport that closes waits, without an end, for a peer to read what was written to it.
        """
        self._leaving.setdefault(connection, now + CLOSE_TIMEOUT_S)

    def left(self, connection: Overdue) -> None:
        """It did."""
        self._leaving.pop(connection, None)

    async def run(self) -> None:
        """End what has taken too long, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            self.sweep(loop.time())

    async def emptied(self, timeout_s: float) -> None:
        """Wait until every one that was admitted is gone, at most so long."""
        if self.connections:
            self._empty.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._empty.wait()

    def sweep(self, now: float) -> None:
        """End every connection whose deadline has passed."""
        for waiting in (self._arriving, self._leaving):
            for connection, deadline in list(waiting.items()):
                if deadline > now:
                    break
                del waiting[connection]
                connection.abort()
