"""Group commit: what waits, in which order it is stored, and what is told when (design 3)."""

import asyncio
import logging

import pytest

from realtime.errors import CommandRefused, StoreError, StoreFull
from realtime.hub import commits as commits_module
from realtime.hub.commits import Commits, Outcome
from realtime.hub.statistics import Statistics
from realtime.model import NewEntry
from realtime.stores.base import Appended, Conflict
from tests.support.faulty_store import FaultyStore
from tests.support.hub import settled
from tests.support.memory_store import MemoryStore

Settled = list[tuple[str, Outcome]]


def entry(client_id: str, channel: str = "chat:1", **fields: object) -> NewEntry:
    """An entry of a sender."""
    return NewEntry(channel, "u:alice", client_id, b'"data"', 1, **fields)  # type: ignore[arg-type]  # of NewEntry


class Running:
    """Commits over a store, while a `with` block lasts."""

    def __init__(self) -> None:
        self.inner = MemoryStore()
        self.store = FaultyStore(self.inner)
        self.statistics = Statistics()
        self.commits = Commits(self.store, self.statistics)
        self.settled: Settled = []

    async def __aenter__(self) -> "Running":
        self._task = asyncio.get_running_loop().create_task(self.commits.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    def add(self, *client_ids: str) -> None:
        """Queue entries."""
        for client_id in client_ids:
            self.commits.add(entry(client_id), self._settle)

    def _settle(self, new: NewEntry, outcome: Outcome) -> None:
        self.settled.append((new.client_id, outcome))

    @property
    def offsets(self) -> list[tuple[str, int]]:
        """What was appended, in the order of the answers."""
        return [
            (client_id, outcome.offset)
            for client_id, outcome in self.settled
            if isinstance(outcome, Appended)
        ]


async def test_nothing_is_answered_before_the_store_has_it() -> None:
    async with Running() as running:
        hold = running.store.hold("append")
        running.add("a")
        await hold.begun()
        await settled()
        assert running.settled == []
        hold.release()
        await running.commits.flushed()
        assert running.offsets == [("a", 1)]


async def test_one_group_is_in_flight_while_the_next_one_fills() -> None:
    async with Running() as running:
        hold = running.store.hold("append")
        running.add("a")
        await hold.begun()
        running.add("b", "c", "d")
        await settled()
        assert running.store.calls["append"] == 1
        hold.release()
        await running.commits.flushed()
        assert running.store.calls["append"] == 2
        assert running.offsets == [("a", 1), ("b", 2), ("c", 3), ("d", 4)]
        assert (running.statistics.commits, running.statistics.committed_entries) == (2, 4)


async def test_what_comes_in_the_same_pass_of_the_loop_goes_along() -> None:
    async with Running() as running:
        running.add("a")
        asyncio.get_running_loop().call_soon(running.add, "b")
        await settled()
        await running.commits.flushed()
        assert running.offsets == [("a", 1), ("b", 2)]
        assert running.store.calls["append"] == 1


async def test_a_group_is_no_larger_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits_module, "GROUP_MAX", 3)
    async with Running() as running:
        running.add(*"abcdefg")
        await running.commits.flushed()
        assert running.store.calls["append"] == 3
        assert running.offsets == [(name, at) for at, name in enumerate("abcdefg", 1)]


async def test_a_store_that_fails_fails_the_group_and_not_the_next_one() -> None:
    async with Running() as running:
        running.store.fail("append", error=StoreFull("no space left"))
        hold = running.store.hold("append")
        running.add("a", "b")
        await running.commits.flushed()
        assert [(name, type(outcome)) for name, outcome in running.settled] == [
            ("a", StoreFull),
            ("b", StoreFull),
        ]
        assert running.inner.entries("chat:1") == []
        hold.release()
        running.add("a")
        await running.commits.flushed()
        assert running.offsets == [("a", 1)]
        assert running.statistics.commits == 1


async def test_too_many_entries_are_refused_and_those_before_them_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commits_module, "PENDING_MAX", 3)
    async with Running() as running:
        hold = running.store.hold("append")
        running.add("a")
        await hold.begun()
        running.add("b", "c", "d")
        with pytest.raises(CommandRefused) as refused:
            running.add("e")
        assert refused.value.error.code == 100
        assert refused.value.error.temporary
        hold.release()
        await running.commits.flushed()
        assert [name for name, _ in running.offsets] == ["a", "b", "c", "d"]
        running.add("e")
        await running.commits.flushed()
        assert running.offsets[-1] == ("e", 5)


async def test_too_many_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits_module, "PENDING_MAX_BYTES", 10)
    async with Running() as running:
        running.add("a", "b")
        with pytest.raises(CommandRefused):
            running.add("c")
        await running.commits.flushed()
        running.add("c")
        await running.commits.flushed()
        assert [name for name, _ in running.offsets] == ["a", "b", "c"]


async def test_append_waits_for_its_own_entry() -> None:
    async with Running() as running:
        assert await running.commits.append(entry("a")) == Appended(1, 1)
        assert await running.commits.append(entry("a")) == Appended(1, 1, duplicate=True)
        assert await running.commits.append(entry("a", digest=b"other")) == Conflict(1)
        running.store.fail("append")
        assert isinstance(await running.commits.append(entry("b")), StoreError)


async def test_giving_up_an_append_does_not_take_it_back() -> None:
    async with Running() as running:
        hold = running.store.hold("append")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await running.commits.append(entry("a"))
        hold.release()
        await running.commits.flushed()
        assert [stored.client_id for stored in running.inner.entries("chat:1")] == ["a"]


async def test_an_answer_that_fails_is_logged_and_holds_up_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Running() as running:

        def fail(_: NewEntry, __: Outcome) -> None:
            raise ZeroDivisionError

        with caplog.at_level(logging.ERROR):
            running.commits.add(entry("a"), fail)
            running.add("b")
            await running.commits.flushed()
        assert running.offsets == [("b", 2)]
        assert "could not be answered" in caplog.text


async def test_flushed_is_at_once_where_nothing_waits() -> None:
    async with Running() as running:
        await asyncio.wait_for(running.commits.flushed(), 0.1)


async def test_flushed_ends_though_others_go_on_publishing() -> None:
    """A drain must not wait for as long as somebody talks."""
    async with Running() as running:
        running.store.turns = lambda: 2
        stop = False

        def again(new: NewEntry, outcome: Outcome) -> None:
            if not stop:
                running.commits.add(entry(f"{new.client_id}."), again)
                running.commits.add(entry(f"{new.client_id}-"), lambda _, __: None)

        running.commits.add(entry("a"), again)
        try:
            await asyncio.wait_for(running.commits.flushed(), 1.0)
        finally:
            stop = True
