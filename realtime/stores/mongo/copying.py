"""Taking over another store's logs and tables: see base, `CopyTarget`. Any step may be repeated."""

from collections.abc import Sequence

from pymongo.errors import BulkWriteError

from realtime.errors import StoreError
from realtime.model import Entry
from realtime.rows import TABLES
from realtime.stores.base import Key, Row, Table
from realtime.stores.mongo import schema
from realtime.stores.mongo.client import Collection, Database, Document
from realtime.stores.mongo.documents import from_entry
from realtime.stores.mongo.failures import only_duplicates
from realtime.stores.mongo.heads import Heads, read_head
from realtime.stores.mongo.layout import layout_of
from realtime.stores.mongo.reading import read_marks
from realtime.stores.mongo.text import key


async def begin(database: Database, epoch: str) -> None:
    """Take over the epoch. Raises StoreError unless the store is empty or half copied from it."""
    meta = await schema.prepare(database)
    if meta.copying:
        if meta.epoch != epoch:
            raise StoreError(f"{database.place}: another store's copy into it has begun")
        return
    for name in ("channels", "entries", "revocations", *[table.name for table in TABLES]):
        if await database.collection(name).find_one({}, {"_id": 1}) is not None:
            raise StoreError(f"{database.place}: only an empty store can be copied into")
    await database.meta.update_one(
        {"_id": schema.STORE, "epoch": meta.epoch, "copying": 0},
        {"$set": {"epoch": epoch, "copying": 1}},
    )
    begun = await schema.read_meta(database)
    if begun is None or not begun.copying or begun.epoch != epoch:
        raise StoreError(f"{database.place}: somebody else has begun to copy into it")


async def copied_to(database: Database, channel: str) -> int:
    """The channel's highest offset. Raises PyMongoError."""
    return (await read_head(database.entries, channel)).offset


async def put_entries(database: Database, entries: Sequence[Entry]) -> None:
    """Keep entries of one channel where they are not yet. Raises PyMongoError, StoreError."""
    if not entries:
        return
    channel = entries[0].channel
    await Heads(database).name([channel])
    head = (await read_head(database.entries, channel)).offset
    await _mark_stubs(database, channel, head, entries)
    missing = [entry for entry in entries if entry.offset > head]
    if not missing:
        return
    await _insert(database, database.entries, [from_entry(entry) for entry in missing])


async def rows_copied_to(database: Database, table: Table[Row]) -> Key | None:
    """The highest key of the table. Raises PyMongoError."""
    cursor = database.collection(table.name).find({}).sort("_id", -1).limit(1)
    found = await cursor.to_list()
    return table.key_of(layout_of(table).row(found[0])) if found else None


async def put_rows(database: Database, table: Table[Row], rows: Sequence[Row]) -> None:
    """Keep rows where they are not yet. Raises PyMongoError, StoreError."""
    last = await rows_copied_to(database, table)
    layout = layout_of(table)
    missing = [layout.document(row) for row in rows if last is None or table.key_of(row) > last]
    if missing:
        await _insert(database, database.collection(table.name), missing)


async def _insert(database: Database, collection: Collection, documents: list[Document]) -> None:
    """Insert what comes after all that a majority has, so that what is there is a beginning."""
    try:
        await collection.insert_many(documents, ordered=True)
    except BulkWriteError as error:
        only_duplicates(error)
        # These are of a copy of before, which only now has a majority.
        raise StoreError(
            f"{database.place}: somebody else copies into it, or an earlier copy still settles;"
            " run the same copy again"
        ) from None


async def _mark_stubs(
    database: Database, channel: str, head: int, entries: Sequence[Entry]
) -> None:
    """Note how far the log begins with stubs: sweeps look for them only below a mark."""
    mark = (await read_marks(database, [channel])).get(channel, 0)
    if mark < head:
        return
    for entry in entries:
        if not entry.stub:
            break
        mark = max(mark, entry.offset)
    if mark:
        await database.channels.update_one({"_id": key(channel)}, {"$max": {"blanked_to": mark}})


async def finish(database: Database) -> None:
    """Let hubs use the store. Raises PyMongoError."""
    await database.meta.update_one({"_id": schema.STORE, "copying": 1}, {"$set": {"copying": 0}})
