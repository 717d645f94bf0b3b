"""The contract of a store that several nodes write at once: one order, no hole, nothing twice."""

import asyncio
import time
from collections.abc import Sequence
from itertools import chain
from typing import Final

import pytest

from realtime.model import Retention, Revocation
from realtime.stores.base import DEDUPE_TTL_MS, Appended, Conflict
from tests.contract.test_stores import HOSTILE
from tests.support.log_entries import (
    KEEP_ALL,
    NOW,
    SharedLogFactory,
    SharedLogStore,
    head,
    kept,
    new_entries,
    new_entry,
    shown,
    sweep_all,
)

HOT_S: Final = 3.0
"""How long three nodes write to one channel as fast as they can."""

BUS_S: Final = 0.002
"""How long the others' bus takes to tell of an entry."""

LONGEST_WAIT_S: Final = 3.0
"""What none of them waits for one answer, on the slowest server that tests run on."""


def offsets(answers: Sequence[Appended | Conflict]) -> list[int]:
    assert all(isinstance(answer, Appended) and not answer.duplicate for answer in answers)
    return [answer.offset for answer in answers]


async def test_nodes_that_append_to_one_channel_make_one_order_without_holes(
    shared_logs: SharedLogFactory,
) -> None:
    stores = [await shared_logs() for _ in range(3)]

    async def write(node: int) -> list[int]:
        written: list[int] = []
        for number in range(15):
            # Single entries and batches of several, as a node's commits come.
            size = 1 + number % 4
            batch = [new_entry("a", f"{node}-{number}-{place}") for place in range(size)]
            written += offsets(await stores[node].append(batch))
        return written

    by_node = await asyncio.gather(*[write(node) for node in range(3)])
    assert all(own == sorted(own) for own in by_node)
    count = sum(map(len, by_node))
    assert sorted(chain.from_iterable(by_node)) == list(range(1, count + 1))
    for store in stores:
        entries = await kept(store, "a")
        assert [entry.offset for entry in entries] == list(range(1, count + 1))
        assert len({entry.client_id for entry in entries}) == count


async def test_batches_of_many_channels_from_many_nodes_leave_no_holes(
    shared_logs: SharedLogFactory,
) -> None:
    stores = [await shared_logs() for _ in range(3)]
    names = [f"channel {number}" for number in range(12)]

    async def write(node: int) -> None:
        for number in range(6):
            batch = [new_entry(name, f"{node}-{number}") for name in names]
            offsets(await stores[node].append(batch))

    await asyncio.gather(*[write(node) for node in range(3)])
    for name in names:
        assert [entry.offset for entry in await kept(stores[0], name)] == list(range(1, 19))


async def test_the_same_entry_from_two_nodes_at_once_is_stored_once(
    shared_logs: SharedLogFactory,
) -> None:
    """A client that reconnects elsewhere resends while its first node still commits."""
    one, other = await shared_logs(), await shared_logs()
    for number in range(20):
        entry = new_entry("a", f"m{number}")
        (first,), (second,) = await asyncio.gather(one.append([entry]), other.append([entry]))
        assert first.offset == second.offset == number + 1
        assert isinstance(first, Appended)
        assert isinstance(second, Appended)
        assert first.duplicate is not second.duplicate
    assert await head(one, "a") == 20


async def test_a_retry_on_another_node_gets_the_first_answer(
    shared_logs: SharedLogFactory,
) -> None:
    one, other = await shared_logs(), await shared_logs()
    await one.append(new_entries("a", 3))
    assert await other.append([new_entry("a", "m2"), new_entry("a", "m3", digest=b"x")]) == [
        Appended(2, NOW + 1, duplicate=True),
        Conflict(3),
    ]


async def test_a_resent_outbox_that_is_half_there_is_completed_in_order(
    shared_logs: SharedLogFactory,
) -> None:
    one, other = await shared_logs(), await shared_logs()
    outbox = new_entries("a", 60)
    await one.append(outbox[:35])
    await one.append([new_entry("a", "between")])
    answers = await other.append(outbox)
    assert [answer.offset for answer in answers] == [*range(1, 36), *range(37, 62)]
    assert [getattr(answer, "duplicate", None) for answer in answers] == [True] * 35 + [False] * 25


async def test_a_node_whose_idea_of_the_head_is_old_still_appends_behind_it(
    shared_logs: SharedLogFactory,
) -> None:
    one, other = await shared_logs(), await shared_logs()
    assert await one.append([new_entry("a", "first")]) == [Appended(1, NOW)]
    await other.append(new_entries("a", 40))
    one.heard("a", 10)
    one.heard("a", 3)
    assert await one.append([new_entry("a", "second")]) == [Appended(42, NOW)]
    assert await one.append(new_entries("a", 3, first=100)) == [
        Appended(offset, NOW + offset - 43) for offset in (43, 44, 45)
    ]


