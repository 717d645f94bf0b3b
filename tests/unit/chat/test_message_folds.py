"""Folding messages and what is done to them: any order, any repetition, any interleaving, any crash
leaves what folding the log in order does."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.chat.message_folds import MessageFolds
from realtime.chat.summaries import Summaries
from realtime.chat.views import mentions_of, summary_of
from realtime.model import Entry, NewEntry
from realtime.rows import (
    CHANNELS,
    EVERYBODY,
    REACTIONS,
    WORK,
)
from realtime.stores.base import Removal, Span, Write
from tests.support.chat import chat_parts
from tests.support.chat_folding import ROOM, World, world

USERS: Final = ("ann", "bob", "cid")
EMOJIS: Final = ("👍", "🎉")
encode: Final = msgspec.json.Encoder().encode

Act = tuple[str, int, int, int]
"""What is done, to which message, by whom, and with what, as numbers of which the rest is taken."""

ACTS: Final = st.lists(
    st.tuples(
        st.sampled_from(
            ["send", "reply", "edit", "edit", "delete", "react", "unreact", "pin", "unpin"]
        ),
        st.integers(0, 3),
        st.integers(0, 2),
        st.integers(0, 3),
    ),
    min_size=3,
    max_size=14,
)


def history(acts: Sequence[Act]) -> list[NewEntry]:
    """A log as nodes that knew nothing of one another might have written it.

    Nothing is checked: a message may be edited after it was deleted, or deleted twice.
    """
    log = [new("message", 0, 1, b'"first"', mentions=(USERS[1],), number=1)]
    roots = [1]
    messages = [1]
    for act, to, by, what in acts:
        offset = len(log) + 1
        mentions = tuple(user for bit, user in enumerate(USERS) if what >> bit & 1)
        text = encode(f"{act} {offset}")
        if act in ("send", "reply"):
            ref = roots[to % len(roots)] if act == "reply" else 0
            tags = {"also": "1"} if what == 3 else {}
            log.append(new("message", ref, by, text, mentions=mentions, number=offset, also=tags))
            messages.append(offset)
            if not ref:
                roots.append(offset)
            continue
        ref = messages[to % len(messages)]
        if act == "edit":
            log.append(new("edit", ref, by, text, mentions=mentions, number=offset))
        elif act == "delete":
            log.append(new("delete", ref, by, b"{}", number=offset))
        elif act in ("react", "unreact"):
            said = {"emoji": EMOJIS[what % 2], "shown": act == "react"}
            log.append(new("reaction", ref, by, encode(said), number=offset))
        else:
            log.append(new("pin", ref, by, encode({"pinned": act == "pin"}), number=offset))
    return log


def new(
    kind: Any,
    ref: int,
    by: int,
    data: bytes,
    *,
    mentions: Sequence[str] = (),
    number: int,
    also: dict[str, str] | None = None,
) -> NewEntry:
    """The entry at the offset `number`."""
    tags = dict(also or {})
    if kind != "message":
        tags |= {"kind": kind, "ref": str(ref)}
    elif ref:
        tags["ref"] = str(ref)
    if mentions:
        tags["mentions"] = encode(mentions).decode()
    return NewEntry(
        ROOM,
        f"u:{USERS[by]}",
        f"call-{number}",
        data,
        1_000_000 + number,
        kind=kind,
        digest=b"d",
        ref=ref,
        tags=tags or None,
        counts=kind == "message" and (not ref or bool(also)),
        pending=True,
    )


async def in_order(log: Sequence[NewEntry]) -> tuple[Sequence[Entry], dict[str, list[Any]]]:
    """The log folded by one node, entry by entry as they were made."""
    async with chat_parts() as parts:
        await parts.store.write([Write(CHANNELS, (ROOM,), set={"kind": "room"})])
        made = World(parts.around)
        for entry in log:
            await parts.store.append([entry])
            for pending in await made.pending():
                await made.node.apply(pending)
        return await made.entries(), await made.rows()


@settings(max_examples=40, deadline=None)
@given(acts=ACTS, seed=st.integers(0, 1 << 30))
def test_any_order_and_repetition_comes_to_the_same(acts: list[Act], seed: int) -> None:
    async def check() -> None:
        log = history(acts)
        entries, rows = await in_order(log)
        chance = random.Random(seed)  # noqa: S311 - an order to try
        async with world(log) as made:
            waiting = list(await made.pending())
            order = waiting + chance.choices(waiting, k=len(waiting))
            chance.shuffle(order)
            for entry in order:
                await made.node.apply(entry)
            assert await made.entries() == entries
            assert await made.rows() == rows

    asyncio.run(check())


@settings(max_examples=60, deadline=None)
@given(acts=ACTS, seed=st.integers(0, 1 << 30), crashes=st.sampled_from([0.0, 0.0, 0.03]))
def test_any_interleaving_and_any_crash_comes_to_the_same(
    acts: list[Act], seed: int, crashes: float
) -> None:
    async def check() -> None:
        log = history(acts)
        entries, rows = await in_order(log)
        async with world([]) as made:
            await made.live(log, random.Random(seed), crashes)  # noqa: S311 - an order to try
            if not crashes:
                assert await made.pending() == []
            for entry in await made.pending():
                await made.node.apply(entry)
            assert await made.entries() == entries
            assert await made.rows() == rows

    asyncio.run(check())


@settings(max_examples=40, deadline=None)
@given(acts=ACTS)
def test_the_log_in_order_comes_to_what_it_says(acts: list[Act]) -> None:
    """Against a model that knows nothing of rows."""

    async def check() -> None:
        log = history(acts)
        entries, rows = await in_order(log)
        for entry, new_entry in zip(entries, log, strict=True):
            if new_entry.kind == "message":
                check_message(entry, log)
        deleted = {event.ref for event in log if event.kind == "delete"}
        gone = {row.offset for row in rows["mentions"] if row.user == EVERYBODY}
        assert gone == {offset for offset in deleted if log[offset - 1].counts}
        for entry in entries:
            if entry.kind == "edit" and entry.ref in deleted:
                assert entry.data == b"{}"
                assert "mentions" not in (entry.tags or {})
        mentioned = {(row.user, row.offset) for row in rows["mentions"] if row.user != EVERYBODY}
        assert mentioned == {
            (user, entry.offset)
            for entry in entries
            if entry.kind == "message"
            for user in mentions_of(entry)
        }

    asyncio.run(check())


def check_message(entry: Entry, log: Sequence[NewEntry]) -> None:
    """A message must be as the events say that refer to it."""
    about = [(i + 1, event) for i, event in enumerate(log) if event.ref == entry.offset]
    deletes = [event for _, event in about if event.kind == "delete"]
    if deletes:
        assert (entry.data, entry.deleted_at) == (b"{}", deletes[0].at)
        assert entry.summary == b""
        return
    edits = [event for _, event in about if event.kind == "edit"]
    said = edits[-1] if edits else log[entry.offset - 1]
    assert entry.data == said.data
    assert entry.edited_at == (edits[-1].at if edits else 0)
    assert encode(mentions_of(entry)).decode() == (said.tags or {}).get("mentions", "[]")
    shown: dict[tuple[str, str], bool] = {}
    pinned = False
    replies = []
    taken_back = {event.ref for event in log if event.kind == "delete"}
    for offset, event in about:
        if event.kind == "reaction":
            data = msgspec.json.decode(event.data)
            shown[data["emoji"], event.sender] = data["shown"]
        elif event.kind == "pin":
            pinned = msgspec.json.decode(event.data)["pinned"]
        elif event.kind == "message" and offset not in taken_back:
            replies.append(offset)
    summary = summary_of(entry)
    counts = {emoji: sum(on and of == emoji for (of, _), on in shown.items()) for emoji in EMOJIS}
    assert summary.reactions == {emoji: count for emoji, count in counts.items() if count}
    assert (summary.replies, summary.last_reply) == (len(replies), max(replies, default=0))
    assert summary.pinned == pinned


async def test_a_busy_message_is_counted_later_and_by_the_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("realtime.chat.summaries.BUSY_ROWS", 3)
    async with chat_parts() as parts:
        summaries = Summaries(parts.store, parts.clock)
        MessageFolds(parts.around, summaries)
        ledger = parts.around.ledger
        await parts.store.append([new("message", 0, 0, b"{}", number=1)])
        for number in range(2, 12):
            data = encode({"emoji": f"e{number}", "shown": True})
            await ledger.write(new("reaction", 1, number % 3, data, number=number))

        async def counted() -> int:
            (message,) = await parts.store.fetch({ROOM: (1,)})
            return len(summary_of(message).reactions)

        assert await counted() == 4  # the fourth was more than three
        await ledger.sweep()
        assert await counted() == 4
        parts.clock.now_ms += 5
        await ledger.sweep()
        assert await counted() == 10
        assert await parts.store.find(WORK, Span(), limit=10) == []


async def test_reactions_that_were_removed_are_not_counted_any_more() -> None:
    async with chat_parts() as parts:
        summaries = Summaries(parts.store, parts.clock)
        MessageFolds(parts.around, summaries)
        await parts.store.append([new("message", 0, 0, b"{}", number=1)])
        data = encode({"emoji": "👍", "shown": True})
        for number in (2, 3):
            await parts.around.ledger.write(new("reaction", 1, number - 2, data, number=number))
        await parts.store.write([Removal(REACTIONS, (ROOM, 1, "👍", "ann"))])
        await summaries.recount(ROOM, 1)
        (message,) = await parts.store.fetch({ROOM: (1,)})
        assert summary_of(message).reactions == {"👍": 1}
        await parts.around.ledger.write(new("reaction", 1, 0, data, number=4))
        (message,) = await parts.store.fetch({ROOM: (1,)})
        assert summary_of(message).reactions == {"👍": 2}


async def test_a_count_that_was_overtaken_does_not_replace_a_later_one() -> None:
    """A count that began before the reply was deleted, and is written after the next one."""
    async with world([]) as made:
        for entry in (
            new("message", 0, 0, b"{}", number=1),
            new("message", 1, 1, b"{}", number=2),
            new("delete", 2, 1, b"{}", number=3),
        ):
            await made.store.append([entry])
        _, reply, delete = await made.store.missed({ROOM: 0}, limit=3)
        reply = msgspec.structs.replace(reply, deleted_at=0, changed=0)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(made.nodes[0].apply(reply))
            await made.let_pass(task, until="summarise")
            await made.node.apply(delete)
            await made.let_pass(task)
        (root,) = await made.store.fetch({ROOM: (1,)})
        assert summary_of(root).replies == 0


async def test_a_message_that_is_marked_while_it_is_counted_is_counted_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("realtime.chat.summaries.BUSY_ROWS", 0)
    async with world([new("message", 0, 0, b"{}", number=1)]) as made:
        data = [encode({"emoji": emoji, "shown": True}) for emoji in ("a", "b", "c")]
        for number in (2, 3):
            await made.node.write(new("reaction", 1, 1, data[number - 2], number=number))
        assert len(await made.store.find(WORK, Span(), limit=10)) == 1
        async with asyncio.TaskGroup() as group:
            task = group.create_task(made.nodes[0].sweep())
            await made.let_pass(task, until="summarise")
            await made.node.write(new("reaction", 1, 1, data[2], number=4))
            await made.let_pass(task)
        assert len(await made.store.find(WORK, Span(), limit=10)) == 1
        await made.fresh().sweep()
        (message,) = await made.store.fetch({ROOM: (1,)})
        assert len(summary_of(message).reactions) == 3
        assert await made.store.find(WORK, Span(), limit=10) == []
