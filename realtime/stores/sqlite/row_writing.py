"""Writing rows of tables, in the caller's transaction: see base, `TableStore`.

One statement a write: an update where there must be a row, an insert where there must be none, and
an insert that becomes an update where there may be one.
"""

import functools
import sqlite3
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from realtime.stores.base import Key, Removal, Table, Value, Write
from realtime.stores.sqlite import layout
from realtime.stores.sqlite.layout import quoted

RAISED_TOGETHER: Final = 64
"""Rows of one statement that raises fields of many."""


class _Shape(NamedTuple):
    """What a write names, apart from its values."""

    set: tuple[str, ...]
    initial: tuple[str, ...]
    highest: tuple[str, ...]
    add: tuple[str, ...]
    equals: tuple[str, ...]
    below: str
    absent: bool
    present: bool


def carry_out(connection: sqlite3.Connection, write: Write | Removal) -> bool:
    """Whether its conditions held."""
    if isinstance(write, Removal):
        values = [*write.key, *write.equals.values()]
        sql = _removal(write.table, tuple(write.equals))
        return connection.execute(sql, values).rowcount > 0 or not write.equals
    sql, values = _statement(write)
    conditional = write.absent or write.present or write.below or write.equals
    return connection.execute(sql, values).rowcount > 0 or not conditional


def carry_out_all(connection: sqlite3.Connection, writes: Sequence[Write | Removal]) -> None:
    """All of them, those that raise fields of rows many in one statement.

    A statement by itself has to get the interpreter's lock back from a busy loop, see `appending`.
    """
    for kind, run in groupby(writes, _raising):
        if kind is None:
            for write in run:
                carry_out(connection, write)
            continue
        # Of two writes for one row a statement would carry out either.
        by_key: dict[Key, list[Value]] = {}
        for write in run:
            if len(by_key) == RAISED_TOGETHER or write.key in by_key:
                _raise_all(connection, kind, by_key)
                by_key = {}
            assert isinstance(write, Write)  # as `_raising` has found
            by_key[write.key] = [*write.key, *write.highest.values()]
        _raise_all(connection, kind, by_key)


_Raising = tuple[Table[Any], tuple[str, ...]]


def _raising(write: Write | Removal) -> _Raising | None:
    """The table and the fields of a write that raises fields of a row, and does nothing else."""
    if (
        isinstance(write, Removal)
        or not (write.present and write.highest)
        or write.set
        or write.add
        or write.below
        or write.equals
    ):
        return None
    return write.table, tuple(write.highest)


def _raise_all(
    connection: sqlite3.Connection, kind: _Raising, by_key: Mapping[Key, list[Value]]
) -> None:
    table, fields = kind
    values = [value for row in by_key.values() for value in row]
    # A full one and what is left over: few shapes, each prepared once.
    if len(by_key) == RAISED_TOGETHER:
        connection.execute(_raise(table, fields, RAISED_TOGETHER), values)
    else:
        width = len(table.key) + len(fields)
        for start in range(0, len(values), width):
            connection.execute(_raise(table, fields, 1), values[start : start + width])


def check(write: Write | Removal) -> None:
    """Raise ValueError where it names what the table does not have, or contradicts itself.

    A value of another type would be kept, and would then stand in the way of every read.
    """
    made = layout.of(write.table)
    if len(write.key) != len(made.key):
        raise ValueError(f"{write.table}: a key has {len(made.key)} values")
    given = [*zip(made.key, write.key, strict=True), *write.equals.items()]
    if isinstance(write, Write):
        written = [
            item
            for values in (write.set, write.initial, write.highest, write.add)
            for item in values.items()
        ]
        fields = {field for field, _ in written}
        if len(fields) < len(written) or fields & set(made.key):
            raise ValueError(f"{write.table}: a field is written twice, or is of the key")
        if write.absent and (write.present or write.equals):
            raise ValueError(f"{write.table}: a row cannot be absent and present")
        given += [*written, *([write.below] if write.below else [])]
    for field, value in given:
        if not isinstance(value, made.fields.get(field, ())):
            raise ValueError(f"{write.table}: {field} is no field of it, or of another type")


def weight(writes: Sequence[Write | Removal]) -> int:
    """About how many bytes they bring."""
    return sum(
        len(value)
        for write in writes
        if isinstance(write, Write)
        for values in (write.set, write.initial)
        for value in values.values()
        if not isinstance(value, int)
    )


