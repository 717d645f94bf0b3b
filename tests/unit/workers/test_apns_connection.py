"""HTTP/2 with APNs: one connection, as many streams as it allows, and what is done as it ends."""

import asyncio
import time
from collections.abc import AsyncIterator, Sized
from functools import partial
from pathlib import Path

import msgspec
import pytest
from h2.errors import ErrorCodes

from tests.support.apns_server import Asked
from tests.support.apns_world import NOTICE, ApnsWorld, Sending, devices, target
from workers.providers.apns.connection import ConnectionLimits
from workers.providers.base import Delivered, Later

DELIVERED = Delivered(NOTICE.id)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApnsWorld]:
    async with ApnsWorld(tmp_path).serving() as world:
        yield world
        served = world.production.connections + world.sandbox.connections
        # A server of these tests breaks for a client that opens more streams than it may.
        assert [each.broken for each in served if each.broken] == []


async def test_one_connection_carries_everything(world: ApnsWorld) -> None:
    async with world.provider() as provider, asyncio.TaskGroup() as tasks:
        for _ in range(3):
            sending = Sending(provider, range(50), tasks)
            assert await sending.outcomes() == [DELIVERED] * 50
    assert len(world.production.connections) == 1
    assert world.sandbox.connections == []


async def test_one_push_goes_alone_until_the_server_allows_more(world: ApnsWorld) -> None:
    server = world.production
    server.streams_max = 1
    async with world.provider() as provider, asyncio.TaskGroup() as tasks:
        with server.keeping() as kept:
            sending = Sending(provider, range(120), tasks)
            await server.until(lambda: len(kept) == 1)
            kept[0].answer(400, "BadTopic")
            # That one was not accepted, so the next still goes alone.
            await server.until(lambda: len(kept) == 2)
            kept[1].served.allow(100)
            kept[1].answer()
            await server.until(lambda: len(kept) == 102)
            await kept[1].served.round_trip()
            assert len(kept) == 102
            for asked in kept[2:]:
                asked.answer()
            await server.until(lambda: len(kept) == 120)
            for asked in kept[102:]:
                asked.answer()
        outcomes = await sending.outcomes()
    assert outcomes.count(DELIVERED) == 119
    assert devices(kept) == list(range(120))
    assert len(server.connections) == 1


async def test_a_server_may_take_back_how_much_it_allows(world: ApnsWorld) -> None:
    server = world.production
    async with world.provider() as provider, asyncio.TaskGroup() as tasks:
        with server.keeping() as kept:
            sending = Sending(provider, range(5), tasks)
            await server.until(lambda: len(kept) == 5)
            served = kept[0].served
            served.allow(0)
            for asked in list(kept):
                asked.answer()
            assert await sending.outcomes() == [DELIVERED] * 5
            more = Sending(provider, range(5, 8), tasks)
            await served.round_trip()
            assert len(kept) == 5
            served.allow(2)
            await server.until(lambda: len(kept) == 7)
            for asked in kept[5:]:
                asked.answer()
            await server.until(lambda: len(kept) == 8)
            kept[7].answer()
            assert await more.outcomes() == [DELIVERED] * 3


async def test_after_a_goaway_what_was_taken_is_answered_and_the_rest_is_sent_anew(
    world: ApnsWorld,
) -> None:
    server = world.production
    async with world.provider() as provider, asyncio.TaskGroup() as tasks:
        with server.keeping() as kept:
            sending = Sending(provider, range(6), tasks)
            await server.until(lambda: len(kept) == 6)
            old = kept[0].served
            old.goaway(kept[2].stream)
            await server.until(lambda: len(kept) == 9)
            assert len(server.connections) == 2
            assert not old.lost.is_set()
            for asked in kept[:3] + kept[6:]:
                asked.answer()
            assert await sending.outcomes() == [DELIVERED] * 6
            await server.until(old.lost.is_set)
        assert await provider.send(target(6), NOTICE) == DELIVERED
    assert devices(kept) == [0, 1, 2, 3, 4, 5, 3, 4, 5]
    assert {asked.headers["apns-id"] for asked in kept} == {NOTICE.id}
    assert len(server.connections) == 2


