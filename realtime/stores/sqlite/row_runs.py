"""Many writes of one form in one statement.

A statement has to get the interpreter's lock back from a busy event loop, see `appending`: a
hundred writes, each by itself, held the writer, and whoever waited for it, for as many turns of the
loop. Whatever is written of many rows has one form as a rule.
"""

import functools
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from realtime.stores.base import Key, Removal, Table, Value, Write
from realtime.stores.sqlite import layout
from realtime.stores.sqlite.layout import quoted

SIZES: Final = (64, 16, 4)
"""Rows of one statement: few sizes, each prepared once. What is left over goes one by one."""

AnyWrite = Write | Removal


class Form(NamedTuple):
    """What a write names, apart from its values: statements of one form differ in these only."""

    table: Table[Any]
    is_removal: bool
    set: tuple[str, ...] = ()
    initial: tuple[str, ...] = ()
    highest: tuple[str, ...] = ()
    add: tuple[str, ...] = ()
    equals: tuple[str, ...] = ()
    below: str = ""
    absent: bool = False
    present: bool = False

    @property
    def is_update(self) -> bool:
        """Whether there must be a row."""
        return self.present or bool(self.equals)


def form_of(write: AnyWrite) -> Form:
    """Its form."""
    if isinstance(write, Removal):
        return Form(write.table, True, equals=tuple(write.equals))
    return Form(
        write.table,
        False,
        tuple(write.set),
        tuple(write.initial),
        tuple(write.highest),
        tuple(write.add),
        tuple(write.equals),
        write.below[0] if write.below else "",
        write.absent,
        write.present,
    )


def in_runs(writes: Iterable[AnyWrite]) -> Iterator[tuple[Form, Sequence[AnyWrite]]]:
    """The writes in their order, those of one form that follow each other together; more than one
    only where `carry_out` may do them."""
    for form, run in groupby(writes, form_of):
        together: dict[Key, AnyWrite] = {}
        for write in run:
            if not _may_go_with_others(form, write):
                yield from ((form, (each,)) for each in (*together.values(), write))
                together = {}
                continue
            # Of two writes for one row a statement would carry out either.
            if write.key in together:
                yield form, tuple(together.values())
                together = {}
            together[write.key] = write
        if together:
            yield form, tuple(together.values())


def _may_go_with_others(form: Form, write: AnyWrite) -> bool:
    if isinstance(write, Removal) or form.is_update:
        return True
    # What a new row gets is what is known of a write where there is a row already.
    defaults = layout.of(form.table).defaults
    # What a field has to be below is known where the field is set to just that.
    is_below_known = write.below is None or write.set.get(form.below) == write.below[1]
    return (
        is_below_known
        and not any(defaults[field] for field in form.add)
        and all(value >= defaults[field] for field, value in write.highest.items())
    )


def carry_out(connection: sqlite3.Connection, form: Form, run: Sequence[AnyWrite]) -> int:
    """Carry out as many of these, from the first on, as go into one statement; answers how many:
    0 where there are too few."""
    size = next((size for size in SIZES if size <= len(run)), 0)
    if size:
        values = [value for write in run[:size] for value in _values(form, write)]
        connection.execute(statement(form, size), values)
    return size


def _values(form: Form, write: AnyWrite) -> list[Value]:
    if isinstance(write, Removal):
        return [*write.key, *write.equals.values()]
    return [
        *write.key,
        *write.set.values(),
        *write.initial.values(),
        *write.highest.values(),
        *write.add.values(),
        *([write.below[1]] if write.below and form.is_update else ()),
        *write.equals.values(),
    ]


@functools.lru_cache(maxsize=1024)
def statement(form: Form, rows: int) -> str:
    """The statement that carries out so many of this form."""
    if form.is_removal:
        return _removal(form, rows)
    return _update(form, rows) if form.is_update else _insert(form, rows)


def _insert(form: Form, rows: int) -> str:
    made = layout.of(form.table)
    fields = [*made.key, *form.set, *form.initial, *form.highest, *form.add]
    sets = [] if form.absent else _sets(form, "excluded.", ("", "", ""))
    then = f"UPDATE SET {', '.join(sets)}" if sets else "NOTHING"
    if sets and form.below:
        then += f" WHERE {made.name}.{quoted(form.below)} < excluded.{quoted(form.below)}"
    return f"""
        INSERT INTO {made.name} ({", ".join(map(quoted, fields))})
        VALUES {_places(len(fields), rows)}
        ON CONFLICT ({", ".join(map(quoted, made.key))}) DO {then}
    """  # noqa: S608 - declared names and question marks only


def _update(form: Form, rows: int) -> str:
    made = layout.of(form.table)
    names = [f"k{field}" for field in made.key]
    names += [f"s{field}" for field in form.set]
    # What only a new row would get: there is none.
    names += [f"i{field}" for field in form.initial]
    names += [f"h{field}" for field in form.highest]
    names += [f"a{field}" for field in form.add]
    names += [f"b{form.below}"] if form.below else []
    names += [f"e{field}" for field in form.equals]
    sets = _sets(form, "w.", ("s", "h", "a"))
    # Something has to be set.
    sets = sets or [f"{quoted(made.key[0])} = {made.name}.{quoted(made.key[0])}"]
    conditions = [f"{made.name}.{quoted(field)} = w.{quoted(f'k{field}')}" for field in made.key]
    if form.below:
        conditions.append(f"{made.name}.{quoted(form.below)} < w.{quoted(f'b{form.below}')}")
    conditions += [
        # A plus keeps it from being looked for by another index than the key's.
        f"+{made.name}.{quoted(field)} = w.{quoted(f'e{field}')}"
        for field in form.equals
    ]
    return f"""
        WITH w ({", ".join(map(quoted, names))}) AS (VALUES {_places(len(names), rows)})
        UPDATE {made.name} SET {", ".join(sets)} FROM w WHERE {" AND ".join(conditions)}
    """  # noqa: S608 - declared names and question marks only


def _removal(form: Form, rows: int) -> str:
    made = layout.of(form.table)
    names = [*(f"k{field}" for field in made.key), *(f"e{field}" for field in form.equals)]
    conditions = [f"t.{quoted(field)} = w.{quoted(f'k{field}')}" for field in made.key]
    conditions += [f"+t.{quoted(field)} = w.{quoted(f'e{field}')}" for field in form.equals]
    return f"""
        WITH w ({", ".join(map(quoted, names))}) AS (VALUES {_places(len(names), rows)})
        DELETE FROM {made.name} WHERE rowid IN (
            SELECT t.rowid FROM w CROSS JOIN {made.name} t ON {" AND ".join(conditions)}
        )
    """  # noqa: S608 - declared names and question marks only


def _sets(form: Form, source: str, prefixes: tuple[str, str, str]) -> list[str]:
    own = layout.of(form.table).name
    set_, highest, add = prefixes
    sets = [f"{quoted(field)} = {source}{quoted(set_ + field)}" for field in form.set]
    sets += [
        f"{quoted(field)} = max({own}.{quoted(field)}, {source}{quoted(highest + field)})"
        for field in form.highest
    ]
    return sets + [
        f"{quoted(field)} = {own}.{quoted(field)} + {source}{quoted(add + field)}"
        for field in form.add
    ]


def _places(width: int, rows: int) -> str:
    return ", ".join([f"({', '.join('?' * width)})"] * rows)
