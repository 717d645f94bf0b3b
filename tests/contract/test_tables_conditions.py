"""The contract of a store's tables, for every driver: when a write or a removal is carried out."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from realtime.rows import CHANNELS, MEMBERS, USERS, ChannelRow, MemberRow, UserRow
from realtime.stores.base import Removal, Span, Value, Write
from tests.contract.test_tables import ANN, member
from tests.support.table_store import TEXTS, TabledStore, every, keep, one

# Conditions


async def test_only_where_the_row_is_absent(store: TabledStore) -> None:
    write = Write(
        MEMBERS, ANN, set={"role": "a"}, initial={"joined_at": 5}, add={"read": 2}, absent=True
    )
    expected = member(role="a", joined_at=5, read=2)
    assert await store.decide(write) is True
    assert await one(store, MEMBERS, *ANN) == expected
    assert await store.decide(msgspec.structs.replace(write, set={"role": "b"})) is False
    await store.write([msgspec.structs.replace(write, set={"role": "c"})])
    assert await one(store, MEMBERS, *ANN) == expected


async def test_only_where_the_row_is_present(store: TabledStore) -> None:
    write = Write(MEMBERS, ANN, set={"role": "a"}, highest={"read": 3}, present=True)
    assert await store.decide(write) is False
    await store.write([write])
    assert await one(store, MEMBERS, *ANN) is None
    await keep(store, MEMBERS, member(role="b"))
    assert await store.decide(write) is True
    assert await one(store, MEMBERS, *ANN) == member(role="a", read=3)


async def test_whether_a_row_is_there_is_told_without_changing_it(store: TabledStore) -> None:
    look = Write(MEMBERS, ANN, present=True)
    assert await store.decide(look) is False
    await keep(store, MEMBERS, member(role="b"))
    assert await store.decide(look) is True
    assert await one(store, MEMBERS, *ANN) == member(role="b")


async def test_only_where_the_field_is_below(store: TabledStore) -> None:
    def write(offset: int, role: str) -> Write:
        return Write(MEMBERS, ANN, set={"role": role, "offset": offset}, below=("offset", offset))

    told = [(5, "a", True), (5, "b", False), (4, "c", False), (6, "d", True), (2**62, "e", True)]
    last = ""
    for offset, role, holds in told:
        assert await store.decide(write(offset, role)) is holds
        last = role if holds else last
        row = await one(store, MEMBERS, *ANN)
        assert row is not None
        assert row.role == last
    await store.write([write(7, "late"), write(2**62 + 1, "f")])
    assert await one(store, MEMBERS, *ANN) == member(role="f", offset=2**62 + 1)


async def test_below_holds_where_there_is_no_row_whatever_the_value(store: TabledStore) -> None:
    for value in (-5, 0):
        key = ("room", f"{value}")
        write = Write(MEMBERS, key, set={"role": "a"}, below=("offset", value))
        assert await store.decide(write) is True
        assert await store.decide(write) is False, "the default is not below it"


async def test_below_and_present_ask_for_a_row_that_is_lower(store: TabledStore) -> None:
    write = Write(MEMBERS, ANN, set={"role": "a"}, below=("offset", 5), present=True)
    assert await store.decide(write) is False
    await keep(store, MEMBERS, member(offset=5))
    assert await store.decide(write) is False
    await keep(store, MEMBERS, member(offset=4))
    assert await store.decide(write) is True


async def test_below_one_field_while_others_change(store: TabledStore) -> None:
    write = Write(
        CHANNELS,
        ("room",),
        set={"last": b"{}", "last_offset": 9},
        highest={"head": 9},
        add={"members": 1},
        below=("last_offset", 9),
    )
    assert [await store.decide(write) for _ in range(3)] == [True, False, False]
    assert await one(store, CHANNELS, "room") == ChannelRow(
        "room", last=b"{}", last_offset=9, head=9, members=1
    )


@pytest.mark.parametrize(
    ("equals", "holds"),
    [
        ({"role": "owner"}, True),
        ({"role": "owner", "offset": 5, "unread": 0}, True),
        ({"role": ""}, False),
        ({"role": "owner", "offset": 4}, False),
        ({"sent_id": "", "read": 0}, True),
        ({"sent_id": "x", "read": 0}, False),
    ],
)
async def test_only_where_fields_are_equal(
    store: TabledStore, equals: dict[str, Value], holds: bool
) -> None:
    write = Write(MEMBERS, ANN, set={"unread": 1}, equals=equals)
    assert await store.decide(write) is False
    await keep(store, MEMBERS, member(role="owner", offset=5))
    assert await store.decide(write) is holds
    assert await one(store, MEMBERS, *ANN) == member(role="owner", offset=5, unread=int(holds))


@pytest.mark.parametrize("text", TEXTS)
async def test_texts_are_compared_as_texts(store: TabledStore, text: str) -> None:
    await store.write([Write(USERS, ("ann",), set={"name": text})])
    for other in TEXTS[::5]:
        write = Write(USERS, ("ann",), set={"locale": "x"}, equals={"name": other})
        assert await store.decide(write) is (other == text)
    assert await store.decide(Write(USERS, ("ann",), equals={"name": text})) is True


async def test_a_write_without_a_condition_always_holds(store: TabledStore) -> None:
    assert await store.decide(Write(USERS, ("ann",))) is True
    assert await store.decide(Write(USERS, ("ann",))) is True
    assert await store.decide(Write(USERS, ("ann",), add={"last_seen": 1})) is True
    assert await one(store, USERS, "ann") == UserRow("ann", last_seen=1)


# Removing


async def test_a_row_is_removed_and_may_be_made_again(store: TabledStore) -> None:
    await keep(store, MEMBERS, member(role="a"), MemberRow("room", "bob"))
    await store.write([Removal(MEMBERS, ANN), Removal(MEMBERS, ("room", "nobody"))])
    assert list(await every(store, MEMBERS)) == [MemberRow("room", "bob")]
    assert await store.decide(Write(MEMBERS, ANN, set={"read": 1}, absent=True)) is True
    assert await one(store, MEMBERS, *ANN) == member(read=1)


async def test_a_row_is_removed_only_where_fields_are_equal(store: TabledStore) -> None:
    await keep(store, MEMBERS, member(role="a", offset=3))
    others: list[dict[str, Value]] = [{"role": "b"}, {"role": "a", "offset": 2}]
    for equals in others:
        assert await store.decide(Removal(MEMBERS, ANN, equals=equals)) is False
        await store.write([Removal(MEMBERS, ANN, equals=equals)])
        assert await one(store, MEMBERS, *ANN) is not None
    last = Removal(MEMBERS, ANN, equals={"role": "a", "offset": 3})
    assert [await store.decide(last), await store.decide(last)] == [True, False]
    assert list(await every(store, MEMBERS)) == []


# Several at once


async def decided(store: TabledStore, writes: Sequence[Write | Removal]) -> int:
    """How many of these, tried at once, were carried out."""
    return sum(await asyncio.gather(*[store.decide(write) for write in writes]))


async def test_of_many_who_make_a_row_at_once_one_does(store: TabledStore) -> None:
    for number in range(10):
        key = ("room", f"{number}")
        writes = [Write(MEMBERS, key, set={"role": f"{n}"}, absent=True) for n in range(10)]
        assert await decided(store, writes) == 1


async def test_of_many_who_take_a_row_at_once_one_does(store: TabledStore) -> None:
    for number in range(10):
        key = ("room", f"{number}")
        await store.write([Write(MEMBERS, key, set={"role": "free"})])
        takes = [
            Write(MEMBERS, key, set={"role": f"{n}"}, equals={"role": "free"}) for n in range(10)
        ]
        assert await decided(store, takes) == 1
        assert await decided(store, [Removal(MEMBERS, key)] * 10) >= 1
        assert await one(store, MEMBERS, *key) is None


async def test_the_highest_of_many_events_at_once_is_what_stays(store: TabledStore) -> None:
    for number in range(10):
        key = ("room", f"{number}")
        await asyncio.gather(
            *[
                store.write(
                    [Write(MEMBERS, key, set={"role": f"{n}", "offset": n}, below=("offset", n))]
                )
                for n in range(1, 11)
            ]
        )
        row = await one(store, MEMBERS, *key)
        assert row is not None
        assert (row.role, row.offset) == ("10", 10)


async def test_rows_that_are_raised_together_are_raised_each_by_its_own(store: TabledStore) -> None:
    """More than fit one statement, some of them twice, some not there."""
    keys = [("c", f"u{number:03}") for number in range(150)]
    await store.write([Write(MEMBERS, key, set={"read": 5}) for key in keys[:140]])
    raises = [
        Write(MEMBERS, key, highest={"read": number, "read_n": 7}, present=True)
        for number, key in enumerate(keys)
    ]
    again = [Write(MEMBERS, key, highest={"read": 3, "read_n": 9}, present=True) for key in keys]
    await store.write(raises + again)
    rows = {row.user: row for row in await store.find(MEMBERS, Span(("c",)), limit=500)}
    assert list(rows) == [user for _, user in keys[:140]]
    for number, row in enumerate(rows.values()):
        assert (row.read, row.read_n, row.delivered) == (max(5, number), 9, 0)
