"""`chat`: members of rooms type, send, read and react, in a realistic mix, over `chat.*` calls."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

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
)
from load.scenarios.crowd import FAILURES, Crowd, drained, words_of
from load.scenarios.housing import room_count, room_names, whole_rooms, whole_rooms_members
from load.scenarios.outcomes import none_of
from load.scenarios.publishing import LEAD_S, everything_arrived, payload, weight_of
from load.share import Share, Unplayable
from load.wire.client import Refused
from load.wire.codec import push_of
from load.wire.connection import Connection
from load.wire.listener import Deliveries
from load.wire.messages import Error, SubscribeRequest

PERSONAL: Final = "#"
"""How the name of a user's own channel starts."""

TOO_MANY: Final = 111
"""The error of who asks more often than it may."""

TRIES: Final = 10
"""How often a call is made that is answered with it, a second apart."""

Weight = Annotated[float, Meta(ge=0, le=1_000)]


class ChatParameters(Parameters, frozen=True):
    """What `chat` is asked for. The hub limits what one user may do in a second: a higher `rate`
    needs more `clients`."""

    clients: Annotated[Clients, Meta(description="members; each is in one room")] = 100
    rooms: Annotated[Clients, Meta(description="rooms, which the run makes")] = 10
    rate: Annotated[Rate, Meta(description="messages sent a second, over all rooms")] = 20.0
    typings: Annotated[Weight, Meta(description="notices of typing for each message")] = 1.0
    reads: Annotated[Weight, Meta(description="markers moved for each message")] = 2.0
    reactions: Annotated[Weight, Meta(description="reactions for each message")] = 0.2
    payload_bytes: Annotated[PayloadBytes, Meta(description="length of a message's data")] = 120
    namespace: Annotated[
        Namespace, Meta(description="of the rooms, where users may create and join")
    ] = "chat"


class Chat(OnePhase[ChatParameters]):
    """See base. A room's members are all in one process."""

    name: ClassVar[str] = "chat"
    summary: ClassVar[str] = "members of rooms type, send, read and react in a realistic mix"
    subject: ClassVar[Subject] = Subject(
        "delivery",
        "delivery",
        "deliveries",
        tried=("answered",),
        raised="rate",
        counters=("due", "excused", "received", "unmarked", "answered", "behind", "unasked"),
        waits=("delivery", "send", "read", "react", "typing"),
    )
    parameters_type: ClassVar[type[Parameters]] = ChatParameters
    phase: ClassVar[str] = "conversation"
    player: ClassVar[str] = "load.scenarios.chat:ChatPlayer"

    def connections(self, processes: int) -> int:
        """See base."""
        return whole_rooms_members(self.parameters, processes)

    def leaves(self, run: str) -> Sequence[str]:
        """See base."""
        return room_names(self.parameters, run)

    def checks(self, measured: Sequence[Measured]) -> list[CheckOutcome]:
        """See base."""
        wrong = {
            "behind": "rooms whose end is before a message that came",
            "unasked": "rooms that could not be asked for theirs",
        }
        return [
            *everything_arrived(measured),
            none_of("markers reach what was sent", measured, wrong),
        ]


class Room:
    """A room: its members, and the offset of the newest message that any of them has heard."""

    def __init__(self, channel: str, members: list[int], weight: int) -> None:
        self.channel = channel
        self.members = members
        self.weight = weight
        self.newest = 0


