"""`presence`: members come and go, the others are told, and ask who is there."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Final

import msgspec
from msgspec import Meta

from load.measured import CheckOutcome, Measured
from load.recording import Recorder
from load.scenarios.base import (
    Clients,
    Namespace,
    OnePhase,
    Parameters,
    Rate,
    Subject,
)
from load.scenarios.crowd import FAILURES, QUIET_S, Crowd, at_rate, words_of
from load.scenarios.housing import room_count, whole_rooms, whole_rooms_members
from load.scenarios.outcomes import presence_was_right, same
from load.share import Share
from load.wire.client import Client
from load.wire.codec import push_of
from load.wire.connection import Connection
from load.wire.listener import Listener
from load.wire.messages import SubscribeRequest

TOLD_S: Final = 5.0
"""How long a room waits for everybody to be told, before the next comes or goes."""


class PresenceParameters(Parameters, frozen=True):
    """What `presence` is asked for."""

    clients: Annotated[Clients, Meta(description="members; each is in one room")] = 100
    rooms: Annotated[Clients, Meta(description="rooms, a channel with presence each")] = 10
    rate: Annotated[Rate, Meta(description="comings and goings a second, over all rooms")] = 10.0
    query_rate: Annotated[Rate, Meta(description="questions a second, who is in a room")] = 10.0
    namespace: Annotated[Namespace, Meta(description="of the channels")] = "room"


class Presence(OnePhase[PresenceParameters]):
    """See base. A room's members are all in one process, which knows who is there."""

    name: ClassVar[str] = "presence"
    summary: ClassVar[str] = "members come and go; the others are told, and ask who is there"
    subject: ClassVar[Subject] = Subject(
        "told",
        "told",
        "joins and leaves told",
        tried=("moved", "answered"),
        raised="rate",
        counters=("moved", "due", "told", "answered", "absent", "ghosts"),
        waits=("told", "query"),
    )
    parameters_type: ClassVar[type[Parameters]] = PresenceParameters
    phase: ClassVar[str] = "comings and goings"
    player: ClassVar[str] = "load.scenarios.presence:PresencePlayer"

    def connections(self, processes: int) -> int:
        """See base."""
        return whole_rooms_members(self.parameters, processes)

    def leaves(self, run: str) -> Sequence[str]:
        """Nothing: nobody publishes."""
        return ()

    def checks(self, measured: Sequence[Measured]) -> list[CheckOutcome]:
        """See base."""
        return [
            same("all were told who came and went", measured, "due", "told", "joins and leaves"),
            presence_was_right(measured),
        ]


class Move:
    """Somebody has come or gone; who is to be told of it, and is not yet."""

    __slots__ = ("all_told", "due_ns", "left")

    def __init__(self, due_ns: int, left: int) -> None:
        self.due_ns = due_ns
        self.left = left
        self.all_told = asyncio.Event()
        if not left:
            self.all_told.set()


