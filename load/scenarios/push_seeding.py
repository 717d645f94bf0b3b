"""What `push` puts into a hub before it is measured, and takes away afterwards: devices, rooms."""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from load.push_devices import Devices
from load.scenarios.crowd import FAILURES, Crowd, at_rate, words_of
from load.scenarios.push_rooms import Layout, Room
from load.share import Share, Unplayable
from load.tokens import Tokens
from load.wire.client import Refused

NAMED_MAX: Final = 99
"""Users that one call brings into a channel, at most."""

MAKING_MAX: Final = 20
"""Rooms that a process makes, or archives, at a time."""

TOO_MANY: Final = 111
"""The error of who asks more often than it may."""

TRIES: Final = 30
"""How often a call is made that is answered with it, a second apart."""


class Seeding:
    """The part of one process; all by calls of users, at most `rate` a second."""

    def __init__(self, share: Share, layout: Layout, crowd: Crowd, rate: float) -> None:
        self.rooms: list[Room] = []
        """Those in which this process sends, in the order of their numbers."""
        self._share = share
        self._layout = layout
        self._crowd = crowd
        self._rate = rate
        self._tokens = Tokens(share)
        self._registered: set[int] = set()
        self._owned: list[tuple[str, int]] = []

    async def register(self, users: Iterable[int]) -> None:
        """Give each of them a device."""

        async def one(user: int, due_ns: int) -> None:
            # Before it is known: a run that is interrupted does not wait for the answer.
            self._registered.add(user)
            await devices.register(user)

        async with Devices(self._share) as devices:
            await at_rate(list(users), self._rate, one)

    async def make_rooms(self, count: int) -> None:
        """Have `count` small rooms in the run, of which this process has its part."""
        made = {room.number for room in self.rooms}
        rooms = self._layout.rooms(self._share.index, count)
        missing = [room for room in rooms if room.number not in made]

        async def one(place: int, due_ns: int) -> None:
            room = missing[place]
            await self.make(room.channel, room.sender, [room.reader, *room.away])
            await self._crowd.clients[room.reader].subscribe(room.channel)
            self.rooms.append(room)

        await at_rate(range(len(missing)), self._rate, one, at_once=MAKING_MAX)
        self.rooms.sort()

    async def make(self, channel: str, owner: int, members: Iterable[int]) -> None:
        """Make a room, of any size."""
        own = channel.rpartition(":")[2]
        users = [{"user": self._tokens.user(member)} for member in members]
        await self.ask(
            owner,
            "chat.create",
            namespace=self._layout.namespace,
            id=own,
            client_id=own,
            members=users[:NAMED_MAX],
        )
        self._owned.append((channel, owner))
        for first in range(NAMED_MAX, len(users), NAMED_MAX):
            await self.ask(
                owner,
                "chat.invite",
                channel=channel,
                client_id=f"invite-{first}",
                users=users[first : first + NAMED_MAX],
            )

    async def remove(self) -> None:
        """Archive the rooms, and forget the devices. Raises Unplayable at the end, if some stay."""
        problems: list[str] = []

        async def archive(place: int, due_ns: int) -> None:
            channel, owner = self._owned[place]
            with _noting(problems):
                await self.ask(owner, "chat.archive", channel=channel, client_id="archive")

        async def forget(user: int, due_ns: int) -> None:
            with _noting(problems):
                await devices.forget(user)
                self._registered.discard(user)

        await at_rate(range(len(self._owned)), self._rate, archive, at_once=MAKING_MAX)
        async with Devices(self._share) as devices:
            await at_rate(sorted(self._registered), self._rate, forget)
        if problems:
            raise Unplayable(f"{len(problems):,} rooms and devices stay there: {problems[0]}")

    async def ask(self, user: int, method: str, **fields: Any) -> None:
        """Call as a user, and wait. What is too often for one user is asked again a bit later."""
        client = self._crowd.clients[user]
        for left in reversed(range(TRIES)):
            try:
                await client.rpc(method, msgspec.json.encode(fields))
                return
            except Refused as error:
                if error.code != TOO_MANY or not left:
                    raise CannotAsk(method, str(error)) from error
            await asyncio.sleep(1.0)


@contextlib.contextmanager
def _noting(problems: list[str]) -> Iterator[None]:
    """Go on with the others where one cannot be taken away."""
    try:
        yield
    except (Unplayable, *FAILURES) as error:
        problems.append(words_of(error))


class CannotAsk(Unplayable):
    """The hub refuses what the scenario cannot do without; has the method and why."""

    def __init__(self, method: str, why: str) -> None:
        super().__init__(method, why)
        self.method = method
        self.why = why

    def __str__(self) -> str:
        return f"{self.method} is refused: {self.why}"
