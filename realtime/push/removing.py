"""Removing all rows of a run of an index, page by page."""

from realtime.stores.base import WRITES_MAX, Removal, Row, Span, Table, TableStore


async def remove_all(
    store: TableStore, table: Table[Row], span: Span, *, by: tuple[str, ...] = ()
) -> int:
    """Remove the rows of `span`; answers how many. Raises StoreError, after which some are gone.

    Two calls of the store for WRITES_MAX rows. A row that is made meanwhile may stay.
    """
    removed = 0
    while rows := await store.find(table, span, by=by, limit=WRITES_MAX):
        await store.write([Removal(table, table.key_of(row)) for row in rows])
        removed += len(rows)
        if len(rows) < WRITES_MAX:
            break
    return removed
