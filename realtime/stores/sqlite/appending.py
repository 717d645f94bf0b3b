"""Appending to logs: offsets from the heads in memory, many rows in one statement.

Python's sqlite3 gives the interpreter's lock back around every step of a statement and must get
it again from a busy event loop: with the loop thread at its limit, 64 rows by `executemany` took
10 ms, one statement of 64 rows 2 to 3 ms. So rows go in chunks, a chunk in one statement, and a
group that is one statement is its own transaction.
"""

import functools
import itertools
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from realtime.model import NewEntry
from realtime.stores.base import Appended, Conflict

CHUNK_ROWS: Final = 64
"""Rows in one statement. More save nothing: 5.9 us a row at 64, 6.4 at 256."""

HEADS_CACHED_MAX: Final = 65_536
"""Channels whose head the appender remembers, about 250 bytes each."""

_WIDTH: Final = 8
"""Values of each row in every statement; some have more, behind all rows' (`_Form`)."""

_MIXED_WIDTH: Final = 5
"""What of a row is bound in a mixed statement only."""

_LOOKUP_SHAPES: Final = (1, 8, CHUNK_ROWS)

Statement = tuple[str, list[Any]]
Key = tuple[str, str, str]


class _Head:
    """A channel's number, its highest offset, and how many of its entries have counted."""

    __slots__ = ("id", "n", "offset")

    def __init__(self, id: int, offset: int, n: int) -> None:
        self.id = id
        self.offset = offset
        self.n = n


class _First(NamedTuple):
    """The entry that has a key already."""

    offset: int
    at: int
    digest: bytes
    n: int


class _Form(NamedTuple):
    """What the rows of a chunk have in common, which is said in the statement's text.

    `mixed`: nothing, and all else is bound. Else all are messages that nothing follows from, and
    alike in what counts and what people are told of. `keyed`, `tagged`: some have a digest, tags.
    """

    mixed: bool = False
    keyed: bool = False
    tagged: bool = False
    counts: bool = False
    notify: bool = False


_MIXED: Final = _Form(mixed=True, keyed=True, tagged=True)


class _Chunk:
    """Rows of one statement.

    Binding a value costs 0.27 us of the 5 to 6 us that a row takes. So what nearly all rows of
    nearly all chunks have in common is not bound (`_Form`).
    """

    __slots__ = ("entries", "values")

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.entries: list[NewEntry] = []

    def statement(self, encode: Callable[[object], bytes]) -> Statement:
        """What inserts them; `encode` makes blobs of tags."""
        form, values = self._form(), self.values
        for entry in self.entries if form.keyed or form.tagged else ():
            if form.keyed:
                values.append(entry.digest)
            if form.tagged:
                values.append(None if entry.tags is None else encode(entry.tags))
            if form.mixed:
                values += (entry.kind, entry.ref, entry.counts, entry.pending, entry.notify)
        return _insert(len(self.entries), form), values

    def _form(self) -> _Form:
        keyed = tagged = False
        counts, notify = self.entries[0].counts, self.entries[0].notify
        for entry in self.entries:
            if entry.kind != "message" or entry.ref or entry.pending:
                return _MIXED
            if entry.counts != counts or entry.notify != notify:
                return _MIXED
            if entry.digest:
                keyed = True
            if entry.tags is not None:
                tagged = True
        return _Form(keyed=keyed, tagged=tagged, counts=counts, notify=notify)


class Plan(NamedTuple):
    """What to execute, and what to answer once that is committed."""

    statements: list[Statement]
    results: list[Appended | Conflict]