class ChatListener(Deliveries):
    """Hears messages for the members of a room, and the answers to their calls."""

    def __init__(self, recorder: Recorder, room: Room) -> None:
        super().__init__(recorder, room.weight)
        self.room = room
        self.calls: dict[int, tuple[str, int]] = {}
        """By when a call was due: its method, and how many hear of it."""

    # Each push is read: whose newest message it is counts.
    counts_alike = False

    def pushed(self, client: Connection, document: bytes) -> None:
        """See base."""
        push = push_of(client.codec, document)
        if push.channel.startswith(PERSONAL):
            # A hint may have the message in it, and is no delivery.
            self.recorder.counts["unmarked"] += 1
            return
        super().pushed(client, document)
        if push.channel != self.room.channel:
            return  # its weight tells that it came to the wrong room
        if push.pub is not None and "ref" not in push.pub.tags:
            self.room.newest = max(self.room.newest, push.pub.offset)

    def answered(self, client: Connection, due_ns: int, error: Error | None) -> None:
        """See base."""
        method, audience = self.calls.pop(due_ns, ("call", 0))
        if error is None:
            self.recorder.waits(method).append((time.monotonic_ns() - due_ns) // 1_000)
            self.recorder.counts["answered"] += 1
        else:
            self.recorder.error(f"{method}: {error.code} {error.message}")
            self.recorder.counts["excused"] += audience


class ChatPlayer:
    """See `load.share.Player`."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self.parameters = msgspec.convert(share.parameters, ChatParameters)
        self.count = room_count(self.parameters)
        before = Recorder("before")
        self.listeners = [
            ChatListener(before, Room(channel, members, weight_of(place)))
            for place, (channel, members) in enumerate(whole_rooms(self.parameters, share).items())
        ]
        self.hears = {
            number: listener for listener in self.listeners for number in listener.room.members
        }
        self.crowd = Crowd(
            share, listener=self.hears.__getitem__, subscriptions=self._subscriptions
        )
        self.random = share.random("conversation")
        self.calls = 0
        self.members = False

    @property
    def rooms(self) -> list[Room]:
        """Those of this process."""
        return [listener.room for listener in self.listeners]

    def _subscriptions(self, number: int) -> list[SubscribeRequest]:
        # Not before they are members.
        return [SubscribeRequest(self.hears[number].room.channel)] if self.members else []

    async def setup(self) -> None:
        """Connect all, make the rooms, and have their members join."""
        rate = self.parameters.open_rate / self.share.processes
        await self.crowd.fill(self.hears, rate)
        for room in self.rooms:
            owner, *others = room.members
            own = room.channel.rpartition(":")[2]
            namespace = self.parameters.namespace
            await self._ask(owner, "create", namespace=namespace, id=own, client_id=own)
            for number in others:
                await self._ask(number, "join", channel=room.channel, client_id=f"join-{number}")
            for number in room.members:
                await self.crowd.clients[number].subscribe(room.channel)
        self.members = True

    async def phase(self, name: str, changes: Mapping[str, Any], recorder: Recorder) -> None:
        """See Player."""
        parameters = msgspec.structs.replace(self.parameters, **changes)
        await self.crowd.fill(self.hears, parameters.open_rate / self.share.processes)
        for listener in self.listeners:
            listener.use(recorder)
        await asyncio.sleep(LEAD_S)
        recorder.restart()
        if not self.rooms:
            return
        due = await self._converse(parameters, recorder)
        await drained(lambda: recorder.total("received"), due, parameters.drain_s)
        await self.crowd.answers(self.hears, parameters.drain_s)
        await self._read_all(recorder)

    async def cleanup(self) -> None:
        """Archive the rooms: nobody can write there any more."""
        for room in self.rooms:
            if self.members and self.crowd.is_open(room.members[0]):
                owner = room.members[0]
                await self._ask(owner, "archive", channel=room.channel, client_id="archive")
        self.crowd.close()

    async def _converse(self, parameters: ChatParameters, recorder: Recorder) -> int:
        """Do all that is done in the phase; how many deliveries that makes."""
        kinds = {
            "send": 1.0,
            "typing": parameters.typings,
            "read": parameters.reads,
            "react": parameters.reactions,
        }
        mix = sum(kinds.values())
        rate = parameters.rate * mix * len(self.rooms) / self.count
        due = 0
        names, weights = list(kinds), list(kinds.values())
        async for due_ns in paced(recorder, rate=rate, count=round(rate * parameters.seconds)):
            (kind,) = self.random.choices(names, weights)
            listener = self.random.choice(self.listeners)
            room = listener.room
            if kind == "react" and not room.newest:
                kind = "typing"
            audience = len(room.members) if kind == "send" else 0
            due += audience
            recorder.counts["due"] += audience
            recorder.mark_sums["due"] += due_ns * audience * room.weight
            listener.calls[due_ns] = (kind, audience)
            client = self.crowd.clients[self.random.choice(room.members)]
            client.send_rpc(f"chat.{kind}", self._call(kind, room, due_ns, parameters), due_ns)
        return due

    def _call(self, kind: str, room: Room, due_ns: int, parameters: ChatParameters) -> bytes:
        self.calls += 1
        fields: dict[str, Any] = {"channel": room.channel}
        if kind == "send":
            fields["data"] = msgspec.Raw(payload(due_ns, parameters.payload_bytes))
        if kind == "react":
            fields["emoji"] = self.random.choice(("👍", "❤", "🎉"))
        if kind in {"read", "react"} and room.newest:
            fields["offset"] = room.newest
        if kind in {"send", "react"}:
            fields["client_id"] = f"{self.share.index}-{self.calls}"
        return msgspec.json.encode(fields)

    async def _read_all(self, recorder: Recorder) -> None:
        """A marker that goes to the end of its room must reach what was heard from there."""
        for room in self.rooms:
            try:
                answer = await self._ask(room.members[0], "read", channel=room.channel)
            except (CannotChat, *FAILURES) as error:
                recorder.error(f"in the end: {words_of(error)}")
                recorder.counts["unasked"] += 1
                continue
            recorder.counts["behind"] += answer.get("offset", 0) < room.newest

    async def _ask(self, number: int, method: str, **fields: Any) -> dict[str, Any]:
        """Call as a client, and wait. What is too often for one user is asked again a bit later."""
        client = self.crowd.clients[number]
        for left in reversed(range(TRIES)):
            try:
                answer = await client.rpc(f"chat.{method}", msgspec.json.encode(fields))
                return msgspec.json.decode(answer, type=dict[str, Any])
            except Refused as error:
                if error.code != TOO_MANY or not left:
                    raise CannotChat(method, str(error)) from error
            await asyncio.sleep(1.0)
        raise AssertionError("the last try has returned or raised")


class CannotChat(Unplayable):
    """The hub refuses what the scenario cannot do without; has the method and why."""

    def __init__(self, method: str, why: str) -> None:
        super().__init__(method, why)
        self.method = method
        self.why = why

    def __str__(self) -> str:
        return f"chat.{self.method} is refused: {self.why}"
