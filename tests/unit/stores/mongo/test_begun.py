"""Calls that go on although their caller has given up, and end with the store."""

import asyncio

import pytest

from realtime.errors import StoreUnavailable
from realtime.stores.mongo.begun import Begun


async def test_the_caller_gets_the_answer_or_the_error() -> None:
    begun = Begun()
    await begun.open()

    async def answer() -> int:
        return 7

    async def fail() -> int:
        raise StoreUnavailable("away")

    assert await begun.run(answer()) == 7
    with pytest.raises(StoreUnavailable, match="away"):
        await begun.run(fail())
    assert await begun.run(answer()) == 7
    assert await begun.finish(1.0)


async def test_a_call_goes_on_when_its_caller_has_given_up() -> None:
    begun, go, done = Begun(), asyncio.Event(), asyncio.Event()
    await begun.open()

    async def work() -> None:
        await go.wait()
        done.set()

    waiting = asyncio.ensure_future(begun.run(work()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go.set()
    assert await begun.finish(5.0)
    assert done.is_set()


async def test_a_call_that_fails_unheard_disturbs_nobody() -> None:
    begun, go = Begun(), asyncio.Event()
    await begun.open()

    async def fail() -> None:
        await go.wait()
        raise StoreUnavailable("unheard")

    waiting = asyncio.ensure_future(begun.run(fail()))
    await asyncio.sleep(0)
    waiting.cancel()
    go.set()
    assert await begun.finish(5.0)
    assert waiting.cancelled()


async def test_what_takes_too_long_at_the_end_is_given_up_and_said() -> None:
    begun = Begun()
    await begun.open()
    waiting = asyncio.ensure_future(begun.run(asyncio.Event().wait()))
    await asyncio.sleep(0)
    assert not await begun.finish(0.01)
    with pytest.raises(StoreUnavailable, match="closed before"):
        await waiting
    assert await begun.finish(0.01)


async def test_nothing_begins_before_open_or_after_the_end() -> None:
    begun = Begun()

    async def answer() -> int:
        return 7

    with pytest.raises(StoreUnavailable, match="not open"):
        await begun.run(answer())
    await begun.open()
    await begun.finish(1.0)
    with pytest.raises(StoreUnavailable, match="not open"):
        await begun.run(answer())
