import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from realtime.chat.calls.markers import Receipt
from realtime.rows import MEMBERS, USERS
from realtime.settings.schema import ChatSettings
from realtime.stores.base import Value, Write
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import ROOM, ManualClock
from tests.support.inboxes import (
    ChatNode,
    chat_node,
    connected,
    created,
    event,
    message,
    running,
)

A, QUIET = "room:a", "quiet:a"
OPTIONS = {"room": ROOM, "quiet": dataclasses.replace(ROOM, receipts=False)}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def node(clock: ManualClock) -> AsyncIterator[ChatNode]:
    """A room of ann, bob and eve with two messages of ann, and ten who look at it."""
    store = SQLiteStore(":memory:")
    await store.open()
    made = chat_node(store, clock, ChatSettings(receipts_members_max=4), OPTIONS)
    connected([made])
    for channel in (A, QUIET):
        members = {"ann": "owner", "bob": "member", "eve": "member"}
        await made.write(created(channel, members, clock.now_ms))
        for _ in range(2):
            await made.write(message("ann", channel, clock.now_ms))
        made.stage.subscribed[channel] = 10
    async with running(made):
        yield made
    await store.close()


async def told(node: ChatNode) -> list[Any]:
    """The receipts that are told now."""
    node.stage.signals.clear()
    await node.inbox.receipts.send_due()
    return [json.loads(data) for _, kind, data in node.stage.signals if kind == "receipt"]


async def test_a_reader_is_told_of_by_a_signal(node: ChatNode) -> None:
    await node.call("bob", "chat.delivered", channel=A, offset=3)
    await node.call("bob", "chat.read", channel=A, offset=2)
    assert await told(node) == [{"user": "bob", "delivered": 3, "read": 2}]


async def test_receipts_of_a_channel_come_once_a_second(node: ChatNode, clock: ManualClock) -> None:
    await node.call("bob", "chat.read", channel=A, offset=2)
    assert len(await told(node)) == 1
    for user, offset in (("bob", 3), ("eve", 2), ("eve", 3)):
        await node.call(user, "chat.read", channel=A, offset=offset)
    clock.now_ms += 999
    assert await told(node) == []
    clock.now_ms += 1
    assert sorted((item["user"], item["read"]) for item in await told(node)) == [
        ("bob", 3),
        ("eve", 3),
    ]


async def test_in_a_larger_channel_one_signal_has_them_all(
    node: ChatNode, clock: ManualClock
) -> None:
    node.stage.subscribed[A] = 500
    for user in ("bob", "eve"):
        await node.call(user, "chat.read", channel=A)
    (told_of,) = await told(node)
    assert sorted(item["user"] for item in told_of["receipts"]) == ["bob", "eve"]


@pytest.mark.parametrize("subscribers", [0, 5_000])
async def test_nothing_is_told_where_nobody_looks_or_very_many_do(
    node: ChatNode, subscribers: int
) -> None:
    node.stage.subscribed[A] = subscribers
    await node.call("bob", "chat.read", channel=A)
    assert await told(node) == []


async def test_above_a_number_of_members_nothing_is_told(
    node: ChatNode, clock: ManualClock
) -> None:
    invited = {"act": "invite", "users": [{"user": user, "role": "member"} for user in "xyz"]}
    await node.write(event("member", "ann", A, clock.now_ms, data=invited))
    clock.now_ms += 20_000
    await node.call("bob", "chat.read", channel=A)
    assert await told(node) == []
    assert len((await node.call("ann", "chat.receipts", channel=A)).receipts) == 6


async def test_marking_as_unread_is_nobodys_business(node: ChatNode) -> None:
    await node.call("bob", "chat.unread", channel=A)
    assert await told(node) == []


@pytest.mark.parametrize("whose", ["user", "member"])
async def test_who_has_switched_receipts_off_is_not_told_of(node: ChatNode, whose: str) -> None:
    off: dict[str, Value] = {"receipts_off": 1}
    write = (
        Write(USERS, ("bob",), set=off) if whose == "user" else Write(MEMBERS, (A, "bob"), set=off)
    )
    await node.around.store.write([write])
    for user in ("bob", "eve"):
        await node.call(user, "chat.read", channel=A)
    assert [item["user"] for item in await told(node)] == ["eve"]
    page = await node.call("ann", "chat.receipts", channel=A)
    assert [receipt.user for receipt in page.receipts] == ["ann", "eve"]


async def test_where_the_namespace_has_none_nothing_is_told_or_listed(node: ChatNode) -> None:
    await node.call("bob", "chat.read", channel=QUIET)
    assert await told(node) == []
    assert (await node.call("ann", "chat.receipts", channel=QUIET)).receipts == []


async def test_where_the_channel_has_none_nothing_is_told_or_listed(
    node: ChatNode, clock: ManualClock
) -> None:
    quiet = event(
        "channel", "ann", A, clock.now_ms, data={"act": "update", "settings": {"receipts": False}}
    )
    await node.write(quiet)
    await node.call("bob", "chat.read", channel=A)
    assert await told(node) == []
    assert (await node.call("ann", "chat.receipts", channel=A)).receipts == []


async def test_receipts_are_listed_in_pages_without_who_has_left(
    node: ChatNode, clock: ManualClock
) -> None:
    await node.call("bob", "chat.read", channel=A)
    leave = event("member", "eve", A, clock.now_ms, data={"act": "leave", "user": "eve"})
    await node.write(leave)
    await node.settle()
    first = await node.call("ann", "chat.receipts", channel=A, limit=1)
    assert first.receipts == [Receipt("ann", 3, 3)]
    second = await node.call("ann", "chat.receipts", channel=A, limit=1, cursor=first.cursor)
    assert second.receipts == [Receipt("bob", 3, 3)]
    last = await node.call("ann", "chat.receipts", channel=A, limit=1, cursor=second.cursor)
    assert (last.receipts, last.cursor) == ([], "")
