"""Idle connections, many of them, that come back when they are closed; a few on each wire."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import aiohttp
import websockets

from tests.support.protobuf_wire import open_protobuf
from tests.support.stream_client import Kind, StreamClient, open_stream
from tests.support.tokens import connection_token
from tests.support.wire_client import WireClient, open_wire

BACK_S: Final = (0.05, 0.3)
"""Between which times one that was closed comes back, as SDKs do."""

_CONNECT_S: Final = 10.0
_STAY_S: Final = 3_600.0
_NO_WORD: Final = 1006
_NOT_IN: Final = (
    OSError,
    TimeoutError,
    websockets.WebSocketException,
    aiohttp.ClientError,
    AssertionError,
)
"""The hub, or the way to it, was not there, or a stream was answered with "try again"."""

_SOCKETS: Final[tuple[Callable[..., AbstractAsyncContextManager[WireClient]], ...]] = (
    open_wire,
    open_protobuf,
)
_STREAMS: Final[tuple[Kind, ...]] = ("http_stream", "sse")


class _Crowd:
    def __init__(self, url: str, count: int) -> None:
        self.closes: list[tuple[float, int]] = []
        self.all_in = asyncio.Event()
        self._url = url
        self._token = connection_token("crowd")
        self._left = count

    async def stay(self, number: int) -> None:
        """One member, until cancelled; its wire follows from its number."""
        turn, is_stream = divmod(number, 2)
        is_first = True
        while True:
            with contextlib.suppress(*_NOT_IN):
                async with contextlib.AsyncExitStack() as stack:
                    async with asyncio.timeout(_CONNECT_S):
                        client = (
                            await self._stream(stack, _STREAMS[turn % 2])
                            if is_stream
                            else await self._socket(stack, turn % 2)
                        )
                    if is_first:
                        is_first = False
                        self._left -= 1
                        if not self._left:
                            self.all_in.set()
                    code = await _end(client)
                    # Its place in the list is the order of the closes.
                    self.closes.append((time.monotonic(), code))
            await asyncio.sleep(random.uniform(*BACK_S))  # noqa: S311 - spreads load

    async def _socket(self, stack: contextlib.AsyncExitStack, number: int) -> WireClient:
        wire = await stack.enter_async_context(_SOCKETS[number](self._url, close_timeout=1))
        await wire.connect(self._token)
        return wire

    async def _stream(self, stack: contextlib.AsyncExitStack, kind: Kind) -> StreamClient:
        base = self._url.replace("ws", "http", 1).removesuffix("/connection/websocket")
        return await stack.enter_async_context(open_stream(base, kind, self._token))


async def _end(client: WireClient | StreamClient) -> int:
    """Wait until the hub closes; the code that it gave, in a close frame or a last push."""
    if isinstance(client, WireClient):
        code, _ = await client.closed(_STAY_S)
        return code
    for document in reversed(await client.ended(_STAY_S)):
        if disconnect := document.get("push", {}).get("disconnect"):
            return int(disconnect["code"])
    return _NO_WORD


@contextlib.asynccontextmanager
async def open_crowd(url: str, count: int) -> AsyncIterator[list[tuple[float, int]]]:
    """`count` connections while the block lasts; the list is of when each was closed, and how.

    `url` is the address for websockets, from which that of streams follows.
    """
    crowd = _Crowd(url, count)
    async with asyncio.TaskGroup() as group:
        members = [group.create_task(crowd.stay(number)) for number in range(count)]
        async with asyncio.timeout(_CONNECT_S * 2):
            await crowd.all_in.wait()
        try:
            yield crowd.closes
        finally:
            for member in members:
                member.cancel()
