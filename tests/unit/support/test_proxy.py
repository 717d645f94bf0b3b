"""The proxy breaks what it is told to break, and nothing else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.support.proxy import Proxy, open_proxy

WAIT_S = 5.0


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close and wait, whatever state the connection is in."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@pytest.fixture
async def echo_port() -> AsyncIterator[int]:
    """A server that sends back whatever comes."""

    idle = asyncio.Event()
    idle.set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        idle.clear()
        with contextlib.suppress(OSError):
            while data := await reader.read(1000):
                writer.write(data)
        await hang_up(writer)
        idle.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.wait_for(idle.wait(), WAIT_S)


@pytest.fixture
async def proxy(echo_port: int) -> AsyncIterator[Proxy]:
    async with open_proxy(echo_port) as proxy:
        yield proxy


async def connect(proxy: Proxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def test_bytes_are_carried_both_ways(proxy: Proxy) -> None:
    reader, writer = await connect(proxy)
    writer.write(b"hello")
    assert await asyncio.wait_for(reader.readexactly(5), WAIT_S) == b"hello"
    assert proxy.carried_bytes == 5
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), WAIT_S) == b""
    await hang_up(writer)


async def test_split_bytes_arrive_whole(proxy: Proxy) -> None:
    proxy.piece_bytes = 1
    reader, writer = await connect(proxy)
    writer.write(b"0123456789")
    assert await asyncio.wait_for(reader.readexactly(10), WAIT_S) == b"0123456789"
    await hang_up(writer)


async def test_a_stalled_proxy_holds_back_until_it_resumes(proxy: Proxy) -> None:
    reader, writer = await connect(proxy)
    proxy.stall()
    writer.write(b"late")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.1)
    proxy.resume()
    assert await asyncio.wait_for(reader.readexactly(4), WAIT_S) == b"late"
    await hang_up(writer)


async def test_a_cut_resets_the_connection(proxy: Proxy) -> None:
    reader, writer = await connect(proxy)
    writer.write(b"x")
    await asyncio.wait_for(reader.readexactly(1), WAIT_S)
    assert proxy.cut() == 1
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), WAIT_S)
    await hang_up(writer)


async def test_a_cut_falls_after_the_byte_it_was_asked_for(proxy: Proxy) -> None:
    reader, writer = await connect(proxy)
    proxy.cut_after(3)
    writer.write(b"hello")
    assert await asyncio.wait_for(reader.readexactly(3), WAIT_S) == b"hel"
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), WAIT_S)
    await hang_up(writer)


async def test_a_refusing_proxy_lets_nobody_in(proxy: Proxy) -> None:
    proxy.refusing = True
    reader, writer = await connect(proxy)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), WAIT_S)
    await hang_up(writer)


async def test_a_stranded_connection_is_gone_for_the_client_and_open_for_the_server() -> None:
    came, ended = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        with contextlib.suppress(ConnectionResetError):
            await reader.read()
        ended.set()
        await hang_up(writer)

    async with (
        await asyncio.start_server(serve, "127.0.0.1", 0) as server,
        open_proxy(server.sockets[0].getsockname()[1]) as proxy,
    ):
        reader, writer = await connect(proxy)
        await asyncio.wait_for(came.wait(), WAIT_S)
        assert proxy.strand() == 1
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), WAIT_S) == b""
        await hang_up(writer)
        assert not ended.is_set()
        proxy.cut()
        await asyncio.wait_for(ended.wait(), WAIT_S)


async def test_what_a_server_says_to_a_stranded_connection_is_lost_until_it_hangs_up(
    echo_port: int,
) -> None:
    came, said, close = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        await said.wait()
        for _ in range(10):
            writer.write(b"x" * 100_000)
            await asyncio.wait_for(writer.drain(), WAIT_S)
        await hang_up(writer)
        close.set()

    async with (
        await asyncio.start_server(serve, "127.0.0.1", 0) as server,
        open_proxy(server.sockets[0].getsockname()[1]) as proxy,
    ):
        reader, writer = await connect(proxy)
        await asyncio.wait_for(came.wait(), WAIT_S)
        assert proxy.strand() == 1
        said.set()
        await asyncio.wait_for(close.wait(), WAIT_S)
        await hang_up(writer)
        # The next one gets through, to wherever connections go from now on.
        proxy.target = echo_port
        reader, writer = await connect(proxy)
        writer.write(b"hello")
        assert await asyncio.wait_for(reader.readexactly(5), WAIT_S) == b"hello"
        await hang_up(writer)
