"""Clients that publish into rooms and hear each other: what `fanout`, `rooms` and `slow` share."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar

import msgspec
from msgspec import Meta

from load.measured import CheckOutcome, Measured
from load.pacing import paced
from load.recording import Recorder
from load.scenarios.base import (
    Clients,
    Namespace,
    OnePhase,
    Parameters,
    PayloadBytes,
    Rate,
    Subject,
    channel_name,
    part,
)
from load.scenarios.crowd import Crowd, drained
from load.scenarios.schedule import Schedule, deliveries, members
from load.share import Share
from load.wire.connection import Connection
from load.wire.listener import Deliveries, Listener
from load.wire.mark import mark
from load.wire.messages import Error, SubscribeRequest

STEADY: Final = "steady"

LEAD_S: Final = 0.1
"""How much later than another process one may begin a phase. Before that nobody sends: what came
would be the last phase's."""

DELIVERIES: Final = Subject(
    histogram="delivery",
    counter="delivery",
    noun="deliveries",
    tried=("ack", "delivery"),
    raised="rate",
    counters=("due", "excused", "received", "published", "unmarked"),
    waits=("delivery", "ack"),
)


class PublishingParameters(Parameters, frozen=True):
    """What they have in common; each gives its own defaults."""

    clients: Clients = 100
    rate: Rate = 50.0
    payload_bytes: Annotated[PayloadBytes, Meta(description="length of a publication's data")] = 100
    namespace: Annotated[
        Namespace, Meta(description="of the channels; who subscribes may publish")
    ] = "typing"


_P = TypeVar("_P", bound=PublishingParameters)


def everything_arrived(measured: Sequence[Measured]) -> list[CheckOutcome]:
    """Every acked publication reached everyone in its room once; what was refused may have."""
    wrong, total = [], 0
    for phase in measured:
        due, excused = (phase.counts.get(name, 0) for name in ("due", "excused"))
        found = phase.histograms.get(DELIVERIES.histogram)
        came = found.count if found is not None else 0
        total += came
        if not due - excused <= came <= due:
            wrong.append(f"{came:,} of {due:,} ({phase.phase})")
        elif not excused and phase.mark_sums.get("received") != phase.mark_sums.get("due"):
            # One that is missing and one that came twice are as many as were due; so are those
            # that came to another room of the same size.
            wrong.append(f"{came:,} of {due:,}, but not those that were due ({phase.phase})")
    if not total and not wrong:
        wrong.append("none came at all")
    detail = "; ".join(wrong) or f"{total:,} deliveries"
    return [CheckOutcome(name="everything arrived once", passed=not wrong, detail=detail)]


class Publishing(OnePhase[_P]):
    """What `fanout` and `rooms` have of a `Scenario`."""

    subject: ClassVar[Subject] = DELIVERIES
    phase: ClassVar[str] = STEADY

    def rooms(self) -> int:
        """How many rooms the clients are in: all in one, unless a scenario says otherwise."""
        return 1

    def connections(self, processes: int) -> int:
        """See Scenario."""
        return part(self.parameters.clients, processes)

    def leaves(self, run: str) -> Sequence[str]:
        """See Scenario."""
        namespace = self.parameters.namespace
        return [channel_name(namespace, run, room) for room in range(self.rooms())]

    def checks(self, measured: Sequence[Measured]) -> list[CheckOutcome]:
        """See Scenario."""
        return everything_arrived(measured)


def payload(due_ns: int, length: int) -> bytes:
    """A publication's data: a time mark, and text up to so many bytes."""
    head = f'{{"t":"{mark(due_ns)}"'
    rest = length - len(head) - len(',"text":""}')
    return f'{head},"text":"{"x" * rest}"}}'.encode() if rest >= 0 else f"{head}}}".encode()


