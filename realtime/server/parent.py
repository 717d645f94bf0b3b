"""A worker's end of what ties it to the process that started it (`realtime.server.workers`)."""

import asyncio
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

LISTENING: Final = b"L"
"""All that a worker ever tells its parent."""

_PLACE: Final = re.compile(r"([1-9][0-9]{0,2})/([1-9][0-9]{0,2})")


@dataclass(frozen=True, slots=True)
class Place:
    """Which of its parent's workers a process is: `number`, from 1 to `count`."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "2/4". Raises ValueError."""
        match = _PLACE.fullmatch(text)
        if match is None or int(match[1]) > int(match[2]):
            raise ValueError('expected "2/4"')
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


class Parent:
    """The process that started this one, at the other end of a socket pair."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._loop = asyncio.get_running_loop()

    @classmethod
    def inherited(cls) -> Self:
        """The parent of a worker: its socket is the worker's standard input. Raises OSError."""
        return cls(socket.socket(fileno=os.dup(0)))

    def watch(self, gone: Callable[[], None]) -> None:
        """Have `gone` called when the parent has died, however it did. At once if it has."""

        def readable() -> None:
            try:
                heard = self._connection.recv(1)
            except BlockingIOError:
                return
            except OSError:
                heard = b""
            if not heard:
                self._loop.remove_reader(self._connection)
                gone()

        self._loop.add_reader(self._connection, readable)

    def listening(self) -> None:
        """Tell it that this worker listens. One byte into an empty buffer: never waits."""
        try:
            self._connection.send(LISTENING)
        except OSError:
            # It is gone, which `watch` tells.
            return

    def close(self) -> None:
        """Let go of it. Idempotent."""
        if self._connection.fileno() >= 0:
            self._loop.remove_reader(self._connection)
            self._connection.close()
