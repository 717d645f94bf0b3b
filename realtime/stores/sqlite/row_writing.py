"""Writing rows of tables, in the caller's transaction: see base, `TableStore`.

One statement a write: an update where there must be a row, an insert where there must be none, and
an insert that becomes an update where there may be one.
"""

import functools
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from realtime.stores.base import Removal, Table, Value, Write
from realtime.stores.sqlite import layout, row_runs
from realtime.stores.sqlite.layout import quoted
from realtime.stores.sqlite.row_runs import Form, form_of


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
    """All of them, many in one statement where that is possible."""
    for form, run in row_runs.in_runs(writes):
        done = 0
        while taken := row_runs.carry_out(connection, form, run[done:]):
            done += taken
        for write in run[done:]:
            carry_out(connection, write)


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
    form = form_of(write)
    updates = [*write.set.values(), *write.highest.values(), *write.add.values()]
    conditions: list[Value] = [write.below[1]] if write.below else []
    if write.present or write.equals:
        return _update(form), [
            *updates,
            *write.key,
            *conditions,
            *write.equals.values(),
        ]
    raised = _from_defaults(write.table, write.highest, write.add)
    values = [*write.key, *write.set.values(), *write.initial.values(), *raised]
    if not write.absent and (updates or conditions):
        values += [*updates, *conditions]
    return _insert(form), values


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
def _update(form: Form) -> str:
    made = layout.of(form.table)
    conditions = [f"{quoted(field)} = ?" for field in made.key]
    conditions += [f"{quoted(form.below)} < ?"] if form.below else []
    conditions += [f"{quoted(field)} = ?" for field in form.equals]
    # Something has to be set, or nobody would know whether the row is there.
    sets = _sets(form) or [f"{quoted(made.key[0])} = {quoted(made.key[0])}"]
    return f"""
        UPDATE {made.name} SET {", ".join(sets)} WHERE {" AND ".join(conditions)}
    """  # noqa: S608 - declared names and question marks only


@functools.lru_cache(maxsize=1024)
def _insert(form: Form) -> str:
    made = layout.of(form.table)
    fields = [*made.key, *form.set, *form.initial, *form.highest, *form.add]
    sets = _sets(form)
    if form.absent or not (sets or form.below):
        then = "NOTHING"
    else:
        then = f"UPDATE SET {', '.join(sets or [f'{quoted(made.key[0])} = {quoted(made.key[0])}'])}"
        if form.below:
            then += f" WHERE {made.name}.{quoted(form.below)} < ?"
    return f"""
        INSERT INTO {made.name} ({", ".join(map(quoted, fields))})
        VALUES ({", ".join("?" * len(fields))})
        ON CONFLICT ({", ".join(map(quoted, made.key))}) DO {then}
    """  # noqa: S608 - declared names and question marks only


def _sets(form: Form) -> list[str]:
    sets = [f"{quoted(field)} = ?" for field in form.set]
    sets += [f"{quoted(field)} = max({quoted(field)}, ?)" for field in form.highest]
    return sets + [f"{quoted(field)} = {quoted(field)} + ?" for field in form.add]


@functools.lru_cache(maxsize=256)
def _removal(table: Table[Any], equals: tuple[str, ...]) -> str:
    made = layout.of(table)
    conditions = " AND ".join(f"{quoted(field)} = ?" for field in (*made.key, *equals))
    return f"DELETE FROM {made.name} WHERE {conditions}"  # noqa: S608 - declared names only
