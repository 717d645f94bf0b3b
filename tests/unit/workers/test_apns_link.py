"""What the provider does while APNs is away, out of order, or not what it should be."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.apns_server import Asked
from tests.support.apns_world import NOTICE, ApnsWorld, Sending, target
from tests.support.certificates import make_certificate
from workers.providers.apns.connection import ConnectionLimits
from workers.providers.base import Delivered, Later

DELIVERED = Delivered(NOTICE.id)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApnsWorld]:
    async with ApnsWorld(tmp_path).serving() as world:
        yield world


async def test_a_connection_without_a_proof_of_life_is_replaced(world: ApnsWorld) -> None:
    server = world.production
    limits = ConnectionLimits(ping_interval_s=0.05, ping_timeout_s=0.1)
    async with world.provider(limits=limits) as provider:
        assert await provider.send(target(1), NOTICE) == DELIVERED
        await server.until(lambda: server.connections[0].pings >= 2)
        assert not server.connections[0].lost.is_set()
        server.deaf = True
        assert await provider.send(target(2), NOTICE) == Later("no proof of life")
        server.deaf = False
        assert await provider.send(target(3), NOTICE) == DELIVERED
    assert len(server.connections) == 2


async def test_a_service_that_is_out_of_order_is_asked_on_new_connections_and_ever_later(
    world: ApnsWorld,
) -> None:
    server = world.production
    async with world.provider() as provider:
        assert await provider.send(target(), NOTICE) == DELIVERED
        server.answer = lambda asked: asked.answer(503, "ServiceUnavailable")
        refused = Later("ServiceUnavailable")
        # The first connection was of use; so was none of the next two.
        for connections in (1, 2, 3):
            assert await provider.send(target(), NOTICE) == refused
            assert len(server.connections) == connections
        outcome = await provider.send(target(), NOTICE)
        assert outcome == Later("the service is out of order", 0.75)
        world.clock.advance(0.75)
        assert await provider.send(target(), NOTICE) == refused
        assert len(server.connections) == 4
        assert await provider.send(target(), NOTICE) == Later("the service is out of order", 1.5)
        server.answer = lambda asked: asked.answer()
        world.clock.advance(1.5)
        for _ in range(3):
            assert await provider.send(target(), NOTICE) == DELIVERED
        assert len(server.connections) == 5
        # Should it happen again, the waits begin anew.
        server.answer = lambda asked: asked.answer(503, "ServiceUnavailable")
        for _ in range(3):
            assert await provider.send(target(), NOTICE) == refused
        outcome = await provider.send(target(), NOTICE)
        assert outcome == Later("the service is out of order", 0.75)


async def test_what_is_open_beside_a_503_is_still_answered(world: ApnsWorld) -> None:
    server = world.production
    async with world.provider() as provider, asyncio.TaskGroup() as tasks:
        with server.keeping() as kept:
            sending = Sending(provider, range(3), tasks)
            await server.until(lambda: len(kept) == 3)
            kept[1].answer(503, "Shutdown")
            assert await sending.tasks[1] == Later("Shutdown")
            more = Sending(provider, [3], tasks)
            await server.until(lambda: len(kept) == 4)
            assert kept[3].served is not kept[0].served
            for asked in (kept[0], kept[2], kept[3]):
                asked.answer()
            assert await sending.outcomes() == [DELIVERED, Later("Shutdown"), DELIVERED]
            assert await more.outcomes() == [DELIVERED]


async def test_a_host_that_is_away_is_tried_again_with_patience(world: ApnsWorld) -> None:
    server = world.production
    await server.stop()
    async with world.provider() as provider:
        for after_s in (0.0, 0.75):
            outcome = await provider.send(target(), NOTICE)
            assert outcome == Later("no connection: ConnectionRefusedError", after_s)
        # Nobody connects before that, and nobody waits for it.
        await server.start(world.certificate)
        assert isinstance(await provider.send(target(), NOTICE), Later)
        assert server.connections == []
        world.clock.advance(0.75)
        assert await provider.send(target(), NOTICE) == DELIVERED
    assert len(server.connections) == 1


async def test_a_server_of_another_protocol_is_no_apns(world: ApnsWorld) -> None:
    server = world.production
    await server.stop()
    await server.start(world.certificate, alpn="http/1.1")
    async with world.provider() as provider:
        outcome = await provider.send(target(), NOTICE)
        assert outcome == Later("the server does not speak HTTP/2")


async def test_a_server_that_cannot_prove_who_it_is_hears_nothing(
    world: ApnsWorld, tmp_path: Path
) -> None:
    other = make_certificate(tmp_path, "other")
    async with world.provider(ca_file=str(other.certificate)) as provider:
        outcome = await provider.send(target(), NOTICE)
    assert outcome == Later("TLS: CERTIFICATE_VERIFY_FAILED")
    assert world.production.asked == []


async def test_a_server_that_does_not_greet_is_not_waited_for(world: ApnsWorld) -> None:
    server = world.production
    server.greets = False
    async with world.provider(limits=ConnectionLimits(connect_timeout_s=0.2)) as provider:
        assert await provider.send(target(), NOTICE) == Later("connecting took too long")
        await server.until(server.connections[0].lost.is_set)
        server.greets = True
        assert await provider.send(target(), NOTICE) == DELIVERED


async def test_a_server_that_breaks_the_protocol_is_left(world: ApnsWorld) -> None:
    def answer(asked: Asked) -> None:
        asked.served.break_protocol()

    server = world.production
    server.answer = answer
    async with world.provider() as provider:
        outcome = await provider.send(target(), NOTICE)
        assert isinstance(outcome, Later) and outcome.why.startswith("broken by the server")
        await server.until(server.connections[0].lost.is_set)
        server.answer = lambda asked: asked.answer()
        assert await provider.send(target(), NOTICE) == DELIVERED


async def test_an_answer_before_a_server_broke_the_protocol_counts(world: ApnsWorld) -> None:
    server = world.production
    async with world.provider() as provider, asyncio.TaskGroup() as tasks:
        with server.keeping() as kept:
            sending = Sending(provider, range(2), tasks)
            await server.until(lambda: len(kept) == 2)
            with kept[0].served.in_one_piece():
                kept[0].answer()
                kept[0].served.goaway(kept[1].stream)
                kept[0].served.break_protocol()
            first, second = await sending.outcomes()
    assert first == DELIVERED
    assert isinstance(second, Later)


async def test_a_connection_that_comes_after_the_end_is_not_kept(world: ApnsWorld) -> None:
    server = world.production
    server.greets = False
    async with world.provider() as provider, asyncio.TaskGroup() as tasks:
        sending = Sending(provider, [1], tasks)
        await server.until(lambda: len(server.connections) == 1)
        await provider.close()
        assert await sending.outcomes() == [Later("closed")]
        server.connections[0].greet()
        await server.until(server.connections[0].lost.is_set)
    assert server.asked == []
