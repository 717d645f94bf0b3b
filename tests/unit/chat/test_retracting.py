"""A message that is deleted is taken off the phones that show it, in channels of any size."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec
import pytest

from realtime.chat import retracting
from realtime.chat.retracting import Retracting
from realtime.chat.service import ChatService
from realtime.errors import StoreUnavailable
from realtime.model import Entry
from realtime.push.rows import JOBS, JobRow
from realtime.settings.schema import ChatSettings
from realtime.stores.base import WRITES_MAX, Row, Span, Table, Value, Write
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import ROOM, caller, chat_parts
from tests.support.chat_messages import MessageParts, message_parts
from tests.support.hub import until

CHANNEL: Final = "room:one"
LOUD: Final = dataclasses.replace(ROOM, push="all")


@pytest.fixture
async def chat() -> AsyncIterator[MessageParts]:
    async with message_parts(room=LOUD) as made:
        await made.room(["bob"])
        yield made


async def shown(chat: MessageParts, users: Sequence[str], offset: int) -> None:
    """Phones of these users show a message."""
    fields: dict[str, Value] = {"state": "done", "visible": 1, "shown": offset, "offset": offset}
    await chat.parts.store.write([Write(JOBS, (user, CHANNEL), set=fields) for user in users])


async def due(store: Any) -> Sequence[JobRow]:
    """Jobs that somebody has to look at."""
    found: Sequence[JobRow] = await store.find(
        JOBS, Span(("due", 0)), by=("state", "lane", "due_at"), limit=WRITES_MAX
    )
    return found


async def test_what_shows_a_deleted_message_is_to_be_taken_away(chat: MessageParts) -> None:
    Retracting(chat.parts.around)
    first = (await chat.send("bob", "first")).offset
    second = (await chat.send("bob", "second")).offset
    await shown(chat, ["ann"], first)
    await shown(chat, ["eve"], second)
    await chat.delete("bob", second)
    assert [row.user for row in await due(chat.parts.store)] == ["eve"]


async def test_without_push_there_is_nothing_to_take_away() -> None:
    async with message_parts(room=ROOM) as chat:
        await chat.room(["bob"])
        Retracting(chat.parts.around)
        offset = (await chat.send("bob", "first")).offset
        await shown(chat, ["ann"], offset)
        await chat.delete("bob", offset)
        assert await due(chat.parts.store) == []


class Counting(SQLiteStore):
    """Says how often jobs were looked for, and fails when told to."""

    looks = 0
    failures = 0

    async def find(self, table: Table[Row], *spans: Span, **options: Any) -> Sequence[Row]:
        """See base."""
        if table.name == JOBS.name:
            self.looks += 1
            if self.looks > 1 and self.failures:
                self.failures -= 1
                raise StoreUnavailable("away")
        return await super().find(table, *spans, **options)


@pytest.mark.parametrize("failures", [0, 2])
async def test_a_large_channel_is_done_page_by_page_and_nobody_waits_for_it(
    chat: MessageParts, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    monkeypatch.setattr(retracting, "RETRY_S", 0.0)
    store = Counting(":memory:")
    await store.open()
    rest = Retracting(msgspec.structs.replace(chat.parts.around, store=store))
    users = [f"u{number:04}" for number in range(2 * WRITES_MAX + 1)]
    fields: dict[str, Value] = {"state": "done", "visible": 1, "shown": 7, "offset": 7}
    for start in range(0, len(users), WRITES_MAX):
        page = users[start : start + WRITES_MAX]
        await store.write([Write(JOBS, (user, CHANNEL), set=fields) for user in page])
    store.failures = failures
    await rest.fold(Entry(CHANNEL, 9, b"{}", 0, "delete", ref=7))
    assert (store.looks, len(rest)) == (1, 1)
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(10):
        running = tasks.create_task(rest.run(), name="retracting")
        await until(lambda: not len(rest))
        running.cancel()
    assert store.looks == 3 + failures
    assert len(await due(store)) == WRITES_MAX
    last = await store.get(JOBS, [(users[-1], CHANNEL), (users[WRITES_MAX], CHANNEL)])
    assert [row.state for row in last] == ["due", "due"]
    await store.close()


async def test_there_is_a_bound_to_what_waits(
    chat: MessageParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retracting, "WAITING_MAX", 1)
    rest = Retracting(chat.parts.around)
    await shown(chat, [f"u{number:04}" for number in range(WRITES_MAX)], 7)
    for offset in (7, 8):
        await rest.fold(Entry(CHANNEL, 9, b"{}", 0, "delete", ref=offset))
    assert (len(rest), rest.dropped) == (1, 1)


async def test_a_delete_in_a_namespace_that_is_no_more_is_folded(chat: MessageParts) -> None:
    await Retracting(chat.parts.around).fold(Entry("gone:one", 9, b"{}", 0, "delete", ref=7))


async def test_a_node_does_it_for_whoever_deletes_by_a_call() -> None:
    async with chat_parts(room=LOUD) as parts:
        service = ChatService(
            store=parts.store,
            stage=parts.stage,
            memberships=parts.memberships,
            clock=parts.clock,
            settings=ChatSettings(),
            namespaces={"room": LOUD},
            data_max_bytes=1_000,
        )
        for method, params in (
            ("chat.create", {"namespace": "room", "id": "one"}),
            ("chat.send", {"channel": CHANNEL, "data": 1}),
        ):
            data = msgspec.json.encode({**params, "client_id": method})
            answer = msgspec.json.decode(await service.call(caller("bob"), method, data))
        offset = answer["offset"]
        fields: dict[str, Value] = {"state": "done", "visible": 1, "shown": offset}
        await parts.store.write([Write(JOBS, ("ann", CHANNEL), set=fields)])
        data = msgspec.json.encode({"channel": CHANNEL, "offset": offset, "client_id": "d"})
        await service.call(caller("bob"), "chat.delete", data)
        assert [row.user for row in await due(parts.store)] == ["ann"]
