import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from realtime.chat.calls.markers import Marked, MoveMarker
from realtime.errors import CallRefused, StoreUnavailable
from realtime.model import Retention
from realtime.rows import CHANNELS, MEMBERS, MemberRow
from realtime.stores.base import Removal, Write
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import ManualClock, caller
from tests.support.inboxes import (
    ChatNode,
    chat_node,
    connected,
    created,
    event,
    message,
    running,
)

A = "room:a"
RETENTION = Retention(1, 0)


class FailingStore(SQLiteStore):
    """Refuses to write while `fails`, and counts its writes."""

    fails = False
    writes = 0

    async def write(self, writes: Sequence[Write | Removal]) -> None:
        self.writes += 1
        if self.fails:
            raise StoreUnavailable("away")
        await super().write(writes)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store() -> AsyncIterator[FailingStore]:
    made = FailingStore(":memory:")
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def node(store: FailingStore, clock: ManualClock) -> AsyncIterator[ChatNode]:
    """A room of ann and bob: the first entry makes it, and 2 … 4 are messages of ann."""
    made = chat_node(store, clock)
    connected([made])
    await made.write(created(A, {"ann": "owner", "bob": "member"}, clock.now_ms))
    for _ in range(3):
        await made.write(message("ann", A, clock.now_ms))
    async with running(made):
        yield made


async def row_of(node: ChatNode, user: str, channel: str = A) -> MemberRow:
    (row,) = await node.around.store.get(MEMBERS, [(channel, user)])
    return row


async def test_reading_without_an_offset_reads_up_to_the_end(node: ChatNode) -> None:
    assert await node.call("bob", "chat.read", channel=A) == Marked(4)
    row = await row_of(node, "bob")
    assert (row.read, row.read_n, row.delivered, row.delivered_n) == (4, 3, 4, 3)


@pytest.mark.parametrize("rounds", [0, 2])
async def test_a_marker_is_cut_to_the_end(node: ChatNode, rounds: int) -> None:
    for _ in range(rounds):
        await node.round()
    assert await node.call("bob", "chat.read", channel=A, offset=1_000) == Marked(4)
    assert (await row_of(node, "bob")).read == 4


async def test_a_marker_only_goes_up(node: ChatNode) -> None:
    await node.call("bob", "chat.read", channel=A, offset=3)
    assert await node.call("bob", "chat.read", channel=A, offset=2) == Marked(2)
    row = await row_of(node, "bob")
    assert (row.read, row.read_n) == (3, 2)


async def test_delivered_leaves_read_where_it_is(node: ChatNode) -> None:
    await node.call("bob", "chat.delivered", channel=A, offset=3)
    row = await row_of(node, "bob")
    assert (row.read, row.delivered, row.delivered_n) == (1, 3, 2)


async def test_read_implies_delivered_and_never_takes_it_back(node: ChatNode) -> None:
    await node.call("bob", "chat.delivered", channel=A, offset=4)
    await node.call("bob", "chat.read", channel=A, offset=2)
    row = await row_of(node, "bob")
    assert (row.read, row.delivered) == (2, 4)


async def test_marking_as_unread_lasts_until_the_next_read(node: ChatNode) -> None:
    await node.call("bob", "chat.read", channel=A)
    assert await node.call("bob", "chat.unread", channel=A, offset=3) == Marked(3)
    (channel,) = (await node.sync("bob")).channels
    assert (channel.unread, channel.unread_from, channel.read) == (1, 3, 4)
    assert (await node.call("bob", "chat.badge")).badge == 1
    await node.call("bob", "chat.read", channel=A, offset=2)
    (channel,) = (await node.sync("bob")).channels
    assert (channel.unread, channel.unread_from) == (0, 0)


async def test_what_one_sends_does_not_take_the_mark_back(
    node: ChatNode, clock: ManualClock
) -> None:
    await node.call("bob", "chat.unread", channel=A)
    await node.write(message("bob", A, clock.now_ms))
    await node.settle()
    assert (await row_of(node, "bob")).unread == 4


async def test_ones_own_message_moves_ones_own_marker(node: ChatNode, clock: ManualClock) -> None:
    offset = await node.write(message("bob", A, clock.now_ms))
    await node.round()
    row = await row_of(node, "bob")
    assert (row.read, row.read_n, row.delivered) == (offset, 4, offset)


async def test_whoever_is_not_in_the_channel_moves_nothing_there(node: ChatNode) -> None:
    for name in ("chat.read", "chat.delivered", "chat.unread", "chat.receipts"):
        with pytest.raises(CallRefused) as refused:
            await node.call("eve", name, channel=A)
        assert (refused.value.error.code, refused.value.why) == (103, "not_a_member")
    assert not await node.around.store.get(MEMBERS, [(A, "eve")])


async def test_an_admin_who_is_not_in_the_channel_gets_no_marker_there(node: ChatNode) -> None:
    read = node.inbox.operations["chat.read"]
    assert await read(caller("eve", "admin"), MoveMarker(A)) == Marked(4)
    assert not await node.around.store.get(MEMBERS, [(A, "eve")])


