"""Reads and writes all plain connections of a process; it is what makes many clients cheap.

The loop's own transports take twice as long for a short message as the system does. Here one
`epoll` has all sockets, all read into one buffer, and most of what a fan-out sends is not even cut
into documents: it is the same bytes as what another client got.

TLS goes through the loop's transports: there the cipher is what costs.
"""

import asyncio
import os
import select
import socket
import time
from typing import TYPE_CHECKING, Final

from load.wire.listener import Listener

if TYPE_CHECKING:
    from load.wire.connection import Connection

READ_BYTES: Final = 256 * 1024
"""How much is read from one connection before the next has its turn."""

ASKED_BYTES_MIN: Final = 479
"""How much is asked for at first: as much as Python has at hand in 512 bytes, and most messages."""

EVENTS_MAX: Final = 512
"""How many connections are read before the loop has its turn."""

BACKLOG_BYTES_MAX: Final = 256 * 1024
"""How much may wait to be written before `pause_writing`, for a hub that does not read."""

ALIKE_AT_ONCE: Final = 8
"""How many reads in a row share the time of the last of them: some 30 us are between them."""

KNOWN_MAX: Final = 256
"""How many different reads are remembered."""

KNOWN_BYTES_MAX: Final = 16 * 1024
"""How long a read may be to be remembered, in bytes."""

_WRITABLE: Final = select.EPOLLOUT

_ENDED: Final = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
"""The other end is done; when that comes together with data, no later event tells of it."""

_READABLE: Final = select.EPOLLIN


