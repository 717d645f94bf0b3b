"""The balancer carries both ways, to the hub with the fewest connections that listens."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import pytest

from tests.support.balancer import Balancer, open_balancer

WAIT_S: Final = 5.0


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say which port this is to every line."""
    with contextlib.suppress(OSError):
        while await reader.readline():
            writer.write(b"%d\n" % writer.get_extra_info("sockname")[1])
    writer.close()


@pytest.fixture
async def servers() -> AsyncIterator[list[asyncio.Server]]:
    """Two servers that answer."""
    servers = [await asyncio.start_server(answer, "127.0.0.1", 0) for _ in range(2)]
    yield servers
    for server in servers:
        server.close()


@pytest.fixture
async def balancer(servers: list[asyncio.Server]) -> AsyncIterator[Balancer]:
    """A balancer in front of both."""
    async with open_balancer([port(server) for server in servers]) as balancer:
        yield balancer


def port(server: asyncio.Server) -> int:
    """Where it listens."""
    number: int = server.sockets[0].getsockname()[1]
    return number


class Caller:
    """One connection through the balancer."""

    async def connect(self, balancer: Balancer) -> int:
        """Connect; the port of the server that answers."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", balancer.port)
        self.writer.write(b"who\n")
        return int(await asyncio.wait_for(self.reader.readline(), WAIT_S))

    async def hang_up(self) -> None:
        """Close."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


async def test_connections_go_where_the_fewest_are(balancer: Balancer) -> None:
    callers = [Caller() for _ in range(6)]
    ports = [await caller.connect(balancer) for caller in callers]
    assert sorted(balancer.carried.values()) == [3, 3]
    assert all(ports.count(port) == 3 for port in balancer.carried)
    for caller in callers:
        await caller.hang_up()


async def test_a_server_that_refuses_is_passed_over(
    balancer: Balancer, servers: list[asyncio.Server]
) -> None:
    servers[0].close()
    callers = [Caller() for _ in range(3)]
    assert {await caller.connect(balancer) for caller in callers} == {port(servers[1])}
    for caller in callers:
        await caller.hang_up()


async def test_a_caller_is_closed_where_nobody_listens(
    balancer: Balancer, servers: list[asyncio.Server]
) -> None:
    for server in servers:
        server.close()
    caller = Caller()
    with pytest.raises((ValueError, ConnectionResetError)):  # an empty line is no number
        await caller.connect(balancer)
    await caller.hang_up()


async def test_a_balancer_that_refuses_lets_nobody_in_and_keeps_who_is_there(
    balancer: Balancer,
) -> None:
    early, late = Caller(), Caller()
    await early.connect(balancer)
    balancer.refusing = True
    with pytest.raises((ValueError, ConnectionResetError)):
        await late.connect(balancer)
    assert sum(balancer.carried.values()) == 1
    for caller in (early, late):
        await caller.hang_up()


async def test_whoever_hangs_up_is_no_longer_counted(balancer: Balancer) -> None:
    caller = Caller()
    await caller.connect(balancer)
    await caller.hang_up()
    async with asyncio.timeout(WAIT_S):
        while sum(balancer.carried.values()):  # noqa: ASYNC110 - the balancer tells nobody
            await asyncio.sleep(0.01)
