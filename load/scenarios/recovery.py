"""`recovery`: connections are cut while messages flow, and come back for what they missed."""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Final

import msgspec
from msgspec import Meta

from load.measured import CheckOutcome, Measured
from load.pacing import paced
from load.recording import Recorder
from load.scenarios.base import (
    WARM_UP,
    Clients,
    Namespace,
    OnePhase,
    Parameters,
    PayloadBytes,
    Portion,
    Rate,
    Seconds,
    Subject,
    channel_name,
    part,
)
from load.scenarios.crowd import FAILURES, QUIET_S, Crowd, at_rate, words_of
from load.scenarios.housing import room_count, room_names
from load.scenarios.outcomes import none_of, same
from load.scenarios.publishing import Acks, payload
from load.share import Share, Unplayable
from load.wire.client import Opened, Refused
from load.wire.codec import push_of
from load.wire.connection import Connection
from load.wire.listener import Listener
from load.wire.mark import sent_ns
from load.wire.messages import Command, HistoryRequest, SubscribeRequest, SubscribeResult

HEADS_AT_ONCE: Final = 50
"""Questions in one frame; each is answered with a few bytes."""


class RecoveryParameters(Parameters, frozen=True):
    """What `recovery` is asked for."""

    clients: Annotated[Clients, Meta(description="subscribers; each is in one room")] = 100
    rooms: Annotated[Clients, Meta(description="rooms, a channel with history each")] = 10
    rate: Annotated[Rate, Meta(description="publications a second, over all rooms")] = 50.0
    cut_share: Annotated[Portion, Meta(description="share of the clients that a cut takes")] = 0.5
    cut_every_s: Annotated[Seconds, Meta(description="seconds from one cut to the next")] = 4.0
    away_s: Annotated[Seconds, Meta(description="seconds until the cut come back at once")] = 1.0
    payload_bytes: Annotated[PayloadBytes, Meta(description="length of a publication's data")] = 100
    namespace: Annotated[Namespace, Meta(description="of the channels; it keeps history")] = "room"


class Recovery(OnePhase[RecoveryParameters]):
    """See base. Publishers are connections of their own, a process each, and are not cut."""

    name: ClassVar[str] = "recovery"
    summary: ClassVar[str] = "connections are cut under load and come back for what they missed"
    subject: ClassVar[Subject] = Subject(
        "recover",
        "recovered",
        "recoveries",
        tried=("ack", "recovered"),
        raised="rate",
        counters=("cut", "recovered", "unrecovered", "lost", "unknown", "repeated"),
        waits=("recover", "delivery", "ack"),
    )
    parameters_type: ClassVar[type[Parameters]] = RecoveryParameters
    phase: ClassVar[str] = "cuts"
    player: ClassVar[str] = "load.scenarios.recovery:RecoveryPlayer"

    def connections(self, processes: int) -> int:
        """See base."""
        return part(self.parameters.clients, processes) + 1

    def leaves(self, run: str) -> Sequence[str]:
        """See base."""
        return room_names(self.parameters, run)

    def checks(self, measured: Sequence[Measured]) -> list[CheckOutcome]:
        """See base."""
        return [
            same("everyone who was cut came back", measured, "cut", "recovered", "recoveries"),
            none_of(
                "nothing was lost",
                measured,
                {"lost": "messages lost", "unknown": "subscribers of whom it is not known"},
            ),
            none_of(
                "nothing came twice or out of order", measured, {"repeated": "messages repeated"}
            ),
            none_of(
                "whoever came back was given what it missed",
                measured,
                {"unrecovered": "positions refused"},
            ),
        ]