async def test_what_was_heard_of_a_channel_never_read_is_believed(
    shared_logs: SharedLogFactory,
) -> None:
    one, other = await shared_logs(), await shared_logs()
    await other.append(new_entries("a", 5))
    one.heard("a", 5)
    assert await one.append([new_entry("a", "next")]) == [Appended(6, NOW)]


async def test_nodes_count_what_counts_as_one(shared_logs: SharedLogFactory) -> None:
    """Each entry's n is how many count up to it, whoever appended what when and heard of what."""
    stores = [await shared_logs() for _ in range(3)]

    async def write(node: int) -> list[Appended]:
        answers: list[Appended] = []
        for number in range(15):
            batch = [
                new_entry("a", f"{node}-{number}-{place}", counts=(number + place) % 3 > 0)
                for place in range(1 + number % 3)
            ]
            for answer in await stores[node].append(batch):
                assert isinstance(answer, Appended)
                answers.append(answer)
                others = [store for other, store in enumerate(stores) if other != node]
                # One is told all, and the other by a node of an older version.
                others[0].heard("a", answer.offset, answer.n)
                others[1].heard("a", answer.offset)
        return answers

    answers = chain.from_iterable(await asyncio.gather(*[write(node) for node in range(3)]))
    counted, numbers = 0, {}
    for entry in await kept(stores[0], "a"):
        counted += entry.counts
        numbers[entry.offset] = counted
        assert entry.n == counted
    assert {answer.offset: answer.n for answer in answers} == numbers
    page = await stores[1].read("a", limit=0, retention=KEEP_ALL, now_ms=NOW)
    assert (page.head, page.head_n) == (len(numbers), counted)


async def test_a_retry_on_another_node_has_the_n_of_the_first(
    shared_logs: SharedLogFactory,
) -> None:
    one, other = await shared_logs(), await shared_logs()
    batch = [new_entry("a", f"{number}", counts=number != 1) for number in range(4)]
    await one.append(batch)
    assert await other.append([new_entry("a", "new", counts=True), *batch]) == [
        Appended(5, NOW, n=4),
        Appended(1, NOW, duplicate=True, n=1),
        Appended(2, NOW, duplicate=True, n=1),
        Appended(3, NOW, duplicate=True, n=2),
        Appended(4, NOW, duplicate=True, n=3),
    ]


async def test_the_n_that_was_heard_is_believed_and_counted_on_from(
    shared_logs: SharedLogFactory,
) -> None:
    one, other = await shared_logs(), await shared_logs()
    await one.append([new_entry("a", "1", counts=True)])
    answers = await other.append([new_entry("a", f"{n}", counts=True) for n in range(5)])
    last = answers[-1]
    assert isinstance(last, Appended)
    one.heard("a", last.offset, last.n)
    assert await one.append([new_entry("a", "new", counts=True)]) == [Appended(6, NOW, n=6)]


async def test_a_truncate_on_one_node_is_in_force_on_all(shared_logs: SharedLogFactory) -> None:
    one, other = await shared_logs(), await shared_logs()
    await one.append(new_entries("a", 3))
    assert len(await shown(other, "a")) == 3
    await one.truncate("a")
    assert list(await shown(other, "a")) == []
    assert [entry.stub for entry in await kept(other, "a")] == [True] * 3
    assert await other.append([new_entry("a", "after")]) == [Appended(4, NOW)]


async def test_nodes_that_sweep_at_once_take_nothing_that_is_visible(
    shared_logs: SharedLogFactory,
) -> None:
    """Retention empties channels under load: offsets go on, and no old one comes back."""
    stores = [await shared_logs() for _ in range(2)]
    names = ["a", "b"]
    keep_two = Retention(2, 0)
    later = NOW + DEDUPE_TTL_MS + 60_000

    async def write(store: SharedLogStore, node: int) -> None:
        for number in range(15):
            await store.append([new_entry(name, f"{node}-{number}") for name in names])

    async def sweep(store: SharedLogStore) -> None:
        for _ in range(4):
            # In earnest nothing is removed so soon after it was made.
            await sweep_all(store, lambda name: keep_two, now_ms=NOW + 10)

    await asyncio.gather(
        *[write(store, node) for node, store in enumerate(stores)], *map(sweep, stores)
    )
    await sweep_all(stores[0], lambda name: keep_two, now_ms=later)
    for name in names:
        assert [entry.offset for entry in await shown(stores[1], name)] == [29, 30]
        assert [entry.offset for entry in await kept(stores[1], name)] == [29, 30]


