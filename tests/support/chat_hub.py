"""Hubs with chat in the test's own process: real memberships, and a service that does as told.

The store is SQLite in memory, which knows the tables that memberships are read from. Members come
and go by `member` entries alone, as they do for a hub: no row is written.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Coroutine, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from realtime.brokers.memory import MemoryBroker, MemoryBus
from realtime.chat.caller import Caller
from realtime.chat.memberships import KeptMemberships
from realtime.chat.others import Others
from realtime.chat.own_retention import narrowed
from realtime.chat.ports import Stage
from realtime.errors import METHOD_NOT_FOUND, CommandRefused
from realtime.hub.chatting import ChatSetup, IsMine
from realtime.model import Entry, NewEntry
from realtime.settings.schema import ChannelOptions, Settings
from realtime.stores.base import Appended
from realtime.stores.sqlite import SQLiteStore
from tests.support.faults import BusFaults, FaultyBroker
from tests.support.faulty_store import FaultyStore
from tests.support.hub import MovableClock, Node, make_settings, running, until

_MEMBERS: Final = ("member",)

ROOM: Final = ChannelOptions(
    history_size=-1,
    presence=True,
    chat="room",
    subscribe=_MEMBERS,
    publish=_MEMBERS,
    read_history=_MEMBERS,
    read_presence=_MEMBERS,
)
"""Everything for members."""


class FakeChat:
    """What a hub may ask of chat, kept, and answered as `refusal`, `held` and `answers` say."""

    def __init__(self, stage: Stage, clock: MovableClock) -> None:
        self.stage = stage
        self.held: asyncio.Event | None = None
        """Where there is one, what is prepared waits for it."""
        self.refusal: CommandRefused | None = None
        self.entry: dict[str, Any] = {}
        """Fields of what is prepared, in place of the usual ones."""
        self.answers: dict[str, bytes] = {}
        self.prepared: list[Caller] = []
        self.entries: list[Entry] = []
        self.calls: list[tuple[Caller, str, bytes]] = []
        self.here: list[str] = []
        self.gone: list[str] = []
        self.truncations: list[str] = []
        self.large: set[str] = set()
        """Channels that are too large to be told who is there."""
        self.crowded: set[str] = set()
        """Channels whose reactions are told together."""
        self.background: set[str] = set()
        """Connections of devices in the background."""
        self.seen: list[tuple[str, str, str, int]] = []
        """User, connection, channel and offset of what was shown to be there."""
        self.failing = False
        self.running = False
        self._clock = clock
        self._numbers = itertools.count(1)

    def prepare(
        self, caller: Caller, channel: str, data: bytes
    ) -> NewEntry | Coroutine[object, object, NewEntry]:
        """See `realtime.hub.chatting.Chat`."""
        self.prepared.append(caller)
        if self.held is not None:
            return self._prepare_later(self.held, caller, channel, data)
        return self._prepare(caller, channel, data)

    async def _prepare_later(
        self, held: asyncio.Event, caller: Caller, channel: str, data: bytes
    ) -> NewEntry:
        await held.wait()
        return self._prepare(caller, channel, data)

    def _prepare(self, caller: Caller, channel: str, data: bytes) -> NewEntry:
        if self.refusal is not None:
            raise self.refusal
        entry = NewEntry(
            channel,
            caller.sender,
            f"prepared-{next(self._numbers)}",
            data,
            self._clock.wall_ms(),
            info=caller.info,
            counts=True,
        )
        return msgspec.structs.replace(entry, **self.entry)

    def committed(self, entry: Entry) -> None:
        """See Chat."""
        self.entries.append(entry)
        if self.failing:
            raise AssertionError("as a defect of chat would")

    def shows_who(self, channel: str) -> bool:
        """See Chat."""
        return channel not in self.large

    def merges_reactions(self, channel: str) -> bool:
        """See Chat."""
        return channel in self.crowded

    def is_foreground(self, user: str, client: str) -> bool:
        """See Chat."""
        return client not in self.background

    def seen_by(self, user: str, client: str, channel: str, offset: int) -> None:
        """See Chat."""
        self.seen.append((user, client, channel, offset))

    async def truncated(self, channel: str) -> None:
        """See Chat."""
        self.truncations.append(channel)

    async def call(self, caller: Caller, method: str, data: bytes) -> bytes:
        """See Chat."""
        self.calls.append((caller, method, data))
        if self.held is not None:
            await self.held.wait()
        if self.refusal is not None:
            raise self.refusal
        if method not in self.answers:
            raise CommandRefused(METHOD_NOT_FOUND)
        return self.answers[method]

    def connected(self, caller: Caller) -> None:
        """See Chat."""
        self.here.append(caller.user)

    def departed(self, caller: Caller) -> None:
        """See Chat."""
        self.gone.append(caller.user)

    async def run(self) -> None:
        """See Chat."""
        self.running = True
        try:
            await asyncio.Event().wait()
        finally:
            self.running = False


class ChatNode:
    """A running hub with chat: `node` is the hub, `chat` the service that runs in it."""

    def __init__(self, node: Node, chat: FakeChat, memberships: KeptMemberships) -> None:
        self.node = node
        self.chat = chat
        self.memberships = memberships
        self._numbers = itertools.count(1)

    async def act(self, act: str, user: str, channel: str = "room:1", **fields: Any) -> int:
        """Have this node append a `member` entry; its offset, once it is carried out here."""
        data = msgspec.json.encode({"act": act, "user": user, **fields})
        return await self.append("member", data, channel=channel)

    async def join(self, *users: str, channel: str = "room:1", role: str = "member") -> None:
        """Make users members, or whatever the role is."""
        for user in users:
            await self.act("join", user, channel, role=role)

    async def append(self, kind: Any, data: bytes, *, channel: str = "room:1", ref: int = 0) -> int:
        """Have this node append an entry by way of its stage; its offset."""
        number = next(self._numbers)
        entry = NewEntry(
            channel,
            "u:somebody",
            f"{id(self)}-{number}",
            data,
            self.node.clock.wall_ms(),
            kind,
            ref=ref,
            pending=kind != "message",
        )
        outcome = await self.chat.stage.append(entry)
        assert isinstance(outcome, Appended)
        return outcome.offset

    async def say(self, *data: object, channel: str = "room:1") -> None:
        """Append messages, one after the other."""
        for item in data:
            await self.append("message", msgspec.json.encode(item), channel=channel)


def chat_settings(namespaces: Mapping[str, ChannelOptions] | None = None, **auth: Any) -> Settings:
    """Settings with the namespace `room`, and these; `auth` is for the `auth` section."""
    return make_settings(namespaces={"room": ROOM, **(namespaces or {})}, **auth)


@contextlib.asynccontextmanager
async def chat_node(
    settings: Settings | None = None,
    *,
    store: FaultyStore | None = None,
    tables: SQLiteStore | None = None,
    **options: Any,
) -> AsyncIterator[ChatNode]:
    """A hub with chat over an empty store; `options` are those of `running`."""
    async with contextlib.AsyncExitStack() as stack:
        if tables is None:
            tables = SQLiteStore(":memory:")
            await tables.open()
            stack.push_async_callback(tables.close)
        clock = options.setdefault("clock", MovableClock())
        memberships = KeptMemberships(tables, clock)
        made: list[FakeChat] = []

        def make(stage: Stage, others: Others | None, is_mine: IsMine) -> FakeChat:
            made.append(FakeChat(stage, clock))
            return made[0]

        node = await stack.enter_async_context(
            running(
                settings or chat_settings(),
                store=store or FaultyStore(tables),
                chat=ChatSetup(memberships, make, partial(narrowed, tables)),
                **options,
            )
        )
        yield ChatNode(node, made[0], memberships)
        await until(lambda: not memberships._standings._flights)
    assert not memberships._standings._live, "a channel is taken to be followed that is closed"


class ChatPair:
    """Two hubs with chat on one store; what the bus brings to `here` may be lost."""

    def __init__(self, here: ChatNode, there: ChatNode, broker: FaultyBroker) -> None:
        self.here = here
        self.there = there
        self.broker = broker

    def lose(self, everything: bool = True) -> None:
        """Have the bus lose all that it carries to `here`, or nothing again."""
        self.broker.faults = BusFaults(lose=1.0 if everything else 0.0)


@contextlib.asynccontextmanager
async def two_chat_nodes(settings: Settings | None = None) -> AsyncIterator[ChatPair]:
    """The pair, running."""
    bus = MemoryBus()
    tables = SQLiteStore(":memory:")
    await tables.open()
    try:
        store = FaultyStore(tables)
        broker = FaultyBroker(bus, BusFaults(), 1)
        async with (
            chat_node(settings, store=store, tables=tables, broker=broker) as here,
            chat_node(settings, store=store, tables=tables, broker=MemoryBroker(bus)) as there,
        ):
            yield ChatPair(here, there, broker)
        assert not bus.topics, "a channel was left subscribed on the bus"
    finally:
        await tables.close()
