"""The contract of a store's tables, for every driver: what a write does, and when it does not."""

import asyncio
from typing import Any

import msgspec
import pytest

from realtime.rows import (
    CHANNELS,
    MEMBERS,
    MENTIONS,
    TABLES,
    USERS,
    ChannelRow,
    MemberRow,
    MentionRow,
    UserRow,
)
from realtime.stores.base import SPANS_MAX, WRITES_MAX, Key, Removal, Table, Value, Write
from tests.support.table_store import (
    BYTES,
    INTEGERS,
    TEXTS,
    TabledStore,
    every,
    keep,
    one,
)

ANN: Key = ("room", "ann")


def member(**fields: Any) -> MemberRow:
    """Ann's row in a room."""
    return MemberRow("room", "ann", **fields)


def filled(table: Table[Any], number: int) -> Any:
    """A row that has something else in each of its fields."""
    values: dict[str, Value] = {}
    for place, field in enumerate(msgspec.structs.fields(table.row)):
        text = f"{number} {field.name}"
        if field.type is int:
            values[field.name] = number + place
        else:
            values[field.name] = text if field.type is str else text.encode()
    return table.row(**values)


# What is written is read back


async def test_fields_that_are_not_named_have_their_default(store: TabledStore) -> None:
    await store.write([Write(MEMBERS, ANN, set={"role": "owner"}), Write(USERS, ("ann",))])
    assert await one(store, MEMBERS, *ANN) == member(role="owner")
    assert await one(store, USERS, "ann") == UserRow("ann")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
async def test_every_table_keeps_every_field(store: TabledStore, table: Table[Any]) -> None:
    rows = [filled(table, number) for number in (100, 200, 300)]
    await keep(store, table, *rows)
    assert sorted(await every(store, table), key=table.key_of) == rows
    assert list(await store.get(table, [table.key_of(rows[1])])) == [rows[1]]


async def test_later_writes_change_what_they_name_and_nothing_else(store: TabledStore) -> None:
    await store.write([Write(MEMBERS, ANN, set={"role": "owner", "joined_at": 5})])
    await store.write([Write(MEMBERS, ANN, set={"joined_at": 7, "sent_id": "all"})])
    assert await one(store, MEMBERS, *ANN) == member(role="owner", joined_at=7, sent_id="all")


async def test_texts_are_kept_and_told_apart(store: TabledStore) -> None:
    rows = [UserRow(text, name=text) for text in TEXTS]
    await keep(store, USERS, *rows)
    assert list(await every(store, USERS)) == rows
    found = await store.get(USERS, [(text,) for text in TEXTS])
    assert sorted(found, key=lambda row: row.user) == rows


async def test_bytes_are_kept_and_told_apart(store: TabledStore) -> None:
    rows = [UserRow(f"{place}", custom=each) for place, each in enumerate(BYTES)]
    await keep(store, USERS, *rows)
    assert list(await every(store, USERS)) == rows
    for row in rows:
        for each in BYTES:
            holds = Write(USERS, (row.user,), set={"name": "x"}, equals={"custom": each})
            assert await store.decide(holds) is (each == row.custom)


async def test_integers_of_64_bits_are_kept(store: TabledStore) -> None:
    rows = [MentionRow("ann", "room", number) for number in INTEGERS]
    await keep(store, MENTIONS, *rows)
    assert list(await every(store, MENTIONS)) == rows
    await keep(store, CHANNELS, *[ChannelRow(f"{number}", head=number) for number in INTEGERS])
    assert {row.head for row in await every(store, CHANNELS)} == set(INTEGERS)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
async def test_an_integer_of_more_bits_is_refused(store: TabledStore, number: int) -> None:
    with pytest.raises((ValueError, OverflowError)):
        await store.write([Write(CHANNELS, ("a",), set={"head": number})])
    assert await one(store, CHANNELS, "a") is None


async def test_parts_of_a_key_do_not_run_into_each_other(store: TabledStore) -> None:
    keys = [("a", "bc"), ("ab", "c"), ("", "abc"), ("abc", ""), ("a\x00b", "c"), ("a", "\x00bc")]
    await keep(store, MEMBERS, *[MemberRow(*key, role="|".join(key)) for key in keys])
    for key in keys:
        row = await one(store, MEMBERS, *key)
        assert row == MemberRow(*key, role="|".join(key))
    assert len(await every(store, MEMBERS)) == len(keys)


# Getting


async def test_what_is_not_there_is_left_out_and_what_is_named_twice_comes_once(
    store: TabledStore,
) -> None:
    await keep(store, USERS, UserRow("a"), UserRow("b"))
    found = await store.get(USERS, [("b",), ("x",), ("b",)])
    assert list(found) == [UserRow("b")]
    assert list(await store.get(USERS, [])) == []


async def test_as_many_keys_are_asked_for_as_may_be(store: TabledStore) -> None:
    keys = [(f"{number}",) for number in range(SPANS_MAX)]
    await keep(store, USERS, *[UserRow(user) for (user,) in keys])
    assert len(await store.get(USERS, keys)) == SPANS_MAX
    with pytest.raises(ValueError, match=f"{SPANS_MAX + 1} keys"):
        await store.get(USERS, [*keys, ("one more",)])


def test_what_one_call_has_read_one_call_can_change() -> None:
    """Those who change what they have read rely on it."""
    assert SPANS_MAX <= WRITES_MAX