async def test_servers_that_go_one_after_the_other_cost_no_patience(world: ApnsWorld) -> None:
    """Each has taken something, so there is nothing wrong with the service."""
    server = world.production
    async with world.provider() as provider, asyncio.TaskGroup() as tasks:
        with server.keeping() as kept:
            sending = Sending(provider, range(4), tasks)
            for seen, last in ((4, 0), (7, 4), (9, 7)):
                await server.until(partial(has, kept, seen))
                kept[last].served.goaway(kept[last].stream)
            await server.until(lambda: len(kept) == 10)
            for asked in (kept[0], kept[4], kept[7], kept[9]):
                asked.answer()
            assert await sending.outcomes() == [DELIVERED] * 4
    assert len(server.connections) == 4


async def test_pushes_that_waited_for_a_stream_go_to_the_next_connection(world: ApnsWorld) -> None:
    server = world.production
    server.streams_max = 1
    async with world.provider() as provider, asyncio.TaskGroup() as tasks:
        with server.keeping() as kept:
            sending = Sending(provider, range(4), tasks)
            await server.until(lambda: len(kept) == 1)
            server.streams_max = 100
            # A server that goes says first that it goes, and then what it has taken.
            kept[0].served.goaway(2**31 - 1)
            await server.until(lambda: len(kept) == 4)
            kept[0].served.goaway(0)
            await server.until(lambda: len(kept) == 5)
            for asked in kept[1:]:
                asked.answer()
            assert await sending.outcomes() == [DELIVERED] * 4
    assert devices(kept) == [0, 1, 2, 3, 0]


async def test_a_stream_that_is_refused_is_sent_anew(world: ApnsWorld) -> None:
    def answer(asked: Asked) -> None:
        if len(world.production.asked) <= 2:
            asked.reset(ErrorCodes.REFUSED_STREAM)
        else:
            asked.answer()

    world.production.answer = answer
    async with world.provider() as provider:
        assert await provider.send(target(), NOTICE) == DELIVERED
    assert len(world.production.asked) == 3


async def test_a_server_that_refuses_for_ever_is_not_asked_for_ever(world: ApnsWorld) -> None:
    world.production.answer = lambda asked: asked.reset(ErrorCodes.REFUSED_STREAM)
    async with world.provider() as provider:
        assert await provider.send(target(), NOTICE) == Later("not taken")
    assert len(world.production.asked) == 6


async def test_a_push_that_may_have_been_done_is_not_repeated_by_itself(world: ApnsWorld) -> None:
    world.production.answer = lambda asked: asked.served.abort()
    async with world.provider() as provider:
        outcome = await provider.send(target(), NOTICE)
        assert isinstance(outcome, Later) and outcome.scope == "provider"
        assert len(world.production.asked) == 1
        world.production.answer = lambda asked: asked.reset(ErrorCodes.INTERNAL_ERROR)
        assert await provider.send(target(), NOTICE) == Later("stream reset")
    assert len(world.production.asked) == 2


async def test_a_slow_answer_is_waited_for(world: ApnsWorld) -> None:
    server = world.production
    async with world.provider() as provider, asyncio.TaskGroup() as tasks:
        with server.keeping() as kept:
            sending = Sending(provider, [1], tasks)
            await server.until(lambda: len(kept) == 1)
            kept[0].send_headers(200)
            await kept[0].served.round_trip()
            assert not sending.tasks[0].done()
            kept[0].served.h2.end_stream(kept[0].stream)
            kept[0].served.flush()
            assert await sending.outcomes() == [Delivered()]


async def test_a_push_that_hangs_is_given_up_and_others_go_on(world: ApnsWorld) -> None:
    server = world.production
    async with world.provider(timeout_s=0.3, concurrency=1) as provider:
        with server.keeping() as kept:
            assert await provider.send(target(1), NOTICE) == Later("timeout")
            served = kept[0].served
            # The server hears of it, and is asked whether it is there at all.
            await server.until(lambda: served.resets == [kept[0].stream] and served.pings == 1)
        assert await provider.send(target(2), NOTICE) == DELIVERED
    assert len(server.connections) == 1