class Sockets:
    """The plain connections of one loop, and to be used within it; `close` at last."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._epoll = select.epoll()
        self._buffer = bytearray(READ_BYTES)
        self._view = memoryview(self._buffer)
        self._connected: dict[int, PlainSocket] = {}
        self._listeners: dict[int, Listener | None] = {}
        """Whose pushes of a connection may be counted together (see `Listener`): in the middle of a
        frame nobody's, since what comes is no frame's start, whatever it looks like."""
        self._last = b""
        """The last read that was whole frames of pushes and no more, for `_last_listener`."""
        self._asked = ASKED_BYTES_MIN
        """How much is asked for, so that it is seen whether more than the last has come."""
        self._last_pushes: list[bytes] = []
        self._last_listener = Listener()
        """At first nobody's, so that nothing is like the last read."""
        self._known: dict[bytes, list[bytes]] = {}
        """Such reads, and the pushes in them: rooms come in turns."""
        loop.add_reader(self._epoll.fileno(), self._read)

    def add(self, connected: socket.socket, connection: "Connection") -> None:
        """Have a connected, non-blocking socket read, and tell the connection that it is made."""
        fd = connected.fileno()
        plain = PlainSocket(self, connected, connection)
        # Edges, not levels: the system looks at each socket once for what comes, not twice.
        self._epoll.register(fd, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connection_made(plain)
        self._enter(fd, plain)

    def watch(self, fd: int, *, reads: bool, writes: bool) -> None:
        """What a connection waits for, from now on; what is there already counts, too."""
        reading = select.EPOLLIN | select.EPOLLRDHUP
        self._epoll.modify(fd, reads * reading | writes * _WRITABLE | select.EPOLLET)

    def forget(self, fd: int) -> None:
        """Leave a connection alone; it is about to be closed."""
        self._connected.pop(fd, None)
        self._listeners.pop(fd, None)
        self._epoll.unregister(fd)

    def close(self) -> None:
        """Hang up whatever is still connected, and free the rest."""
        for plain in list(self._connected.values()):
            plain.abort()
        self.loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _read(self) -> None:
        """Read what has come, as much as is one turn's."""
        read, listeners, clock = os.read, self._listeners, time.monotonic_ns
        last, asked, listener = self._last, self._asked, self._last_listener
        reads: list[tuple[int, int]] = []
        alike = 0
        for fd, events in self._epoll.poll(0, EVENTS_MAX):
            try:
                by = listeners[fd]
                # More than the last had: if less comes, that is all there is.
                data = read(fd, asked) if events != _WRITABLE else None
            except KeyError:
                # A listener closed it while others of this turn were read.
                continue
            except BlockingIOError:
                data = None
            except OSError:
                self._connected[fd].lost()
                continue
            if data == last and by is listener and events == _READABLE:
                alike += 1
                if alike == ALIKE_AT_ONCE:
                    reads.append((clock(), alike))
                    alike = 0
                continue
            if alike:
                reads.append((clock(), alike))
            self._hear(reads)
            reads, alike = [], self._other(fd, events, data, asked)
            last, asked, listener = self._last, self._asked, self._last_listener
        if alike:
            reads.append((clock(), alike))
        self._hear(reads)

    def _hear(self, reads: list[tuple[int, int]]) -> None:
        if reads:
            self._last_listener.pushed_alike(self._last_pushes, reads)

    def _other(self, fd: int, events: int, data: bytes | None, asked: int) -> bool:
        """What is not wholly like the last read: whether the pushes in it are to be counted with
        those of reads after it, which are like this one."""
        plain = self._connected.get(fd)
        if plain is None:
            # The listener closed it when it heard of the reads before.
            return False
        is_whole = data is not None and len(data) < asked
        if data and not is_whole:
            more = plain.receive(self._buffer)
            data += self._view[:more]
            is_whole = more < READ_BYTES
        counts = self._fresh(fd, plain, data) if data else False
        if data == b"":
            plain.lost()
        elif data and (events & _ENDED or not is_whole):
            # There may be more, which no event tells of.
            plain.watch()
        if events & _WRITABLE:
            plain.flush()
        return counts

    def _fresh(self, fd: int, plain: "PlainSocket", data: bytes) -> bool:
        """What was read is other than what was read before; whether it is the new `_last`."""
        connection = plain.connection
        was_unfinished = connection.is_unfinished
        if connection.listener.counts_alike and not was_unfinished:
            pushes = self._known.get(data)
            if pushes is None:
                pushes = connection.pushes(data)
                if pushes and len(data) <= KNOWN_BYTES_MAX:
                    if len(self._known) >= KNOWN_MAX:
                        self._known.clear()
                    self._known[data] = pushes
            if pushes:
                self._last, self._last_pushes = data, pushes
                self._asked = max(ASKED_BYTES_MIN, len(data) + 1)
                self._last_listener = connection.listener
                return True
        connection.data_received(data)
        if connection.is_unfinished != was_unfinished and fd in self._connected:
            self._enter(fd, plain)
        return False

    def _enter(self, fd: int, plain: "PlainSocket") -> None:
        self._connected[fd] = plain
        connection = plain.connection
        self._listeners[fd] = None if connection.is_unfinished else connection.listener


class PlainSocket(asyncio.Transport):
    """A transport, as far as `Connection` needs one."""

    __slots__ = (
        "_backlog",
        "_fd",
        "_is_closing",
        "_is_paused",
        "_socket",
        "_sockets",
        "connection",
    )

    def __init__(
        self, sockets: Sockets, connected: socket.socket, connection: "Connection"
    ) -> None:
        self.connection = connection
        self._sockets = sockets
        self._socket = connected
        self._fd = connected.fileno()
        self._backlog = b""
        self._is_paused = False
        self._is_closing = False

    def receive(self, buffer: bytearray) -> int:
        """Read what there is into a buffer; how much that was, 0 also of nothing."""
        try:
            return self._socket.recv_into(buffer)
        except OSError:
            # That there is nothing yet, or that it is over: the next event tells.
            return 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See base."""
        if self._is_closing:
            return
        sent = 0
        if not self._backlog:
            sent = self._send(data)
            if sent == len(data):
                return
        before = len(self._backlog)
        self._backlog += data[sent:]
        if not before and self._fd >= 0:
            self.watch()
        if before <= BACKLOG_BYTES_MAX < len(self._backlog):
            self.connection.pause_writing()

    def flush(self) -> None:
        """Write what waits; the system has room again."""
        before = len(self._backlog)
        self._backlog = self._backlog[self._send(self._backlog) :]
        if self._fd < 0 or self._backlog:
            return
        if self._is_closing:
            self.lost()
            return
        self.watch()
        if before > BACKLOG_BYTES_MAX:
            self.connection.resume_writing()

    def pause_reading(self) -> None:
        """See base."""
        self._is_paused = True
        self.watch()

    def resume_reading(self) -> None:
        """See base."""
        self._is_paused = False
        self.watch()

    def close(self) -> None:
        """See base."""
        self._is_closing = True
        if not self._backlog:
            self.lost()

    def abort(self) -> None:
        """See base."""
        self._is_closing = True
        self.lost()

    def is_closing(self) -> bool:
        """See base."""
        return self._is_closing

    def lost(self) -> None:
        """Free the socket, and tell the connection in the loop's next turn."""
        if self._fd < 0:
            return
        self._sockets.forget(self._fd)
        self._fd = -1
        self._is_closing = True
        self._socket.close()
        self._sockets.loop.call_soon(self.connection.connection_lost, None)

    def _send(self, data: bytes | bytearray | memoryview) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            # Reset by the hub: as a read would find, and more than a write has to say.
            self.lost()
            return len(data)

    def watch(self) -> None:
        """Wait for what there is to be waited for now."""
        if self._fd >= 0:
            self._sockets.watch(self._fd, reads=not self._is_paused, writes=bool(self._backlog))
