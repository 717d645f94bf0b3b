"""What a marker changes for push: who has read or seen is not told, and what is shown goes away."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import pytest

from realtime.chat import markers
from realtime.chat.caller import Caller
from realtime.chat.markers import GROUP_MAX, Marker
from realtime.push.jobs import Jobs, Raise, Settled
from realtime.push.rows import JOBS, JobRow
from realtime.rows import MEMBERS
from realtime.stores.base import Removal, Value, Write
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import ROOM, ManualClock
from tests.support.inboxes import ChatNode, chat_node, connected, created, message, running

A: Final = "loud:a"
LOUD: Final = dataclasses.replace(ROOM, push="all")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def node(clock: ManualClock) -> AsyncIterator[ChatNode]:
    """A room of ann and bob, with push: the first entry makes it, and 2 … 4 are messages of ann."""
    store = SQLiteStore(":memory:")
    await store.open()
    made = chat_node(store, clock, namespaces={"loud": LOUD, "room": ROOM})
    made.inbox.markers._seer = seer
    connected([made])
    await made.write(created(A, {"ann": "owner", "bob": "member"}, clock.now_ms))
    for _ in range(3):
        await made.write(message("ann", A, clock.now_ms))
    await made.settle()
    async with running(made):
        yield made
    await store.close()


def seer(caller: Caller, marker: Marker) -> str:
    """Bob has one device in his hand, with which he reads."""
    return "in hand" if caller.user == "bob" and marker == "read" else ""


async def told(node: ChatNode, offset: int, *, shows: bool) -> None:
    """Bob is to be told up to there; `shows`: his phone shows it already."""
    jobs, now_ms = Jobs(node.around.store), node.around.clock.wall_ms()
    await jobs.raise_all([Raise("bob", A, offset, now_ms, now_ms)])
    if shows:
        claimed = await jobs.claim(now_ms, lease="one", until_ms=now_ms + 1, limit=9)
        await jobs.settle([Settled(job, showing=job.offset) for job in claimed], now_ms)


async def job(node: ChatNode, channel: str = A) -> JobRow:
    """What is kept of it."""
    (row,) = await node.around.store.get(JOBS, [("bob", channel)])
    return row


@pytest.mark.parametrize(
    ("method", "params", "state"),
    [
        ("chat.read", {}, "done"),
        ("chat.read", {"offset": 4}, "done"),
        ("chat.read", {"offset": 3}, "due"),
        ("chat.delivered", {}, "due"),
        ("chat.unread", {"offset": 4}, "due"),
    ],
)
async def test_who_has_read_a_message_is_not_told_of_it_later(
    node: ChatNode, method: str, params: dict[str, Any], state: str
) -> None:
    await told(node, 4, shows=False)
    await node.call("bob", method, channel=A, **params)
    row = await job(node)
    assert (row.state, row.pushed) == (state, 4 if state == "done" else 0)


async def test_who_was_delivered_it_in_the_foreground_is_not_told_either(node: ChatNode) -> None:
    node.inbox.markers._seer = lambda caller, marker: "in hand"
    await told(node, 4, shows=False)
    await node.call("bob", "chat.delivered", channel=A, offset=3)
    assert (await job(node)).state == "due"
    await node.call("bob", "chat.delivered", channel=A, offset=4)
    assert (await job(node)).state == "done"


async def test_what_other_devices_show_is_taken_away_once_it_is_read(node: ChatNode) -> None:
    await told(node, 4, shows=True)
    assert (await job(node)).state == "done"
    await node.call("bob", "chat.delivered", channel=A)
    await node.call("bob", "chat.read", channel=A, offset=3)
    assert (await job(node)).state == "done"
    await node.call("bob", "chat.read", channel=A)
    row = await job(node)
    assert (row.state, row.read, row.visible) == ("due", 4, 1)


async def test_who_answers_on_one_device_has_read_what_the_others_show(node: ChatNode) -> None:
    await told(node, 4, shows=True)
    await node.write(message("bob", A, node.around.clock.wall_ms()))
    await node.settle()
    row = await job(node)
    assert (row.state, row.read) == ("due", 5)


async def test_nothing_is_written_of_it_where_there_is_no_push(
    node: ChatNode, clock: ManualClock
) -> None:
    store = node.around.store
    quiet = "room:a"
    await node.write(created(quiet, {"ann": "owner", "bob": "member"}, clock.now_ms))
    await node.write(message("ann", quiet, clock.now_ms))
    fields: dict[str, Value] = {"state": "done", "visible": 1, "shown": 2, "offset": 2}
    await store.write([Write(JOBS, ("bob", quiet), set=fields)])
    await node.call("bob", "chat.read", channel=quiet)
    await node.write(message("bob", quiet, clock.now_ms))
    await node.settle()
    assert (await job(node, quiet)).state == "done"


@pytest.mark.parametrize("shows", [True, False])
async def test_of_several_moves_of_one_user_the_furthest_counts(
    node: ChatNode, shows: bool
) -> None:
    await told(node, 4, shows=shows)
    await asyncio.gather(
        node.call("bob", "chat.read", channel=A, offset=4),
        node.call("bob", "chat.read", channel=A, offset=2),
        node.call("bob", "chat.delivered", channel=A, offset=3),
    )
    row = await job(node)
    assert (row.state, row.read, row.pushed) == (("due", 4, 4) if shows else ("done", 0, 4))


async def test_a_full_group_goes_into_as_many_calls_as_it_needs(
    node: ChatNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = node.around.store
    users = [f"u{number}" for number in range(GROUP_MAX)]
    await store.write([Write(MEMBERS, (A, user), set={"role": "member"}) for user in users])
    node.inbox.markers._seer = lambda caller, marker: "in hand"
    # Four writes for each member; as if the store took fewer than it does.
    monkeypatch.setattr(markers, "WRITES_MAX", GROUP_MAX)
    monkeypatch.setattr(markers, "ANSWER_S", 30.0)  # on a busy machine they take long
    sizes: list[int] = []
    write = store.write

    async def counted(writes: Sequence[Write | Removal]) -> None:
        sizes.append(len(writes))
        await write(writes)

    monkeypatch.setattr(store, "write", counted)
    await asyncio.gather(*(node.call(user, "chat.read", channel=A) for user in users))
    assert sum(sizes) == 4 * GROUP_MAX
    assert max(sizes) <= GROUP_MAX
    rows = await store.get(MEMBERS, [(A, user) for user in users])
    assert {row.read for row in rows} == {4}
    # Who was not to be told of anything has no job by having read.
    assert await store.get(JOBS, [(user, A) for user in users]) == []