async def test_no_more_pushes_are_under_way_than_allowed(world: ApnsWorld) -> None:
    server = world.production
    async with world.provider(concurrency=3) as provider, asyncio.TaskGroup() as tasks:
        with server.keeping() as kept:
            sending = Sending(provider, range(7), tasks)
            for answered in range(7):
                open_max = min(3 + answered, 7)
                await server.until(partial(has, kept, open_max))
                await kept[0].served.round_trip()
                assert has(kept, open_max)
                kept[answered].answer()
            assert await sending.outcomes() == [DELIVERED] * 7


def has(kept: Sized, length: int) -> bool:
    """Whether so many have come."""
    return len(kept) == length


async def test_a_push_that_is_cancelled_leaves_its_place(world: ApnsWorld) -> None:
    server = world.production
    async with world.provider(concurrency=1) as provider, asyncio.TaskGroup() as tasks:
        with server.keeping() as kept:
            sending = Sending(provider, range(2), tasks)
            await server.until(lambda: len(kept) == 1)
            sending.tasks[0].cancel()
            await server.until(lambda: len(kept) == 2)
            assert kept[1].served.resets == [kept[0].stream]
            kept[1].answer()
            assert await sending.tasks[1] == DELIVERED


async def test_large_pushes_go_through_small_windows(world: ApnsWorld) -> None:
    server = world.production
    server.window_bytes = 1000
    long = msgspec.structs.replace(NOTICE, body="x" * 5000)
    async with world.provider() as provider:
        async with asyncio.timeout(10):
            sent = await asyncio.gather(*(provider.send(target(each), long) for each in range(60)))
    assert sent == [DELIVERED] * 60
    assert {len(asked.body) for asked in server.asked} == {4096}


async def test_an_answer_without_end_is_cut_short(world: ApnsWorld) -> None:
    server = world.production
    server.answer = lambda asked: asked.answer_raw(200, b"x" * 16_384, end=False)
    limits = ConnectionLimits(response_bytes_max=1000)
    async with world.provider(limits=limits) as provider:
        # More than the connection's window in all, so what is not kept is acknowledged as well.
        for _ in range(8):
            assert await provider.send(target(), NOTICE) == DELIVERED
        await server.until(lambda: len(server.connections[0].resets) == 8)
    assert len(server.connections) == 1


async def test_an_answer_before_the_push_was_heard_counts(world: ApnsWorld) -> None:
    """The window is shut for ever, and the server answers all the same."""
    server = world.production
    server.window_bytes = 0
    async with world.provider() as provider, asyncio.TaskGroup() as tasks:
        sending = Sending(provider, [1], tasks)
        await server.until(lambda: bool(server.connections and server.connections[0].begun))
        [stream] = server.connections[0].begun
        Asked(server.connections[0], stream, server.connections[0].begun[stream], b"").answer(413)
        [outcome] = await sending.outcomes()
        assert outcome.why == "status 413"  # type: ignore[union-attr]
        await server.until(lambda: server.connections[0].resets == [stream])


async def test_a_connection_that_has_carried_its_share_is_replaced(world: ApnsWorld) -> None:
    server = world.production
    limits = ConnectionLimits(streams_max=10)
    async with world.provider(limits=limits) as provider, asyncio.TaskGroup() as tasks:
        with server.keeping() as kept:
            sending = Sending(provider, range(35), tasks)
            # Nothing has been answered yet: it is no fault of the service.
            await server.until(lambda: len(kept) == 35)
            for asked in kept:
                asked.answer()
            assert await sending.outcomes() == [DELIVERED] * 35
    assert len(server.connections) == 4


async def test_closing_gives_up_what_is_under_way_at_once(world: ApnsWorld) -> None:
    server = world.production
    async with world.provider() as provider, asyncio.TaskGroup() as tasks:
        with server.keeping() as kept:
            sending = Sending(provider, range(2), tasks)
            await server.until(lambda: len(kept) == 2)
            began = time.monotonic()
            await provider.close()
            await provider.close()
            assert time.monotonic() - began < 3
            assert await sending.outcomes() == [Later("closed")] * 2
            await server.until(server.connections[0].lost.is_set)
        assert await provider.send(target(), NOTICE) == Later("closed")
    assert len(server.connections) == 1
