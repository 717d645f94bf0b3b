"""How clients are spread over rooms: client `i` is in room `i % rooms`, none empty. Pure."""

from typing import Protocol

from load.scenarios.base import channel_name, part
from load.share import Share


class Housed(Protocol):
    """Parameters of a scenario whose clients are in rooms, a channel each."""

    @property
    def clients(self) -> int:
        """How many there are, in all."""

    @property
    def rooms(self) -> int:
        """How many rooms are asked for."""

    @property
    def namespace(self) -> str:
        """Of the rooms."""


def room_count(parameters: Housed) -> int:
    """How many rooms there are: no more than clients."""
    return min(parameters.rooms, parameters.clients)


def room_names(parameters: Housed, run: str) -> list[str]:
    """The rooms of a run."""
    names = range(room_count(parameters))
    return [channel_name(parameters.namespace, run, room) for room in names]


def whole_rooms(parameters: Housed, share: Share) -> dict[str, list[int]]:
    """The members of each room that is this process's, where no room is of several processes."""
    rooms = room_count(parameters)
    return {
        channel_name(parameters.namespace, share.run, room): list(
            range(room, parameters.clients, rooms)
        )
        for room in share.mine(rooms)
    }


def whole_rooms_members(parameters: Housed, processes: int) -> int:
    """How many clients one of so many processes has at most in `whole_rooms`."""
    rooms = room_count(parameters)
    return part(parameters.clients, rooms) * part(rooms, processes)
