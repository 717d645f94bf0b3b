"""Who is in which room of `push`, and who sends what: the same in every process. Pure."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from load.scenarios.base import channel_name


class Room(NamedTuple):
    """A room: who sends there and who reads there, both connected, and who is away."""

    number: int
    channel: str
    sender: int
    reader: int
    away: list[int]


class Layout:
    """Users `0` to `connected - 1` are connected, the `clients` after them are away, and the last
    one, `probed`, is too.

    A room's sender and reader are in one process; so only as many processes send as have two users
    who are connected. Messages go round the rooms, `rate` a second, so that a room has one each
    `apart_s`: of two that come together only one notification is made.
    """

    def __init__(
        self,
        *,
        run: str,
        namespace: str,
        connected: int,
        clients: int,
        members: int,
        apart_s: float,
        processes: int,
    ) -> None:
        self.run = run
        self.namespace = namespace
        self.connected = connected
        self.clients = clients
        self.members = min(members, clients)
        self.apart_s = apart_s
        self.senders = max(1, min(processes, connected // 2))
        """How many processes send: the first ones."""

    @property
    def large(self) -> str:
        """The channel that all who are away are in."""
        return channel_name(self.namespace, f"{self.run}-large", 0)

    @property
    def probe(self) -> str:
        """The channel of one message that finds out whether notifications come."""
        return channel_name(self.namespace, f"{self.run}-probe", 0)

    @property
    def probed(self) -> int:
        """Who is told of it."""
        return self.connected + self.clients

    def is_room(self, channel: str) -> bool:
        """Whether a channel is one of the run's, of any size."""
        return channel == self.large or channel.startswith(self.name(0)[:-1])

    def users(self, process: int) -> range:
        """Who of the connected belongs to a process."""
        return range(process, self.connected, self.senders) if process < self.senders else range(0)

    def away(self) -> range:
        """All who are away, but for who is probed."""
        return range(self.connected, self.connected + self.clients)

    def count(self, rate: float, seconds: float) -> int:
        """How many rooms there have to be to send at a rate for so long."""
        return max(1, math.ceil(rate * min(self.apart_s, seconds)))

    def name(self, room: int) -> str:
        """A room's channel."""
        return channel_name(self.namespace, self.run, room)

    def rooms(self, process: int, count: int) -> Iterator[Room]:
        """Those of `count` rooms in which a process sends."""
        users = self.users(process)
        numbers = range(process, count, self.senders) if users else range(0)
        for place, number in enumerate(numbers):
            first = number * self.members
            yield Room(
                number,
                self.name(number),
                users[place % len(users)],
                users[(place + 1) % len(users)],
                [
                    self.connected + (first + member) % self.clients
                    for member in range(self.members)
                ],
            )

    def rate_of(self, process: int, rate: float, count: int) -> float:
        """How many messages a second a process sends into its part of `count` rooms."""
        mine = len(range(process, count, self.senders)) if process < self.senders else 0
        return rate * mine / count

    def due(self, rate: float, seconds: float, count: int) -> int:
        """How many notifications come of it, in all."""
        return self.members * sum(
            round(self.rate_of(process, rate, count) * seconds) for process in range(self.senders)
        )