@pytest.mark.parametrize("key", [(), ("a",), ("a", "b", "c")])
async def test_a_key_has_all_of_its_parts(store: TabledStore, key: Key) -> None:
    with pytest.raises(ValueError, match="a key has"):
        await store.get(MEMBERS, [key])
    with pytest.raises(ValueError, match="a key has"):
        await store.write([Write(MEMBERS, key)])


# What a write does to its fields


async def test_initial_fields_are_set_only_in_a_new_row(store: TabledStore) -> None:
    for joined in (5, 7):
        await store.write([Write(MEMBERS, ANN, set={"read": joined}, initial={"joined_at": 5})])
        assert await one(store, MEMBERS, *ANN) == member(read=joined, joined_at=5)


async def test_the_highest_value_stays(store: TabledStore) -> None:
    for value, expected in ((3, 3), (2, 3), (3, 3), (2**62, 2**62), (-1, 2**62)):
        await store.write([Write(MEMBERS, ANN, highest={"read": value})])
        assert await one(store, MEMBERS, *ANN) == member(read=expected)


async def test_a_new_row_is_not_below_its_default(store: TabledStore) -> None:
    await store.write([Write(MEMBERS, ANN, highest={"read": -5, "delivered": 4})])
    assert await one(store, MEMBERS, *ANN) == member(delivered=4)


async def test_a_negative_number_is_raised_to_another(store: TabledStore) -> None:
    await store.write([Write(MEMBERS, ANN, set={"read": -10})])
    for value, expected in ((-20, -10), (-3, -3)):
        await store.write([Write(MEMBERS, ANN, highest={"read": value}, present=True)])
        assert await one(store, MEMBERS, *ANN) == member(read=expected)


async def test_sums_begin_at_the_default(store: TabledStore) -> None:
    for amount, expected in ((5, 5), (-8, -3), (2**62, 2**62 - 3)):
        await store.write([Write(CHANNELS, ("room",), add={"members": amount})])
        assert await one(store, CHANNELS, "room") == ChannelRow("room", members=expected)


async def test_one_write_does_all_of_it(store: TabledStore) -> None:
    write = Write(
        CHANNELS,
        ("room",),
        set={"title": "x"},
        initial={"kind": "room"},
        highest={"head": 5},
        add={"members": 2},
    )
    await store.write([write])
    await store.write([msgspec.structs.replace(write, initial={"kind": "feed"})])
    assert await one(store, CHANNELS, "room") == ChannelRow(
        "room", kind="room", title="x", head=5, members=4
    )


async def test_sums_of_many_at_once_lose_nothing(store: TabledStore) -> None:
    """The row is made by one of them."""
    write = Write(CHANNELS, ("room",), add={"members": 1}, highest={"head": 1})
    await asyncio.gather(*[store.write([write, write]) for _ in range(20)])
    row = await one(store, CHANNELS, "room")
    assert row == ChannelRow("room", members=40, head=1)


# Many writes


async def test_writes_of_several_tables_and_forms_go_together(store: TabledStore) -> None:
    await keep(store, MEMBERS, member(role="a", read=5), MemberRow("room", "bob"))
    await store.write(
        [
            Write(MEMBERS, ANN, set={"role": "b"}, absent=True),
            Write(MEMBERS, ("room", "cleo"), set={"role": "new"}, absent=True),
            Write(MEMBERS, ("room", "dora"), set={"role": "x"}, present=True),
            Removal(MEMBERS, ("room", "bob")),
            Removal(MEMBERS, ANN, equals={"role": "z"}),
            Write(USERS, ("ann",), set={"name": "Ann"}),
            Write(MEMBERS, ("room", "eve"), set={"read": 5}, below=("read", 5)),
            Write(CHANNELS, ("room",), add={"members": 1}),
        ]
    )
    assert list(await every(store, MEMBERS)) == [
        member(role="a", read=5),
        MemberRow("room", "cleo", role="new"),
        MemberRow("room", "eve", read=5),
    ]
    assert list(await every(store, USERS)) == [UserRow("ann", name="Ann")]
    assert list(await every(store, CHANNELS)) == [ChannelRow("room", members=1)]


async def test_as_many_writes_go_together_as_may_be(store: TabledStore) -> None:
    writes = [
        Write(USERS, (f"{number:04}",), set={"changed_at": number}) for number in range(WRITES_MAX)
    ]
    await store.write(writes)
    assert [row.changed_at for row in await every(store, USERS)] == list(range(WRITES_MAX))
    await store.write([])
    with pytest.raises(ValueError, match=f"{WRITES_MAX + 1} writes"):
        await store.write([*writes, Write(USERS, ("one more",))])


@pytest.mark.parametrize(
    "write",
    [
        Write(MEMBERS, ANN, set={"nonsense": 1}),
        Write(MEMBERS, ANN, equals={"nonsense": 1}),
        Write(MEMBERS, ANN, below=("nonsense", 1)),
        Write(MEMBERS, ANN, set={"read": 1}, add={"read": 1}),
        Write(MEMBERS, ANN, initial={"read": 1}, highest={"read": 1}),
        Write(MEMBERS, ANN, set={"user": "bob"}),
        Write(MEMBERS, ANN, absent=True, present=True),
        Write(MEMBERS, ANN, absent=True, equals={"role": ""}),
        Removal(MEMBERS, ANN, equals={"nonsense": 1}),
    ],
)
async def test_what_makes_no_sense_is_refused_with_all_that_comes_with_it(
    store: TabledStore, write: Write | Removal
) -> None:
    with pytest.raises(ValueError, match="members"):
        await store.decide(write)
    with pytest.raises(ValueError, match="members"):
        await store.write([Write(USERS, ("ann",)), write])
    assert list(await every(store, USERS)) == []