async def test_revocations_of_many_nodes_have_one_order_without_holes(
    shared_logs: SharedLogFactory,
) -> None:
    stores = [await shared_logs() for _ in range(3)]

    async def revoke(node: int) -> list[int]:
        return [
            await stores[node].revoke(Revocation(user=f"{node}-{number}", at=NOW))
            for number in range(10)
        ]

    seqs = await asyncio.gather(*[revoke(node) for node in range(3)])
    assert sorted(chain.from_iterable(seqs)) == list(range(1, 31))
    rows = await stores[0].revocations(after=0, limit=100, now_ms=NOW)
    assert {row.seq: row.user for row in rows} == {
        seq: f"{node}-{number}" for node, own in enumerate(seqs) for number, seq in enumerate(own)
    }


async def test_of_many_nodes_that_claim_at_once_one_wins(shared_logs: SharedLogFactory) -> None:
    stores = [await shared_logs() for _ in range(5)]
    for number in range(5):
        answers = await asyncio.gather(
            *[
                store.claim("a", f"{number}", bytes([node]), until_ms=NOW * 10)
                for node, store in enumerate(stores)
            ]
        )
        winner = answers.index(None)
        assert [answer for answer in answers if answer is not None] == [bytes([winner])] * 4


async def test_hostile_texts_meet_on_two_nodes_as_the_same_entries(
    shared_logs: SharedLogFactory,
) -> None:
    one, other = await shared_logs(), await shared_logs()
    batch = [new_entry(text, text, sender=text) for text in HOSTILE]
    assert await one.append(batch) == [Appended(1, NOW)] * len(HOSTILE)
    assert await other.append(batch) == [Appended(1, NOW, duplicate=True)] * len(HOSTILE)


@pytest.mark.timeout(120)
async def test_no_node_starves_on_a_hot_channel(
    shared_logs: SharedLogFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three nodes write one channel as fast as they can: each has its share, and none waits long.

    Shown, not judged: how much the channel takes from three nodes beside what it takes from one.
    """
    stores = [await shared_logs() for _ in range(3)]
    waits: list[list[float]] = [[], [], []]

    def announce(node: int, channel: str, offset: int) -> None:
        for store in stores[:node] + stores[node + 1 :]:
            store.heard(channel, offset)

    async def write(node: int, channel: str, until: float) -> None:
        loop = asyncio.get_running_loop()
        while (began := time.monotonic()) < until:
            entry = new_entry(channel, f"{node}-{len(waits[node])}")
            (answer,) = await stores[node].append([entry])
            waits[node].append(time.monotonic() - began)
            # As the bus would, if it is quick.
            loop.call_later(BUS_S, announce, node, channel, answer.offset)

    await write(0, "cold", time.monotonic() + 1.0)
    alone = len(waits[0])
    waits[0].clear()
    until = time.monotonic() + HOT_S
    await asyncio.gather(*[write(node, "hot", until) for node in range(3)])
    shares = [len(own) for own in waits]
    with capsys.disabled():
        print(  # noqa: T201 - a measurement, for whoever runs the test
            f"\nhot channel: {sum(shares) / HOT_S:.0f} entries/s from three nodes, {alone} from"
            f" one; shares {shares}, longest wait {max(map(max, waits)) * 1000:.0f} ms"
        )
    assert await head(stores[0], "hot") == sum(shares)
    assert max(map(max, waits)) < LONGEST_WAIT_S
    assert min(shares) * 12 > sum(shares)


async def test_reading_goes_on_while_others_write(shared_logs: SharedLogFactory) -> None:
    """No page and no catching up has a hole in it, however the readings fall."""
    writer, reader = await shared_logs(), await shared_logs()

    async def write() -> None:
        for number in range(40):
            await writer.append([new_entry(name, f"{number}") for name in ("a", "b", "c")])

    writing = asyncio.gather(write())
    positions = {"a": 0, "b": 0, "c": 0}
    while not writing.done():
        for entry in await reader.missed(positions, limit=20):
            assert entry.offset == positions[entry.channel] + 1
            positions[entry.channel] = entry.offset
        page = await reader.read("a", limit=1000, retention=KEEP_ALL, now_ms=NOW)
        assert [entry.offset for entry in page.entries] == list(range(1, page.head + 1))
    await writing
