"""The contract of leases and tasks, for every driver that several nodes may share."""

import asyncio

import pytest

from realtime.stores.base import NodeInfo, NodeLease, NodeStore
from tests.contract.test_stores import HOSTILE
from tests.support.memory_nodes import SharedStoreFactory

ANN = NodeInfo("ann", "1.2.3", started_ms=1_700_000_000_000)
HOSTILE_IDS = [text for text in HOSTILE if text]
"""An id is never empty: for the holder of a task that is nobody."""


async def lease(store: NodeStore, node: str) -> NodeLease | None:
    """A node's lease as anybody reads it."""
    return next((found for found in await store.nodes() if found.node == node), None)


# Leases


async def test_a_registered_node_is_seen_by_the_others(shared_stores: SharedStoreFactory) -> None:
    mine, other = await shared_stores(), await shared_stores()
    assert await other.nodes() == []
    await mine.register("n1", ANN)
    assert list(await other.nodes()) == [NodeLease("n1", 1, ANN)]


async def test_each_beat_raises_the_lease_by_one_and_renews_the_info(
    shared_stores: SharedStoreFactory,
) -> None:
    mine, other = await shared_stores(), await shared_stores()
    await mine.register("n1", ANN)
    busy = NodeInfo("ann", "1.2.3", "worker", 5, 6, 7, 8, 9, 10)
    for beat in (2, 3, 4):
        assert await mine.beat("n1", busy)
        assert await lease(other, "n1") == NodeLease("n1", beat, busy)


async def test_leases_come_in_order_of_the_node_s_id(shared_stores: SharedStoreFactory) -> None:
    store = await shared_stores()
    for node in ("n2", "n10", "n1", "N3"):
        await store.register(node, ANN)
    assert [found.node for found in await store.nodes()] == ["N3", "n1", "n10", "n2"]


async def test_a_node_that_never_registered_cannot_beat(shared_stores: SharedStoreFactory) -> None:
    store = await shared_stores()
    assert not await store.beat("n1", ANN)
    assert await store.nodes() == []


async def test_a_silent_node_is_condemned_by_the_beat_at_which_it_stopped(
    shared_stores: SharedStoreFactory,
) -> None:
    mine, other = await shared_stores(), await shared_stores()
    await mine.register("n1", ANN)
    await mine.beat("n1", ANN)
    assert await other.condemn("n1", 2)
    found = await lease(mine, "n1")
    assert found is not None
    assert (found.beat, found.condemned) == (2, True)


@pytest.mark.parametrize("beat", [1, 3, 0])
async def test_nobody_is_condemned_by_another_beat_than_its_last(
    shared_stores: SharedStoreFactory, beat: int
) -> None:
    mine, other = await shared_stores(), await shared_stores()
    await mine.register("n1", ANN)
    await mine.beat("n1", ANN)
    assert not await other.condemn("n1", beat)
    assert await mine.beat("n1", ANN)
    assert await lease(other, "n1") == NodeLease("n1", 3, ANN)


async def test_a_condemned_node_cannot_beat_again(shared_stores: SharedStoreFactory) -> None:
    mine, other = await shared_stores(), await shared_stores()
    await mine.register("n1", ANN)
    await other.condemn("n1", 1)
    assert not await mine.beat("n1", ANN)
    found = await lease(other, "n1")
    assert found is not None
    assert (found.beat, found.condemned) == (1, True)


async def test_to_condemn_again_is_no_error_and_answers_true(
    shared_stores: SharedStoreFactory,
) -> None:
    store = await shared_stores()
    await store.register("n1", ANN)
    assert await store.condemn("n1", 1)
    assert await store.condemn("n1", 1)


async def test_a_node_that_is_not_there_is_not_condemned(
    shared_stores: SharedStoreFactory,
) -> None:
    store = await shared_stores()
    assert not await store.condemn("n1", 1)
    assert await store.nodes() == []


async def test_of_a_beat_and_a_condemnation_exactly_one_wins(
    shared_stores: SharedStoreFactory,
) -> None:
    stores = [await shared_stores() for _ in range(3)]
    for number in range(20):
        node = f"n{number}"
        await stores[0].register(node, ANN)
        beaten, *condemned = await asyncio.gather(
            stores[0].beat(node, ANN), stores[1].condemn(node, 1), stores[2].condemn(node, 1)
        )
        assert condemned == [not beaten] * 2


async def test_a_node_that_departed_is_gone(shared_stores: SharedStoreFactory) -> None:
    mine, other = await shared_stores(), await shared_stores()
    for node in ("n1", "n2", "n3"):
        await mine.register(node, ANN)
    await mine.depart("n1")
    await other.condemn("n2", 1)
    await other.depart("n2")
    await other.depart("n2")
    assert [found.node for found in await mine.nodes()] == ["n3"]
    assert not await mine.beat("n1", ANN)
    assert not await mine.beat("n2", ANN)


# Tasks


async def test_a_task_is_nobody_s_until_it_is_taken(shared_stores: SharedStoreFactory) -> None:
    mine, other = await shared_stores(), await shared_stores()
    assert await other.holder("retention") == ""
    assert await mine.take("retention", "n1", before="")
    assert await other.holder("retention") == "n1"


