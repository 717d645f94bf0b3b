"""The contract of a store's tables, for every driver: what is found, and in which order."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from realtime.rows import (
    ANSWERS,
    CHANNELS,
    MEMBERS,
    MENTIONS,
    REACTIONS,
    REPORTS,
    TABLES,
    USERS,
    AnswerRow,
    ChannelRow,
    MemberRow,
    MentionRow,
    ReactionRow,
    ReportRow,
    UserRow,
)
from realtime.stores.base import SPANS_MAX, Span, Table
from tests.support.table_store import HIGHEST, INTEGERS, LOWEST, TEXTS, TabledStore, every, keep

BY_USER = ("user", "channel")


def places(rows: Sequence[MemberRow]) -> list[str]:
    """Channel and user of each row, as one word."""
    return [row.channel + row.user for row in rows]


@pytest.fixture
async def members(store: TabledStore) -> TabledStore:
    """A store with the users x, y and z in each of the channels a, b and c."""
    await keep(store, MEMBERS, *[MemberRow(channel, user) for user in "zxy" for channel in "bca"])
    return store


# By the key


async def test_without_a_span_nothing_is_found_and_an_open_one_is_everything(
    members: TabledStore,
) -> None:
    assert list(await members.find(MEMBERS, limit=100)) == []
    found = await members.find(MEMBERS, Span(), limit=100)
    assert places(found) == ["ax", "ay", "az", "bx", "by", "bz", "cx", "cy", "cz"]
    assert list(await members.find(USERS, Span(), limit=100)) == []


async def test_backwards_is_the_reverse(members: TabledStore) -> None:
    for span in (Span(), Span(("b",)), Span(("b",), after="x"), Span(before="c")):
        for by in ((), BY_USER):
            there = await members.find(MEMBERS, span, by=by, limit=100)
            back = await members.find(MEMBERS, span, by=by, limit=100, backwards=True)
            assert list(back) == list(there)[::-1]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (Span(("b",)), ["bx", "by", "bz"]),
        (Span(("b", "y")), ["by"]),
        (Span(("b", "q")), []),
        (Span(("q",)), []),
        (Span(after="b"), ["cx", "cy", "cz"]),
        (Span(before="b"), ["ax", "ay", "az"]),
        (Span(after="a", before="c"), ["bx", "by", "bz"]),
        (Span(after="a", before="b"), []),
        (Span(after="c", before="a"), []),
        (Span(("b",), after="x"), ["by", "bz"]),
        (Span(("b",), before="z"), ["bx", "by"]),
        (Span(("b",), after="x", before="z"), ["by"]),
        (Span(("b",), after=""), ["bx", "by", "bz"]),
        (Span(("b",), before=""), []),
        (Span(("b",), after="\U0010ffff"), []),
    ],
)
async def test_a_span_is_bounded_on_either_side_exclusively(
    members: TabledStore, span: Span, expected: list[str]
) -> None:
    assert places(await members.find(MEMBERS, span, limit=100)) == expected


@pytest.mark.parametrize("limit", [0, -1, 1, 2, 3, 100])
async def test_no_more_is_found_than_asked_for(members: TabledStore, limit: int) -> None:
    found = await members.find(MEMBERS, Span(("b",)), limit=limit)
    assert places(found) == ["bx", "by", "bz"][: max(limit, 0)]
    found = await members.find(MEMBERS, Span(("b",)), limit=limit, backwards=True)
    assert places(found) == ["bz", "by", "bx"][: max(limit, 0)]


async def test_a_table_is_read_in_pages(members: TabledStore) -> None:
    """As whoever copies one does: within a channel, then channels after it."""
    found: list[MemberRow] = []
    after: Span | None = Span()
    while after is not None:
        page = await members.find(MEMBERS, after, limit=2)
        found += page
        if page:
            last = page[-1]
            rest = await members.find(MEMBERS, Span((last.channel,), after=last.user), limit=2)
            found += rest
            last = rest[-1] if rest else last
        after = Span(after=last.channel) if page else None
    assert places(found)[:3] == ["ax", "ay", "az"]


# Texts and integers in order


async def test_texts_sort_by_code_point(store: TabledStore) -> None:
    await keep(store, MEMBERS, *[MemberRow("room", text) for text in reversed(TEXTS)])
    for by, span in (((), Span(("room",))), (BY_USER, Span())):
        found = await store.find(MEMBERS, span, by=by, limit=100)
        assert [row.user for row in found] == list(TEXTS)


@pytest.mark.parametrize("text", TEXTS)
async def test_a_text_bounds_as_it_sorts(store: TabledStore, text: str) -> None:
    """As the last part of the key, the first of it, and the first of another index."""
    rows = [MemberRow(first, second) for first in TEXTS[::3] for second in ("\x00", "a", text)]
    await keep(store, MEMBERS, *rows)
    rows = sorted(set(rows), key=MEMBERS.key_of)
    by_user = sorted(rows, key=lambda row: (row.user, row.channel))
    first = rows[0].channel
    sides: list[tuple[Span, Callable[[str], bool]]] = [
        (Span(after=text), lambda value: value > text),
        (Span(before=text), lambda value: value < text),
    ]
    for span, holds in sides:
        found = await store.find(MEMBERS, span, limit=1000)
        assert list(found) == [row for row in rows if holds(row.channel)]
        found = await store.find(MEMBERS, span, by=BY_USER, limit=1000)
        assert list(found) == [row for row in by_user if holds(row.user)]
        span = msgspec.structs.replace(span, equal=(first,))
        found = await store.find(MEMBERS, span, limit=1000)
        assert list(found) == [row for row in rows if row.channel == first and holds(row.user)]


async def test_integers_sort_as_numbers(store: TabledStore) -> None:
    rows = [MentionRow("ann", "room", number, by="bob") for number in reversed(INTEGERS)]
    await keep(store, MENTIONS, *rows)
    for by in MENTIONS.indexes:
        found = await store.find(MENTIONS, Span(), by=by, limit=100)
        assert [row.offset for row in found] == list(INTEGERS)
    found = await store.find(MENTIONS, Span(("ann", "room")), limit=100)
    assert [row.offset for row in found] == list(INTEGERS)


@pytest.mark.parametrize("number", INTEGERS)
async def test_an_integer_bounds_as_a_number(store: TabledStore, number: int) -> None:
    await keep(store, MENTIONS, *[MentionRow("ann", "room", each) for each in INTEGERS])
    for by, equal in (((), ("ann", "room")), (("channel", "offset"), ("room",))):
        found = await store.find(MENTIONS, Span(equal, after=number), by=by, limit=100)
        assert [row.offset for row in found] == [each for each in INTEGERS if each > number]
        found = await store.find(MENTIONS, Span(equal, before=number), by=by, limit=100)
        assert [row.offset for row in found] == [each for each in INTEGERS if each < number]
        found = await store.find(MENTIONS, Span((*equal, number)), by=by, limit=100)
        assert [row.offset for row in found] == [number]


async def test_an_integer_in_the_middle_of_a_key_keeps_the_order(store: TabledStore) -> None:
    rows = [
        ReactionRow("room", ref, emoji, "ann")
        for ref in (LOWEST, -1, 2, 10, HIGHEST)
        for emoji in ("", "👍", "😀")
    ]
    await keep(store, REACTIONS, *reversed(rows))
    assert list(await every(store, REACTIONS)) == rows
    found = await store.find(REACTIONS, Span(("room",), after=2), limit=100)
    assert list(found) == [row for row in rows if row.ref > 2]
    found = await store.find(REACTIONS, Span(("room", 10), after=""), limit=100)
    assert list(found) == [row for row in rows if row.ref == 10 and row.emoji > ""]


# By other indexes


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (Span(), ["ax", "bx", "cx", "ay", "by", "cy", "az", "bz", "cz"]),
        (Span(("y",)), ["ay", "by", "cy"]),
        (Span(("y", "b")), ["by"]),
        (Span(("y",), after="a"), ["by", "cy"]),
        (Span(("y",), before="b"), ["ay"]),
        (Span(after="y"), ["az", "bz", "cz"]),
    ],
)
async def test_rows_are_found_in_the_order_of_another_index(
    members: TabledStore, span: Span, expected: list[str]
) -> None:
    assert places(await members.find(MEMBERS, span, by=BY_USER, limit=100)) == expected


async def test_what_is_equal_in_an_index_comes_in_order_of_the_key(store: TabledStore) -> None:
    rows = [AnswerRow(user, id, until=5) for user in "ba" for id in "yx"]
    await keep(store, ANSWERS, *rows, AnswerRow("a", "z", until=4), AnswerRow("a", "w", until=6))
    found = await store.find(ANSWERS, Span(before=6), by=("until",), limit=100)
    assert [row.user + row.client_id for row in found] == ["az", "ax", "ay", "bx", "by"]
    found = await store.find(ANSWERS, Span((5,)), by=("until",), limit=3, backwards=True)
    assert [row.user + row.client_id for row in found] == ["by", "bx", "ay"]


async def test_a_row_that_has_changed_is_found_where_it_is_now(store: TabledStore) -> None:
    await keep(store, REPORTS, ReportRow("1", state="open"), ReportRow("2", state="open"))
    await keep(store, REPORTS, ReportRow("1", state="acted"))
    for state, expected in (("open", ["2"]), ("acted", ["1"]), ("dismissed", [])):
        found = await store.find(REPORTS, Span((state,)), by=("state", "place"), limit=9)
        assert [row.place for row in found] == expected


@pytest.mark.parametrize(
    ("table", "by"),
    [(table, by) for table in TABLES for by in table.indexes],
    ids=lambda value: getattr(value, "name", None) or ",".join(value),
)
async def test_each_declared_index_finds_what_is_equal(
    store: TabledStore, table: Table[Any], by: tuple[str, ...]
) -> None:
    def row(number: int) -> Any:
        kinds = {field: table.row.__annotations__[field] for field in (*table.key, *by)}
        return table.row(
            **{field: number if kind is int else f"{number}" for field, kind in kinds.items()}
        )

    await keep(store, table, *[row(number) for number in range(5)])
    for width in range(len(by) + 1):
        equal = tuple(getattr(row(3), field) for field in by[:width])
        expected = [row(3)] if width else [row(number) for number in range(5)]
        assert list(await store.find(table, Span(equal), by=by, limit=9)) == expected


# Several spans


async def test_rows_of_several_spans_come_in_one_order(members: TabledStore) -> None:
    spans = [Span(("c",)), Span(("a",), after="x"), Span(("b", "y")), Span(("q",))]
    expected = ["ay", "az", "by", "cx", "cy", "cz"]
    assert places(await members.find(MEMBERS, *spans, limit=100)) == expected
    for limit in range(1, 7):
        found = await members.find(MEMBERS, *spans, limit=limit)
        assert places(found) == expected[:limit], "the limit cuts where it falls"
        found = await members.find(MEMBERS, *spans, limit=limit, backwards=True)
        assert places(found) == expected[::-1][:limit]


async def test_a_row_that_is_in_several_spans_comes_once(members: TabledStore) -> None:
    spans = [Span(("b",)), Span(after="a", before="c"), Span(("b", "y")), Span(("b", "y"))]
    assert places(await members.find(MEMBERS, *spans, limit=100)) == ["bx", "by", "bz"]
    assert len(await members.find(MEMBERS, Span(("b",)), Span(), limit=100)) == 9


async def test_rows_of_several_spans_of_another_index(members: TabledStore) -> None:
    spans = [Span(("z",), after="b"), Span(("x",), before="b"), Span(("y", "b"))]
    found = await members.find(MEMBERS, *spans, by=BY_USER, limit=100)
    assert places(found) == ["ax", "by", "cz"]
    found = await members.find(MEMBERS, *spans, by=BY_USER, limit=2, backwards=True)
    assert places(found) == ["cz", "by"]


@pytest.mark.timeout(180)  # a stand-in for MongoDB takes its time for so many branches
async def test_as_many_spans_are_looked_through_as_may_be(store: TabledStore) -> None:
    names = [f"{number:04}" for number in range(SPANS_MAX)]
    await keep(store, MEMBERS, *[MemberRow(name, user) for name in names for user in "x"])
    await keep(store, MEMBERS, *[MemberRow(name, "y") for name in names[::50]])
    spans = [Span((name,), after="w") for name in names]
    found = await store.find(MEMBERS, *spans, limit=2000)
    assert len(found) == SPANS_MAX + len(names[::50])
    assert places(found) == sorted(places(found))
    with pytest.raises(ValueError, match=f"{SPANS_MAX + 1} spans"):
        await store.find(MEMBERS, *spans, Span(), limit=1)


# What is not there to be looked through


@pytest.mark.parametrize(
    "by",
    [("nonsense",), ("role",), ("user",), ("channel", "nonsense"), ("user", "channel", "role")],
)
async def test_an_order_without_an_index_is_refused(
    store: TabledStore, by: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="no index"):
        await store.find(MEMBERS, Span(), by=by, limit=1)


@pytest.mark.parametrize(
    ("span", "by"),
    [
        (Span(("a", "x", "y")), ()),
        (Span(("a", "x"), after="y"), ()),
        (Span(("a", "x"), before="y"), BY_USER),
    ],
)
async def test_a_span_of_more_than_the_index_has_is_refused(
    store: TabledStore, span: Span, by: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="members"):
        await store.find(MEMBERS, span, by=by, limit=1)


async def test_the_key_may_be_called_by_its_name(members: TabledStore) -> None:
    found = await members.find(MEMBERS, Span(("b",)), by=MEMBERS.key, limit=2)
    assert places(found) == ["bx", "by"]


async def test_rows_without_other_fields_are_found_as_well(store: TabledStore) -> None:
    await keep(store, CHANNELS, ChannelRow("a"))
    await keep(store, USERS, UserRow(""))
    assert list(await store.find(USERS, Span(("",)), limit=1)) == [UserRow("")]
    assert list(await store.find(CHANNELS, Span(("a",)), limit=1)) == [ChannelRow("a")]
