"""What retention has taken, or was removed, is unread for nobody, and that is told."""

import dataclasses
from collections.abc import AsyncIterator

import pytest

from realtime.chat.leftovers import Leftovers
from realtime.chat.unread import gone
from realtime.model import Retention
from realtime.rows import CHANNELS, EVERYBODY, MENTIONS, ChannelRow
from realtime.settings.durations import Duration
from realtime.settings.schema import ChannelOptions
from realtime.stores.base import Span
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import ROOM, ManualClock
from tests.support.inboxes import ChatNode, chat_node, created, event, message

A = "room:a"
AGED = dataclasses.replace(ROOM, history_ttl=Duration(60_000))
SIZED = dataclasses.replace(ROOM, history_size=4)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store() -> AsyncIterator[SQLiteStore]:
    made = SQLiteStore(":memory:")
    await made.open()
    yield made
    await made.close()


async def room(store: SQLiteStore, clock: ManualClock, options: ChannelOptions) -> ChatNode:
    """Ann has said five things that mention bob, and two are deleted; rows say all of it."""
    node = chat_node(store, clock, None, {"room": options})
    await node.write(created(A, {"ann": "owner", "bob": "member"}, clock.now_ms))
    for _ in range(5):
        await node.write(message("ann", A, clock.now_ms, mentions=["bob"]))
    for ref in (3, 4):
        await node.write(event("delete", "ann", A, clock.now_ms, ref=ref))
    await node.settle()
    return node


async def unread(node: ChatNode, since: str = "") -> list[tuple[int, int]]:
    synced = await node.sync("bob", since=since)
    return [(item.unread, item.mentions) for item in synced.channels]


async def row(node: ChatNode) -> ChannelRow:
    (found,) = await node.around.store.get(CHANNELS, [(A,)])
    return found


async def deletions(node: ChatNode) -> list[int]:
    rows = await node.around.store.find(MENTIONS, Span((EVERYBODY, A)), limit=100)
    return [found.offset for found in rows]


async def test_where_everything_is_past_its_time_nothing_is_unread_at_once(
    store: SQLiteStore, clock: ManualClock
) -> None:
    node = await room(store, clock, AGED)
    assert await unread(node) == [(3, 3)]
    clock.now_ms += 60_000
    assert await unread(node) == [(0, 0)]
    assert (await node.call("bob", "chat.badge")).badge == 0


async def test_what_is_past_its_time_is_not_unread_once_it_was_looked_for(
    store: SQLiteStore, clock: ManualClock
) -> None:
    node = await room(store, clock, AGED)
    clock.now_ms += 30_000
    await node.write(message("ann", A, clock.now_ms, mentions=["bob"]))
    await node.settle()
    assert await unread(node) == [(4, 4)]
    clock.now_ms += 90_000 - 60_000
    leftovers = Leftovers(store, node.stage, clock)
    for _ in range(3):
        await leftovers.round()
        assert await unread(node) == [(1, 1)]
    assert ((await row(node)).hidden, (await row(node)).hidden_n) == (8, 5)
    assert await deletions(node) == []


async def test_rows_of_what_was_deleted_stay_until_the_channels_row_does_without_them(
    store: SQLiteStore, clock: ManualClock
) -> None:
    node = await room(store, clock, SIZED)
    leftovers = Leftovers(store, node.stage, clock)
    await leftovers.round()
    assert (await row(node)).hidden == 4
    assert await deletions(node) == [3, 4]
    await leftovers.round()
    assert await deletions(node) == []
    assert await unread(node) == [(2, 2)]


async def test_whoever_asks_what_changed_is_told_of_what_retention_has_taken(
    store: SQLiteStore, clock: ManualClock
) -> None:
    node = await room(store, clock, AGED)
    clock.now_ms += 120_000
    since = (await node.sync("bob")).since
    clock.now_ms += 1_000
    assert await unread(node, since) == []
    await Leftovers(store, node.stage, clock).round()
    assert await unread(node, since) == [(0, 0)]


async def test_what_is_beyond_the_number_that_is_kept_is_not_unread_at_once(
    store: SQLiteStore, clock: ManualClock
) -> None:
    node = await room(store, clock, SIZED)
    # Of eight entries the last four are kept: two messages, and what deleted two others.
    assert await unread(node) == [(2, 2)]
    for _ in range(3):
        await node.write(message("ann", A, clock.now_ms))
    assert await unread(node) == [(3, 0)]


async def test_after_a_log_was_emptied_nothing_in_it_is_unread(
    store: SQLiteStore, clock: ManualClock
) -> None:
    node = await room(store, clock, ROOM)
    clock.now_ms += 120_000
    since = (await node.sync("bob")).since
    await store.truncate(A)
    await node.inbox.truncated(A)
    assert await unread(node, since) == [(0, 0)]
    await node.write(message("ann", A, clock.now_ms))
    assert await unread(node) == [(1, 0)]


async def test_the_check_does_not_bring_back_rows_of_what_is_hidden(
    store: SQLiteStore, clock: ManualClock
) -> None:
    node = await room(store, clock, AGED)
    clock.now_ms += 120_000
    leftovers = Leftovers(store, node.stage, clock)
    for _ in range(2):
        await leftovers.round()
    await node.inbox.check.check(await row(node))
    assert await deletions(node) == []
    drift = node.inbox.check.drift
    assert (drift.deletions, drift.unread, drift.mentions) == (0, 0, 0)


async def test_a_late_deletion_of_what_is_hidden_takes_nothing_from_what_is_left(
    store: SQLiteStore, clock: ManualClock
) -> None:
    node = await room(store, clock, SIZED)
    await store.write(gone(A, [2]))
    page = await store.read(A, limit=10, retention=Retention(4, 0), now_ms=clock.now_ms)
    assert [entry.offset for entry in page.entries] == [5, 6, 7, 8]
    assert await unread(node) == [(2, 2)]
