"""A hub that sends to fake push services, and people whose phones are told of what is said.

For asynchronous tests that share one event loop, which is what the services run in.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.support.chat_users import NAMESPACES, UNLIMITED, RestUser, rest_session, rest_user
from tests.support.configuration import Sections
from tests.support.polling import eventually
from tests.support.processes import HubProcess
from workers.fakepush import FakePush
from workers.fakepush.devices import Device
from workers.fakepush.journal import Logged
from workers.fakepush.outcomes import Service
from workers.fakepush.phones import Received

WAIT_S: Final = 15.0
"""Longest wait for anything that is to happen, in seconds."""

PROVIDERS: Final[Sequence[Service]] = ("fcm", "apns", "webpush")

ROOM: Final[Mapping[str, Any]] = {**NAMESPACES["room"], "push": "all"}
"""A namespace whose members are told of everything."""

Document = dict[str, Any]

_NUMBERS: Final = itertools.count(1)


@dataclass(slots=True)
class Person:
    """Somebody with a token, and devices by the name that they are registered with."""

    user: RestUser
    devices: dict[str, Device] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Person {self.name}>"

    @property
    def name(self) -> str:
        """The user's id, which is theirs alone in this run."""
        return self.user.name

    async def call(self, method: str, /, **params: Any) -> Any:
        """Perform an operation. Raises Refusal."""
        return await self.user.call(method, **params)

    async def register(self, device: Device, name: str = "", **changed: str) -> None:
        """Say where one can be reached; `changed` are fields that are not as the device says."""
        name = name or device.provider
        told = {**device.told(), **changed}
        del told["id"]
        await self.call("push.register", device=name, **told)
        self.devices[name] = device

    async def registered(self) -> dict[str, Document]:
        """What the hub keeps of the devices, by name."""
        return {each["device"]: each for each in (await self.call("push.devices"))["devices"]}

    async def parked(self, name: str) -> str:
        """Why one device is not told any more: written a moment after why nobody was told."""
        found = ""

        async def is_told() -> bool:
            nonlocal found
            found = str((await self.registered())[name].get("parked", ""))
            return found != ""

        await eventually(is_told, WAIT_S)
        return found

    async def hears(self, count: int = 1, *, within_s: float = WAIT_S) -> None:
        """Wait until every device has been sent to that often. Fails where one is not."""
        for name, device in self.devices.items():
            got = device.phone.count
            assert await got.wait(count, timeout_s=within_s), f"{name} of {self.name}: {got}"

    def visible(self, name: str = "") -> list[Received]:
        """What can be seen now on one device, the only one if it is not named."""
        device = self.devices[name] if name else next(iter(self.devices.values()))
        return list(device.phone.visible.values())

    def shows_once(self, text: str = "hello") -> None:
        """See that each device shows that and nothing else, and was sent to once."""
        for name, device in self.devices.items():
            assert self.bodies(name) == [text], (self, name)
            assert device.phone.count.value == 1, (self, name)

    def bodies(self, name: str = "") -> list[str]:
        """What the notifications say that can be seen now."""
        return [received.body for received in self.visible(name)]