def _statement(write: Write) -> tuple[str, list[Value]]:
    shape = _Shape(
        tuple(write.set),
        tuple(write.initial),
        tuple(write.highest),
        tuple(write.add),
        tuple(write.equals),
        write.below[0] if write.below else "",
        write.absent,
        write.present,
    )
    updates = [*write.set.values(), *write.highest.values(), *write.add.values()]
    conditions: list[Value] = [write.below[1]] if write.below else []
    if write.present or write.equals:
        return _update(write.table, shape), [
            *updates,
            *write.key,
            *conditions,
            *write.equals.values(),
        ]
    raised = _from_defaults(write.table, write.highest, write.add)
    values = [*write.key, *write.set.values(), *write.initial.values(), *raised]
    if not write.absent and (updates or conditions):
        values += [*updates, *conditions]
    return _insert(write.table, shape), values


def _from_defaults(
    table: Table[Any], highest: Mapping[str, int], add: Mapping[str, int]
) -> list[int]:
    """What becomes of the defaults of a new row."""
    if not highest and not add:
        return []
    defaults = layout.of(table).defaults
    raised = [max(defaults[field], value) for field, value in highest.items()]
    return raised + [defaults[field] + value for field, value in add.items()]


@functools.lru_cache(maxsize=1024)
def _update(table: Table[Any], shape: _Shape) -> str:
    made = layout.of(table)
    conditions = [f"{quoted(field)} = ?" for field in made.key]
    conditions += [f"{quoted(shape.below)} < ?"] if shape.below else []
    conditions += [f"{quoted(field)} = ?" for field in shape.equals]
    # Something has to be set, or nobody would know whether the row is there.
    sets = _sets(shape) or [f"{quoted(made.key[0])} = {quoted(made.key[0])}"]
    return f"""
        UPDATE {made.name} SET {", ".join(sets)} WHERE {" AND ".join(conditions)}
    """  # noqa: S608 - declared names and question marks only


@functools.lru_cache(maxsize=1024)
def _insert(table: Table[Any], shape: _Shape) -> str:
    made = layout.of(table)
    fields = [*made.key, *shape.set, *shape.initial, *shape.highest, *shape.add]
    sets = _sets(shape)
    if shape.absent or not (sets or shape.below):
        then = "NOTHING"
    else:
        then = f"UPDATE SET {', '.join(sets or [f'{quoted(made.key[0])} = {quoted(made.key[0])}'])}"
        if shape.below:
            then += f" WHERE {made.name}.{quoted(shape.below)} < ?"
    return f"""
        INSERT INTO {made.name} ({", ".join(map(quoted, fields))})
        VALUES ({", ".join("?" * len(fields))})
        ON CONFLICT ({", ".join(map(quoted, made.key))}) DO {then}
    """  # noqa: S608 - declared names and question marks only


def _sets(shape: _Shape) -> list[str]:
    sets = [f"{quoted(field)} = ?" for field in shape.set]
    sets += [f"{quoted(field)} = max({quoted(field)}, ?)" for field in shape.highest]
    return sets + [f"{quoted(field)} = {quoted(field)} + ?" for field in shape.add]


@functools.lru_cache(maxsize=64)
def _raise(table: Table[Any], fields: tuple[str, ...], rows: int) -> str:
    made = layout.of(table)
    names = [*(f"k{number}" for number in range(len(made.key))), *(f"h{f}" for f in fields)]
    row = f"({', '.join('?' * len(names))})"
    sets = [f"{quoted(field)} = max({quoted(field)}, raised.h{field})" for field in fields]
    same = [f"{made.name}.{quoted(key)} = raised.k{at}" for at, key in enumerate(made.key)]
    return f"""
        WITH raised ({", ".join(names)}) AS (VALUES {", ".join([row] * rows)})
        UPDATE {made.name} SET {", ".join(sets)} FROM raised WHERE {" AND ".join(same)}
    """  # noqa: S608 - declared names and question marks only


@functools.lru_cache(maxsize=256)
def _removal(table: Table[Any], equals: tuple[str, ...]) -> str:
    made = layout.of(table)
    conditions = " AND ".join(f"{quoted(field)} = ?" for field in (*made.key, *equals))
    return f"DELETE FROM {made.name} WHERE {conditions}"  # noqa: S608 - declared names only
