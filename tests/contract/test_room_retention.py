"""What rooms are set to keep, on every store: sweeps and nodes find it, and unread goes by it."""

from typing import Any, Final, cast

import pytest

from realtime.chat.log_reader import LogReader
from realtime.chat.own_retention import narrowed
from realtime.chat.ports import ChatStore
from realtime.cluster.retention import RetentionRounds
from realtime.model import EVERYTHING, Retention
from realtime.stores.base import DEDUPE_TTL_MS
from tests.support.chat import ManualClock
from tests.support.inboxes import ChatNode, chat_node, connected, created, event, message
from tests.support.log_entries import Store

ROOMS: Final = ("room:a", "room:b", "room:c")
NAMESPACE: Final = Retention(-1, 0)
"""What is kept in a room that is set to nothing."""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def nodes(store: Store, clock: ManualClock) -> list[ChatNode]:
    """Two nodes on one store; the second does not follow what the first appends."""
    here, there = (chat_node(cast(ChatStore, store), clock) for _ in range(2))
    connected([here])
    connected([there])
    for room in ROOMS:
        await here.write(created(room, {"ann": "owner", "bob": "member"}, clock.now_ms))
        for number in range(5):
            await here.write(message("ann", room, clock.now_ms, f"secret-{number}"))
    await here.settle()
    return [here, there]


async def set_to(node: ChatNode, room: str, clock: ManualClock, **settings: Any) -> int:
    """Set a room to keep less; the entry's offset."""
    data = {"act": "update", "settings": settings}
    return await node.write(event("channel", "ann", room, clock.now_ms, data=data))


async def shown(node: ChatNode, room: str) -> list[int]:
    """Offsets that chat shows."""
    return [entry.offset for entry in (await LogReader(node.around).page(room, limit=99)).entries]


async def stored(store: Store, room: str) -> list[int]:
    """Offsets of what is in the store with what it says, whatever may be seen of it."""
    page = await store.read(room, limit=99, retention=EVERYTHING, now_ms=0)
    return [entry.offset for entry in page.entries]


async def unread(node: ChatNode, room: str, user: str = "bob") -> int:
    """What a user is told to be unread."""
    synced = await node.sync(user)
    return next(item.unread for item in synced.channels if item.channel == room)


async def test_a_sweep_takes_what_rooms_are_set_to_hide_and_no_more(
    store: Store, nodes: list[ChatNode], clock: ManualClock
) -> None:
    await set_to(nodes[0], "room:a", clock, history_size=2)
    clock.now_ms += DEDUPE_TTL_MS + 60_000
    assert await set_to(nodes[0], "room:c", clock, history_ttl_s=60) == 7
    rounds = RetentionRounds(
        store, retention=narrowed(cast(ChatStore, store), lambda _: NAMESPACE), clock=clock
    )
    assert await rounds.sweep() == 11
    assert await stored(store, "room:a") == [6, 7]
    assert await stored(store, "room:b") == [1, 2, 3, 4, 5, 6]
    assert await stored(store, "room:c") == [7]
    assert await rounds.sweep() == 0


async def test_a_room_that_is_set_back_is_not_swept_any_more(
    store: Store, nodes: list[ChatNode], clock: ManualClock
) -> None:
    await set_to(nodes[0], "room:a", clock, history_size=2)
    await set_to(nodes[0], "room:a", clock, history_size=None)
    after = narrowed(cast(ChatStore, store), lambda _: NAMESPACE)
    assert await RetentionRounds(store, retention=after, clock=clock).sweep() == 0
    assert len(await shown(nodes[0], "room:a")) == 8


async def test_another_node_shows_no_more_within_a_second(
    nodes: list[ChatNode], clock: ManualClock
) -> None:
    here, there = nodes
    assert await shown(there, "room:a") == [1, 2, 3, 4, 5, 6]
    await set_to(here, "room:a", clock, history_size=2)
    assert await shown(here, "room:a") == [6, 7]
    clock.now_ms += 1_000
    assert await shown(there, "room:a") == [6, 7]
    assert await shown(there, "room:b") == [1, 2, 3, 4, 5, 6]
    # And a node that starts knows before it shows anything.
    assert await shown(chat_node(here.around.store, clock), "room:a") == [6, 7]


async def test_what_is_hidden_is_unread_for_nobody_from_then_on(
    nodes: list[ChatNode], clock: ManualClock
) -> None:
    assert [await unread(node, "room:a") for node in nodes] == [5, 5]
    await set_to(nodes[0], "room:a", clock, history_size=3)  # two messages, and what says so
    assert [await unread(node, "room:a") for node in nodes] == [2, 2]
    clock.now_ms += 60_000
    await nodes[0].write(message("ann", "room:a", clock.now_ms, "new"))
    await set_to(nodes[0], "room:a", clock, history_size=None, history_ttl_s=60)
    assert [await unread(node, "room:a") for node in nodes] == [1, 1]
    await nodes[0].settle()
    clock.now_ms += 60_000
    await set_to(nodes[0], "room:a", clock, history_ttl_s=30)
    (last,) = [
        item.last for item in (await nodes[1].sync("bob")).channels if item.channel == "room:a"
    ]
    assert last is None
    assert [await unread(node, "room:a") for node in nodes] == [0, 0]
    await set_to(nodes[0], "room:a", clock, history_ttl_s=None)
    assert [await unread(node, "room:a") for node in nodes] == [0, 0], "it was hidden once"
