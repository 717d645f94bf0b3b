"""Nodes of chat over one store, as far as markers, unread and hints go: no hub, no network.

What one node appends is shown to all, at once. Writing in the background happens when a test says
so (`ChatNode.round`), but for markers, which `running` keeps going.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from realtime.chat.around import Around
from realtime.chat.calls.markers import OPERATIONS, Synced
from realtime.chat.channel_folds import ChannelFolds
from realtime.chat.doorkeeper import Doorkeeper
from realtime.chat.inbox import Inbox
from realtime.chat.ledger import Ledger
from realtime.chat.memberships import KeptMemberships
from realtime.chat.message_folds import MessageFolds
from realtime.chat.parameters import Parameters
from realtime.chat.ports import ChatStore
from realtime.chat.summaries import Summaries
from realtime.chat.tiers import Tiers
from realtime.model import ClientInfo, Kind, NewEntry
from realtime.settings.schema import ChannelOptions, ChatSettings
from realtime.stores.base import Appended, Conflict
from tests.support.chat import FEED, ROOM, KeepingStage, ManualClock, Unlimited, caller

_client_ids: Final = itertools.count(1)


@dataclass
class CommittingStage(KeepingStage):
    """Shows its node what it has appended."""

    inbox: Inbox | None = None

    async def append(self, entry: NewEntry) -> Appended | Conflict:
        """See `realtime.chat.ports.Stage`."""
        outcome = await super().append(entry)
        if self.inbox is not None and isinstance(outcome, Appended) and not outcome.duplicate:
            self.inbox.committed(self.entries[-1])
            self.inbox.gather()
        return outcome


@dataclass
class ChatNode:
    """One node. `write` appends an entry, and folds it, as the service does."""

    around: Around
    stage: CommittingStage
    memberships: KeptMemberships
    inbox: Inbox
    ledger: Ledger

    async def write(self, entry: NewEntry) -> int:
        """The offset of the entry."""
        return (await self.ledger.write(entry)).offset

    async def call(self, user: str, name: str, **params: Any) -> Any:
        """Perform an operation of the inbox."""
        operation = next(item for item in OPERATIONS if item.name == name)
        read = Parameters(operation).read(json.dumps(params).encode())
        return await self.inbox.operations[name](caller(user), read)

    async def sync(self, user: str, **params: Any) -> Synced:
        """One page of `chat.sync`."""
        synced = await self.call(user, "chat.sync", **params)
        assert isinstance(synced, Synced)
        return synced

    async def round(self) -> None:
        """What the node writes in the background in a second."""
        await self.inbox.heads.round()

    async def settle(self) -> None:
        """Write everything that was noted."""
        await self.inbox.heads.flush()


def chat_node(
    store: ChatStore,
    clock: ManualClock,
    settings: ChatSettings | None = None,
    namespaces: Mapping[str, ChannelOptions] | None = None,
) -> ChatNode:
    """A node over a store that is open."""
    stage = CommittingStage(store, dict(namespaces or {"room": ROOM, "feed": FEED}))
    memberships = KeptMemberships(store, clock)
    ledger = Ledger(store, stage, clock)
    around = Around(
        store=store,
        stage=stage,
        memberships=memberships,
        clock=clock,
        settings=settings or ChatSettings(),
        ledger=ledger,
        doorkeeper=Doorkeeper(store, stage, memberships, clock),
        allowances=Unlimited(),
    )
    ChannelFolds(around)
    MessageFolds(around, Summaries(store, clock))
    inbox = Inbox(
        around,
        rooms=memberships.rooms,
        rosters=memberships.rosters,
        tiers=Tiers(stage),
        namespaces=[name for name, options in stage.namespaces.items() if options.chat == "room"],
    )
    stage.inbox = inbox
    return ChatNode(around, stage, memberships, inbox, ledger)


def connected(nodes: Sequence[ChatNode]) -> None:
    """Have each node see what the others append."""
    for node in nodes:
        node.stage.on_entry[:] = [other.memberships for other in nodes]


@asynccontextmanager
async def running(*nodes: ChatNode) -> AsyncIterator[None]:
    """Markers are written meanwhile."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(node.inbox.markers.run()) for node in nodes]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


def message(
    user: str,
    channel: str,
    at: int,
    text: str = "hello",
    *,
    ref: int = 0,
    also: bool = False,
    mentions: Sequence[str] = (),
    data: bytes | None = None,
) -> NewEntry:
    """A message, or a reply to `ref`, as sending makes it."""
    tags = {"also": "1"} if also else {}
    if ref:
        tags["ref"] = str(ref)
    if mentions:
        tags["mentions"] = json.dumps(list(mentions))
    return NewEntry(
        channel,
        f"u:{user}",
        f"c{next(_client_ids)}",
        json.dumps({"text": text}).encode() if data is None else data,
        at,
        ref=ref,
        info=ClientInfo(user, f"client-of-{user}"),
        tags=tags or None,
        counts=not ref or also,
        pending=bool(ref or mentions),
    )


def event(
    kind: Kind,
    user: str,
    channel: str,
    at: int,
    *,
    ref: int = 0,
    data: Any = None,
    mentions: Sequence[str] = (),
) -> NewEntry:
    """An event, as the service makes it; `data` is made JSON."""
    tags = {"kind": kind} | ({"ref": str(ref)} if ref else {})
    if mentions:
        tags["mentions"] = json.dumps(list(mentions))
    return NewEntry(
        channel,
        f"u:{user}",
        f"c{next(_client_ids)}",
        json.dumps({} if data is None else data).encode(),
        at,
        kind,
        ref=ref,
        info=ClientInfo(user, f"client-of-{user}"),
        tags=tags,
        pending=True,
    )


def created(channel: str, users: Mapping[str, str], at: int, *, direct: bool = False) -> NewEntry:
    """What makes a channel with these users and their roles; the first one makes it."""
    maker = next(iter(users))
    data: dict[str, Any] = {
        "act": "direct" if direct else "create",
        "users": [{"user": user, "role": role} for user, role in users.items()],
    }
    return event("member", maker, channel, at, data=data)
