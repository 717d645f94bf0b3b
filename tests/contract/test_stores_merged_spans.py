"""Rows of many spans in one order, as a timeline is read: see `TableStore.find`."""

import random
from typing import Protocol

import pytest

from realtime.rows import MEMBERS, POSTS, TIMELINE
from realtime.stores.base import Span, TableStore, Write
from tests.support.log_entries import Store


class Tables(Store, TableStore, Protocol):
    """Both."""


FEEDS = ("a", "b", "c")
BY = ("channel", "place")


async def posted(store: Tables) -> None:
    """Three feeds post in turns, nine times; the fourth posts at the end."""
    await store.write(
        [
            Write(POSTS, (f"{number:03d}",), set={"channel": FEEDS[number % 3], "offset": number})
            for number in range(9)
        ]
    )
    await store.write([Write(POSTS, ("999",), set={"channel": "d", "offset": 9})])


async def test_rows_of_several_channels_come_in_the_order_of_what_follows(store: Tables) -> None:
    await posted(store)
    spans = [Span((feed,)) for feed in FEEDS]
    found = await store.find(POSTS, *spans, by=BY, limit=100, merged=True)
    assert [row.place for row in found] == [f"{number:03d}" for number in range(9)]
    newest = await store.find(POSTS, *spans, by=BY, limit=4, backwards=True, merged=True)
    assert [row.offset for row in newest] == [8, 7, 6, 5]
    by_channel = await store.find(POSTS, *spans, by=BY, limit=4)
    assert [row.channel for row in by_channel] == ["a", "a", "a", "b"]


async def test_bounds_are_each_spans_own(store: Tables) -> None:
    await posted(store)
    found = await store.find(
        POSTS,
        Span(("a",), before="006"),
        Span(("b",), after="001"),
        Span(("c",), after="001", before="008"),
        by=BY,
        limit=100,
        backwards=True,
        merged=True,
    )
    assert [row.offset for row in found] == [7, 5, 4, 3, 2, 0]


async def test_a_row_of_two_spans_comes_once(store: Tables) -> None:
    await posted(store)
    spans = (Span(("a",), after="000"), Span(("a",), before="006"), Span(("b",), before="002"))
    found = await store.find(POSTS, *spans, by=BY, limit=100, merged=True)
    assert [row.offset for row in found] == [0, 1, 3, 6]


async def test_the_key_can_be_merged_and_decides_where_the_rest_is_equal(store: Tables) -> None:
    await store.write([Write(TIMELINE, (user, "1"), set={"offset": 1}) for user in ("b", "", "c")])
    await store.write([Write(TIMELINE, (user, "2"), set={"offset": 2}) for user in ("", "c")])
    spans = [Span((user,)) for user in ("c", "", "b")]
    found = await store.find(TIMELINE, *spans, limit=9, merged=True)
    assert [(row.place, row.user) for row in found] == [
        ("1", ""),
        ("1", "b"),
        ("1", "c"),
        ("2", ""),
        ("2", "c"),
    ]
    newest = await store.find(TIMELINE, *spans, limit=3, backwards=True, merged=True)
    assert [(row.place, row.user) for row in newest] == [("2", "c"), ("2", ""), ("1", "c")]


async def test_one_span_and_an_index_can_be_merged(store: Tables) -> None:
    await store.write(
        [
            Write(MEMBERS, (f"r:{number}", user), set={"role": role})
            for number, (user, role) in enumerate(
                [("u", "owner"), ("u", "follower"), ("v", "follower"), ("u", "follower")]
            )
        ]
    )
    by = ("user", "role", "channel")
    one = await store.find(MEMBERS, Span(("u", "follower")), by=by, limit=9, merged=True)
    assert [row.channel for row in one] == ["r:1", "r:3"]
    spans = (Span(("u", "owner")), Span(("u", "follower"), before="r:3"))
    both = await store.find(MEMBERS, *spans, by=by, limit=9, merged=True)
    assert [row.channel for row in both] == ["r:0", "r:1"]


async def test_spans_of_other_widths_are_not_merged(store: Tables) -> None:
    with pytest.raises(ValueError, match="equal"):
        await store.find(POSTS, Span(("a",)), Span(("b", "1")), by=BY, limit=1, merged=True)


async def test_the_first_rows_of_very_many_spans_are_those_of_all_of_them(store: Tables) -> None:
    """Feeds of which some have most of the rows, and rows that are equal but for the feed."""
    chance = random.Random(3)  # noqa: S311 - which feed has how much
    times = {
        f"{feed:02d}": sorted(chance.sample(range(400), chance.choice((0, 1, 3, 90))))
        for feed in range(60)
    }
    rows = [(f"{time:03d}", feed) for feed, some in times.items() for time in some]
    writes = [Write(TIMELINE, (feed, time), set={"offset": 1}) for time, feed in rows]
    for start in range(0, len(writes), 1_000):
        await store.write(writes[start : start + 1_000])
    spans = [
        Span(
            (feed,), after="100" if int(feed) % 3 else None, before="350" if int(feed) % 2 else None
        )
        for feed in times
    ]
    wanted = sorted(
        (time, feed)
        for time, feed in rows
        if (int(feed) % 3 == 0 or time > "100") and (int(feed) % 2 == 0 or time < "350")
    )
    assert len(wanted) > 300
    for limit in (1, 2, 7, 50, 101, 299, 100_000):
        for backwards in (False, True):
            found = await store.find(
                TIMELINE, *spans, limit=limit, backwards=backwards, merged=True
            )
            expected = sorted(wanted, reverse=backwards)[:limit]
            assert [(row.place, row.user) for row in found] == expected
