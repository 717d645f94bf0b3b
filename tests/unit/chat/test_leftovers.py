"""Rows about messages that retention has taken go, and no others."""

import dataclasses

import pytest

from realtime.chat import leftovers
from realtime.chat.leftovers import Leftovers
from realtime.model import NewEntry
from realtime.rows import CHANNELS, MENTIONS, PINS, REACTIONS, REFERENCES
from realtime.stores.base import Span, Value, Write
from tests.support.chat import ROOM, ChatParts, chat_parts

SHORT = dataclasses.replace(ROOM, history_size=3)
CHANNEL = "room:one"


async def fill(parts: ChatParts, messages: int = 6) -> None:
    """A channel with rows about each of its messages."""
    await parts.store.append(
        [NewEntry(CHANNEL, "u:ada", str(number), b"{}", 1) for number in range(messages)]
    )
    writes = [Write(CHANNELS, (CHANNEL,), set={"kind": "room"})]
    for offset in range(1, messages + 1):
        writes += [
            Write(MENTIONS, ("bob", CHANNEL, offset)),
            Write(REACTIONS, (CHANNEL, offset, "x", "bob")),
            Write(REFERENCES, (CHANNEL, offset, 100 + offset)),
            Write(PINS, (CHANNEL, offset), set={"pinned": 1}),
        ]
    await parts.store.write(writes)


async def left(parts: ChatParts) -> list[set[int]]:
    """The messages that rows are about, by table."""
    store = parts.store
    mentions = {row.offset for row in await store.find(MENTIONS, Span(), limit=100)}
    reactions = {row.ref for row in await store.find(REACTIONS, Span(), limit=100)}
    references = {row.ref for row in await store.find(REFERENCES, Span(), limit=100)}
    return [
        mentions,
        reactions,
        references,
        {row.ref for row in await store.find(PINS, Span(), limit=100)},
    ]


async def test_rows_of_what_retention_hides_are_removed_and_no_others() -> None:
    async with chat_parts(room=SHORT) as parts:
        await fill(parts)
        leftovers = Leftovers(parts.store, parts.stage, parts.clock)
        assert await leftovers.round() == 12
        assert await left(parts) == [{4, 5, 6}] * 4
        assert await leftovers.round() == 0


async def test_where_all_is_kept_nothing_is_removed() -> None:
    async with chat_parts(room=ROOM) as parts:
        await fill(parts)
        assert await Leftovers(parts.store, parts.stage, parts.clock).round() == 0
        assert await left(parts) == [{1, 2, 3, 4, 5, 6}] * 4


async def test_where_nothing_is_to_be_seen_any_more_everything_goes() -> None:
    passing = dataclasses.replace(ROOM, history_ttl=dataclasses.replace(ROOM.history_ttl, ms=1_000))
    async with chat_parts(room=passing) as parts:
        await fill(parts)
        assert await Leftovers(parts.store, parts.stage, parts.clock).round() == 24
        assert await left(parts) == [set()] * 4


async def test_rooms_that_keep_less_need_not_wait_for_all_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leftovers, "ROWS", 2)
    async with chat_parts(room=ROOM) as parts:
        for name in ("room:a", "room:b", "room:c", "room:d", "room:e"):
            await parts.store.append([NewEntry(name, "u:ada", str(n), b"{}", 1) for n in range(3)])
            row: dict[str, Value] = {"kind": "room"}
            if name != "room:a":
                row |= {"keeps_less": 1, "settings": b'{"history_size":1}'}
            mentions = [Write(MENTIONS, ("bob", name, offset)) for offset in (1, 2, 3)]
            await parts.store.write([Write(CHANNELS, (name,), set=row), *mentions])
        found = Leftovers(parts.store, parts.stage, parts.clock)
        assert [await found.round() for _ in range(3)] == [4, 4, 0]
        assert {row.hidden for row in await parts.store.find(CHANNELS, Span(), limit=9)} == {0, 2}


async def test_a_round_passes_what_is_kept_for_good_and_each_channel_has_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leftovers, "CHANNELS_MAX", 2)
    async with chat_parts(room=SHORT, all=ROOM) as parts:
        for name in ("all:a", "all:b", "all:c", "room:a", "room:b", "room:c"):
            await parts.store.append([NewEntry(name, "u:ada", "1", b"{}", 1)])
            rows = [Write(CHANNELS, (name,), set={"kind": "room"})]
            rows.append(Write(MENTIONS, ("bob", name, 0)))
            await parts.store.write(rows)
        found = Leftovers(parts.store, parts.stage, parts.clock)
        assert [await found.round() for _ in range(3)] == [2, 1, 0]
