"""The subscribed half of a link against literal replies: whose end of a subscription it is."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from redis.asyncio.connection import AbstractConnection

from realtime.brokers.redis.doubt import Doubt
from realtime.brokers.redis.limits import Limits
from realtime.brokers.redis.subscriber import Subscriber


class Wire:
    """Stands in for redis-py's connection: `replies` are read, `has_written` tells of commands."""

    def __init__(self) -> None:
        self.replies: asyncio.Queue[Sequence[bytes | int]] = asyncio.Queue()
        self.reads_again = asyncio.Event()
        self.has_written = asyncio.Event()

    async def read_response(self, **_: Any) -> Sequence[bytes | int]:
        if self.replies.empty():
            self.reads_again.set()
        return await self.replies.get()

    async def send_packed_command(self, _command: bytes, **_: Any) -> None:
        self.has_written.set()

    async def answers(self, *replies: Sequence[bytes | int]) -> None:
        """Have these read, in order, and come back when all are taken in."""
        self.reads_again.clear()
        for reply in replies:
            self.replies.put_nowait(reply)
        async with asyncio.timeout(5):
            await self.reads_again.wait()


class Link:
    """A subscriber that reads and writes, in one kind of pub/sub."""

    def __init__(self, *, sharded: bool) -> None:
        self.wire = Wire()
        connection = cast(AbstractConnection, self.wire)
        self.subscriber = Subscriber(
            connection, lambda topic, payload: None, Limits(), lambda: 0.0, sharded=sharded
        )
        self._prefix = b"s" if sharded else b""

    def confirmed(self, topic: bytes) -> Sequence[bytes | int]:
        return [self._prefix + b"subscribe", topic, 1]

    def ended(self, topic: bytes) -> Sequence[bytes | int]:
        return [self._prefix + b"unsubscribe", topic, 0]

    async def begin(self, topic: bytes) -> None:
        in_force = self.subscriber.begin([topic])
        await self.written()
        await self.wire.answers(self.confirmed(topic))
        await in_force

    async def written(self) -> None:
        """Wait until what was asked for has left."""
        async with asyncio.timeout(5):
            await self.wire.has_written.wait()
        self.wire.has_written.clear()


@asynccontextmanager
async def running(*, sharded: bool) -> AsyncIterator[Link]:
    """A link for as long as the block lasts; it raises what ends the link."""
    link = Link(sharded=sharded)
    async with asyncio.TaskGroup() as tasks:
        both = [
            tasks.create_task(link.subscriber.read()),
            tasks.create_task(link.subscriber.write()),
        ]
        try:
            yield link
        finally:
            for task in both:
                task.cancel()


@pytest.mark.parametrize("sharded", [False, True])
async def test_a_topic_asked_for_before_its_end_is_confirmed_comes_into_force(
    sharded: bool,
) -> None:
    async with running(sharded=sharded) as link:
        await link.begin(b"a")
        for _ in range(3):
            assert link.subscriber.drop(b"a")
            await link.written()
            in_force = link.subscriber.ask(b"a")
            assert in_force is not None
            await link.written()
            waiting = asyncio.ensure_future(in_force)
            await link.wire.answers(link.ended(b"a"))
            assert not waiting.done()  # an end is no beginning
            await link.wire.answers(link.confirmed(b"a"))
            await waiting
            assert link.subscriber.ask(b"a") is None


@pytest.mark.parametrize("sharded", [False, True])
async def test_one_end_more_than_was_asked_for_is_doubt(sharded: bool) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(Doubt, match="ended a subscription")):
        async with running(sharded=sharded) as link:
            await link.begin(b"a")
            link.subscriber.drop(b"a")
            await link.written()
            link.subscriber.ask(b"a")
            await link.written()
            await link.wire.answers(link.ended(b"a"), link.confirmed(b"a"), link.ended(b"a"))
            pytest.fail("the link goes on")


async def test_an_end_that_nobody_asked_for_is_doubt() -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(Doubt, match="ended a subscription")):
        async with running(sharded=False) as link:
            await link.begin(b"a")
            await link.wire.answers(link.ended(b"a"))
            pytest.fail("the link goes on")
