"""Finding rows of tables: see base, `TableStore`."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final

from realtime.stores.base import SPANS_MAX, Key, Row, Span, Table
from realtime.stores.mongo.client import Database, Document
from realtime.stores.mongo.concurrency import over
from realtime.stores.mongo.layout import Layout, layout_of
from realtime.stores.mongo.pace import either

_CURSOR_ROWS: Final = 1_000
"""Documents of one answer of the server; more come by and by, so that none is huge."""

_BRANCHES_MAX: Final = 500
"""Spans of one query; more are as many queries at a time as it takes."""


async def get(database: Database, table: Table[Row], keys: Sequence[Key]) -> Sequence[Row]:
    """The rows with these keys. Raises PyMongoError; ValueError, TypeError for other keys."""
    if len(keys) > SPANS_MAX:
        raise ValueError(f"{len(keys)} keys, at most {SPANS_MAX} expected")
    layout = layout_of(table)
    ids = [layout.id_of(key) for key in dict.fromkeys(keys)]
    if not ids:
        return []
    wanted = {"_id": ids[0] if len(ids) == 1 else {"$in": ids}}
    # One more than there can be, or a full answer would be followed by an empty one.
    cursor = database.collection(table.name).find(wanted).batch_size(len(ids) + 1)
    return [layout.row(document) for document in await cursor.to_list()]


async def find(
    database: Database,
    table: Table[Row],
    spans: Sequence[Span],
    *,
    by: tuple[str, ...] = (),
    limit: int,
    backwards: bool = False,
    merged: bool = False,
) -> Sequence[Row]:
    """See base. Raises PyMongoError; ValueError, TypeError for spans or an order that the table
    does not have."""
    layout = layout_of(table)
    by = () if by == table.key else by
    check(layout, spans, by, merged=merged)
    branches = [layout.within(by, span) for span in spans]
    if limit <= 0 or not branches:
        return []
    if {} in branches:
        # It is everything: the others add nothing.
        branches = [{}]
    order = layout.order(by)
    equal = len(spans[0].equal) if merged else 0
    order = order[equal:] + order[:equal]
    direction = -1 if backwards else 1

    async def query(part: Sequence[Document]) -> list[Document]:
        # The texts of keys are in the order of keys; one span's are in any order that is asked for.
        fields = order if by else ("_id",)
        cursor = database.collection(table.name).find(either(part))
        cursor = cursor.sort([(field, direction) for field in fields]).limit(limit)
        return await cursor.batch_size(min(limit, _CURSOR_ROWS)).to_list()

    if equal and not by:
        answers = await over(branches, lambda branch: query([branch]))
    else:
        answers = await database.pace.ask(branches, query, most=_BRANCHES_MAX)
    if len(answers) == 1:
        return [layout.row(document) for document in answers[0]]
    return _merged(layout, answers, order, backwards=backwards)[:limit]


def check(layout: Layout[Any], spans: Sequence[Span], by: tuple[str, ...], *, merged: bool) -> None:
    """Raise ValueError unless `by` can be looked through and every span is of it."""
    if len(spans) > SPANS_MAX:
        raise ValueError(f"{len(spans)} spans, at most {SPANS_MAX} expected")
    fields = by or layout.table.key
    layout.order(by)
    for span in spans:
        bounded = span.after is not None or span.before is not None
        if len(span.equal) + bounded > len(fields):
            raise ValueError(f"{layout.table}: a span of more than {', '.join(fields)}")
    if merged and len({len(span.equal) for span in spans}) > 1:
        raise ValueError("spans that are merged have the same number of equal fields")


def _merged(
    layout: Layout[Row],
    answers: Sequence[Sequence[Document]],
    order: tuple[str, ...],
    *,
    backwards: bool,
) -> list[Row]:
    """The rows of several answers as if they were of one: each once, all in order."""
    found: dict[Any, Document] = {
        document["_id"]: document for answer in answers for document in answer
    }
    rows = [layout.row(document) for document in found.values()]
    # With all of the key in it the order leaves nothing open.
    return sorted(rows, key=attrgetter(*order), reverse=backwards)
