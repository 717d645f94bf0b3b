"""Who carries out an erasure, where several could."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest

from realtime.chat import law
from realtime.chat.erasure import Eraser, Erasing
from realtime.chat.law import KIND, LEASE_MS, Law
from realtime.rows import WORK
from realtime.stores.base import Span
from tests.support.chat import ChatParts, chat_parts
from tests.support.polling import eventually


class SlowEraser:
    """Erases for as long as a test wants."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.may_end = asyncio.Event()

    async def carry_out(self, erasing: Erasing, save: Callable[[], Awaitable[None]]) -> None:
        """See Eraser."""
        self.begun.append(erasing.user)
        await self.may_end.wait()
        erasing.user = ""
        await save()


@asynccontextmanager
async def two_nodes(*, is_alone: bool = False) -> AsyncIterator[tuple[ChatParts, SlowEraser, Law]]:
    """An erasure that another node is at, and the law of this one."""
    async with chat_parts() as parts, asyncio.TaskGroup() as tasks:
        other = SlowEraser()
        first = Law(parts.store, parts.clock, cast(Eraser, other), sign_out=parts.stage.sign_out)
        await first.begin("ada")
        working = tasks.create_task(first.work())
        async with asyncio.timeout(5):
            while not other.begun:  # noqa: ASYNC110 - a step or two of the loop
                await asyncio.sleep(0)
        eraser = SlowEraser()
        eraser.may_end.set()
        yield (
            parts,
            eraser,
            Law(
                parts.store,
                parts.clock,
                cast(Eraser, eraser),
                sign_out=parts.stage.sign_out,
                is_alone=is_alone,
            ),
        )
        working.cancel()


async def test_another_node_goes_on_when_one_has_been_silent_for_its_lease() -> None:
    async with two_nodes() as (parts, eraser, second):
        parts.clock.now_ms += LEASE_MS
        await second.work()
        assert eraser.begun == []
        parts.clock.now_ms += 1
        await second.work()
        assert eraser.begun == ["ada"]


async def test_a_node_is_not_silent_however_long_a_step_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(law, "BEAT_S", 0.01)
    async with two_nodes() as (parts, eraser, second):
        parts.clock.now_ms += LEASE_MS + 1

        async def has_said_so() -> bool:
            (row,) = await parts.store.find(WORK, Span((KIND,)), limit=2)
            return row.at == parts.clock.now_ms

        await eventually(has_said_so)
        await second.work()
        assert eraser.begun == []


async def test_a_hub_that_is_alone_goes_on_at_once() -> None:
    async with two_nodes(is_alone=True) as (parts, eraser, second):
        parts.clock.now_ms += 1
        await second.work()
        assert eraser.begun == ["ada"]
