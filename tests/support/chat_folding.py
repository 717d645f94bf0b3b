"""Nodes that fold one log at the same time, one call of their store after another.

A test decides whose call comes next, so it can have every order there is, and it can cut a fold off
in the middle, as the death of its node does.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from realtime.chat.around import Around
from realtime.chat.ledger import Ledger, stored
from realtime.chat.message_folds import MessageFolds
from realtime.chat.summaries import Summaries
from realtime.model import Entry, NewEntry
from realtime.rows import (
    AUDIT,
    CHANNELS,
    MENTIONS,
    PINS,
    REACTIONS,
    REFERENCES,
    WORK,
)
from realtime.stores.base import Appended, Span, Table, Write
from tests.support.chat import chat_parts

ROOM: Final = "room:one"
TABLES: Final[tuple[Table[Any], ...]] = (
    AUDIT,
    CHANNELS,
    MENTIONS,
    PINS,
    REACTIONS,
    REFERENCES,
    WORK,
)


class SteppedStore:
    """A store of which one call at a time is carried out, in an order that a test decides."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.waiting: list[asyncio.Future[None]] = []
        self.names: dict[asyncio.Future[None], str] = {}
        self.ended = asyncio.Event()

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        call = getattr(self._store, name)

        async def step(*args: Any, **kwargs: Any) -> Any:
            turn = asyncio.get_running_loop().create_future()
            self.waiting.append(turn)
            self.names[turn] = name
            await turn
            try:
                return await call(*args, **kwargs)
            finally:
                self.ended.set()

        return step


class World:
    """A store with a log, and nodes that fold it."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self.store = around.store
        self.stepped = SteppedStore(around.store)
        self.node = self._node(around, around.store)
        self.nodes = [self._node(around, self.stepped) for _ in range(2)]

    def _node(self, around: Around, store: Any) -> Ledger:
        ledger = Ledger(store, around.stage, around.clock)
        around = msgspec.structs.replace(around, store=store, ledger=ledger)
        MessageFolds(around, Summaries(store, around.clock))
        return ledger

    def fresh(self) -> Ledger:
        """Another node, which remembers nothing."""
        return self._node(self._around, self.store)

    async def pending(self) -> Sequence[Entry]:
        """What is still to be folded."""
        return await self.store.pending(before_ms=1 << 53, limit=1_000)

    async def entries(self) -> Sequence[Entry]:
        """The log as it reads."""
        return await self.store.missed({ROOM: 0}, limit=1_000)

    async def rows(self) -> dict[str, list[Any]]:
        """Every row, in the order of the key."""
        return {
            table.name: list(await self.store.find(table, Span(), limit=1_000)) for table in TABLES
        }

    async def live(self, log: Sequence[NewEntry], chance: random.Random, crashes: float) -> None:
        """Append the log and fold it meanwhile, on two nodes, one call of the store at a time.

        Folds of several entries are under way at once, some are begun again by a sweep, and some
        are cut off in the middle, as by the death of a node.
        """
        todo = list(reversed(log))
        async with asyncio.TaskGroup() as group:
            tasks: list[asyncio.Task[None]] = []
            while todo or not all(task.done() for task in tasks):
                await _settled()
                if todo and (not self.stepped.waiting or chance.random() < 0.15):
                    new_entry = todo.pop()
                    (appended,) = await self.store.append([new_entry])
                    assert isinstance(appended, Appended)
                    made = stored(new_entry, appended.offset, appended.at, appended.n)
                    folded = [made]
                    if chance.random() < 0.2:
                        folded += chance.choices(await self.pending())
                    for entry in folded:
                        fold = self.nodes[chance.randrange(2)].apply(entry)
                        tasks.append(group.create_task(_contained(fold)))
                elif self.stepped.waiting:
                    await self._step(chance, crashes)
                else:
                    await asyncio.sleep(0.0005)  # the store's thread is at work

    async def let_pass(self, task: asyncio.Task[Any], until: str = "") -> None:
        """Let the one task go on, up to its call of `until` or to its end."""
        while not task.done():
            await _settled()
            for turn in self.stepped.waiting[:1]:
                if self.stepped.names[turn] == until:
                    return
                self.stepped.waiting.remove(turn)
                self.stepped.ended.clear()
                turn.set_result(None)
                await self.stepped.ended.wait()

    async def _step(self, chance: random.Random, crashes: float) -> None:
        turn = self.stepped.waiting.pop(chance.randrange(len(self.stepped.waiting)))
        if chance.random() < crashes:
            turn.cancel()
            return
        self.stepped.ended.clear()
        turn.set_result(None)
        await self.stepped.ended.wait()


async def _contained(fold: Awaitable[None]) -> None:
    try:
        await fold
    except asyncio.CancelledError:
        pass  # the death of its node, for the test's purposes


async def _settled() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


@asynccontextmanager
async def world(log: Sequence[NewEntry]) -> AsyncIterator[World]:
    """A store with this log, and nothing folded yet."""
    async with chat_parts() as parts:
        await parts.store.write([Write(CHANNELS, (ROOM,), set={"kind": "room"})])
        for entry in log:
            await parts.store.append([entry])
        yield World(parts.around)
