"""What a recount says where logs are kept by number or by age, and not whole."""

import dataclasses

import hypothesis.strategies as st
from hypothesis.stateful import rule

from realtime.chat.leftovers import Leftovers
from realtime.chat.own_retention import narrowed
from realtime.model import EVERYTHING, Retention
from realtime.settings.durations import Duration
from realtime.stores.base import Page
from tests.support.chat import ROOM
from tests.support.inboxes import event
from tests.support.recounted import ANYWHERE, NODES, Recounted


class RecountedBySize(Recounted):
    """Logs are kept by number: at any moment what is hidden is unread for nobody."""

    options = dataclasses.replace(ROOM, history_size=1)

    def leftovers(self) -> Leftovers:
        return Leftovers(self.store, self.nodes[0].stage, self.clock)

    @rule()
    def leftovers_are_removed(self) -> None:
        self.run(self.leftovers().round())

    @rule()
    def what_is_hidden_is_removed(self) -> None:
        self.run(self.swept())

    async def swept(self) -> None:
        now_ms = self.clock.now_ms
        await self.store.sweep(lambda _: self.retention, now_ms=now_ms, after="", limit=10_000)


class RecountedByAge(RecountedBySize):
    """Logs are kept by age: that is so once leftovers have been looked for."""

    options = dataclasses.replace(ROOM, history_ttl=Duration(2_500))

    async def tidied(self) -> None:
        await self.leftovers().round()


class RecountedByRoom(RecountedBySize):
    """Rooms are set to keep less, and back again, while their namespace keeps everything."""

    options = ROOM

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Retention] = {}

    async def page(self, room: str) -> Page:
        kept = self.kept.get(room, EVERYTHING)
        return await self.store.read(room, limit=10_000, retention=kept, now_ms=self.clock.now_ms)

    async def tidied(self) -> None:
        await self.leftovers().round()

    async def swept(self) -> None:
        retention = await narrowed(self.store, lambda _: EVERYTHING)("")
        await self.store.sweep(retention, now_ms=self.clock.now_ms, after="", limit=10_000)

    @rule(
        node=NODES,
        room=ANYWHERE,
        size=st.none() | st.integers(1, 4),
        ttl_s=st.none() | st.integers(1, 3),
    )
    def a_room_is_set(self, node: int, room: str, size: int | None, ttl_s: int | None) -> None:
        self.run(self.set_to(node, room, size, ttl_s))

    async def set_to(self, node: int, room: str, size: int | None, ttl_s: int | None) -> None:
        # Where more is kept than before, what is hidden but stored would show again, and be read.
        for each in self.nodes:
            await each.settle()
        await self.tidied()
        await self.swept()
        data = {"act": "update", "settings": {"history_size": size, "history_ttl_s": ttl_s}}
        await self.write(node, event("channel", "ann", room, self.clock.now_ms, data=data))
        self.kept[room] = Retention(size or -1, 1_000 * (ttl_s or 0))