class Follower(Listener):
    """One subscriber's place in its channel, and what is wrong with what it is sent."""

    __slots__ = ("channel", "early", "epoch", "offset", "recorder")

    def __init__(self, channel: str, recorder: Recorder) -> None:
        self.channel = channel
        self.recorder = recorder
        self.offset = 0
        self.epoch = ""
        self.early: list[int] | None = []
        """Offsets that came before the answer to the subscription was looked at; None after it."""

    def request(self) -> SubscribeRequest:
        """What it subscribes with: from its position on, if it has one."""
        return SubscribeRequest(
            self.channel,
            recover=bool(self.epoch),
            epoch=self.epoch,
            offset=self.offset,
            positioned=True,
            recoverable=True,
        )

    def begin(self, result: SubscribeResult) -> bool:
        """Take in the answer; False where it had a position and was not given what it missed."""
        knew = bool(self.epoch)
        was_given = knew and result.recovered
        if not was_given:
            self.offset = result.offset
        self.epoch = result.epoch
        for publication in result.publications:
            self.take(publication.offset)
        early, self.early = self.early or [], None
        for offset in early:
            self.take(offset)
        return was_given or not knew

    def take(self, offset: int) -> None:
        """A message has come."""
        if offset <= self.offset:
            self.recorder.counts["repeated"] += 1
            return
        self.recorder.counts["lost"] += offset - self.offset - 1
        self.offset = offset

    def pushed(self, client: Connection, document: bytes) -> None:
        """See base."""
        publication = push_of(client.codec, document).pub
        if publication is None or not publication.offset:
            return
        if self.early is not None:
            self.early.append(publication.offset)
        else:
            self.take(publication.offset)
        if (sent := sent_ns(document)) is not None:
            self.recorder.waits("delivery").append((time.monotonic_ns() - sent) // 1_000)

    def closed(self, client: Connection, code: int, reason: str) -> None:
        """See base."""
        self.recorder.error(f"connection: {code} {reason}")


class RecoveryPlayer:
    """See `load.share.Player`. Client `clients + index` is the process's publisher."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self.parameters = msgspec.convert(share.parameters, RecoveryParameters)
        self.rooms = room_count(self.parameters)
        self.recorder = Recorder("before")
        self.publisher = self.parameters.clients + share.index
        self.acks = Acks(self.recorder)
        self.followers = {
            number: Follower(self.channel(number % self.rooms), self.recorder)
            for number in share.mine(self.parameters.clients)
        }
        self.crowd = Crowd(share, listener=self._listener, subscriptions=self._subscriptions)
        self.random = share.random("cuts")

    def channel(self, room: int) -> str:
        """A room's channel."""
        return channel_name(self.parameters.namespace, self.share.run, room)

    async def setup(self) -> None:
        """See Player."""
        await self._fill()

    async def phase(self, name: str, changes: Mapping[str, Any], recorder: Recorder) -> None:
        """See Player."""
        parameters = msgspec.structs.replace(self.parameters, **changes)
        self._use(recorder)
        await self._fill()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._publish(parameters))
            if name != WARM_UP:
                group.create_task(self._cut_and_return(parameters))
        await self._settle(parameters)

    async def cleanup(self) -> None:
        """See Player. What was published is taken away by the parent, see `Scenario.leaves`."""
        self.crowd.close()

    def _listener(self, number: int) -> Listener:
        return self.acks if number == self.publisher else self.followers[number]

    def _subscriptions(self, number: int) -> list[SubscribeRequest]:
        if number == self.publisher:
            return []
        follower = self.followers[number]
        follower.early = []
        return [follower.request()]

    def _use(self, recorder: Recorder) -> None:
        self.recorder = self.acks.recorder = recorder
        for follower in self.followers.values():
            follower.recorder = recorder

    async def _fill(self) -> None:
        rate = self.parameters.open_rate / self.share.processes
        for number, opened in await self.crowd.fill([*self.followers, self.publisher], rate):
            if number != self.publisher and not self._begun(number, opened):
                self.recorder.counts["unrecovered"] += 1

    def _begun(self, number: int, opened: Opened) -> bool:
        (result,) = opened.subscriptions
        if not result.recoverable:
            raise NoHistory(self.parameters.namespace)
        return self.followers[number].begin(result)

    async def _publish(self, parameters: RecoveryParameters) -> None:
        processes = self.share.processes
        rate = parameters.rate / processes
        client = self.crowd.clients[self.publisher]
        room = self.share.index % self.rooms
        async for due_ns in paced(self.recorder, rate=rate, count=round(rate * parameters.seconds)):
            data = payload(due_ns, parameters.payload_bytes)
            client.send_publish(self.channel(room), data, due_ns)
            room = (room + processes) % self.rooms

    async def _cut_and_return(self, parameters: RecoveryParameters) -> None:
        """Cut at equal times, and not later than all can be back within the phase."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        at = parameters.cut_every_s / 2
        while at == parameters.cut_every_s / 2 or at + parameters.away_s < parameters.seconds:
            await asyncio.sleep(max(0.0, began + at - loop.time()))
            count = round(len(self.followers) * parameters.cut_share)
            numbers = self.random.sample(sorted(self.followers), count)
            for number in numbers:
                self.crowd.clients[number].abort()
            self.recorder.counts["cut"] += count
            await asyncio.sleep(parameters.away_s)
            until = loop.time() + parameters.drain_s
            await at_rate(numbers, math.inf, partial(self._return, until))
            at += parameters.cut_every_s

    async def _return(self, until: float, number: int, due_ns: int) -> None:
        """Come back, and go on trying like an app, with pauses of half a second in the mean."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                opened = await self.crowd.open(number)
                break
            except FAILURES as error:
                self.recorder.error(f"recover: {words_of(error)}")
            if loop.time() > until:
                return
            await asyncio.sleep(self.random.random())
        if self._begun(number, opened):
            self.recorder.counts["recovered"] += 1
            took_us = (time.monotonic_ns() - due_ns) // 1_000
            self.recorder.waits("recover").append(took_us)
        else:
            self.recorder.counts["unrecovered"] += 1

    async def _settle(self, parameters: RecoveryParameters) -> None:
        """Wait until everyone is where its channel is; what has not come by then is lost."""
        loop = asyncio.get_running_loop()
        until = loop.time() + parameters.drain_s
        try:
            heads = await self._heads()
            while True:
                await asyncio.sleep(QUIET_S)
                # Other processes may have published meanwhile.
                before, heads = heads, await self._heads()
                if heads == before and not self._behind(heads, connected=True):
                    break
                if loop.time() > until:
                    break
            # Who was thrown out, or did not come back, is not waited for, but misses it, too.
            lost = self._behind(heads, connected=True) + self._behind(heads, connected=False)
            self.recorder.counts["lost"] += lost
        except FAILURES as error:
            self.recorder.error(f"in the end: {words_of(error)}")
            self.recorder.counts["unknown"] += len(self.followers)
        await self.crowd.answers([self.publisher], parameters.drain_s)

    def _behind(self, heads: Mapping[str, int], *, connected: bool) -> int:
        """How many messages those have not who are connected, or those who are not."""
        return sum(
            max(0, heads[follower.channel] - follower.offset)
            for number, follower in self.followers.items()
            if self.crowd.is_open(number) == connected
        )

    async def _heads(self) -> dict[str, int]:
        """Where the channels of this process's clients are."""
        if not self.crowd.is_open(self.publisher):
            await self.crowd.open(self.publisher)
        client = self.crowd.clients[self.publisher]
        channels = sorted({follower.channel for follower in self.followers.values()})
        commands = [Command(0, history=HistoryRequest(channel)) for channel in channels]
        heads = {}
        for first in range(0, len(channels), HEADS_AT_ONCE):
            replies = await client.call(*commands[first : first + HEADS_AT_ONCE])
            for channel, reply in zip(channels[first:], replies, strict=False):
                if reply.error is not None:
                    raise Refused(reply.error)
                heads[channel] = reply.history.offset if reply.history is not None else 0
        return heads


class NoHistory(Unplayable):
    """The namespace grants no recovery: there is nothing to measure."""

    def __init__(self, namespace: str) -> None:
        super().__init__(namespace)
        self.namespace = namespace

    def __str__(self) -> str:
        return f"namespace {self.namespace!r} lets nobody recover: --namespace names another"
