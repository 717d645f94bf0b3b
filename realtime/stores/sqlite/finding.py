"""Finding rows of tables: see base, `TableStore`. One statement each, its rows packed into one."""

import functools
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from realtime.stores.base import SPANS_MAX, Key, Row, Span, Table, Value
from realtime.stores.sqlite import layout
from realtime.stores.sqlite.layout import Layout, quoted

_SHAPES: Final = (1, 10, 100, 512, SPANS_MAX)

_MANY_SPANS: Final = 10
"""Spans from which on it pays to look at a few rows of each first, where they are merged."""

_FIRST_ROWS: Final = 4
"""Of each, then."""

Shape = tuple[int, bool, bool]
"""How a span looks: how many fields are equal, and whether the next has a bound on either side."""


def get(connection: sqlite3.Connection, table: Table[Row], keys: Sequence[Key]) -> Sequence[Row]:
    """See base."""
    made = layout.of(table)
    wanted = list(dict.fromkeys(keys))
    for key in wanted:
        if len(key) != len(made.key):
            raise ValueError(f"{table}: a key has {len(made.key)} values")
    if not wanted:
        return []
    shape = next(shape for shape in _SHAPES if shape >= len(wanted))
    values: list[Any] = [value for key in wanted for value in key]
    values += [None] * ((shape - len(wanted)) * len(made.key))
    return made.unpack(connection.execute(_select_keys(table, shape), values).fetchone())


def find(
    connection: sqlite3.Connection,
    table: Table[Row],
    spans: Sequence[Span],
    *,
    by: tuple[str, ...],
    limit: int,
    backwards: bool,
    merged: bool = False,
) -> Sequence[Row]:
    """See base. The spans have been looked at by `check`."""
    if not spans or limit <= 0:
        return []
    if Span() in spans:
        spans = [Span()]  # everything: the others are in it

    def select(spans: Sequence[Span], each: int, limit: int) -> Sequence[Row]:
        equal = len(spans[0].equal) if merged else 0
        return _select(connection, table, spans, by, backwards, equal, each=each, limit=limit)

    if merged and len(spans) >= _MANY_SPANS:
        field = layout.of(table).order(by)[len(spans[0].equal)]
        return _narrowed(select, spans, field, limit=limit, backwards=backwards)
    return select(spans, limit, limit)


def _narrowed(
    select: Callable[[Sequence[Span], int, int], Sequence[Row]],
    spans: Sequence[Span],
    field: str,
    *,
    limit: int,
    backwards: bool,
) -> Sequence[Row]:
    """The first rows of many spans, each of which may have as many before the others'.

    The first few of each say how far it is worth looking: without that, every span would have to be
    looked through as if the others had nothing.
    """
    each = _FIRST_ROWS
    while each < limit:
        rows = select(spans, each, limit + 1)
        if len(rows) > limit:
            bound = getattr(rows[limit], field)
            if getattr(rows[limit - 1], field) != bound:
                found = select(_bounded(spans, bound, backwards=backwards), limit, limit)
                if len(found) == limit:
                    return found
            break  # or some were removed just now
        each *= 8
    return select(spans, limit, limit)


def _bounded(spans: Sequence[Span], bound: Value, *, backwards: bool) -> Sequence[Span]:
    """The spans as far as they are before the bound, in the order in which they are read."""
    bounded = []
    for span in spans:
        near, far = (span.before, span.after) if backwards else (span.after, span.before)
        if near is not None and not _precedes(near, bound, backwards=backwards):
            continue
        if far is None or _precedes(bound, far, backwards=backwards):
            far = bound
        after, before = (far, near) if backwards else (near, far)
        bounded.append(Span(span.equal, after, before))
    return bounded


def _precedes(one: Any, other: Any, *, backwards: bool) -> bool:
    """Whether one value of a field comes before another."""
    return bool(one > other if backwards else one < other)


def _select(
    connection: sqlite3.Connection,
    table: Table[Row],
    spans: Sequence[Span],
    by: tuple[str, ...],
    backwards: bool,
    equal: int,
    *,
    each: int,
    limit: int,
) -> Sequence[Row]:
    """At most `limit` rows, of each span at most `each`; the first `equal` fields order last."""
    made = layout.of(table)
    groups: dict[Shape, list[Span]] = {}
    for span in spans:
        shape = (len(span.equal), span.after is not None, span.before is not None)
        groups.setdefault(shape, []).append(span)
    several = len(spans) > 1
    shapes = []
    values: list[Any] = []
    for shape, group in sorted(groups.items()):
        rows = next(rows for rows in _SHAPES if rows >= len(group))
        shapes.append((shape, rows))
        width = sum(shape)
        for span in group:
            values += span.equal
            values += [bound for bound in (span.after, span.before) if bound is not None]
        values += [None] * ((rows - len(group)) * width)
    if several:
        sql = _select_spans(table, tuple(shapes), by, backwards, equal)
        values += [each] * len(shapes)
    else:
        sql = _select_span(table, shapes[0][0], by, backwards)
    return made.unpack(connection.execute(sql, [*values, limit]).fetchone())


