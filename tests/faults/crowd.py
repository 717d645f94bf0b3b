"""Idle connections, many of them, that come back when they are closed."""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncIterator
from typing import Final

import websockets
from websockets.asyncio.client import ClientConnection

from tests.support.tokens import connection_token

BACK_S: Final = (0.05, 0.3)
"""Between which times one that was closed comes back, as SDKs do."""

_CONNECT_S: Final = 10.0


class _Crowd:
    def __init__(self, url: str, count: int) -> None:
        self.closes: list[tuple[float, int]] = []
        self.all_in = asyncio.Event()
        self._url = url
        self._token = connection_token("crowd")
        self._left = count

    async def stay(self) -> None:
        """One member, until cancelled."""
        is_first = True
        while True:
            # The hub, or the way to it, was not there: come back.
            with contextlib.suppress(OSError, TimeoutError, websockets.WebSocketException):
                async with asyncio.timeout(_CONNECT_S):
                    socket = await websockets.connect(self._url, proxy=None, close_timeout=1)
                try:
                    if is_first:
                        is_first = False
                        self._left -= 1
                        if not self._left:
                            self.all_in.set()
                    await self._sit(socket)
                finally:
                    await socket.close()
            await asyncio.sleep(random.uniform(*BACK_S))  # noqa: S311 - spreads load

    async def _sit(self, socket: ClientConnection) -> None:
        await socket.send(json.dumps({"id": 1, "connect": {"token": self._token}}))
        try:
            while True:
                if await socket.recv() == "{}":
                    await socket.send("{}")
        except websockets.ConnectionClosed:
            # Its place in the list is the order of the closes.
            self.closes.append((time.monotonic(), socket.close_code or 1006))
            raise


@contextlib.asynccontextmanager
async def open_crowd(url: str, count: int) -> AsyncIterator[list[tuple[float, int]]]:
    """`count` connections while the block lasts; the list is of when each was closed, and how."""
    crowd = _Crowd(url, count)
    async with asyncio.TaskGroup() as group:
        members = [group.create_task(crowd.stay()) for _ in range(count)]
        async with asyncio.timeout(_CONNECT_S * 2):
            await crowd.all_in.wait()
        try:
            yield crowd.closes
        finally:
            for member in members:
                member.cancel()
