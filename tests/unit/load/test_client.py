"""A client that connects: what the hub answers is told at once."""

import asyncio

import pytest

from load.wire.client import Refused, open_client
from load.wire.listener import Listener
from load.wire.messages import SubscribeRequest
from load.wire.target import Target

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
EXPIRED = b'{"id":1,"error":{"code":109,"message":"token expired"}}'


async def test_who_is_refused_does_not_wait_for_answers_to_what_came_with_it() -> None:
    """Hubs leave the connection open then, for another try with another token."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SWITCHED)
        await reader.read(1)
        writer.write(bytes((0x81, len(EXPIRED))) + EXPIRED)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        target = Target(f"ws://127.0.0.1:{port}")
        with pytest.raises(Refused, match="109 token expired"):
            async with asyncio.timeout(5):
                await open_client(target, Listener(), None, [SubscribeRequest("room:one")])
