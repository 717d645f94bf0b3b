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
    forget,
    forget_before,
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


# Tasks. The newest document says who holds it; one that was released is held by "". It stays, for
# its number must not be given again.


async def take(tasks: Collection, task: str, holder: str, *, before: str) -> bool:
    """Have the task if `before` has it; whether `holder` has it now. Raises PyMongoError."""
    now = await newest(tasks, task)
    holds = unescape(now.fields["holder"]) if now else ""
    if holds == before != holder:
        number = now.number if now else 0
        if await succeed(tasks, task, number, {"holder": escape(holder)}):
            await forget_before(tasks, task, number + 1)
            return True
        holds = await held_by(tasks, task)
    return holds == holder


async def held_by(tasks: Collection, task: str) -> str:
    """Who holds the task, "" for nobody. Raises PyMongoError."""
    now = await newest(tasks, task)
    return unescape(now.fields["holder"]) if now else ""


async def release(tasks: Collection, task: str, holder: str) -> None:
    """Nobody holds the task, if `holder` did. Raises PyMongoError."""
    now = await newest(tasks, task)
    if (
        now is not None
        and unescape(now.fields["holder"]) == holder
        and await succeed(tasks, task, now.number, {"holder": ""})
    ):
        await forget_before(tasks, task, now.number + 1)
