"""Rooms in which something goes wrong while people are told, and what must be true afterwards."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from tests.end_to_end import push_deaths as deaths
from tests.end_to_end.push_shapes import Shape
from tests.support.chat_users import rest_user
from tests.support.polling import eventually
from tests.support.push_town import PROVIDERS, WAIT_S, Document, Person, Room
from workers.fakepush.outcomes import Service, What

TOLD: Final = frozenset({"sent", "sent_again"})
OTHERWISE: Final = frozenset({"merged", "superseded"})
"""Reasons of a message of which a later one has told."""
OPEN: Final = frozenset({"waiting", "unknown"})
"""Reasons of what is not over, or should not be."""

POLL_S: Final = 0.1

PATIENCE_S: Final = 60.0
"""How long it may take until all has settled where much has gone wrong."""

_INVITED_MAX: Final = 100
"""Of one invitation."""

_NUMBERS: Final = itertools.count(1)


@dataclass
class Scene:
    """A room, who speaks in it, and who listens with a device of every kind."""

    shape: Shape
    room: Room
    speaker: Person
    listeners: list[Person]
    said: dict[int, str] = field(default_factory=dict)
    """What was said, by offset."""
    joined: dict[str, int] = field(default_factory=dict)
    """Whoever came late: after what was said at this offset."""

    patience_s: float = WAIT_S
    """How long everything may take, in seconds."""

    def message(self) -> dict[str, Any]:
        """Something that was not said before, for `chat.send`."""
        number = next(_NUMBERS)
        return {
            "channel": self.room.channel,
            "client_id": f"scene-{number}",
            "data": {"text": f"message {number}"},
        }

    def keep(self, message: Mapping[str, Any], offset: int) -> int:
        """It was said, and is at this offset."""
        self.said[offset] = message["data"]["text"]
        return offset

    async def say(self) -> int:
        """Say something that was not said before; its offset."""
        message = self.message()
        sent = await self.speaker.call("chat.send", **message)
        return self.keep(message, sent["offset"])

    async def say_and_die(self) -> int:
        """Say something to a hub that dies of it, and once more when it is there again."""
        message = self.message()
        with contextlib.suppress(aiohttp.ClientError):
            await self.speaker.call("chat.send", **message)
            raise AssertionError("a hub that is dead has answered")
        await self.shape.revive(await self.shape.died())
        sent = await self.speaker.call("chat.send", **message)
        assert sent["duplicate"], "the message was lost"
        return self.keep(message, sent["offset"])

    async def is_asked(self, what: What) -> None:
        """Wait until the services have a request from each device's worker that ends like that."""
        journal = self.shape.town.fake.world.journal
        ids = {device.id for person in self.listeners for device in person.devices.values()}

        async def holds() -> bool:
            if what == "slow":  # not written down before it is answered
                return self.count(self.newest) == {1}
            return ids <= {logged.device for logged in journal.kept if logged.why == what}

        await eventually(holds, WAIT_S)

    async def is_listed(self, name: str, offset: int, times: int = 1) -> None:
        """Wait until jobs for this message were raised, or settled, for everybody so often."""
        lines = {deaths.line(person.name, self.room.channel, offset) for person in self.listeners}

        async def holds() -> bool:
            listed = self.shape.listed(name)
            return all(listed.count(line) >= times for line in lines)

        await eventually(holds, WAIT_S)

    @property
    def newest(self) -> int:
        """The offset of what was said last."""
        return max(self.said)

    async def explained(self, whom: Person, offset: int) -> Document:
        """Why, when nothing waits any more, on none of the devices."""
        document: Document = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.patience_s):
                while not document or _reasons(document) & OPEN:
                    await asyncio.sleep(POLL_S if document else 0)
                    document = await self.room.explained(whom, offset)
        assert not _reasons(document) & OPEN, (whom, offset, document)
        return document

    async def is_told(self, reasons: Collection[str] = TOLD) -> None:
        """Wait until everything is told of, and see that it was as it has to be.

        `reasons` are what may be said of the newest message, on each device.
        """
        for person in self.listeners:
            told = await self.explained(person, self.newest)
            assert told["reason"] in reasons, (person, told)
            assert {device["device"] for device in told["devices"]} == set(person.devices), told
            assert {device["reason"] for device in told["devices"]} <= set(reasons), told
            for offset in self.said:
                if offset <= self.joined.get(person.name, 0):
                    continue
                reason = (await self.explained(person, offset))["reason"]
                later = OTHERWISE if offset < self.newest else frozenset()
                assert reason in TOLD | later, (person, offset, reason)
        self.check()

    def check(self) -> None:
        """One notification on each device, of the newest; never an older one after a newer one."""
        offsets = {text: offset for offset, text in self.said.items()}
        for person in self.listeners:
            for name in person.devices:
                assert person.bodies(name) == [self.said[self.newest]], (person, name)
                phone = person.devices[name].phone
                collapses = {received.collapse for received in phone.received}
                assert len(collapses) == 1 and collapses != {""}, (person, name, collapses)
                heard = [offsets[received.body] for received in phone.received]
                assert heard == sorted(heard), (person, name, heard)

    def count(self, offset: int) -> set[int]:
        """How often the devices were sent this message; one number, where all fared alike."""
        return {
            sum(received.body == self.said[offset] for received in device.phone.received)
            for person in self.listeners
            for device in person.devices.values()
        }


def _reasons(document: Document) -> set[str]:
    return {document["reason"]} | {told["reason"] for told in document.get("devices", ())}


@contextlib.asynccontextmanager
async def scene(
    shape: Shape, listeners: int = 1, providers: Collection[Service] = PROVIDERS
) -> AsyncIterator[Scene]:
    """A new room in which everybody was told of a first message, and it is settled."""
    await shape.start()
    shape.town.fake.world.scripts.clear()
    speaker = await shape.town.person()
    people = [await shape.town.person(*providers) for _ in range(listeners)]
    room = await shape.town.room(speaker, *people)
    made = Scene(shape, room, speaker, people)
    await made.say()
    await made.is_told({"sent"})
    await made.is_listed(deaths.SETTLED, made.newest)
    assert made.count(made.newest) == {1}
    yield made
    shape.uproot()


async def crowd(told: Scene, count: int) -> None:
    """Let many others into the room, who have no devices but the first and the last of them."""
    names = [f"{'az'[number % 2]}-crowd-{number:04}" for number in range(count)]
    names.sort()
    for start in range(0, count, _INVITED_MAX):
        users = [{"user": name} for name in names[start : start + _INVITED_MAX]]
        answer = await told.room.act(told.speaker, "chat.invite", users=users)
        assert not answer.get("left_out"), answer
    town = told.shape.town
    for name in (names[0], names[-1]):
        person = Person(rest_user(town.hub, town.session, name))
        await person.register(town.fake.world.make_device("fcm"))
        told.listeners.append(person)
        told.joined[name] = told.newest
