"""Users who do anything on two nodes, and what a recount of the log says is unread for them.

Nodes see each other's entries, and write their rows a second or two later, if they do not die. The
recount is over what is to be seen: a log may be kept whole, by number or by age.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, ClassVar, Final, TypeVar
from unittest.mock import patch

import msgspec
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from realtime.chat import markers
from realtime.chat.calls.markers import Synced, SyncedChannel
from realtime.chat.ports import ChatStore
from realtime.chat.views import mentions_of
from realtime.model import Entry, Retention
from realtime.settings.schema import ChannelOptions
from realtime.stores.base import Page
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import ROOM, ManualClock
from tests.support.inboxes import (
    ChatNode,
    chat_node,
    connected,
    created,
    event,
    message,
    running,
)

USERS: Final = ("ann", "bob", "eve")
ROOMS: Final = ("room:a", "room:b", "room:d")
"""Two rooms, and the direct channel of the first two users."""

NODES: Final = st.integers(0, 1)
ANYONE: Final = st.sampled_from(USERS)
ANYWHERE: Final = st.sampled_from(ROOMS)
SOME: Final = st.integers(0, 1_000)

_T = TypeVar("_T")


class Reader:
    """What a recount goes by, for one user in one room."""

    def __init__(self) -> None:
        self.is_member = False
        self.read = 0
        self.marked = False


class Phone:
    """What an app has that only ever asks what changed."""

    def __init__(self) -> None:
        self.channels: dict[str, SyncedChannel] = {}
        self.badge: int | None = 0
        self.since = ""

    def take(self, synced: Synced) -> None:
        if synced.full:
            self.channels.clear()
        self.channels |= {item.channel: item for item in synced.channels}
        for channel in synced.removed:
            self.channels.pop(channel, None)
        self.badge, self.since = synced.badge, synced.since


class Recounted(RuleBasedStateMachine):
    """Users of two nodes write, delete, read, leave and come back."""

    options: ClassVar[ChannelOptions] = ROOM
    """Of all the rooms."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = ManualClock()
        self.stores = self.make_stores()
        self.store = self.stores[0]
        self.nodes: list[ChatNode] = []
        self.readers = {(room, user): Reader() for room in ROOMS for user in USERS}
        self.phones = {user: Phone() for user in USERS}
        # Where a node that died knew the last message, and the next one that counts will do.
        self.vague: set[str] = set()

    def make_stores(self) -> Sequence[ChatStore]:
        """A store for each node, not open: the same one, or two of the same database."""
        store = SQLiteStore(":memory:")
        return (store, store)

    def run(self, work: Awaitable[_T]) -> _T:
        async def bounded() -> _T:
            async with asyncio.timeout(20):
                return await work

        return self.runner.run(bounded())

    def teardown(self) -> None:
        try:
            self.run(self.everybody_looks())
        finally:
            for store in dict.fromkeys(self.stores):
                self.run(store.close())
            self.runner.close()

    @initialize()
    def begin(self) -> None:
        for store in dict.fromkeys(self.stores):
            self.run(store.open())
        rooms = {"room": self.options}
        self.nodes = [chat_node(store, self.clock, None, rooms) for store in self.stores]
        connected(self.nodes)
        self.run(self.make())

    async def make(self) -> None:
        for room in ROOMS[:2]:
            made = {user: "owner" if user == "ann" else "member" for user in USERS}
            await self.write(0, created(room, made, self.clock.now_ms))
        pair = {"ann": "member", "bob": "member"}
        await self.write(1, created(ROOMS[2], pair, self.clock.now_ms, direct=True))
        for (room, user), reader in self.readers.items():
            reader.is_member = room != ROOMS[2] or user in pair
            reader.read = int(reader.is_member)

    async def write(self, node: int, entry: Any) -> int:
        return await self.nodes[node].write(entry)

    @property
    def retention(self) -> Retention:
        return Retention(self.options.history_size, self.options.history_ttl_ms)

    async def page(self, room: str) -> Page:
        return await self.store.read(
            room, limit=10_000, retention=self.retention, now_ms=self.clock.now_ms
        )

    async def log(self, room: str) -> list[Entry]:
        return list((await self.page(room)).entries)

    async def a_message(self, room: str, which: int) -> Entry | None:
        messages = [entry for entry in await self.log(room) if entry.kind == "message"]
        return messages[which % len(messages)] if messages else None

    # What users do.

    @rule(
        node=NODES,
        room=ANYWHERE,
        user=ANYONE,
        mentioned=st.sets(ANYONE, max_size=2),
        later_ms=st.integers(0, 400),
    )
    def send(self, node: int, room: str, user: str, mentioned: set[str], later_ms: int) -> None:
        self.clock.now_ms += later_ms
        self.run(self.sent(node, room, user, mentioned))

    async def sent(self, node: int, room: str, user: str, mentioned: set[str]) -> None:
        reader = self.readers[room, user]
        if reader.is_member:
            said = message(user, room, self.clock.now_ms, mentions=sorted(mentioned))
            reader.read = await self.write(node, said)
            self.vague.discard(room)

    @rule(
        node=NODES,
        room=ANYWHERE,
        user=ANYONE,
        which=SOME,
        also=st.booleans(),
        mentioned=st.sets(ANYONE, max_size=1),
    )
    def reply(
        self, node: int, room: str, user: str, which: int, also: bool, mentioned: set[str]
    ) -> None:
        self.run(self.replied(node, room, user, which, also, mentioned))

    async def replied(
        self, node: int, room: str, user: str, which: int, also: bool, mentioned: set[str]
    ) -> None:
        reader, parent = self.readers[room, user], await self.a_message(room, which)
        if reader.is_member and parent is not None:
            said = message(
                user,
                room,
                self.clock.now_ms,
                ref=parent.offset,
                also=also,
                mentions=sorted(mentioned),
            )
            offset = await self.write(node, said)
            reader.read = offset if also else reader.read

    @rule(node=NODES, room=ANYWHERE, which=SOME)
    def delete(self, node: int, room: str, which: int) -> None:
        self.run(self.changed("delete", node, room, which, set()))

    @rule(node=NODES, room=ANYWHERE, which=SOME, mentioned=st.sets(ANYONE, max_size=2))
    def edit(self, node: int, room: str, which: int, mentioned: set[str]) -> None:
        self.run(self.changed("edit", node, room, which, mentioned))

    async def changed(
        self, kind: Any, node: int, room: str, which: int, mentioned: set[str]
    ) -> None:
        entry = await self.a_message(room, which)
        if entry is not None and not (kind == "edit" and entry.deleted_at):
            # A delete of what is deleted may come too: from two nodes at once.
            made = event(
                kind,
                "ann",
                room,
                self.clock.now_ms,
                ref=entry.offset,
                data={"text": "edited"},
                mentions=sorted(mentioned),
            )
            await self.write(node, made)

    @rule(node=NODES, room=ANYWHERE, user=ANYONE, place=st.none() | SOME)
    def read(self, node: int, room: str, user: str, place: int | None) -> None:
        self.run(self.marked("chat.read", node, room, user, place))

    @rule(node=NODES, room=ANYWHERE, user=ANYONE, place=st.none() | SOME)
    def have_delivered(self, node: int, room: str, user: str, place: int | None) -> None:
        self.run(self.marked("chat.delivered", node, room, user, place))

    @rule(node=NODES, room=ANYWHERE, user=ANYONE)
    def mark_unread(self, node: int, room: str, user: str) -> None:
        self.run(self.marked("chat.unread", node, room, user, None))

    async def marked(self, name: str, node: int, room: str, user: str, place: int | None) -> None:
        reader = self.readers[room, user]
        if not reader.is_member:
            return
        head = (await self.page(room)).head
        params: dict[str, Any] = {"channel": room}
        if place is not None:
            # Backwards, forwards, and beyond the end.
            params["offset"] = 1 + place % (head + 3)
        async with running(self.nodes[node]):
            await self.nodes[node].call(user, name, **params)
        if name == "chat.read":
            reader.read = max(reader.read, min(params.get("offset", head), head))
        if name != "chat.delivered":
            reader.marked = name == "chat.unread"

    @rule(node=NODES, room=st.sampled_from(ROOMS[:2]), user=st.sampled_from(USERS[1:]))
    def leave_or_come_back(self, node: int, room: str, user: str) -> None:
        self.run(self.moved(node, room, user))

    async def moved(self, node: int, room: str, user: str) -> None:
        reader = self.readers[room, user]
        act = "leave" if reader.is_member else "join"
        data = {"act": act, "user": user} | ({} if reader.is_member else {"role": "member"})
        offset = await self.write(node, event("member", user, room, self.clock.now_ms, data=data))
        reader.is_member = not reader.is_member
        if reader.is_member:
            reader.read = offset

    # What nodes do.

    @rule(first=NODES)
    def a_second_passes(self, first: int) -> None:
        self.clock.now_ms += 1_000
        for node in (first, 1 - first):
            self.run(self.nodes[node].round())

    @rule()
    def minutes_pass(self) -> None:
        self.a_second_passes(0)
        self.a_second_passes(1)
        self.clock.now_ms += 180_000

    @rule(node=NODES)
    def a_node_forgets_how_far_logs_are(self, node: int) -> None:
        heads = self.nodes[node].inbox.heads
        self.vague |= heads._noted.keys() | heads._ripe.keys()
        heads._noted.clear()
        heads._ripe.clear()

    # What must hold.

    @rule(node=NODES, user=ANYONE)
    def look(self, node: int, user: str) -> None:
        self.run(self.looked(node, user))

    @invariant()
    def badges_are_right(self) -> None:
        if self.nodes:
            self.run(self.badged())

    async def tidied(self) -> None:
        """What has to be done before everything is as a recount says; nothing, as a rule."""

    async def badged(self) -> None:
        await self.tidied()
        for user in USERS:
            counts = await self.recount(user)
            badge = (await self.nodes[0].call(user, "chat.badge")).badge
            assert badge == sum(unread > 0 for unread, _ in counts.values())

    async def everybody_looks(self) -> None:
        if self.nodes:
            for user in USERS:
                for node in range(2):
                    await self.looked(node, user)

    async def looked(self, node: int, user: str) -> None:
        await self.tidied()
        counts = await self.recount(user)
        phone = self.phones[user]
        phone.take(await self.nodes[node].sync(user, since=phone.since))
        full = await self.nodes[node].sync(user)
        for known in (phone.channels, {item.channel: item for item in full.channels}):
            assert {
                channel: (item.unread, item.mentions) for channel, item in known.items()
            } == counts
        assert phone.badge == full.badge == sum(unread > 0 for unread, _ in counts.values())
        for item in full.channels:
            await self.shown(item)

    async def shown(self, item: SyncedChannel) -> None:
        """The last message is the last one, as it is."""
        page = await self.page(item.channel)
        assert (item.head, item.n) == (page.head, page.head_n)
        said = [entry for entry in page.entries if entry.counts]
        if not said:
            assert item.last is None
        if not said or item.channel in self.vague:
            return
        assert item.last is not None
        assert item.last.offset == said[-1].offset
        assert item.last.deleted == bool(said[-1].deleted_at)
        if not item.last.deleted:
            assert isinstance(item.last.data, msgspec.Raw)
            assert bytes(item.last.data) == said[-1].data

    async def recount(self, user: str) -> Mapping[str, tuple[int, int]]:
        """Unread and mentions of the user's rooms, by looking at every entry."""
        counts = {}
        for room in ROOMS:
            reader = self.readers[room, user]
            if not reader.is_member:
                continue
            log = [entry for entry in await self.log(room) if entry.offset > reader.read]
            unread = sum(entry.counts and not entry.deleted_at for entry in log)
            mentions = sum(entry.kind == "message" and user in mentions_of(entry) for entry in log)
            counts[room] = (max(unread, int(reader.marked)), mentions)
        return counts


def recounted(
    machine: type[Recounted], examples: int, steps: int, *, phases: Sequence[Phase] = tuple(Phase)
) -> None:
    """Have users do so much, in so many worlds."""
    limits = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=phases,
    )
    with patch.object(markers, "GATHER_S", 0):
        run_state_machine_as_test(machine, settings=limits)
