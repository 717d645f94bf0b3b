"""Which is faster on this server: one query for many things, or many for one."""

import asyncio
from collections.abc import Sequence

from realtime.stores.mongo.client import Document
from realtime.stores.mongo.pace import Pace


class Timed:
    """A pace whose queries take what the test says, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pace = Pace(clock=lambda: self.now)

    def single(self, seconds: float) -> None:
        with self.pace.single():
            self.now += seconds

    def together(self, branches: int, seconds: float) -> None:
        with self.pace.together(branches):
            self.now += seconds


def test_until_it_is_known_all_are_asked_for_together() -> None:
    timed = Timed()
    assert not timed.pace.prefers_singles(500)
    timed.single(0.001)
    assert not timed.pace.prefers_singles(500)


def test_a_server_that_looks_into_its_index_for_each_branch_is_asked_once() -> None:
    """As MongoDB does."""
    timed = Timed()
    timed.single(0.001)
    timed.together(500, 0.02)
    assert not timed.pace.prefers_singles(500)


def test_a_server_that_compares_everything_with_each_branch_is_asked_one_by_one() -> None:
    """As NX-27017 does; measured with 5,000 entries in 100 channels."""
    timed = Timed()
    timed.single(0.0027)
    timed.together(100, 1.8)
    assert timed.pace.prefers_singles(100)
    assert timed.pace.prefers_singles(10)


def test_a_server_that_reads_everything_for_each_query_is_asked_once() -> None:
    """As FerretDB 1 on SQLite does."""
    timed = Timed()
    timed.single(0.36)
    timed.together(100, 3.0)
    assert not timed.pace.prefers_singles(100)


async def test_the_first_query_has_few_branches_and_nobody_sends_another_beside_it() -> None:
    """A node that starts under load must not stop the server with its first queries."""
    timed = Timed()
    sizes: list[int] = []
    under_way = 0

    async def query(part: Sequence[Document]) -> int:
        nonlocal under_way
        sizes.append(len(part))
        under_way += 1
        assert under_way == 1 or len(part) == 1
        await asyncio.sleep(0)
        timed.now += 0.06 * len(part)
        under_way -= 1
        return len(part)

    timed.single(0.002)
    branches: list[Document] = [{"c": f"{number}"} for number in range(20)]
    answers = await asyncio.gather(*[timed.pace.ask(branches, query, most=100) for _ in range(3)])
    assert [sum(parts) for parts in answers] == [20] * 3
    assert sizes == [8, *[1] * 52]


async def test_once_it_is_known_to_be_quick_all_are_asked_for_at_once() -> None:
    timed = Timed()
    timed.together(8, 0.002)

    async def query(part: Sequence[Document]) -> Sequence[Document]:
        return part

    branches: list[Document] = [{"c": f"{number}"} for number in range(20)]
    assert await timed.pace.ask(branches, query, most=100) == [branches]
    parts = await timed.pace.ask(branches, query, most=7)
    assert [len(part) for part in parts] == [7, 7, 6]
    assert [branch for part in parts for branch in part] == branches
    assert await timed.pace.ask([], query, most=100) == []
    few = await timed.pace.ask(branches, query, most=1, enough=lambda answers: bool(answers))
    assert len(few) == 8


def test_what_takes_very_long_together_is_tried_one_by_one() -> None:
    timed = Timed()
    timed.together(64, 0.5)
    assert not timed.pace.prefers_singles(64)
    timed = Timed()
    timed.together(64, 10.0)
    assert timed.pace.prefers_singles(64)


def test_one_pause_of_the_server_is_forgotten() -> None:
    timed = Timed()
    timed.single(0.001)
    timed.together(100, 10.0)
    asked_one_by_one = 0
    while timed.pace.prefers_singles(100):
        asked_one_by_one += 1
        timed.single(0.001)
        assert asked_one_by_one < 50
    timed.together(100, 0.005)
    assert not timed.pace.prefers_singles(10)
