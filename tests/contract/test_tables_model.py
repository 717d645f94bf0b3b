"""Tables against a dictionary that does the same: any writes, then any look at the rows."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.rows import MEMBERS
from realtime.stores.base import Key, Removal, Span, Table, Write
from tests.contract.conftest import STORES, StoreFactory
from tests.support.table_store import TabledStore, every

EXAMPLES: Final = 40
"""Runs of one driver; each is some dozens of calls."""

Rows = dict[Key, Any]


# The model


def apply(rows: Rows, write: Write | Removal) -> bool:
    """Carry it out on the rows; whether its conditions held."""
    row = rows.get(write.key)
    equal = row is not None and all(
        getattr(row, field) == value for field, value in write.equals.items()
    )
    if isinstance(write, Removal):
        if write.equals and not equal:
            return False
        rows.pop(write.key, None)
        return True
    if row is not None if write.absent else (write.present or write.equals) and not equal:
        return False
    if write.below is not None and row is not None:
        field, limit = write.below
        if getattr(row, field) >= limit:
            return False
    new = row is None
    before = write.table.row(*write.key) if row is None else row
    changes: dict[str, Any] = {**(write.initial if new else {}), **write.set}
    changes |= {field: max(getattr(before, field), value) for field, value in write.highest.items()}
    changes |= {field: getattr(before, field) + value for field, value in write.add.items()}
    rows[write.key] = msgspec.structs.replace(before, **changes)
    return True


def look(
    rows: Rows, table: Table[Any], spans: Sequence[Span], by: tuple[str, ...], backwards: bool
) -> list[Any]:
    """The rows in any of the spans, in order."""
    fields = by or table.key

    def holds(row: Any, span: Span) -> bool:
        values: list[Any] = [getattr(row, field) for field in fields]
        if tuple(values[: len(span.equal)]) != span.equal:
            return False
        following = [*values, None][len(span.equal)]
        return (span.after is None or following > span.after) and (
            span.before is None or following < span.before
        )

    found = [row for row in rows.values() if any(holds(row, span) for span in spans)]

    def place(row: Any) -> list[Any]:
        return [getattr(row, field) for field in (*fields, *table.key)]

    return sorted(found, key=place, reverse=backwards)


# What is tried

channels = st.sampled_from(["", "a", "a\x00", "ab", "b"])
users = st.sampled_from(["", "\x01", "x", "xy"])
numbers = st.integers(0, 6)
roles = st.sampled_from(["", "owner", "$set"])


def _disjoint(fields: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=dict(fields))


@st.composite
def writes(draw: st.DrawFn) -> Write | Removal:
    """Any write of a member's row that makes sense."""
    key = (draw(channels), draw(users))
    equals = draw(_disjoint({"role": roles, "read": numbers}))
    if draw(st.integers(0, 5)) == 0:
        return Removal(MEMBERS, key, equals=equals)
    form = draw(st.sampled_from(["any", "absent", "present", "below", "equals", "below present"]))
    return Write(
        MEMBERS,
        key,
        set=draw(_disjoint({"role": roles, "offset": numbers, "sent_id": users})),
        initial=draw(_disjoint({"joined_at": numbers, "invited_by": users})),
        highest=draw(_disjoint({"read": numbers, "delivered": numbers})),
        add=draw(_disjoint({"read_n": st.integers(-3, 3), "unread": numbers})),
        absent=form == "absent",
        present="present" in form,
        below=("offset", draw(numbers)) if "below" in form else None,
        equals=equals if form == "equals" else {},
    )


@st.composite
def spans(draw: st.DrawFn, fields: Sequence[st.SearchStrategy[Any]]) -> Span:
    """Any span of an index whose fields have such values."""
    width = draw(st.integers(0, len(fields)))
    equal = tuple(draw(field) for field in fields[:width])
    if width == len(fields):
        return Span(equal)
    bound = st.none() | fields[width]
    return Span(equal, after=draw(bound), before=draw(bound))


ORDERS: Final[dict[tuple[str, ...], Sequence[st.SearchStrategy[Any]]]] = {
    (): (channels, users),
    ("user", "channel"): (users, channels),
    ("channel", "role", "user"): (channels, roles, users),
}


@st.composite
def looks(draw: st.DrawFn) -> dict[str, Any]:
    """Any look at members' rows."""
    by = draw(st.sampled_from(list(ORDERS)))
    return {
        # One that is everything leaves nothing to the others.
        "spans": draw(st.lists(spans(ORDERS[by]).filter(lambda span: span != Span()), max_size=4))
        or [Span()],
        "by": by,
        "limit": draw(st.integers(1, 12)),
        "backwards": draw(st.booleans()),
    }


# The two side by side


async def compare(
    store: TabledStore, groups: Sequence[Sequence[Write | Removal]], wanted: Sequence[Any]
) -> None:
    """Have the store and the model do the same, from an empty table on."""
    # What an earlier run has left, one that failed too.
    await store.write(
        [Removal(MEMBERS, MEMBERS.key_of(row)) for row in await every(store, MEMBERS)]
    )
    rows: Rows = {}
    for group in groups:
        if len({write.key for write in group}) == len(group):
            await store.write(group)
            for write in group:
                apply(rows, write)
        else:
            # The order within one call is the store's own.
            for write in group:
                assert await store.decide(write) is apply(rows, write), write
    assert list(await every(store, MEMBERS)) == [rows[key] for key in sorted(rows)]
    for each in wanted:
        expected = look(rows, MEMBERS, each["spans"], each["by"], each["backwards"])
        found = await store.find(
            MEMBERS,
            *each["spans"],
            by=each["by"],
            limit=each["limit"],
            backwards=each["backwards"],
        )
        assert list(found) == expected[: each["limit"]], each


@pytest.mark.parametrize("driver", STORES)
def test_any_writes_and_looks_are_those_of_a_dictionary(
    request: pytest.FixtureRequest, driver: str
) -> None:
    make: StoreFactory = STORES[driver]
    with asyncio.Runner() as runner:
        store: Any = make(request)
        runner.run(store.open())

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        )
        @given(
            st.lists(st.lists(writes(), min_size=1, max_size=6), max_size=8),
            st.lists(looks(), max_size=6),
        )
        def check(groups: list[list[Write | Removal]], wanted: list[Any]) -> None:
            runner.run(compare(store, groups, wanted))

        check()
        runner.run(store.close())