async def test_a_message_of_somebody_who_has_no_row_makes_none(
    node: ChatNode, clock: ManualClock
) -> None:
    await node.write(message("eve", A, clock.now_ms))
    await node.settle()
    assert not await node.around.store.get(MEMBERS, [(A, "eve")])


async def test_an_answer_comes_when_it_is_stored_and_many_are_stored_together(
    node: ChatNode, store: FailingStore, clock: ManualClock
) -> None:
    users = [f"user{index}" for index in range(100)]
    joined = {"act": "invite", "users": [{"user": user, "role": "member"} for user in users]}
    await node.write(event("member", "ann", A, clock.now_ms, data=joined))
    store.writes = 0
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(node.call(user, "chat.read", channel=A)) for user in users]
    assert {call.result() for call in calls} == {Marked(5)}
    assert store.writes <= 3
    rows = await store.get(MEMBERS, [(A, user) for user in users])
    assert {row.read for row in rows} == {5}


async def test_moves_of_one_user_that_meet_are_one_write_and_the_highest_holds(
    node: ChatNode, store: FailingStore
) -> None:
    async with asyncio.TaskGroup() as tasks:
        for name, offset in (
            ("chat.read", 3),
            ("chat.delivered", 4),
            ("chat.read", 2),
            ("chat.unread", 2),
        ):
            tasks.create_task(node.call("bob", name, channel=A, offset=offset))
    row = await row_of(node, "bob")
    assert (row.read, row.read_n, row.delivered, row.unread) == (3, 2, 4, 2)


async def test_where_it_cannot_be_stored_the_caller_is_told_and_the_next_one_is_served(
    node: ChatNode, store: FailingStore
) -> None:
    store.fails = True
    with pytest.raises(StoreUnavailable):
        await node.call("bob", "chat.read", channel=A)
    store.fails = False
    assert await node.call("bob", "chat.read", channel=A) == Marked(4)


async def test_whoever_gives_up_holds_up_nobody(node: ChatNode) -> None:
    async with asyncio.TaskGroup() as tasks:
        given_up = tasks.create_task(node.call("bob", "chat.read", channel=A))
        other = tasks.create_task(node.call("ann", "chat.delivered", channel=A, offset=2))
        await asyncio.sleep(0)
        given_up.cancel()
    assert other.result() == Marked(2)


async def test_in_front_of_what_retention_has_left_a_marker_is_just_before_that(
    node: ChatNode, store: FailingStore, clock: ManualClock
) -> None:
    # Long after, the first three entries are gone altogether.
    clock.now_ms += 10_000_000
    await node.write(message("ann", A, clock.now_ms))
    after = ""
    while True:
        swept = await store.sweep(lambda _: RETENTION, now_ms=clock.now_ms, after=after, limit=100)
        if swept.next_channel is None:
            break
        after = swept.next_channel
    assert not await store.fetch({A: (2,)}, stubs=True)
    await node.call("bob", "chat.read", channel=A, offset=2)
    row = await row_of(node, "bob")
    assert (row.read, row.read_n) == (4, 3)


async def test_the_end_is_found_where_the_row_is_thousands_of_entries_behind(
    node: ChatNode, store: FailingStore, clock: ManualClock
) -> None:
    await store.append([message("ann", A, clock.now_ms) for _ in range(2_500)])
    assert await node.call("bob", "chat.read", channel=A) == Marked(2_504)
    row = await row_of(node, "bob")
    assert (row.read, row.read_n) == (2_504, 2_503)


async def test_heads_are_written_a_round_after_the_markers_that_belong_to_them(
    node: ChatNode, store: FailingStore, clock: ManualClock
) -> None:
    await node.settle()
    offset = await node.write(message("bob", A, clock.now_ms))
    await node.round()
    (row,) = await store.get(CHANNELS, [(A,)])
    assert (row.head, (await row_of(node, "bob")).read) == (4, offset)
    await node.round()
    (row,) = await store.get(CHANNELS, [(A,)])
    assert (row.head, row.head_n, row.head_at) == (offset, 4, clock.now_ms)


async def test_nothing_that_was_noted_is_forgotten_while_the_store_is_away(
    node: ChatNode, store: FailingStore, clock: ManualClock
) -> None:
    await node.settle()
    offset = await node.write(message("bob", A, clock.now_ms))
    store.fails = True
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await node.round()
    store.fails = False
    await node.settle()
    (row,) = await store.get(CHANNELS, [(A,)])
    assert (row.head, (await row_of(node, "bob")).read) == (offset, offset)
    assert len(node.inbox.heads) == 0


async def test_a_head_that_another_node_has_written_further_stays(
    node: ChatNode, store: FailingStore, clock: ManualClock
) -> None:
    await store.write([Write(CHANNELS, (A,), set={"head": 10, "head_n": 9})])
    await node.settle()
    (row,) = await store.get(CHANNELS, [(A,)])
    assert (row.head, row.head_n) == (10, 9)
