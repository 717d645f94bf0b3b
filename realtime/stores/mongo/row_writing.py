"""Writing rows of tables: see base, `TableStore`.

A condition is part of the filter of an update. Where the row may be absent the update is an upsert,
and one whose filter does not match the row that is there is refused by the `_id`: then the row is
read, and tells whether the condition failed or somebody else was making that row just now.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pymongo import DeleteOne, UpdateOne
from pymongo.errors import BulkWriteError, PyMongoError

from realtime.stores.base import WRITES_MAX, Removal, Write
from realtime.stores.mongo.client import Collection, Database, Document
from realtime.stores.mongo.concurrency import over
from realtime.stores.mongo.failures import (
    DUPLICATE,
    is_again,
    is_duplicate,
    is_unknown,
    store_error,
    write_errors,
    wrote_unconcerned,
)
from realtime.stores.mongo.insisting import insist
from realtime.stores.mongo.layout import Layout, layout_of


class _Step(NamedTuple):
    """A write as the server is asked for it. Without an `update` it is a removal."""

    write: Write | Removal
    layout: Layout[Any]
    filter: Document
    update: Document | None = None
    upsert: bool = False

    @property
    def request(self) -> UpdateOne | DeleteOne:
        """As a part of a bulk write."""
        if self.update is None:
            return DeleteOne(self.filter)
        return UpdateOne(self.filter, self.update, upsert=self.upsert)


def check(write: Write | Removal) -> None:
    """Raise ValueError where it contradicts itself or writes a field twice. What the table does
    not have is found when the write is carried out."""
    if isinstance(write, Removal):
        return
    fields = [*write.set, *write.initial, *write.highest, *write.add]
    if len(set(fields)) < len(fields) or not set(write.table.key).isdisjoint(fields):
        raise ValueError(f"{write.table}: a field is written twice, or is of the key")
    if write.absent and (write.present or write.equals):
        raise ValueError(f"{write.table}: a row cannot be absent and present")


def may_repeat(write: Write | Removal) -> bool:
    """Whether it makes no difference if it is carried out once more."""
    if isinstance(write, Removal) or not write.add or write.absent:
        return True
    # Whatever it adds, it adds once if it ends the condition under which it does.
    if write.below is not None:
        field, limit = write.below
        raised = write.set.get(field, write.highest.get(field))
        if isinstance(raised, int) and raised >= limit:
            return True
    return any(
        field in write.set and write.set[field] != value for field, value in write.equals.items()
    )


async def decide(database: Database, write: Write | Removal, *, for_s: float) -> bool:
    """Carry it out; whether its conditions held. Raises PyMongoError, StoreError, ValueError."""
    step = _step(write)
    collection = database.collection(write.table.name)

    async def attempt() -> bool | None:
        try:
            return await _carry_out(collection, step)
        except PyMongoError as error:
            if is_duplicate(error):
                return None if await _undecided(collection, [step]) else False
            if is_unknown(error) and not may_repeat(write):
                raise store_error(error, database.place) from None
            raise

    return await insist(attempt, for_s=for_s)


async def write_all(database: Database, writes: Sequence[Write | Removal], *, for_s: float) -> None:
    """Carry them out, each by itself. Raises PyMongoError, StoreError, ValueError."""
    if len(writes) > WRITES_MAX:
        raise ValueError(f"{len(writes)} writes, at most {WRITES_MAX} expected")
    groups: dict[str, list[_Step]] = {}
    for write in writes:
        groups.setdefault(write.table.name, []).append(_step(write))

    async def settle(name: str) -> None:
        await _write_group(database, name, groups[name], for_s=for_s)

    await over(groups, settle)


async def _write_group(
    database: Database, name: str, waiting: Sequence[_Step], *, for_s: float
) -> None:
    """Carry out what is to be done in one collection."""
    collection = database.collection(name)

    async def attempt() -> bool | None:
        nonlocal waiting
        refused: Sequence[_Step] = ()
        unknown: Sequence[_Step] = ()
        try:
            await collection.bulk_write([step.request for step in waiting], ordered=False)
        except PyMongoError as error:
            if isinstance(error, BulkWriteError):
                refused, unknown = _left(error, waiting)
            elif is_unknown(error):
                unknown = waiting
            else:
                raise
            if not all(may_repeat(step.write) for step in unknown):
                raise store_error(error, database.place) from None
            if unknown is waiting:
                raise
        waiting = [*unknown, *await _undecided(collection, refused)]
        return None if waiting else True

    await insist(attempt, for_s=for_s)


def _left(error: BulkWriteError, waiting: Sequence[_Step]) -> tuple[list[_Step], list[_Step]]:
    """Those that found a row in their way, and those of which nobody knows what became of them.

    Raises the error where it says something else of one of them.
    """
    codes = {int(item["index"]): item.get("code") for item in write_errors(error)}
    if any(code != DUPLICATE and not is_again(code) for code in codes.values()):
        raise error
    refused = [index for index, code in codes.items() if code == DUPLICATE]
    # Where a write concern was not met, not even those that were done are known to stay.
    doubtful = range(len(waiting)) if wrote_unconcerned(error) else codes
    return (
        [waiting[index] for index in refused],
        [waiting[index] for index in doubtful if index not in refused],
    )


async def _carry_out(collection: Collection, step: _Step) -> bool:
    """Whether the conditions held. Raises PyMongoError, a duplicate too."""
    if step.update is None:
        deleted = await collection.delete_one(step.filter)
        return deleted.deleted_count > 0 or not step.write.equals
    done = await collection.update_one(step.filter, step.update, upsert=step.upsert)
    if isinstance(step.write, Write) and step.write.absent:
        return done.upserted_id is not None
    return done.matched_count > 0 or done.upserted_id is not None


async def _undecided(collection: Collection, refused: Sequence[_Step]) -> list[_Step]:
    """Those that the rows which are there do not forbid, as far as a majority has them: somebody
    else made those rows, or changed them, just now."""
    if not refused:
        return []
    ids = [step.filter["_id"] for step in refused]
    found = await collection.find({"_id": {"$in": ids}}).batch_size(len(ids) + 1).to_list()
    rows = {document["_id"]: document for document in found}
    return [step for step in refused if not _is_forbidden(step, rows.get(step.filter["_id"]))]


def _is_forbidden(step: _Step, row: Document | None) -> bool:
    write = step.write
    if row is None or isinstance(write, Removal):
        return False
    if write.below is None:
        return write.absent
    field, limit = write.below
    return write.absent or int(row.get(field, step.layout.number(field))) >= limit


def _step(write: Write | Removal) -> _Step:
    """How the server is asked for it. Raises ValueError, TypeError."""
    check(write)
    layout = layout_of(write.table)
    wanted = {"_id": layout.id_of(write.key), **_conditions(layout, write)}
    if isinstance(write, Removal):
        return _Step(write, layout, wanted)
    if write.absent:
        return _Step(write, layout, wanted, {"$setOnInsert": _new_row(layout, write)}, upsert=True)
    is_there = write.present or bool(write.equals)
    return _Step(write, layout, wanted, _update(layout, write, upsert=not is_there), not is_there)


def _conditions(layout: Layout[Any], write: Write | Removal) -> Document:
    """What the row that is there must be, beside its key."""
    conditions = [
        layout.where(field, layout.stored(field, value), by_default=value == layout.default(field))
        for field, value in write.equals.items()
    ]
    if isinstance(write, Write) and write.below is not None and not write.absent:
        field, limit = write.below
        is_lower = {"$lt": layout.stored(field, limit)}
        conditions.append(layout.where(field, is_lower, by_default=layout.number(field) < limit))
    return {"$and": conditions} if conditions else {}


def _new_row(layout: Layout[Any], write: Write) -> Document:
    """The fields of the row where there was none."""
    raised = {field: max(layout.number(field), value) for field, value in write.highest.items()}
    added = {field: layout.number(field) + value for field, value in write.add.items()}
    key = dict(zip(write.table.key, write.key, strict=True))
    return layout.fields(
        {**key, **layout.defaults, **write.initial, **write.set, **raised, **added}
    )


def _update(layout: Layout[Any], write: Write, *, upsert: bool) -> Document:
    """What becomes of the row that is there, or, with an upsert, of one that is made."""
    highest = write.highest
    if upsert:
        # In a new row nothing is below its default, and in an old one nothing that only rises.
        highest = {field: max(layout.number(field), value) for field, value in highest.items()}
    update = {
        "$set": layout.fields(write.set),
        "$max": layout.fields(highest),
        "$inc": layout.fields(write.add),
    }
    if upsert:
        written = {*write.set, *write.highest, *write.add}
        new = _new_row(layout, write)
        update["$setOnInsert"] = {
            field: value for field, value in new.items() if field not in written
        }
    elif not (write.set or highest or write.add):
        # Something has to be set, or nobody would be told whether the row is there.
        update["$set"] = {write.table.key[0]: layout.stored(write.table.key[0], write.key[0])}
    return {operator: fields for operator, fields in update.items() if fields}
