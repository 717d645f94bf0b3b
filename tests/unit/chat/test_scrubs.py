"""When files of the store are gone through for what was taken back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from realtime.chat import scrubs
from realtime.chat.scrubs import Scrubs
from realtime.errors import StoreUnavailable
from tests.support.chat import ChatParts, chat_parts
from tests.support.inboxes import event, message


class Scrubbed:
    """Counts, and takes as long as it is told."""

    def __init__(self, parts: ChatParts, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.failing = False
        self.takes_ms = 0
        self._clock = parts.clock
        self._news = asyncio.Event()
        monkeypatch.setattr(parts.store, "scrub", self._scrub)

    async def _scrub(self) -> None:
        self._clock.now_ms += self.takes_ms
        if self.failing:
            raise StoreUnavailable("somebody reads")
        self.count += 1
        self._news.set()

    async def until(self, count: int) -> None:
        """Wait until it was scrubbed so often."""
        async with asyncio.timeout(5):
            while self.count < count:
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def scrubbing(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[ChatParts, Scrubbed, Scrubs]]:
    """Scrubs over a store that counts them, with a round that is over before it is noticed."""
    monkeypatch.setattr(scrubs, "AFTER_S", 0)
    async with chat_parts() as parts:
        scrubbed = Scrubbed(parts, monkeypatch)
        yield parts, scrubbed, Scrubs(parts.store, parts.around.ledger, parts.clock)


async def test_what_is_taken_back_is_looked_for_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scrubbing(monkeypatch) as (parts, scrubbed, all_scrubs):
        ledger, at = parts.around.ledger, parts.clock.now_ms
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(all_scrubs.run())
            await scrubbed.until(1)  # for whoever died before
            await ledger.write(message("ann", "room:1", at))
            await ledger.write(event("reaction", "ann", "room:1", at, ref=1))
            await asyncio.sleep(0.05)
            assert scrubbed.count == 1
            for number, kind in enumerate(("edit", "delete"), 2):
                await ledger.write(event(kind, "ann", "room:1", at, ref=1))  # type: ignore[arg-type]
                await scrubbed.until(number)
            running.cancel()


async def test_a_scrub_that_failed_is_done_again_and_a_long_one_is_rested_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scrubbing(monkeypatch) as (_, scrubbed, all_scrubs):
        scrubbed.failing, scrubbed.takes_ms = True, 2_000
        assert await all_scrubs.scrub() == 2.0
        scrubbed.failing = False
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(all_scrubs.run())
            await scrubbed.until(1)
            running.cancel()
