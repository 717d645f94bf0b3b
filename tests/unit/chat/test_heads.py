"""What is kept of the last message beside a log, whichever node writes first."""

import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from realtime.chat import previews
from realtime.chat.heads import NOTED_MAX, revise, write_preview
from realtime.chat.ports import ChatStore
from realtime.rows import CHANNELS, MEMBERS, ChannelRow
from realtime.stores.base import Removal, Write
from realtime.stores.sqlite import SQLiteStore, row_runs
from tests.support.chat import ManualClock
from tests.support.inboxes import ChatNode, chat_node, connected, created, event, message

A = "room:a"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def nodes(clock: ManualClock) -> AsyncIterator[list[ChatNode]]:
    store = SQLiteStore(":memory:")
    await store.open()
    made = [chat_node(store, clock), chat_node(store, clock)]
    connected(made)
    await made[0].write(created(A, {"ann": "owner", "bob": "member"}, clock.now_ms))
    await made[0].settle()
    yield made
    await store.close()


async def row_of(node: ChatNode) -> ChannelRow:
    (row,) = await node.around.store.get(CHANNELS, [(A,)])
    return row


async def shown(node: ChatNode) -> tuple[int, str | None]:
    """The last message in the row: where, and its text, None where it was deleted."""
    row = await row_of(node)
    last = previews.read(row.last)
    assert last is not None
    assert last.offset == row.last_offset
    return last.offset, None if last.deleted else json.loads(bytes(last.data))["text"]  # type: ignore[arg-type]


async def test_the_row_has_the_last_message_that_counts(
    nodes: list[ChatNode], clock: ManualClock
) -> None:
    first = await nodes[0].write(message("ann", A, clock.now_ms, "one"))
    await nodes[0].write(message("ann", A, clock.now_ms, "in a thread", ref=first))
    await nodes[0].settle()
    assert await shown(nodes[0]) == (first, "one")
    row = await row_of(nodes[0])
    assert (row.head, row.head_n) == (first + 1, 1)


@pytest.mark.parametrize("order", list(itertools.permutations(["written", "edited", "deleted"])))
async def test_a_deleted_message_is_in_no_row_whoever_writes_last(
    nodes: list[ChatNode], clock: ManualClock, order: tuple[str, ...]
) -> None:
    """One node has the message to write, another edits and deletes it; all writes cross."""
    offset = await nodes[0].write(message("ann", A, clock.now_ms, "planted"))
    edit = event("edit", "ann", A, clock.now_ms, ref=offset, data={"text": "planted, too"})
    delete = event("delete", "ann", A, clock.now_ms, ref=offset)
    await nodes[1].write(edit)
    late = Late(nodes[1].around.store, offset)
    await late.begin()
    await nodes[1].write(delete)
    again = Late(nodes[1].around.store, offset)
    await again.begin()
    writes: dict[str, Callable[[], Awaitable[None]]] = {
        "written": nodes[0].settle,
        "edited": late.end,
        "deleted": again.end,
    }
    for name in order:
        await writes[name]()
    row = await row_of(nodes[0])
    assert b"planted" not in row.last
    assert await shown(nodes[0]) == (offset, None)


class Late:
    """A change of a preview whose message was read, and which is written later."""

    def __init__(self, store: ChatStore, offset: int) -> None:
        self._store = store
        self._offset = offset

    async def begin(self) -> None:
        """Read the message."""
        (self._entry,) = await self._store.fetch({A: (self._offset,)}, stubs=True)

    async def end(self) -> None:
        """Write what was read."""
        await write_preview(self._store, self._entry)


async def test_of_two_edits_the_later_one_is_shown_whoever_writes_last(
    nodes: list[ChatNode], clock: ManualClock
) -> None:
    offset = await nodes[0].write(message("ann", A, clock.now_ms, "one"))
    await nodes[1].write(event("edit", "ann", A, clock.now_ms, ref=offset, data={"text": "two"}))
    late = Late(nodes[1].around.store, offset)
    await late.begin()
    await nodes[0].write(event("edit", "ann", A, clock.now_ms, ref=offset, data={"text": "three"}))
    await late.end()
    await nodes[0].settle()
    assert await shown(nodes[0]) == (offset, "three")


