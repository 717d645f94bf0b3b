"""What one process of a soak does: talk, come and go, be cut and come back; and read every log."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from load.faults import cuts
from load.pacing import paced
from load.recording import Recorder
from load.scenarios.crowd import FAILURES, at_rate, words_of
from load.scenarios.housing import room_count, whole_rooms
from load.scenarios.soak import EXAMPLES_MAX, SoakParameters, counter_of, soak_parameters
from load.scenarios.soak_clients import TRY_S, SoakClients
from load.scenarios.soak_room import Member, Room, State, data_of
from load.share import Share
from load.wire.client import Refused
from load.wire.messages import Error, HistoryRequest

READ_EVERY_S: Final = 2.0
"""How often the log of every room is read on."""

UNANSWERED_S: Final = 30.0
"""A connection that has not answered a publish for so long is given up."""

PROBE_EVERY_S: Final = 10.0
"""How often a connection over which nothing comes is asked whether it is there."""

LOGS_AT_ONCE: Final = 50
"""Logs that are read at the same time."""

_SETTLE_S: Final = 1.0


class SoakPlayer(SoakClients):
    """See `load.share.Player`; it is the ear of its members, too."""

    def __init__(self, share: Share) -> None:
        self.parameters = soak_parameters(share.parameters)
        super().__init__(share, self.parameters.namespace)
        self.rooms: list[Room] = []
        length = self.parameters.payload_bytes
        for channel, numbers in whole_rooms(self.parameters, share).items():
            room = Room(channel, length=length, report=self._broken)
            room.members = [Member(number, room, self) for number in numbers]
            self.members.update({member.number: member for member in room.members})
            self.rooms.append(room)
        self.pending: dict[int, tuple[Member, Room, int]] = {}
        """Publishes under way by when they were due: who sent them, and the message's number."""
        self.probed: dict[int, float] = {}
        """When a member was last asked whether its connection is there."""
        self._told: Counter[str] = Counter()
        self._began = 0.0

    # Steps.

    async def setup(self) -> None:
        """See Player. Everyone connects when the phase begins."""

    async def phase(self, name: str, changes: Mapping[str, Any], recorder: Recorder) -> None:
        """See Player."""
        parameters = msgspec.structs.replace(self.parameters, **changes)
        self.recorder = recorder
        recorder.full_cpu_is_fine = recorder.untimed = True
        if not self.rooms:
            return
        for member in self.members.values():
            member.wants = True
        rate = parameters.open_rate / self.share.processes
        await at_rate([*self.members], rate, self.enter)
        recorder.restart()
        self._told.clear()
        self._began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                reading = group.create_task(self._read_on())
                await self._load(parameters)
                reading.cancel()
                await self._settle(parameters)
            finally:
                self._group = None
        await self._judge(parameters)

    async def cleanup(self) -> None:
        """See Player. What was published is taken away by the parent, see `Scenario.leaves`."""
        self.crowd.close()

    async def _load(self, parameters: SoakParameters) -> None:
        # By rooms, not by processes: one more room is one more part of the load.
        part, seconds = len(self.rooms) / room_count(parameters), parameters.duration_s

        async def often(rate: float, do: Callable[[int, int], Awaitable[None]]) -> None:
            await at_rate(range(round(rate * part * seconds)), rate * part, do)

        async with asyncio.TaskGroup() as group:
            group.create_task(self._publish(parameters, part))
            group.create_task(often(parameters.move_rate, self._move))
            group.create_task(often(parameters.query_rate, self._query))
            group.create_task(self._cut(parameters))

    async def _publish(self, parameters: SoakParameters, part: float) -> None:
        rate = parameters.rate * part
        count = round(rate * parameters.duration_s)
        async for due_ns in paced(self.recorder, rate=rate, count=count):
            room = self.random.choice(self.rooms)
            member = self._any(room)
            if member is None or member.client is None:
                self.recorder.counts["nobody_to_send"] += 1
                continue
            number = room.checker.send(time.monotonic())
            self.recorder.counts["sent"] += 1
            self.pending[due_ns] = (member, room, number)
            data = data_of(number, due_ns, parameters.payload_bytes)
            member.client.send_publish(room.channel, data, due_ns)

    async def _move(self, number: int, due_ns: int) -> None:
        """Have somebody join or leave. The first of each room stays."""
        room = self.rooms[number % len(self.rooms)]
        movers = [one for one in room.members[1:] if one.is_right and not one.lock.locked()]
        if not movers:
            return
        member = self.random.choice(movers)
        member.wants = not member.wants
        if member.wants:
            await self._restore(member, "join")
        else:
            await self._quit(member)
        self.recorder.counts["moved"] += 1

    async def _query(self, number: int, due_ns: int) -> None:
        room = self.rooms[number % len(self.rooms)]
        member = self._any(room)
        if member is None or member.client is None:
            return
        try:
            await member.client.presence(room.channel)
        except FAILURES as error:
            self.recorder.error(f"presence: {words_of(error)}")
            return
        self.recorder.waits("query").append((time.monotonic_ns() - due_ns) // 1_000)

    async def _cut(self, parameters: SoakParameters) -> None:
        if not parameters.cut_share:
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        seconds, every_s = parameters.duration_s, parameters.cut_every_s
        for fault in cuts(self.share.seed, seconds, every_s=every_s):
            await asyncio.sleep(max(0.0, began + fault.at_s - loop.time()))
            able = [member for member in self.members.values() if member.is_open]
            count = min(len(able), round(len(self.members) * parameters.cut_share))
            for member in self.random.sample(able, count):
                self._drop(member, fault.lasts_s)
            self.recorder.counts["cut"] += count

    # What members hear, beside how they fare.

    def delivered(self, wait_us: int) -> None:
        """See Ear."""
        self.recorder.waits("delivery").append(wait_us)

    def answered(self, due_ns: int, error: Error | None) -> None:
        """See Ear."""
        found = self.pending.pop(due_ns, None)
        if found is None:
            return
        _, room, number = found
        if error is None:
            room.checker.acked(number, time.monotonic())
            self.recorder.waits("ack").append((time.monotonic_ns() - due_ns) // 1_000)
            return
        self.recorder.error(f"publish: {error.code} {error.message}")
        # 0 is of this side, which then does not know what has become of it.
        if error.code and not error.temporary:
            room.checker.refused(number)

    def _broken(self, letter: str, text: str) -> None:
        """A promise is broken."""
        self.recorder.counts[counter_of(letter)] += 1
        if self._told[letter] < EXAMPLES_MAX:
            self._told[letter] += 1
            after_s = time.monotonic() - self._began
            self.recorder.notes.append(f"{text} after {after_s:.0f} s")

    # Logs.

    async def _read_on(self) -> None:
        while True:
            await asyncio.sleep(READ_EVERY_S)
            await self._read_all()
            self._look_after()

    async def _read_all(self) -> None:
        await at_rate(range(len(self.rooms)), math.inf, self._read, at_once=LOGS_AT_ONCE)

    async def _read(self, number: int, due_ns: int) -> None:
        room = self.rooms[number]
        member = self._any(room)
        if member is None or member.client is None:
            return
        try:
            async with asyncio.timeout(TRY_S):
                read = await room.read(member.client)
            # Others count while this one waits.
            self.recorder.counts["stored"] += read
        except FAILURES as error:
            self.recorder.error(f"history: {words_of(error)}")

    def _look_after(self) -> None:
        """Find connections that are dead and do not know it."""
        now = time.monotonic()
        for due_ns, (member, _, _) in list(self.pending.items()):
            if now - due_ns / 1e9 < UNANSWERED_S:
                break
            if member.is_open:
                self._drop(member, 0.0)
        for room in self.rooms:
            for number in list(room.checker.behind(now)):
                if now - self.probed.get(number, 0.0) > PROBE_EVERY_S:
                    self.probed[number] = now
                    self._later(self._probe(self.members[number]))

    async def _probe(self, member: Member) -> None:
        client = member.client
        if client is None or member.lock.locked():
            return
        try:
            async with asyncio.timeout(TRY_S):
                await client.history(HistoryRequest(member.room.channel))
        except Refused:
            return
        except FAILURES as error:
            self.recorder.error(f"probe: {words_of(error)}")
            if client is member.client:
                self._drop(member, 0.0)

    # The end.

    async def _settle(self, parameters: SoakParameters) -> None:
        """Wait until all is whole and quiet, twice in a row, or `drain_s` are over."""
        loop = asyncio.get_running_loop()
        until, quiet = loop.time() + parameters.drain_s, 0
        while quiet < 2 and loop.time() < until:
            await asyncio.sleep(_SETTLE_S)
            await self._read_all()
            self._look_after()
            whole = not self.pending and all(one.is_right for one in self.members.values())
            calm = whole and all(room.checker.is_quiet for room in self.rooms)
            quiet = quiet + 1 if calm else 0

    async def _judge(self, parameters: SoakParameters) -> None:
        """Count what is missing now, and hang up."""
        counts = self.recorder.counts
        counts["away"] += sum(not member.is_right for member in self.members.values())
        await at_rate(range(len(self.rooms)), math.inf, self._count, at_once=LOGS_AT_ONCE)
        for member in self.members.values():
            # What comes from now on is nobody's loss.
            member.state = State.LEAVING
            member.epoch = ""
        for room in self.rooms:
            room.checker.end()
            counts["given_up"] += room.checker.given_up
            room.checker.given_up = 0
        self.crowd.close()
        for member in self.members.values():
            member.gone()

    async def _count(self, number: int, due_ns: int) -> None:
        """Compare who is in a room with what the hub says; it has a while to find out."""
        room = self.rooms[number]
        loop = asyncio.get_running_loop()
        until = loop.time() + self.parameters.drain_s
        inside = {member.id for member in room.members if member.wants and member.is_right}
        listed: set[str] = set()
        while True:
            member = self._any(room)
            if member is None or member.client is None:
                break
            try:
                listed = set((await member.client.presence(room.channel)).presence)
            except FAILURES as error:
                self.recorder.error(f"presence: {words_of(error)}")
            if listed == inside or loop.time() > until:
                break
            await asyncio.sleep(_SETTLE_S)
        self.recorder.counts["absent"] += len(inside - listed)
        self.recorder.counts["ghosts"] += len(listed - inside)
