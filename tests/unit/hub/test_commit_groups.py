"""Group commit over stores that take several groups at once, and over stores that are away."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from realtime.errors import StoreUnavailable
from realtime.hub import commits as commits_module
from realtime.hub.commits import Commits, Outcome
from realtime.hub.statistics import Statistics
from realtime.model import NewEntry
from realtime.stores.base import Appended, Conflict, Grouping
from tests.support.hub import settled, until
from tests.support.memory_store import MemoryStore


class GatedStore(MemoryStore):
    """A store that several nodes share: each append waits until the test lets it go on."""

    def __init__(self, in_flight: int = 3) -> None:
        super().__init__()
        self.in_flight = in_flight
        self.begun: list[list[str]] = []
        """The batches whose append has begun: channels, once an entry."""
        self._gates: list[asyncio.Event] = []

    @property
    def grouping(self) -> Grouping:
        """See base: not mixed."""
        return Grouping(in_flight=self.in_flight, mixed=False)

    async def append(self, batch: Sequence[NewEntry]) -> Sequence[Appended | Conflict]:
        """See base."""
        self.begun.append([entry.channel for entry in batch])
        gate = asyncio.Event()
        self._gates.append(gate)
        await gate.wait()
        return await super().append(batch)

    def release(self, number: int) -> None:
        """Let the append that began as the `number`th go on."""
        self._gates[number].set()


class Groups:
    """Commits over a `GatedStore`, with what was answered and what came too late."""

    def __init__(self, store: GatedStore) -> None:
        self.store = store
        self.commits = Commits(store, Statistics(), late=self._late)
        self.answered: list[tuple[str, Outcome]] = []
        self.late: list[tuple[str, Outcome]] = []
        self._made = 0

    def add(self, *channels: str) -> None:
        """Queue an entry in each channel, in this order."""
        for channel in channels:
            self._made += 1
            entry = NewEntry(channel, "u:a", f"m{self._made}", b"1", 1)
            self.commits.add(entry, self._settle)

    def offsets(self, channel: str) -> list[int]:
        """The offsets that were answered, in the order of the answers."""
        return [
            outcome.offset
            for name, outcome in self.answered
            if name == channel and isinstance(outcome, Appended)
        ]

    def _settle(self, entry: NewEntry, outcome: Outcome) -> None:
        self.answered.append((entry.channel, outcome))

    def _late(self, entry: NewEntry, outcome: Outcome) -> None:
        self.late.append((entry.channel, outcome))


@pytest.fixture
async def groups() -> AsyncIterator[Groups]:
    """Commits that run."""
    groups = Groups(GatedStore())
    running = asyncio.get_running_loop().create_task(groups.commits.run())
    yield groups
    running.cancel()
    await asyncio.wait([running])


async def test_several_entries_of_a_channel_go_alone_and_single_ones_together(
    groups: Groups,
) -> None:
    groups.add("hot", "a", "hot", "b", "hot", "c", "hot")
    await settled()
    assert sorted(groups.store.begun) == [["a", "b", "c"], ["hot", "hot", "hot", "hot"]]


async def test_of_a_few_entries_of_a_channel_the_first_goes_along_with_single_ones(
    groups: Groups,
) -> None:
    groups.add("a", "a", "b", "c", "c", "c")
    await settled()
    assert groups.store.begun == [["b", "a", "c"]]
    groups.add("d")
    await settled()
    assert groups.store.begun[1:] == [["d"]]
    groups.store.release(0)
    await settled()
    assert sorted(groups.store.begun[2:]) == [["a"], ["c", "c"]]
    groups.store.release(2)
    groups.store.release(3)
    await until(lambda: len(groups.offsets("c")) == 3)
    assert groups.offsets("a") == [1, 2]
    assert groups.offsets("c") == [1, 2, 3]


async def test_a_channel_is_in_one_group_at_a_time(groups: Groups) -> None:
    groups.add("a")
    await settled()
    groups.add("a", "a", "b")
    await settled()
    assert groups.store.begun == [["a"], ["b"]]
    groups.store.release(0)
    await settled()
    assert groups.store.begun == [["a"], ["b"], ["a", "a"]]
    groups.store.release(2)
    await until(lambda: len(groups.offsets("a")) == 3)
    assert groups.offsets("a") == [1, 2, 3]


async def test_a_slow_channel_holds_up_no_other(groups: Groups) -> None:
    groups.add("slow", "slow")
    await settled()
    for number in range(1, 4):
        groups.add("a")
        await settled()
        groups.store.release(number)
        await settled()
    assert groups.offsets("a") == [1, 2, 3]
    assert groups.offsets("slow") == []


async def test_no_more_groups_are_in_flight_than_the_store_likes(groups: Groups) -> None:
    for channel in "abcde":
        groups.add(channel)
        await settled()
    assert len(groups.store.begun) == 3
    groups.store.release(0)
    await settled()
    assert groups.store.begun[3] == ["d", "e"]


async def test_neither_busy_channels_nor_single_entries_starve_the_other(groups: Groups) -> None:
    groups.store.in_flight = 1
    groups.commits._grouping = groups.store.grouping
    groups.add("first")
    await settled()
    groups.add(*["a"] * 4, *["b"] * 4, "c", "d")
    for number in range(4):
        groups.store.release(number)
        await settled()
    kinds = [len(set(batch)) == len(batch) for batch in groups.store.begun]
    assert kinds == [True, False, True, False]


async def test_flushed_waits_for_what_was_queued_before_in_whatever_order_it_is_answered(
    groups: Groups,
) -> None:
    groups.add("a")
    await settled()
    groups.add("b")
    await settled()
    flushed = asyncio.ensure_future(groups.commits.flushed())
    await settled()
    groups.add("c")
    await settled()
    groups.store.release(2)
    groups.store.release(1)
    await settled()
    assert not flushed.done()
    groups.store.release(0)
    await asyncio.wait_for(flushed, 1.0)


async def test_a_store_that_takes_too_long_is_told_and_the_entry_is_delivered_when_it_is_stored(
    groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits_module, "ANSWER_S", 0.01)
    groups.add("a")
    await until(lambda: groups.answered)
    ((_, outcome),) = groups.answered
    assert isinstance(outcome, StoreUnavailable)
    assert groups.commits.failing
    groups.store.release(0)
    await until(lambda: groups.late)
    assert groups.late == [("a", Appended(1, 1))]
    assert not groups.commits.failing
    assert len(groups.answered) == 1


async def test_entries_behind_one_that_takes_too_long_keep_their_order(
    groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits_module, "ANSWER_S", 0.01)
    groups.add("a")
    await until(lambda: groups.answered)
    groups.add("a")
    await settled()
    assert len(groups.store.begun) == 1
    groups.store.release(0)
    await until(lambda: len(groups.store.begun) == 2)
    groups.store.release(1)
    await until(lambda: groups.offsets("a") or len(groups.late) == 2)
    assert groups.offsets("a") or groups.late[1] == ("a", Appended(2, 1))


async def test_who_waits_for_a_group_for_too_long_is_told_as_well_and_delivered_in_order(
    groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits_module, "ANSWER_S", 0.05)
    monkeypatch.setattr(commits_module, "TELL_EVERY_S", 0.001)
    groups.add("a")
    await settled()
    groups.add("a")
    await asyncio.sleep(0.03)
    groups.add("a")
    # Only the first one is in a group; the last is not told before its own time has come.
    await until(lambda: len(groups.answered) == 2)
    assert len(groups.store.begun) == 1
    await until(lambda: len(groups.answered) == 3)
    assert all(isinstance(outcome, StoreUnavailable) for _, outcome in groups.answered)
    assert groups.commits.failing
    groups.store.release(0)
    await until(lambda: len(groups.store.begun) == 2)
    groups.store.release(1)
    await until(lambda: len(groups.late) == 3)
    assert groups.late == [("a", Appended(offset, 1)) for offset in (1, 2, 3)]
    assert len(groups.answered) == 3
    assert not groups.commits.failing


async def test_a_store_that_is_away_is_not_paid_for_with_the_loop(
    groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait: they are looked through a few times a second, not once for each."""
    monkeypatch.setattr(commits_module, "ANSWER_S", 0.05)
    monkeypatch.setattr(commits_module, "TELL_EVERY_S", 0.1)
    looks = 0
    look = groups.commits._tell_overdue

    def counted() -> None:
        nonlocal looks
        looks += 1
        look()

    groups.commits._tell_overdue = counted  # type: ignore[method-assign]  # counted, and called
    for _ in range(50):
        groups.add("a")
        await asyncio.sleep(0.005)
    await until(lambda: len(groups.answered) == 50)
    assert looks <= 8