def check(
    table: Table[Any], spans: Sequence[Span], by: tuple[str, ...], *, merged: bool = False
) -> None:
    """Raise ValueError unless `by` can be looked through and every span is of it."""
    if len(spans) > SPANS_MAX:
        raise ValueError(f"{len(spans)} spans, at most {SPANS_MAX} expected")
    made = layout.of(table)
    made.order(by)
    fields = by or made.key
    for span in spans:
        bounded = span.after is not None or span.before is not None
        if len(span.equal) + bounded > len(fields):
            raise ValueError(f"{table}: a span of {fields} has more values than that")
    if merged and len({len(span.equal) for span in spans}) > 1:
        raise ValueError(f"{table}: spans to be merged have the same fields equal")


@functools.lru_cache(maxsize=256)
def _select_keys(table: Table[Any], rows: int) -> str:
    made = layout.of(table)
    places = ", ".join("?" * len(made.key))
    wanted = ", ".join(f"k{index}" for index in range(len(made.key)))
    same = " AND ".join(f"t.{quoted(field)} = w.k{index}" for index, field in enumerate(made.key))
    return f"""
        WITH wanted ({wanted}) AS (VALUES {", ".join([f"({places})"] * rows)})
        SELECT {made.packed} FROM wanted w CROSS JOIN {made.name} t ON {same}
    """  # noqa: S608 - declared names and question marks only


def _within(fields: Sequence[str], shape: Shape, values: Sequence[str]) -> str:
    """The condition of a span; `values` stand for its own, in order."""
    count, after, before = shape
    conditions = [f"s.{quoted(field)} = " for field in fields[:count]]
    conditions += [f"s.{quoted(fields[count])} > "] if after else []
    conditions += [f"s.{quoted(fields[count])} < "] if before else []
    told = [condition + value for condition, value in zip(conditions, values, strict=True)]
    return " AND ".join(told) or "1"


def _ordered(
    made: Layout[Any], by: tuple[str, ...], backwards: bool, prefix: str, *, last: int = 0
) -> str:
    """What to order by; the first `last` fields come last."""
    direction = " DESC" if backwards else ""
    fields = made.order(by)
    fields = fields[last:] + fields[:last]
    return ", ".join(f"{prefix}{quoted(field)}{direction}" for field in fields)


@functools.lru_cache(maxsize=256)
def _select_span(table: Table[Any], shape: Shape, by: tuple[str, ...], backwards: bool) -> str:
    made = layout.of(table)
    within = _within(made.order(by), shape, ["?"] * sum(shape))
    return f"""
        SELECT {made.packed} FROM (
            SELECT * FROM {made.name} s WHERE {within}
            ORDER BY {_ordered(made, by, backwards, "s.")} LIMIT ?
        )
    """  # noqa: S608 - declared names and question marks only


@functools.lru_cache(maxsize=256)
def _select_spans(
    table: Table[Any],
    shapes: tuple[tuple[Shape, int], ...],
    by: tuple[str, ...],
    backwards: bool,
    last: int,
) -> str:
    """Of each span no more rows are looked at than are asked for of all together."""
    made = layout.of(table)
    keys = ", ".join(map(quoted, made.key))
    tables, branches = [], []
    for number, (shape, rows) in enumerate(shapes):
        width = sum(shape)
        names = [f"v{index}" for index in range(width)]
        places = f"({', '.join('?' * width)})"
        tables.append(f"w{number} ({', '.join(names)}) AS (VALUES {', '.join([places] * rows)})")
        within = _within(made.order(by), shape, [f"w.{name}" for name in names])
        branches.append(f"""
            SELECT DISTINCT {", ".join(f"t.{quoted(field)}" for field in made.key)}
            FROM w{number} w CROSS JOIN {made.name} t ON ({keys}) IN (
                SELECT {keys} FROM {made.name} s WHERE {within}
                ORDER BY {_ordered(made, by, backwards, "s.")} LIMIT ?
            )
        """)  # noqa: S608 - declared names only
    return f"""
        WITH {", ".join(tables)}, named ({keys}) AS ({" UNION ".join(branches)})
        SELECT {made.packed} FROM (
            SELECT t.* FROM named CROSS JOIN {made.name} t USING ({keys})
            ORDER BY {_ordered(made, by, backwards, "t.", last=last)} LIMIT ?
        )
    """  # noqa: S608 - declared names and question marks only