async def test_who_holds_a_task_takes_it_again_whatever_was_before(
    shared_stores: SharedStoreFactory,
) -> None:
    store = await shared_stores()
    for before in ("", "n1", "n9", ""):
        assert await store.take("retention", "n1", before=before)
    assert await store.holder("retention") == "n1"


async def test_a_held_task_is_taken_only_from_its_holder(
    shared_stores: SharedStoreFactory,
) -> None:
    store = await shared_stores()
    await store.take("retention", "n1", before="")
    assert not await store.take("retention", "n2", before="")
    assert not await store.take("retention", "n2", before="n3")
    assert await store.holder("retention") == "n1"
    assert await store.take("retention", "n2", before="n1")
    assert await store.holder("retention") == "n2"


async def test_a_task_that_nobody_holds_is_not_taken_from_somebody(
    shared_stores: SharedStoreFactory,
) -> None:
    store = await shared_stores()
    assert not await store.take("retention", "n2", before="n1")
    assert await store.holder("retention") == ""


@pytest.mark.parametrize("before", ["", "dead"])
async def test_of_ten_who_take_a_task_exactly_one_has_it(
    shared_stores: SharedStoreFactory, before: str
) -> None:
    stores = [await shared_stores() for _ in range(10)]
    for number in range(5):
        task = f"sweep:{number}"
        if before:
            await stores[0].take(task, before, before="")
        answers = await asyncio.gather(
            *(store.take(task, f"n{index}", before=before) for index, store in enumerate(stores))
        )
        assert sum(answers) == 1
        assert await stores[0].holder(task) == f"n{answers.index(True)}"


async def test_a_released_task_is_anybody_s(shared_stores: SharedStoreFactory) -> None:
    mine, other = await shared_stores(), await shared_stores()
    await mine.take("retention", "n1", before="")
    await mine.release("retention", "n1")
    await mine.release("retention", "n1")
    assert await other.holder("retention") == ""
    assert await other.take("retention", "n2", before="")


async def test_of_ten_who_take_a_task_that_was_just_released_exactly_one_has_it(
    shared_stores: SharedStoreFactory,
) -> None:
    stores = [await shared_stores() for _ in range(10)]
    for _ in range(5):
        await stores[0].take("sweep:n", "before", before="")
        await stores[0].release("sweep:n", "before")
        answers = await asyncio.gather(
            *(store.take("sweep:n", f"n{n}", before="") for n, store in enumerate(stores))
        )
        assert sum(answers) == 1
        holder = f"n{answers.index(True)}"
        assert await stores[0].holder("sweep:n") == holder
        await stores[0].release("sweep:n", holder)


async def test_nobody_has_a_task_that_another_has_while_it_changes_hands(
    shared_stores: SharedStoreFactory,
) -> None:
    held: set[str] = set()

    async def take_turns(store: NodeStore, node: str) -> None:
        for _ in range(20):
            if await store.take("sweep:n", node, before=""):
                held.add(node)
                assert held == {node}
                await asyncio.sleep(0)
                held.remove(node)
                await store.release("sweep:n", node)

    stores = [await shared_stores() for _ in range(5)]
    async with asyncio.timeout(15):
        await asyncio.gather(*(take_turns(store, f"n{n}") for n, store in enumerate(stores)))
    assert await stores[0].take("sweep:n", "last", before="")


async def test_nobody_releases_what_another_holds(shared_stores: SharedStoreFactory) -> None:
    mine, other = await shared_stores(), await shared_stores()
    await mine.take("retention", "n1", before="")
    await other.release("retention", "n2")
    await other.release("other", "n1")
    assert await mine.holder("retention") == "n1"


async def test_tasks_of_different_names_have_nothing_to_do_with_each_other(
    shared_stores: SharedStoreFactory,
) -> None:
    store = await shared_stores()
    assert await store.take("sweep:a", "n1", before="")
    assert await store.take("sweep:b", "n2", before="")
    await store.release("sweep:a", "n1")
    assert await store.holder("sweep:b") == "n2"


# Opaque texts


async def test_ids_are_opaque_text(shared_stores: SharedStoreFactory) -> None:
    store = await shared_stores()
    for text in HOSTILE_IDS:
        await store.register(text, NodeInfo(text, text, text))
    found = {lease.node: lease for lease in await store.nodes()}
    assert found == {text: NodeLease(text, 1, NodeInfo(text, text, text)) for text in HOSTILE_IDS}
    for text in HOSTILE_IDS:
        assert await store.beat(text, ANN)
        assert not await store.condemn(text, 1)
        assert await store.condemn(text, 2)
    for text in HOSTILE_IDS:
        await store.depart(text)
    assert await store.nodes() == []


async def test_tasks_and_holders_are_opaque_text(shared_stores: SharedStoreFactory) -> None:
    store = await shared_stores()
    for text in HOSTILE_IDS:
        assert await store.take(text, f"holder of {text}", before="")
    for text in HOSTILE_IDS:
        assert await store.holder(text) == f"holder of {text}"
        assert not await store.take(text, text, before=text)
        assert await store.take(text, text, before=f"holder of {text}")
        assert await store.holder(text) == text
    for text in HOSTILE_IDS:
        await store.release(text, text)
        assert await store.holder(text) == ""