class Watcher(Listener):
    """Hears joins and leaves for every client of the process."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.moves: dict[tuple[bool, str], Move] = {}
        """Under way: by whether it is a join, and the client's id at the hub."""
        self.ids: dict[Connection, str] = {}

    def pushed(self, client: Connection, document: bytes) -> None:
        """See base."""
        push = push_of(client.codec, document)
        told = push.join or push.leave
        if told is None or told.info is None:
            return
        who = told.info.client
        move = self.moves.get((push.join is not None, who))
        # Hubs tell some newcomers of themselves.
        if move is None or self.ids.get(client) == who:
            return
        self.recorder.waits("told").append((time.monotonic_ns() - move.due_ns) // 1_000)
        move.left -= 1
        if not move.left:
            move.all_told.set()

    def closed(self, client: Connection, code: int, reason: str) -> None:
        """See base."""
        self.ids.pop(client, None)
        self.recorder.error(f"connection: {code} {reason}")


class Room:
    """The members of one room, all of this process. The first stays, the others come and go."""

    def __init__(self, channel: str, members: list[int]) -> None:
        self.channel = channel
        self.members = members
        self.inside: set[int] = set()
        self.lock = asyncio.Lock()
        """One move at a time: two at once, and who was there for which is anybody's guess."""


class PresencePlayer:
    """See `load.share.Player`."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self.parameters = msgspec.convert(share.parameters, PresenceParameters)
        self.rooms = [Room(*room) for room in whole_rooms(self.parameters, share).items()]
        self.channels = {number: room.channel for room in self.rooms for number in room.members}
        self.watcher = Watcher(Recorder("before"))
        self.crowd = Crowd(
            share,
            listener=lambda _: self.watcher,
            subscriptions=lambda number: [self._request(number)],
        )
        self.random = share.random("moves")

    def _request(self, number: int) -> SubscribeRequest:
        return SubscribeRequest(self.channels[number], join_leave=True)

    async def setup(self) -> None:
        """See Player."""
        await self._everyone_in()

    async def phase(self, name: str, changes: Mapping[str, Any], recorder: Recorder) -> None:
        """See Player."""
        parameters = msgspec.structs.replace(self.parameters, **changes)
        self.watcher.recorder = recorder
        await self._everyone_in()
        await self._play(parameters)
        await self._count(parameters)

    async def cleanup(self) -> None:
        """See Player."""
        self.crowd.close()

    async def _everyone_in(self) -> None:
        rate = self.parameters.open_rate / self.share.processes
        opened = await self.crowd.fill(self.channels, rate)
        for _, one in opened:
            self.watcher.ids[one.client] = one.connect.client
        fresh = {number for number, _ in opened}
        for room in self.rooms:
            for number in room.members:
                if number not in fresh and number not in room.inside:
                    await self.crowd.clients[number].subscribe(self._request(number))
            room.inside = set(room.members)

    async def _play(self, parameters: PresenceParameters) -> None:
        if not self.rooms:
            return
        # By rooms, not by processes: one more room is one more part of the load.
        part = len(self.rooms) / room_count(parameters)
        seconds = parameters.seconds
        moves, queries = parameters.rate * part, parameters.query_rate * part
        async with asyncio.TaskGroup() as group:
            group.create_task(
                at_rate(range(round(moves * seconds)), moves, partial(self._move, parameters))
            )
            group.create_task(at_rate(range(round(queries * seconds)), queries, self._query))

    async def _move(self, parameters: PresenceParameters, number: int, due_ns: int) -> None:
        """Have somebody come or go, and wait until everybody who is there was told."""
        recorder = self.watcher.recorder
        room = self.rooms[number % len(self.rooms)]
        movers = room.members[1:]
        if not movers:
            return
        async with room.lock:
            who = self.random.choice(movers)
            client = self.crowd.clients[who]
            comes = who not in room.inside
            others = len(room.inside - {who})
            move = Move(due_ns, others)
            key = (comes, self.watcher.ids.get(client, ""))
            self.watcher.moves[key] = move
            try:
                if comes:
                    room.inside.add(who)
                    await client.subscribe(self._request(who))
                else:
                    room.inside.discard(who)
                    await client.unsubscribe(room.channel)
                recorder.counts["moved"] += 1
                recorder.counts["due"] += others
                async with asyncio.timeout(min(parameters.drain_s, TOLD_S)):
                    await move.all_told.wait()
            except FAILURES as error:
                if not isinstance(error, TimeoutError) or not move.left:
                    recorder.error(f"move: {words_of(error)}")
            finally:
                recorder.counts["told"] += others - move.left
                del self.watcher.moves[key]

    async def _query(self, number: int, due_ns: int) -> None:
        recorder = self.watcher.recorder
        room = self.rooms[number % len(self.rooms)]
        try:
            await self.crowd.clients[room.members[0]].presence(room.channel)
        except FAILURES as error:
            recorder.error(f"query: {words_of(error)}")
            return
        recorder.counts["answered"] += 1
        recorder.waits("query").append((time.monotonic_ns() - due_ns) // 1_000)

    def _asker(self, room: Room) -> Client:
        """The first of the room who is connected; of none, the first."""
        there = (number for number in room.members if self.crowd.is_open(number))
        return self.crowd.clients[next(there, room.members[0])]

    async def _count(self, parameters: PresenceParameters) -> None:
        """Compare who is there with what the hub says; it has a while to find out."""
        recorder = self.watcher.recorder
        loop = asyncio.get_running_loop()
        until = loop.time() + parameters.drain_s
        for room in self.rooms:
            inside = {
                self.watcher.ids.get(self.crowd.clients[number], "") for number in room.inside
            }
            listed: set[str] = set()
            while True:
                try:
                    listed = set((await self._asker(room).presence(room.channel)).presence)
                except FAILURES as error:
                    recorder.error(f"in the end: {words_of(error)}")
                    break
                if listed == inside or loop.time() > until:
                    break
                await asyncio.sleep(QUIET_S / 10)
            recorder.counts["absent"] += len(inside - listed)
            recorder.counts["ghosts"] += len(listed - inside)
