import asyncio
import json
from collections.abc import AsyncIterator, Sequence

import pytest

from realtime.chat import heads as heads_module
from realtime.chat.calls.markers import OPERATIONS
from realtime.chat.rpc import Calls
from realtime.errors import StoreUnavailable
from realtime.model import Entry
from realtime.rows import CHANNELS, MEMBERS
from realtime.stores.base import Removal, Span, Write
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import ManualClock, Unlimited, caller
from tests.support.inboxes import ChatNode, chat_node, connected, created, message

A = "room:a"


class LeavableStore(SQLiteStore):
    """Refuses to write while it is away."""

    is_away = False

    async def write(self, writes: Sequence[Write | Removal]) -> None:
        if self.is_away:
            raise StoreUnavailable("away")
        await super().write(writes)


@pytest.fixture
async def store() -> AsyncIterator[LeavableStore]:
    made = LeavableStore(":memory:")
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def node(store: LeavableStore) -> ChatNode:
    clock = ManualClock()
    made = chat_node(store, clock)
    connected([made])
    await made.write(created(A, {"ann": "owner", "bob": "member"}, clock.now_ms))
    return made


async def test_every_operation_of_the_table_is_performed(node: ChatNode) -> None:
    calls = Calls(OPERATIONS, node.inbox.operations, allowances=Unlimited())
    answer = json.loads(await calls.call(caller("bob"), "chat.sync", b""))
    assert [channel["channel"] for channel in answer["channels"]] == [A]


async def test_what_was_noted_is_written_when_the_hub_stops(
    node: ChatNode, store: LeavableStore
) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(node.inbox.run())
        offset = await node.write(message("bob", A, node.around.clock.wall_ms()))
        assert await node.call("ann", "chat.read", channel=A)
        running.cancel()
    (row,) = await store.get(CHANNELS, [(A,)])
    (bob,) = await store.get(MEMBERS, [(A, "bob")])
    assert (row.head, row.last_offset, bob.read) == (offset, offset, offset)


async def test_a_hub_stops_although_its_store_is_away(
    node: ChatNode, store: LeavableStore, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(node.inbox.run())
        await node.write(message("bob", A, node.around.clock.wall_ms()))
        await asyncio.sleep(0)
        store.is_away = True
        running.cancel()
    assert [record.message for record in caplog.records] == ["writing heads has to wait: away"]


async def test_members_hear_of_a_message_while_it_runs_and_rows_are_written(
    node: ChatNode, store: LeavableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads_module, "ROUND_S", 0.01)
    hinted = asyncio.Event()
    monkeypatch.setattr(node.stage, "hint", lambda *_, **__: hinted.set())
    written = asyncio.Event()

    async def watch(writes: Sequence[Write | Removal]) -> None:
        await SQLiteStore.write(store, writes)
        if any(write.table is CHANNELS for write in writes):
            written.set()

    monkeypatch.setattr(store, "write", watch)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(node.inbox.run())
        await node.write(message("bob", A, node.around.clock.wall_ms()))
        await hinted.wait()
        await written.wait()
        running.cancel()


async def test_of_many_messages_the_newest_of_each_channel_and_sender_are_looked_at(
    node: ChatNode, store: LeavableStore
) -> None:
    await node.inbox.heads.flush()
    for offset in range(10, 15):
        sender = "u:bob" if offset < 13 else "u:ann"
        node.inbox.committed(
            Entry(A, offset, b"{}", 1, "message", sender, str(offset), n=offset, counts=True)
        )
    assert len(node.inbox.heads) == 0
    node.inbox.gather()
    assert len(node.inbox.heads) == 3
    await node.inbox.flush()
    (row,) = await store.get(CHANNELS, [(A,)])
    assert (row.head, row.head_n, row.last_offset) == (14, 14, 14)
    members = {row.user: row.read for row in await store.find(MEMBERS, Span((A,)), limit=9)}
    assert members == {"ann": 14, "bob": 12}
