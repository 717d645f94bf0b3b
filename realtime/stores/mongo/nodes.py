"""Leases and tasks: see base, `NodeStore`. Every change is one insert, see `generations`."""

from collections.abc import Sequence
from typing import Final

import msgspec

from realtime.errors import StoreCorrupt, StoreError
from realtime.stores.base import NodeInfo, NodeLease
from realtime.stores.mongo.client import Collection, Document
from realtime.stores.mongo.documents import Faulty, encode
from realtime.stores.mongo.generations import (
    Generation,
    follow,
    forget,
    forget_before,
    forget_last,
    newest,
    succeed,
)
from realtime.stores.mongo.text import escape, unescape

NODES_MAX: Final = 1_000
"""Leases that are answered."""

_READ_MAX: Final = 4 * NODES_MAX
"""Documents that are read for them: a lease has one or two, and a few where a node has died."""

_decode_info = msgspec.msgpack.Decoder(NodeInfo).decode


# Leases. A beat makes a document behind the last one, and so does a condemnation, for which the
# beat stays as it was: of both at once, one loses.


async def register(nodes: Collection, node: str, info: NodeInfo) -> None:
    """Begin a lease. Raises StoreError if the id has been used, and PyMongoError."""
    if await succeed(nodes, node, 0, _lease(node, 1, encode(info))):
        return
    now = await newest(nodes, node)
    # An id is new, so a lease that has never beaten is this one, whose answer was lost.
    if now is None or now.number > 1:
        raise StoreError("a node's id was used before")


async def beat(nodes: Collection, node: str, info: NodeInfo) -> bool:
    """Raise the beat of a lease that is not condemned. Raises PyMongoError."""
    now = await newest(nodes, node)
    return now is not None and await beat_after(nodes, node, now, info)


async def beat_after(nodes: Collection, node: str, now: Generation, info: NodeInfo) -> bool:
    """The same, for a lease as it was read. Raises PyMongoError."""
    if now.fields["condemned"]:
        return False
    fields = _lease(node, int(now.fields["beat"]) + 1, encode(info))
    if not await succeed(nodes, node, now.number, fields):
        return False
    if not await forget_before(nodes, node, now.number + 1):
        # Only its departure takes away a lease's last document: this node slept through it.
        await forget(nodes, node)
        return False
    return True


async def leases(nodes: Collection) -> Sequence[NodeLease]:
    """Every lease, in order of the node's id. Raises PyMongoError."""
    found = await nodes.find({}).sort("_id", 1).limit(_READ_MAX).batch_size(_READ_MAX).to_list()
    # Sorted, so the newest document of each node comes last.
    latest = {document["node"]: document for document in found}
    every = sorted([_read_lease(document) for document in latest.values()], key=lambda x: x.node)
    return every[:NODES_MAX]


async def condemn(nodes: Collection, node: str, beat: int) -> bool:
    """Condemn the lease at this beat; whether it is condemned now. Raises PyMongoError."""
    now = await newest(nodes, node)
    if now is not None and not now.fields["condemned"] and now.fields["beat"] == beat:
        fields = _lease(node, beat, now.fields["info"], condemned=1)
        if await succeed(nodes, node, now.number, fields):
            return True
        now = await newest(nodes, node)
    return now is not None and bool(now.fields["condemned"])


async def depart(nodes: Collection, node: str) -> None:
    """Remove the lease. Raises PyMongoError."""
    await forget(nodes, node)


def _lease(node: str, beat: int, info: bytes, *, condemned: int = 0) -> Document:
    return {"node": escape(node), "beat": beat, "condemned": condemned, "info": info}


def _read_lease(document: Document) -> NodeLease:
    try:
        return NodeLease(
            unescape(document["node"]),
            int(document["beat"]),
            _decode_info(document["info"]),
            bool(document["condemned"]),
        )
    except Faulty:
        raise StoreCorrupt("nodes: there is a lease that this program cannot read") from None


# Tasks. The newest document says who holds it. One that is released is held by "", and then gone,
# or every node that ever died would leave the task of its sweep behind. So numbers begin again, and
# who has slept may find its place free behind a document that is another one by now.


async def take(tasks: Collection, task: str, holder: str, *, before: str) -> bool:
    """Have the task if `before` has it; whether `holder` has it now. Raises PyMongoError."""
    now = await newest(tasks, task)
    if _holder(now) == before != holder:
        if await take_after(tasks, task, now, holder):
            return True
        now = await newest(tasks, task)
    return _holder(now) == holder


async def take_after(tasks: Collection, task: str, now: Generation | None, holder: str) -> bool:
    """The same, for a task as it was read. Raises PyMongoError."""
    fields: Document = {"holder": escape(holder)}
    if now is None:
        return await succeed(tasks, task, 0, fields)
    if not await follow(tasks, task, now, fields):
        return False
    await forget_before(tasks, task, now.number + 1)
    return True


async def held_by(tasks: Collection, task: str) -> str:
    """Who holds the task, "" for nobody. Raises PyMongoError."""
    return _holder(await newest(tasks, task))


async def release(tasks: Collection, task: str, holder: str) -> None:
    """Nobody holds the task, if `holder` did. Raises PyMongoError."""
    now = await newest(tasks, task)
    if now is not None and _holder(now) == holder:
        await release_after(tasks, task, now)


async def release_after(tasks: Collection, task: str, now: Generation) -> None:
    """The same, for a task as it was read. Raises PyMongoError."""
    if await follow(tasks, task, now, {"holder": ""}):
        await forget_last(tasks, task, now.number + 1)


def _holder(now: Generation | None) -> str:
    return "" if now is None else unescape(now.fields["holder"])