class Appender:
    """Plans appends over one connection, as the database's only writer.

    Heads are cached: they change with the plan, so a plan that is not committed must be followed
    by `forget`. The cache is exact because nobody else writes (see `lock`).
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._heads: OrderedDict[str, _Head] = OrderedDict()
        self._channel_id_next = 0
        self._encode = msgspec.msgpack.Encoder().encode

    def plan(self, entries: Sequence[NewEntry], *, careful: bool) -> Plan:
        """Give each entry its offset.

        Not `careful`: no key is expected to exist; the statements fail with IntegrityError if one
        does, and nothing of them is done. `careful`: keys are looked up first, in the database and
        in the group itself, so that each gets its answer.
        """
        statements: list[Statement] = []
        if careful:
            self.forget({entry.channel for entry in entries})
        heads = self._resolve(entries, statements)
        stored = self._stored(entries, heads) if careful else None
        results: list[Appended | Conflict] = []
        encode = self._encode
        chunk = _Chunk()
        for entry in entries:
            head = heads[entry.channel]
            if stored is not None and entry.digest:
                key = (entry.channel, entry.sender, entry.client_id)
                first = stored.get(key)
                if first is not None:
                    results.append(_repeated(first, entry))
                    continue
                counted = head.n + entry.counts
                stored[key] = _First(head.offset + 1, entry.at, entry.digest, counted)
            head.offset += 1
            if entry.counts:
                head.n += 1
            chunk.values += (
                head.id,
                head.offset,
                entry.sender,
                entry.client_id,
                entry.at,
                None if entry.info is None else encode(entry.info),
                entry.data,
                head.n,
            )
            chunk.entries.append(entry)
            if len(chunk.entries) == CHUNK_ROWS:
                statements.append(chunk.statement(encode))
                chunk = _Chunk()
            results.append(Appended(head.offset, entry.at, n=head.n))
        if chunk.entries:
            statements.append(chunk.statement(encode))
        return Plan(statements, results)

    def forget(self, channels: Iterable[str] | None = None) -> None:
        """Drop cached heads, of these channels or all: the next plan reads them again."""
        self._channel_id_next = 0
        if channels is None:
            self._heads.clear()
        else:
            for channel in channels:
                self._heads.pop(channel, None)

    def _resolve(
        self, entries: Sequence[NewEntry], statements: list[Statement]
    ) -> dict[str, _Head]:
        """The heads of the entries' channels; new channels are added to the statements."""
        heads: dict[str, _Head] = {}
        unknown: list[str] = []
        cache = self._heads
        for channel in dict.fromkeys([entry.channel for entry in entries]):
            head = cache.get(channel)
            if head is None:
                unknown.append(channel)
            else:
                cache.move_to_end(channel)
                heads[channel] = head
        if unknown:
            found = self._read_heads(unknown)
            found.update(self._number([c for c in unknown if c not in found], statements))
            heads.update(found)
            cache.update(found)
            while len(cache) > HEADS_CACHED_MAX:
                cache.popitem(last=False)
        return heads

    def _read_heads(self, channels: Sequence[str]) -> dict[str, _Head]:
        found = {}
        for sql, values in _lookups(_select_heads, [(channel,) for channel in channels]):
            for channel, id, offset, n in self._connection.execute(sql, values):
                found[channel] = _Head(id, offset, n)
        return found

    def _number(self, channels: Sequence[str], statements: list[Statement]) -> dict[str, _Head]:
        """Give new channels their numbers."""
        if channels and not self._channel_id_next:
            (highest,) = self._connection.execute("SELECT max(id) FROM channels").fetchone()
            self._channel_id_next = (highest or 0) + 1
        made = {}
        for start in range(0, len(channels), CHUNK_ROWS):
            chunk = channels[start : start + CHUNK_ROWS]
            values: list[Any] = []
            for channel in chunk:
                values += (self._channel_id_next, channel)
                made[channel] = _Head(self._channel_id_next, 0, 0)
                self._channel_id_next += 1
            statements.append((_insert_channels(len(chunk)), values))
        return made

    def _stored(self, entries: Sequence[NewEntry], heads: dict[str, _Head]) -> dict[Key, _First]:
        """The stored entries that have a key of one of these."""
        keys = [
            (index, heads[entry.channel].id, entry.sender, entry.client_id)
            for index, entry in enumerate(entries)
            if entry.digest
        ]
        found = {}
        for sql, values in _lookups(_select_stored, keys):
            for index, offset, at, digest, n in self._connection.execute(sql, values):
                entry = entries[index]
                key = (entry.channel, entry.sender, entry.client_id)
                found[key] = _First(offset, at, digest, n)
        return found


def _repeated(first: _First, entry: NewEntry) -> Appended | Conflict:
    if first.digest != entry.digest:
        return Conflict(first.offset)
    return Appended(first.offset, first.at, duplicate=True, n=first.n)


# Statements. Only their number of placeholders varies, and every value that comes from outside is
# bound.

_INSERT: Final = """
    INSERT INTO entries (
        channel_id, offset, sender, client_id, at, info, data, n,
        digest, tags, kind, ref, counts, pending, notify
    ) VALUES
"""


@functools.cache
def _insert(rows: int, form: _Form) -> str:
    made = []
    behind = itertools.count(rows * _WIDTH + 1)
    for row in range(rows):
        columns = [f"?{row * _WIDTH + place}" for place in range(1, _WIDTH + 1)]
        columns.append(f"?{next(behind)}" if form.keyed else "x''")
        columns.append(f"?{next(behind)}" if form.tagged else "NULL")
        if form.mixed:
            columns += [f"?{next(behind)}" for _ in range(_MIXED_WIDTH)]
        else:
            columns += ["'message'", "0", str(int(form.counts)), "0", str(int(form.notify))]
        made.append(f"({', '.join(columns)})")
    return _INSERT + ", ".join(made)


@functools.cache
def _insert_channels(rows: int) -> str:
    return f"""
        INSERT INTO channels (id, name) VALUES {", ".join(["(?, ?)"] * rows)}
    """  # noqa: S608 - the only thing put in is a number of question marks


@functools.cache
def _select_heads(rows: int) -> str:
    return f"""
        WITH wanted (name) AS (VALUES {", ".join(["(?)"] * rows)})
        SELECT c.name, c.id, coalesce(e.offset, 0), coalesce(e.n, 0)
        FROM wanted w CROSS JOIN channels c ON c.name = w.name
        LEFT JOIN entries e ON e.id = (
            SELECT h.id FROM entries h WHERE h.channel_id = c.id ORDER BY h.offset DESC LIMIT 1
        )
    """  # noqa: S608 - the only thing put in is a number of question marks


@functools.cache
def _select_stored(rows: int) -> str:
    return f"""
        WITH wanted (place, channel_id, sender, client_id) AS (
            VALUES {", ".join(["(?, ?, ?, ?)"] * rows)}
        )
        SELECT w.place, e.offset, e.at, e.digest, e.n FROM wanted w
        CROSS JOIN entries e INDEXED BY entries_by_client_id
        ON e.channel_id = w.channel_id AND e.sender = w.sender AND e.client_id = w.client_id
        AND e.digest != x''
    """  # noqa: S608 - the only thing put in is a number of question marks


def _lookups(
    select: "functools._lru_cache_wrapper[str]", rows: Sequence[tuple[Any, ...]]
) -> Iterator[Statement]:
    """The statements that look these rows up, filled with nulls to one of a few shapes."""
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = rows[start : start + CHUNK_ROWS]
        shape = next(shape for shape in _LOOKUP_SHAPES if shape >= len(chunk))
        values: list[Any] = [value for row in chunk for value in row]
        values += [None] * ((shape - len(chunk)) * len(rows[0]))
        yield select(shape), values
