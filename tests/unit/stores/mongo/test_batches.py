"""What waits of a batch, what the rest is answered, and whose turn it is in a channel."""

import asyncio
import time

import pytest

from realtime.errors import StoreUnavailable
from realtime.stores.base import Appended, Conflict
from realtime.stores.mongo.batches import Batch, Row, Turns
from realtime.stores.mongo.heads import Head
from realtime.stores.mongo.stored import Stored
from tests.support.log_entries import NOW, new_entry


def stored(
    row: Row, offset: int, *, own: bool = True, digest: bytes = b"digest", n: int = 0
) -> Stored:
    return Stored(Head(offset, n), NOW, digest, row.document["_id"] if own else "another's")


def test_rows_wait_by_channel_and_answers_come_in_the_batch_s_order() -> None:
    batch = Batch([new_entry("a", "1"), new_entry("b", "1"), new_entry("a", "2")])
    assert {name: len(rows) for name, rows in batch.waiting.items()} == {"a": 2, "b": 1}
    (first, second), (other,) = batch.waiting["a"], batch.waiting["b"]
    batch.settle([(second, stored(second, 6, own=False))])
    assert batch.waiting["a"] == [first]
    batch.settle([(other, stored(other, 1, own=False, digest=b"x")), (first, stored(first, 7))])
    assert not batch.waiting
    assert batch.answers == [Appended(7, NOW), Conflict(1), Appended(6, NOW, duplicate=True)]


def test_an_entry_that_comes_twice_is_sent_once_and_answered_twice() -> None:
    batch = Batch(
        [new_entry("a", "1"), new_entry("a", "1"), new_entry("a", "1", digest=b"another")]
    )
    (row,) = batch.waiting["a"]
    batch.settle([(row, stored(row, 3, n=2))])
    assert batch.answers == [
        Appended(3, NOW, n=2),
        Appended(3, NOW, duplicate=True, n=2),
        Conflict(3),
    ]


def test_rows_are_placed_one_behind_the_other_and_those_that_count_are_counted() -> None:
    batch = Batch(
        [new_entry("a", "1", counts=True), new_entry("a", "2"), new_entry("a", "3", counts=True)]
    )
    head = Head(7, 4)
    for row in batch.waiting["a"]:
        row.place_behind(head)
        head = row.head
    assert [row.head for row in batch.waiting["a"]] == [(8, 5), (9, 5), (10, 6)]


def deadline(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


async def test_an_append_waits_for_those_that_have_one_of_its_channels() -> None:
    turns, order, go = Turns(), list[str](), asyncio.Event()

    async def append(name: str, channels: str) -> None:
        async with turns.take(channels, deadline()):
            order.append(name)
            await go.wait()

    tasks = [
        asyncio.ensure_future(append(*spec))
        for spec in (("first", "ab"), ("waits", "bc"), ("beside", "cd"), ("alone", "e"))
    ]
    await asyncio.sleep(0.01)
    # "bc" holds neither while it waits for b, so "cd" is not held up by it.
    assert order == ["first", "beside", "alone"]
    go.set()
    await asyncio.gather(*tasks)
    assert order[-1] == "waits"


async def test_waiting_for_a_turn_ends_with_the_deadline() -> None:
    turns = Turns()
    async with turns.take("a", deadline()):
        with pytest.raises(StoreUnavailable, match="waited too long"):
            async with turns.take("ab", deadline(0.01)):
                pass
        async with turns.take("b", deadline()):
            pass


async def test_a_turn_ends_with_an_error_too() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError):
        async with turns.take("a", deadline()):
            raise ZeroDivisionError
    async with turns.take("a", deadline(0.01)):
        pass