@dataclass(slots=True)
class Town:
    """One hub and one fake world; `open_town` makes one."""

    hub: HubProcess
    fake: FakePush
    session: aiohttp.ClientSession
    admin: RestUser
    changes: Sections
    """Settings on top of those of the fake world."""
    _silent: list[tuple[Person, Mapping[str, int]]] = field(default_factory=list)

    def configure(self) -> None:
        """Write the hub's settings, with the credentials that are good now; for its next start."""
        self.hub.configure(_settings(self.fake, self.changes))

    async def person(self, *providers: Service, **registered: str) -> Person:
        """Somebody new with a device of each of these; `registered` as in `Person.register`."""
        name = f"person-{next(_NUMBERS)}"
        person = Person(rest_user(self.hub, self.session, name))
        for provider in providers:
            await person.register(self.fake.world.make_device(provider), **registered)
        return person

    async def people(self, count: int, *providers: Service) -> list[Person]:
        """Several of them."""
        return [await self.person(*providers) for _ in range(count)]

    async def room(
        self, owner: Person, *members: Person, namespace: str = "room", title: str = ""
    ) -> "Room":
        """A new room."""
        name = f"room-{next(_NUMBERS)}"
        made = await owner.call(
            "chat.create",
            namespace=namespace,
            id=name,
            client_id="made",
            title=title or name,
            members=[{"user": member.name} for member in members],
        )
        assert "left_out" not in made, made
        return Room(self, made["channel"])

    async def say_to(self, *people: Person, text: str = "hello") -> "tuple[Room, int]":
        """Have somebody new say something to these in a room of their own."""
        alice = await self.person()
        room = await self.room(alice, *people)
        return room, await room.say(alice, text)

    def requests(self, device: Device) -> list[Logged]:
        """What the services were asked about a device, in order."""
        return [logged for logged in self.fake.world.journal.kept if logged.device == device.id]

    def stays_silent(self, *people: Person) -> None:
        """See that these were sent nothing since what they have, neither now nor at the end."""
        for person in people:
            counts = {name: device.phone.count.value for name, device in person.devices.items()}
            assert counts, person
            self._silent.append((person, counts))

    def check(self) -> None:
        """At the end: nobody was told who was not to be."""
        for person, counts in self._silent:
            for name, count in counts.items():
                assert person.devices[name].phone.count.value == count, (person, name)


@dataclass(slots=True)
class Room:
    """A channel of the town."""

    town: Town
    channel: str

    async def say(self, who: Person, text: str = "hello", **more: Any) -> int:
        """Say something; its offset."""
        sent = await who.call(
            "chat.send",
            channel=self.channel,
            client_id=f"said-{next(_NUMBERS)}",
            data={"text": text},
            **more,
        )
        return int(sent["offset"])

    async def act(self, who: Person, method: str, /, **params: Any) -> Any:
        """Perform an operation that changes something in the room."""
        client_id = f"act-{next(_NUMBERS)}"
        return await who.call(method, channel=self.channel, client_id=client_id, **params)

    async def explained(self, whom: Person, offset: int) -> Document:
        """Why somebody was told of a message, or was not, as far as it is decided."""
        answer: Document = await self.town.admin.call(
            "push.explain", user=whom.name, channel=self.channel, offset=offset
        )
        return answer

    async def says(self, whom: Person, offset: int, sentence: str) -> None:
        """Wait until this is why. Fails where it is not."""
        said = ""

        async def is_so() -> bool:
            nonlocal said
            said = (await self.explained(whom, offset))["sentence"]
            return bool(said == sentence)

        with contextlib.suppress(TimeoutError):
            await eventually(is_so)
        assert said == sentence

    async def why(self, whom: Person, offset: int, reason: str, *, within_s: float = WAIT_S) -> str:
        """Wait until this is the reason; the sentence. Fails where it is another one by then."""
        document: Document = {}

        async def is_so() -> bool:
            nonlocal document
            document = await self.explained(whom, offset)
            return bool(document["reason"] == reason)

        with contextlib.suppress(TimeoutError):
            await eventually(is_so, within_s)
        assert document.get("reason") == reason, f"{whom}, {offset}: {document}, not {reason}"
        return str(document["sentence"])


def _settings(fake: FakePush, changes: Sections) -> Sections:
    settings: dict[str, Mapping[str, Any]] = {"chat": UNLIMITED, **fake.settings()}
    for section, values in changes.items():
        settings[section] = {**settings.get(section, {}), **values}
    return settings


@contextlib.asynccontextmanager
async def open_town(
    directory: Path,
    changes: Sections,
    *,
    program: Sequence[str] = ("realtime",),
    ahead_s: float = 0.0,
) -> AsyncIterator[Town]:
    """A town whose hub has these settings.

    `program` as for HubProcess; `ahead_s`: how far the clocks of both are ahead.
    """
    async with FakePush(directory=directory) as fake, rest_session() as session:
        fake.world.rule({"skew_s": ahead_s})
        hub = HubProcess(directory, _settings(fake, changes))
        hub.program = program
        try:
            await asyncio.to_thread(hub.start)
            admin = rest_user(hub, session, "admin", role="admin")
            town = Town(hub, fake, session, admin, changes)
            yield town
            town.check()
            assert hub.complaints() == []
        finally:
            await asyncio.to_thread(hub.end)