async def test_a_message_that_is_not_the_last_is_deleted_without_a_trace_in_the_row(
    nodes: list[ChatNode], clock: ManualClock
) -> None:
    first = await nodes[0].write(message("ann", A, clock.now_ms, "one"))
    second = await nodes[0].write(message("ann", A, clock.now_ms, "two"))
    await nodes[0].settle()
    await nodes[1].write(event("delete", "ann", A, clock.now_ms, ref=first))
    await nodes[1].settle()
    assert await shown(nodes[0]) == (second, "two")


async def test_a_deleted_reply_does_not_become_the_last_message(
    nodes: list[ChatNode], clock: ManualClock
) -> None:
    first = await nodes[0].write(message("ann", A, clock.now_ms, "one"))
    reply = await nodes[0].write(message("ann", A, clock.now_ms, "two", ref=first))
    await nodes[1].write(event("delete", "ann", A, clock.now_ms, ref=reply))
    for node in nodes:
        await node.settle()
    assert await shown(nodes[0]) == (first, "one")


async def test_the_next_message_takes_the_place_of_a_deleted_one(
    nodes: list[ChatNode], clock: ManualClock
) -> None:
    first = await nodes[0].write(message("ann", A, clock.now_ms, "one"))
    await nodes[1].write(event("delete", "ann", A, clock.now_ms, ref=first))
    second = await nodes[1].write(message("ann", A, clock.now_ms, "two"))
    await nodes[1].settle()
    await nodes[0].settle()
    assert await shown(nodes[0]) == (second, "two")
    await nodes[0].write(event("edit", "ann", A, clock.now_ms, ref=second, data={"text": "three"}))
    assert await shown(nodes[0]) == (second, "three")


async def test_what_there_is_no_room_for_is_dropped_and_the_log_tells_it(
    nodes: list[ChatNode], clock: ManualClock
) -> None:
    heads = nodes[0].inbox.heads
    for index in range(NOTED_MAX):
        heads.note(f"room:{index}", 1, 0, 1, None)
    await nodes[0].write(message("ann", A, clock.now_ms, "one"))
    assert heads.dropped == 1
    (channel,) = (await nodes[0].sync("bob")).channels
    assert channel.unread == 1


async def test_who_is_erased_comes_into_no_row_that_was_still_to_be_written(
    nodes: list[ChatNode], clock: ManualClock
) -> None:
    store = nodes[0].around.store
    offset = await nodes[0].write(message("ann", A, clock.now_ms, "planted"))
    await store.disown(A, [offset])
    await revise(store, A, offset)
    await nodes[0].settle()
    row = await row_of(nodes[0])
    assert (row.last_offset, row.head) == (offset, offset)
    assert b"planted" not in row.last and b"ann" not in row.last


@pytest.mark.parametrize("written", ["before", "after"])
async def test_nothing_is_shown_of_a_log_that_was_emptied(
    nodes: list[ChatNode], clock: ManualClock, written: str
) -> None:
    await nodes[0].write(message("ann", A, clock.now_ms, "planted"))
    if written == "before":
        await nodes[0].settle()
    await nodes[1].around.store.truncate(A)
    await nodes[1].inbox.truncated(A)
    await nodes[0].settle()
    assert (await row_of(nodes[0])).last == b""
    (channel,) = (await nodes[1].sync("bob")).channels
    assert channel.last is None
    offset = await nodes[0].write(message("ann", A, clock.now_ms, "anew"))
    await nodes[0].settle()
    assert await shown(nodes[0]) == (offset, "anew")


async def test_many_channels_are_written_in_runs_of_one_form_previews_first(
    nodes: list[ChatNode], clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or each waits for the interpreter's lock by itself, with messages behind it."""
    node = nodes[0]
    written: list[Write | Removal] = []

    async def write(writes: Sequence[Write | Removal]) -> None:
        written.extend(writes)

    for number in range(40):
        await node.write(message("ann", f"room:{number}", clock.now_ms, "hello"))
    monkeypatch.setattr(node.around.store, "write", write)
    await node.settle()
    forms = [(form.table, form.below, len(run)) for form, run in row_runs.in_runs(written)]
    assert forms == [(MEMBERS, "", 40), (CHANNELS, "last_offset", 40), (CHANNELS, "head", 40)]