class Acks(Listener):
    """Counts what was acked, and how long it took."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def answered(self, client: Connection, due_ns: int, error: Error | None) -> None:
        """See base."""
        if error is None:
            self.recorder.waits("ack").append((time.monotonic_ns() - due_ns) // 1_000)
        else:
            self.recorder.error(f"publish: {error.code} {error.message}")

    def closed(self, client: Connection, code: int, reason: str) -> None:
        """See base."""
        self.recorder.error(f"connection: {code} {reason}")


class RoomListener(Deliveries):
    """Counts, too, whom a publication that was not acked may not have reached."""

    def __init__(self, recorder: Recorder, room: int, audience: int) -> None:
        super().__init__(recorder, weight_of(room))
        self.audience = audience
        """How many hear a publication."""

    def answered(self, client: Connection, due_ns: int, error: Error | None) -> None:
        """See base."""
        super().answered(client, due_ns, error)
        if error is not None:
            self.recorder.counts["excused"] += self.audience


def weight_of(room: int) -> int:
    """What the time marks of a room are multiplied with: see `Measured.mark_sums`."""
    return room + 1


class PublishingPlayer(Generic[_P]):
    """Clients in `rooms`; the first `publishers` of them publish in turn, each in its own room."""

    def __init__(self, share: Share, parameters: _P, *, rooms: int, publishers: int) -> None:
        self.parameters = parameters
        self.share = share
        self.rooms = rooms
        self.publishers = publishers
        before = Recorder("before")
        self.listeners = [
            RoomListener(before, room, members(room, parameters.clients, rooms))
            for room in range(rooms)
        ]
        self.crowd = Crowd(
            share,
            listener=lambda number: self.listeners[number % rooms],
            subscriptions=lambda number: [SubscribeRequest(self.channel(number))],
        )

    def channel(self, client: int) -> str:
        """The room of a client."""
        return channel_name(self.parameters.namespace, self.share.run, client % self.rooms)

    async def setup(self) -> None:
        """See Player."""
        await self.fill()

    async def fill(self) -> None:
        """Open who is not connected."""
        rate = self.parameters.open_rate / self.share.processes
        await self.crowd.fill(self.share.mine(self.parameters.clients), rate)

    async def phase(self, name: str, changes: Mapping[str, Any], recorder: Recorder) -> None:
        """See Player."""
        parameters = msgspec.structs.replace(self.parameters, **changes)
        await self.fill()
        for listener in self.listeners:
            listener.use(recorder)
        await asyncio.sleep(LEAD_S)
        recorder.restart()
        await self.publish(parameters, recorder)

    async def publish(self, parameters: _P, recorder: Recorder) -> None:
        """Publish, and wait for what is on its way."""
        index = self.share.index
        schedule = Schedule(
            rate=parameters.rate,
            seconds=parameters.seconds,
            senders=self.publishers,
            processes=self.share.processes,
        )
        due = deliveries(schedule, parameters.clients, self.rooms, self.share)
        recorder.counts["due"] += due
        loop = asyncio.get_running_loop()
        await asyncio.sleep(LEAD_S)
        ends = loop.time() + parameters.seconds
        if schedule.mine(index):
            await self._send(schedule, parameters, recorder)
        # Others may send up to then, also where this process has nobody who does.
        await asyncio.sleep(max(0.0, ends - loop.time()))
        await drained(lambda: recorder.total("received"), due, parameters.drain_s)
        await self.crowd.answers(schedule.mine(index), parameters.drain_s)

    async def _send(self, schedule: Schedule, parameters: _P, recorder: Recorder) -> None:
        index, number = self.share.index, 0
        async for due_ns in paced(
            recorder,
            rate=schedule.rate_of(index),
            count=schedule.count(index),
            delay_s=schedule.delay_s(index),
        ):
            sender = schedule.sender(index, number)
            data = payload(due_ns, parameters.payload_bytes)
            room = sender % self.rooms
            audience = members(room, parameters.clients, self.rooms)
            recorder.mark_sums["due"] += due_ns * audience * weight_of(room)
            self.crowd.clients[sender].send_publish(self.channel(sender), data, due_ns)
            number += 1

    async def cleanup(self) -> None:
        """See Player. The channels keep nothing, unless their namespace does."""
        self.crowd.close()
